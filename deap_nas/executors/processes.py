"""An executor of processes on one machine; a process that crashes or is killed takes only its own call with it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from deap_nas.errors import ExecutorError, SettingsError
from deap_nas.evaluation.call_limits import Limits
from deap_nas.evaluation.runner import SPOILT_EXIT, ZERO_EXIT, set_replaceable
from deap_nas.executors.genotype_executor import GenotypeExecutor, available_cores, divide_threads
from deap_nas.executors.pickling import STDIN, explain, pickled, program_path, survives_pickling, unpickled
from deap_nas.extras import require

__all__ = ["ProcessExecutor", "death_in_words", "is_out_of_memory_exit", "limit_in_words"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Exit status of a process that was ended at its memory limit.
_OUT_OF_MEMORY_EXIT = 66


class ProcessExecutor(GenotypeExecutor):
    """Runs calls in worker processes that are kept between calls.

    Workers are started afresh (not forked), so the calling script needs its ``if __name__ == "__main__":`` line.
    Leaving the ``with`` block by an exception ends running calls at once; leaving it normally waits for them.

    Args:
        n_workers: processes; by default one a core.
        timeout_seconds: a call that takes longer is ended, and its future raises ``TimeoutError``.
        memory_bytes: a process that has more in memory is ended, and its call with it.

    Raises:
        SettingsError: an argument is not positive.
        ExecutorError: the program is read from standard input, where worker processes cannot import it.
        MissingExtraError: pebble is not installed.
    """

    def __init__(
        self,
        n_workers: int | None = None,
        *,
        timeout_seconds: float | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        """See the class."""
        self.n_workers = available_cores() if n_workers is None else n_workers
        if self.n_workers < 1:
            raise SettingsError(f"n_workers must be at least 1, found {n_workers}")
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise SettingsError(f"timeout_seconds must be positive, found {timeout_seconds}")
        if memory_bytes is not None and memory_bytes < 1:
            raise SettingsError(f"memory_bytes must be positive, found {memory_bytes}")
        if program_path() == STDIN:
            raise ExecutorError(
                "the program is read from standard input, where worker processes cannot import it: save it as a file "
                "and start that, python search.py; or evaluate in this process, with SerialExecutor"
            )
        self._timeout_seconds = timeout_seconds
        self._memory_bytes = memory_bytes
        self._open = True
        self._futures: WeakSet[Future[Any]] = WeakSet()
        self._pool = self._start_pool()

    def _start_pool(self) -> Any:
        from deap_nas.executors.spawning import WorkerContext

        return require("pebble", extra="processes").ProcessPool(
            max_workers=self.n_workers,
            context=WorkerContext(),
            initializer=_start_worker,
            initargs=(self.n_workers, self._memory_bytes),
        )

    def _processes(self, n_workers: int, limits: Limits) -> ProcessExecutor:
        return ProcessExecutor(
            n_workers,
            timeout_seconds=limits.timeout_seconds or self._timeout_seconds,
            memory_bytes=limits.memory_bytes or self._memory_bytes,
        )

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """See :meth:`concurrent.futures.Executor.submit`.

        Raises:
            ExecutorError: the executor is shut down, or the call does not pickle.
        """
        if not self._open:
            raise ExecutorError("the executor is shut down: submit inside its 'with' block")
        call = pickled((fn, args, kwargs))
        if not self._pool.active:  # a worker was killed while none had a call, which ends a pool of pebble
            self._pool.stop()
            self._pool.join()
            self._pool = self._start_pool()
        future: Future[_T] = self._pool.schedule(_run, args=(call,), timeout=self._timeout_seconds)
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


def _run(call: bytes) -> Any:
    """Run a call in a worker; unpickled here, since pebble receives it under a lock that all workers need."""
    try:
        function, args, kwargs = unpickled(call)
        return function(*args, **kwargs)
    except Exception as error:
        explain(error)
        if survives_pickling(error):
            raise
        raise ExecutorError(traceback.format_exc()) from None  # the other would break the pool


def is_out_of_memory_exit(error: BaseException) -> bool:
    """Whether an exception says that a worker process was ended at its memory limit."""
    return getattr(error, "exitcode", None) == _OUT_OF_MEMORY_EXIT


def death_in_words(error: BaseException) -> str:
    """Say how the process of a call died, where that is known; else what the exception says."""
    code = getattr(error, "exitcode", None)
    if not isinstance(code, int):
        return f"{type(error).__name__}: {error}"
    if code == SPOILT_EXIT:
        return "the process of the evaluation ended itself after a CUDA error, which its log tells"
    if code == ZERO_EXIT:
        return "the process of the evaluation ended itself, with exit status 0"
    if code < 0:
        names = {int(number): number.name for number in signal.Signals}
        return f"the process of the evaluation was killed by {names.get(-code, f'signal {-code}')}"
    return f"the process of the evaluation ended with exit status {code}"


def limit_in_words(error: TimeoutError) -> str:
    """Say which time limit ended a call, where that is known."""
    if error.args[:1] == ("Task timeout",):  # pebble's, which the limit follows
        return f"ended after its time limit of {error.args[1]:g} seconds"
    return str(error) or "ended at its time limit"


def _start_worker(n_workers: int, memory_bytes: int | None) -> None:
    for number in (signal.SIGINT, signal.SIGUSR1):  # Ctrl-C and a scheduler's warning are the parent's to handle
        signal.signal(number, signal.SIG_IGN)
    set_replaceable()
    divide_threads(n_workers)
    if memory_bytes is not None:
        threading.Thread(target=_watch_memory, args=(memory_bytes,), daemon=True).start()


def _watch_memory(memory_bytes: int) -> None:
    while _resident_bytes() <= memory_bytes:
        time.sleep(0.05)
    os._exit(_OUT_OF_MEMORY_EXIT)


def _resident_bytes() -> int:
    """Memory that this process has at the moment; on systems other than Linux, the most it has had."""
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as fields:
            return int(fields.read().split()[1]) * resource.getpagesize()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
