"""An executor over MPI ranks, as rank 0 sees it. It works on MPI objects that it is given, and imports none."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from deap_nas.errors import ExecutorError
from deap_nas.evaluation.call_limits import Limits
from deap_nas.executors.genotype_executor import GenotypeExecutor, plain
from deap_nas.executors.mpi.controller import Call, Controller
from deap_nas.executors.mpi.messages import MPITransport, abort, is_survivable
from deap_nas.executors.mpi.placement import Seat, in_words
from deap_nas.executors.mpi.worker import Backoff, pickled_function
from deap_nas.executors.pickling import pickled

__all__ = ["MPIExecutor"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Time at the end for a rank that was given up to come back.
_GRACE_SECONDS = 5.0

_log = logging.getLogger("deap_nas.executors.mpi.entering")


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
        limits: Limits,
    ) -> None:
        """Take over the ranks by their seats."""
        self._mpi = mpi
        self._comm = comm
        self._seats = seats
        self._isolate = isolate
        self._limits = limits
        self._controller = Controller(MPITransport(mpi, comm), range(1, len(seats)), lease_seconds=limits.lease())
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

    def _limited(self, limits: Limits) -> AbstractContextManager[MPIExecutor]:
        """Limits of the calls that are submitted from now on; ranks get them with the function."""
        self._limits = limits.over(self._limits)
        self._controller.lease(self._limits.lease())
        return nullcontext(self)

    def _pickled(self, function: Callable[..., Any]) -> bytes:
        return pickled_function(function, isolate=self._isolate, limits=self._limits)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """See :meth:`concurrent.futures.Executor.submit`; the call must pickle.

        Raises:
            ExecutorError: the executor is shut down, or a search is using it.
        """
        if self._is_closed:
            raise ExecutorError("the executor is shut down: submit inside its 'with' block")
        future: Future[_T] = Future()
        call = self._call(self._pickled(fn), args, kwargs, token=future)
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
        self._channel = _MPIChannel(self, self._pickled(function))
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
        """Shut down; abort the MPI job when an exception leaves the block while calls run, or cuts the end short."""
        if error is not None and (self._controller.is_busy or self._open):
            abort(self._comm, error)
        try:
            self.shutdown(cancel_futures=error is not None)
        except BaseException as interruption:  # the ranks may not have been dismissed
            abort(self._comm, interruption)
        if self._broken is not None:
            abort(self._comm, self._broken)

    def _call(self, function: bytes, args: Any, kwargs: Any, *, token: Any, avoid: int = -1) -> Call:
        return Call(function, pickled((args, kwargs)), token, avoid=avoid)

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
        """Give the controller what a free rank can begin with; all where no rank is left, for it to end."""
        found = False
        controller = self._controller
        while self._waiting and (
            controller.n_free > 0 or controller.n_workers == 0 or self._waiting[0].token.cancelled()
        ):
            call = self._waiting.popleft()
            found = True
            if call.token.set_running_or_notify_cancel():
                controller.submit(call)
            else:
                self._forget(call.token)
        return found

    def _collect(self) -> bool:
        """Fulfil the futures of the calls that have ended."""
        ended = [call for call in self._step() if isinstance(call.token, Future)]
        for call in ended:
            self._forget(call.token)
            try:
                call.token.set_result(call.result())
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

    def wait(self) -> list[tuple[Any, Call]]:
        """See :meth:`Channel.wait`.

        A call whose rank died is given to another first. Where no rank is left, its end is a
        :class:`~deap_nas.errors.NoWorkerError`.
        """
        backoff = Backoff()
        while True:
            ended = [call for call in self._executor._step() if call in self._running]
            if ended:
                self._running.difference_update(ended)
                return [(call.token, call) for call in ended]
            backoff.pause()

    def close(self) -> None:
        """See :meth:`Channel.close`; what still runs is left to run, and its end is dropped."""
        self._executor._controller.waiting.clear()
        self._running.clear()
        self._executor._channel = None
