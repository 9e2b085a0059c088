"""How a program on rank 0 is interrupted, and what it says when it ends early."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import stat
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["exit_status", "interrupt", "interrupted_by_signals", "report", "say_stopped", "wait_until_read"]

#: Without a handler of the program's own, Python writes what this logger warns of to standard error.
_log = logging.getLogger("deap_nas.algorithms")

_last_warning = signal.SIGINT


def interrupt(number: int, frame: FrameType | None) -> None:
    """Do as Ctrl-C does, and remember which signal it was."""
    global _last_warning  # noqa: PLW0603 - a process has one
    _last_warning = signal.Signals(number)
    signal.default_int_handler(number, frame)


def say_stopped(text: str) -> None:
    """Say what an interrupt leaves behind, also where the launcher of MPI forwards nothing more."""
    _log.warning("stopped: %s", text)
    if "OMPI_COMM_WORLD_SIZE" in os.environ and _last_warning != signal.SIGUSR1:  # its mpirun has ended as we do
        with suppress(OSError):  # not Linux, or not ours to see
            theirs, ours = (os.readlink(f"/proc/{process}/fd/2") for process in (os.getppid(), os.getpid()))
            if theirs != ours and theirs.startswith(("/dev/pts/", "pipe:")):  # in a file it could overwrite others
                with open(f"/proc/{os.getppid()}/fd/2", "w", encoding="utf-8") as file:
                    file.write(f"stopped: {text}\n")


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Take the signals with which launchers and schedulers end a job for a Ctrl-C, unless the caller handles them."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    numbers = [n for n in (signal.SIGTERM, signal.SIGUSR1) if in_main_thread and signal.getsignal(n) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, interrupt)
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
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        with suppress(OSError, ValueError):  # closed, or no file
            wait_until_read(stream.fileno())


def wait_until_read(descriptor: int) -> None:
    """Wait, a second at most, until whoever reads a pipe has taken all of it.

    The launcher of MPI does, and may drop what it has not taken when the job is aborted.
    """
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return
    end = time.monotonic() + 1.0
    while _n_unread(descriptor) and time.monotonic() < end:
        time.sleep(0.001)


def _n_unread(pipe: int) -> int:
    """Bytes in a pipe, by either of its ends; of a system that does not say, none."""
    try:
        return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
    except OSError:
        return 0
