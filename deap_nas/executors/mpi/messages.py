"""How messages travel between rank 0 and the others, over an MPI communicator that they are given."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import Any

from deap_nas.executors.interrupts import exit_status, report
from deap_nas.executors.mpi.controller import BEAT

__all__ = ["MPITransport", "RankLink", "abort", "is_survivable"]

#: A message up to this size leaves at once, whatever its receiver does.
_EAGER_BYTES = 1024
#: Looks for a message after which the death of its sender has been told; Open MPI asks for news at every eighth.
_N_LOOKS = 16


def is_survivable() -> bool:
    """Whether the search outlives the death of a worker rank: under Open MPI 5 with ``mpirun --with-ft ulfm``."""
    return os.environ.get("OMPI_MCA_mpi_ft_enable") == "1"  # noqa: SIM112 - Open MPI spells it so


def abort(comm: Any, error: BaseException) -> None:
    """End the whole MPI job by an exception, where MPI's own end would wait for other ranks."""
    try:
        report(error, rank=comm.Get_rank())
    finally:  # also where mpirun has gone, and nobody reads
        if not is_survivable():
            comm.Abort(exit_status(error))
        elif comm.Get_rank() == 0:  # Abort would end this rank only; of its death the others hear, and end
            os.kill(os.getpid(), signal.SIGKILL)
        else:  # after Abort, mpirun may take the job for a success
            os._exit(exit_status(error))


class MPITransport:
    """Rank 0's connection to the others; it outlives their death where MPI does."""

    def __init__(self, mpi: Any, comm: Any) -> None:
        self._byte = mpi.BYTE
        self._error = mpi.Exception
        self._comm = comm
        self._status = mpi.Status()
        self._deaths = (mpi.ERR_PROC_FAILED, mpi.ERR_PROC_FAILED_PENDING) if is_survivable() else ()
        self._dead: set[int] = set()
        self._on_their_way: list[tuple[Any, bytes]] = []
        self._somebody_died = False
        self._room = memoryview(bytearray(_EAGER_BYTES))

    def send(self, rank: int, message: bytes) -> None:
        """See :meth:`Transport.send`."""
        try:
            if len(message) <= _EAGER_BYTES:
                self._comm.Send([message, self._byte], dest=rank)
            else:  # would wait until the rank takes it, and it may have fallen silent
                request = self._comm.Isend([message, self._byte], dest=rank)
                self._on_their_way.append((request, message))
                self._on_their_way = [pair for pair in self._on_their_way if not self._has_left(pair[0])]
        except self._error as error:
            self._take(error)

    def receive(self) -> tuple[int, bytes] | None:
        """See :meth:`Transport.receive`."""
        status = self._status
        try:
            if not self._comm.Iprobe(status=status):
                return None
            rank, size = status.Get_source(), status.Get_count(self._byte)
            room = self._room if size <= _EAGER_BYTES else memoryview(bytearray(size))
            self._comm.Recv([room, self._byte], source=rank)
        except self._error as error:
            self._take(error)
            return None
        return rank, bytes(room[:size])

    def failed(self) -> Iterable[int]:
        """See :meth:`Transport.failed`."""
        if not self._somebody_died:
            return ()
        self._somebody_died = False
        group = self._comm.Get_failed()
        self._comm.Ack_failed(group.Get_size())
        dead = set(group.Translate_ranks(list(range(group.Get_size())), self._comm.Get_group()))
        new, self._dead = dead - self._dead, dead
        return new

    def _has_left(self, request: Any) -> bool:
        """Whether MPI has done with the message of a request."""
        try:
            return bool(request.Test())
        except self._error as error:
            self._take(error)
            return True

    def _take(self, error: Any) -> None:
        if error.Get_error_class() not in self._deaths:
            raise error
        self._somebody_died = True


class RankLink:
    """A rank's connection to rank 0."""

    def __init__(self, mpi: Any, comm: Any) -> None:
        self._byte = mpi.BYTE
        self._comm = comm
        self._status = mpi.Status()

    def send(self, message: bytes) -> None:
        """See :meth:`Link.send`."""
        self._comm.Send([message, self._byte], dest=0)

    def beat(self, number: bytes) -> None:
        """See :meth:`Link.beat`. Where rank 0 is found dead the job ends: the call would not notice."""
        try:
            self.send(BEAT + number)
            for _ in range(_N_LOOKS):
                self._comm.Iprobe(source=0)
        except BaseException as error:  # it would end a thread, and nothing else
            abort(self._comm, error)

    def receive(self) -> bytes | None:
        """See :meth:`Link.receive`."""
        if not self._comm.Iprobe(source=0, status=self._status):
            return None
        message = bytearray(self._status.Get_count(self._byte))
        self._comm.Recv([message, self._byte], source=0)
        return bytes(message)
