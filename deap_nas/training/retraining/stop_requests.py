"""Stopping a training between two of its steps, so that what it has learned can be kept."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deap_nas.executors.interrupts import interrupt
from deap_nas.training.retraining.process_group import Ranks

__all__ = ["Stop", "deferred_interrupts"]

#: Steps after which several processes ask each other whether one of them is to stop.
_STEPS_BETWEEN_TALKS = 10


class Stop:
    """Whether a training is to stop, which all its processes answer alike after the same step.

    Several processes also stop when the launcher of one of them has died.

    Args:
        ranks: processes that train together.
    """

    def __init__(self, ranks: Ranks) -> None:
        """See the class."""
        self._ranks = ranks
        self._parent = os.getppid()
        self._n_steps = 0
        self._is_asked = False
        #: Whether all processes know that they stop.
        self.is_agreed = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: somebody has pressed Ctrl-C again, and waits for one process only.
        """
        if self._is_asked and number == signal.SIGINT and self._ranks.size == 1:
            signal.default_int_handler(number, frame)
        self._is_asked = True

    def __call__(self) -> bool:
        """Tell whether to stop; to be asked once after each step."""
        self._n_steps += 1
        if self._ranks.size == 1:
            self.is_agreed = self._is_asked
        elif self._n_steps % _STEPS_BETWEEN_TALKS == 0:
            is_orphan = os.getppid() != self._parent  # the launcher is dead, and with it who passes signals on
            self.is_agreed = self._ranks.any(self._is_asked or is_orphan)
        return self.is_agreed


@contextmanager
def deferred_interrupts(ranks: Ranks) -> Iterator[Stop]:
    """Let the signals that would raise ``KeyboardInterrupt`` ask for a stop instead.

    Those are Ctrl-C and what :func:`~deap_nas.executors.interrupts.interrupted_by_signals` takes for it. Whoever
    handles a signal in another way goes on to do so.

    Args:
        ranks: processes that train together.
    """
    stop = Stop(ranks)
    in_main_thread = threading.current_thread() is threading.main_thread()
    handlers = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
        if in_main_thread and (handler := signal.getsignal(number)) in (signal.default_int_handler, interrupt)
    }
    for number in handlers:
        signal.signal(number, stop.ask)
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
