"""Standard output that cannot be written: whoever reads it has gone, its disk is full, it lacks a letter."""

from __future__ import annotations

import os
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
    if sys.stdout is None:
        yield
        return
    stream: Any = _NotingStream(sys.stdout)
    sys.stdout = stream
    try:
        with _any_letter(stream):
            yield
    except BaseException as error:
        stream.end()
        # argparse takes no notice of what is refused, and exits
        if stream.refusal is None or not (error is stream.refusal or isinstance(error, SystemExit)):
            raise
        raise _end(stream.refusal) from error
    finally:
        if sys.stdout is stream:
            sys.stdout = stream.stream
    stream.end()
    if stream.refusal is not None:
        raise _end(stream.refusal) from stream.refusal


def _end(refusal: OSError) -> SystemExit | StorageError:
    if isinstance(refusal, BrokenPipeError):
        return SystemExit(CLOSED_PIPE_EXIT)
    return StorageError(f"standard output cannot be written: {refusal.strerror or refusal}")


class _NotingStream:
    """A stream that takes note of what the system refused to write."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        #: What was raised first.
        self.refusal: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._noting():
            written: int = self.stream.write(text)
        return written

    def flush(self) -> None:
        with self._noting():
            self.stream.flush()

    def end(self) -> None:
        """Write what it still holds; where something was refused, let nothing be written any more."""
        with suppress(OSError, ValueError):  # noted, or it is closed
            self.flush()
        if self.refusal is not None:
            with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), self.stream.fileno())

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.refusal = self.refusal or error
            raise


@contextmanager
def _any_letter(stream: Any) -> Iterator[None]:
    """Let a stream that would refuse letters write them as numbers."""
    errors, encoding = getattr(stream, "errors", None), str(getattr(stream, "encoding", ""))
    refuses = errors == "strict" or (errors == "surrogateescape" and "utf" not in encoding.lower())
    if not refuses or not hasattr(stream, "reconfigure"):
        yield
        return
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # it is closed, or refuses what it held
            stream.flush()
            stream.reconfigure(errors=errors)
