"""How the search loop talks to an executor: many calls of one function, whose ends it takes as they come.

Waiting for the first of many futures with :func:`concurrent.futures.wait` looks at each of them every time; here an
end costs the same however many calls are running.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from queue import SimpleQueue
from typing import Any, Protocol

from deap_nas.errors import NoWorkerError, SettingsError
from deap_nas.executors.pickling import likely_lack

__all__ = ["Channel", "Ended", "FutureChannel", "count_workers", "open_channel"]


class Ended(Protocol):
    """A call that has ended; a :class:`concurrent.futures.Future` is one."""

    def result(self) -> Any:
        """Give what the call returned, or raise what it raised."""


class Channel(Protocol):
    """Calls of one function on an executor's workers, from one thread."""

    def submit(self, argument: Any, *, avoid: int = -1) -> None:
        """Call the function with an argument as soon as a worker is free.

        Args:
            argument: one that pickles, and that nothing else in the channel is equal to.
            avoid: number of a worker that should not do it if another can.

        Raises:
            ExecutorError: it cannot be sent, or no worker is left.
        """

    def wait(self) -> list[tuple[Any, Ended]]:
        """Wait until a call has ended; give the arguments and ends of those that have, each once."""

    def close(self) -> None:
        """Cancel the calls that have not begun; nobody asks for the others."""


class FutureChannel:
    """A channel to any executor of :mod:`concurrent.futures`.

    Args:
        executor: that runs the calls.
        function: that is called.
    """

    def __init__(self, executor: Executor, function: Callable[[Any], Any]) -> None:
        """See the class."""
        self._executor = executor
        self._function = function
        self._arguments: dict[Future[Any], Any] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()

    def submit(self, argument: Any, *, avoid: int = -1) -> None:  # noqa: ARG002 - an executor chooses its worker itself
        """See :meth:`Channel.submit`."""
        try:
            future = self._executor.submit(self._function, argument)
        except BrokenExecutor as error:
            raise NoWorkerError(
                f"the executor can run no more calls: {error}; if it has run none, most likely {likely_lack()}"
            ) from error
        self._arguments[future] = argument
        future.add_done_callback(self._ended.put)

    def wait(self) -> list[tuple[Any, Ended]]:
        """See :meth:`Channel.wait`."""
        futures = [self._ended.get()]
        while not self._ended.empty():
            futures.append(self._ended.get())
        return [(self._arguments.pop(future), future) for future in futures]

    def close(self) -> None:
        """See :meth:`Channel.close`."""
        for future in self._arguments:
            future.cancel()


def open_channel(executor: Executor, function: Callable[[Any], Any]) -> Channel:
    """Open an executor's own channel if it has one, else one over its futures."""
    own: Callable[[Callable[[Any], Any]], Channel] | None = getattr(executor, "open_channel", None)
    return FutureChannel(executor, function) if own is None else own(function)


def count_workers(executor: Executor) -> int:
    """Workers of any executor, by the names that the standard library, mpi4py and this package use.

    Raises:
        SettingsError: it has none of these names.
    """
    for name in ("n_workers", "_max_workers", "num_workers"):
        number = getattr(executor, name, None)
        if isinstance(number, int) and number > 0:
            return number
    raise SettingsError(f"how many workers {type(executor).__name__} has is not known; pass n_workers")
