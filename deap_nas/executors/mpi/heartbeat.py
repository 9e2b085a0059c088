"""Signs of life of a rank while it runs a call, which tell one that computes from one that stands still."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Pulse"]


class Pulse:
    """A thread that sends a sign of life for each call that takes its time, as long as the process runs at all.

    Messages are sent by one thread at a time: this one sends only while a call runs, in which the rank sends none.

    Args:
        send: gives a sign of life for the call of this number, and answers for its failures itself.
        seconds: between two signs; a call that is shorter needs none.
    """

    def __init__(self, send: Callable[[bytes], None], seconds: float) -> None:
        """See the class."""
        self._send = send
        self._seconds = seconds
        self._lock = threading.Lock()
        self._number: bytes | None = None
        self._is_over = False
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="deap_nas pulse", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with nothing left to be sent."""
        self._is_over = True
        self._news.set()
        self._thread.join()

    def every(self, seconds: float) -> None:
        """Give a sign each time so many seconds have passed, from now on."""
        self._seconds = seconds
        self._news.set()

    def begin(self, number: bytes) -> None:
        """The rank begins with a call, and sends nothing until it has ended it."""
        with self._lock:
            self._number = number

    def end(self) -> None:
        """The rank has done with the call, and may send."""
        with self._lock:
            self._number = None

    def _beat(self) -> None:
        seen = None
        while not self._is_over:
            if self._news.wait(self._seconds):
                self._news.clear()
                continue
            with self._lock:
                if self._number is not None and self._number == seen:
                    self._send(self._number)
                seen = self._number
