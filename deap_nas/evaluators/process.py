"""An executor of processes on one machine; a process that crashes or is killed takes only its own call with it."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from deap_nas.errors import ExecutorError, SettingsError
from deap_nas.evaluators.base import GenotypeExecutor, available_cores, divide_threads
from deap_nas.evaluators.run import set_worker
from deap_nas.extras import require

__all__ = ["ProcessExecutor"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ProcessExecutor(GenotypeExecutor):
    """Runs calls in worker processes that are kept between calls.

    Workers are started afresh (not forked), so the calling script needs its ``if __name__ == "__main__":`` line.
    Leaving the ``with`` block by an exception ends running calls at once; leaving it normally waits for them.

    Args:
        n_workers: processes; by default one a core.
        timeout_seconds: a call that takes longer is ended, and its future raises ``TimeoutError``.

    Raises:
        SettingsError: an argument is not positive.
        MissingExtraError: pebble is not installed.
    """

    def __init__(self, n_workers: int | None = None, *, timeout_seconds: float | None = None) -> None:
        """See the class."""
        self.n_workers = available_cores() if n_workers is None else n_workers
        if self.n_workers < 1:
            raise SettingsError(f"n_workers must be at least 1, found {n_workers}")
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise SettingsError(f"timeout_seconds must be positive, found {timeout_seconds}")
        self._timeout_seconds = timeout_seconds
        self._open = True
        self._futures: WeakSet[Future[Any]] = WeakSet()
        self._pool = self._start_pool()

    def _start_pool(self) -> Any:
        context = multiprocessing.get_context("spawn")
        return require("pebble", extra="processes").ProcessPool(
            max_workers=self.n_workers,
            context=context,
            initializer=_start_worker,
            initargs=(context.Value("i", 0), self.n_workers),
        )

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """See :meth:`concurrent.futures.Executor.submit`.

        Raises:
            ExecutorError: the executor is shut down.
        """
        if not self._open:
            raise ExecutorError("the executor is shut down: submit inside its 'with' block")
        if not self._pool.active:  # a worker was killed while none had a call, which ends a pool of pebble
            self._pool.stop()
            self._pool.join()
            self._pool = self._start_pool()
        future: Future[_T] = self._pool.schedule(fn, args=args, kwargs=kwargs, timeout=self._timeout_seconds)
        self._futures.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the calls, or with ``cancel_futures`` end those that run and drop those that wait."""
        self._open = False
        if cancel_futures:
            self._pool.stop()
        else:
            self._pool.close()
        if wait or cancel_futures:
            self._pool.join()
        if cancel_futures:  # pebble leaves some of them open
            for future in list(self._futures):
                future.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Shut down; at once when an exception leaves the block."""
        self.shutdown(cancel_futures=kind is not None)


def _start_worker(counter: Any, n_workers: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    divide_threads(n_workers)
    with counter.get_lock():
        set_worker(counter.value % n_workers)
        counter.value += 1
