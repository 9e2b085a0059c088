"""An executor that runs everything at once, in this process: for debugging and for reproducible runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from deap_nas.errors import ExecutorError
from deap_nas.evaluation.call_limits import Limits
from deap_nas.evaluation.runner import set_worker
from deap_nas.executors.genotype_executor import GenotypeExecutor
from deap_nas.executors.processes import ProcessExecutor

__all__ = ["SerialExecutor"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SerialExecutor(GenotypeExecutor):
    """Runs each call inside ``submit``; the future it returns is done."""

    def __init__(self) -> None:
        """Make worker 0 of this process."""
        self._open = True
        set_worker(0)

    def _processes(self, n_workers: int, limits: Limits) -> ProcessExecutor:
        return ProcessExecutor(n_workers, timeout_seconds=limits.timeout_seconds, memory_bytes=limits.memory_bytes)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run the call now.

        Raises:
            ExecutorError: the executor is shut down.
        """
        if not self._open:
            raise ExecutorError("the executor is shut down: submit inside its 'with' block")
        future: Future[_T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Refuse further calls."""
        self._open = False
