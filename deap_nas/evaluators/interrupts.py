"""How a program on rank 0 is interrupted, and what it says when it ends early."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["exit_status", "interrupted_by_signals", "report"]


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Take the signals with which launchers and schedulers end a job for a Ctrl-C, unless the caller handles them."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    numbers = [n for n in (signal.SIGTERM, signal.SIGUSR1) if in_main_thread and signal.getsignal(n) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def exit_status(error: BaseException) -> int:
    """Give the exit status of a program that an exception ends."""
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def report(error: BaseException, *, rank: int) -> None:
    """Say what the interpreter would say of an exception if it lived to do so, and which rank it ends.

    An interrupt needs no words but those of its end; a program that ends with a line of its own says that line.
    """
    if isinstance(error, SystemExit):
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    elif not isinstance(error, KeyboardInterrupt):
        sys.stderr.write(f"rank {rank} on {socket.gethostname()} ends the MPI job:\n")
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stdout.flush()
    sys.stderr.flush()
