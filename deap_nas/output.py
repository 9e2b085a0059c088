"""Standard output that cannot be written: whoever reads it has gone, its disk is full, it lacks a letter."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from deap_nas.errors import StorageError

__all__ = ["CLOSED_PIPE_EXIT", "guarded_output"]

#: Exit status of a program whose reader has gone, as shells give it: 128 and the number of SIGPIPE.
CLOSED_PIPE_EXIT = 141


@contextmanager
def guarded_output() -> Iterator[None]:
    r"""Write all that the block prints before it ends, and end the program where that cannot be done.

    Python itself would write the rest after the program has ended, when nobody can tell that it failed. In the block
    letters that the encoding of standard output lacks are written as numbers, such as ``\xe9``.

    Raises:
        SystemExit: who reads the output has closed it, as ``head`` does when it has seen enough.
        StorageError: the output cannot be written, such as to a full disk.
    """
    stream = sys.stdout
    try:
        with _any_letter(stream):
            yield
    except BaseException as error:
        refusal = _flush(stream)
        if refusal is None and isinstance(error, BrokenPipeError) and _is_closed(stream):
            refusal = error  # of a stream without a buffer
        if refusal is None or isinstance(error, StorageError) or not isinstance(error, (OSError, SystemExit)):
            raise
        raise _end(refusal) from error
    refusal = _flush(stream)
    if refusal is not None:
        raise _end(refusal) from refusal


def _end(refusal: OSError) -> SystemExit | StorageError:
    if isinstance(refusal, BrokenPipeError):
        return SystemExit(CLOSED_PIPE_EXIT)
    return StorageError(f"standard output cannot be written: {refusal.strerror or refusal}")


@contextmanager
def _any_letter(stream: Any) -> Iterator[None]:
    """Let a stream that would refuse letters write them as numbers."""
    if getattr(stream, "errors", None) != "strict" or not hasattr(stream, "reconfigure"):
        yield
        return
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # it cannot be flushed, or is closed
            stream.reconfigure(errors="strict")


def _flush(stream: Any) -> OSError | None:
    """Write what a stream still holds; where that fails, give the error, and let nothing be written any more."""
    try:
        stream.flush()
    except OSError as error:
        with suppress(OSError), open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())
        return error
    except (AttributeError, ValueError):  # there is none, or it is closed
        return None
    return None


def _is_closed(stream: Any) -> bool:
    """Whether nobody reads a pipe any more."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), select.POLLOUT)
    except (AttributeError, OSError, ValueError):
        return False
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
