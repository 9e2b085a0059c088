"""What the terminal behind a stream is like, and texts that fit into it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

__all__ = ["columns_of", "error_stream", "fitting", "is_terminal"]

#: Width of a line where the width of the terminal is not known.
_DEFAULT_COLUMNS = 120
#: Values of the variable TERM of terminals that print, and obey nothing.
_DUMB = ("dumb", "unknown")


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def error_stream() -> TextIO:
    """Standard error; where a program was started without one, a stream that keeps nothing."""
    return cast("TextIO", _Nowhere()) if sys.stderr is None else sys.stderr


def is_terminal(file: TextIO) -> bool:
    """Whether a stream leads to a terminal on which a line can be written anew."""
    if os.environ.get("TERM") in _DUMB:
        return False
    return file.isatty() or (file is sys.stderr and _terminal_path() is not None)


def columns_of(file: TextIO) -> int:
    """Columns of the terminal behind a stream at this moment, at least 1."""
    with suppress(OSError):  # a terminal without a size
        if file.isatty():
            return os.get_terminal_size(file.fileno()).columns or _DEFAULT_COLUMNS
        path = _terminal_path()
        if path is not None:
            with path.open("rb") as terminal:
                return os.get_terminal_size(terminal.fileno()).columns or _DEFAULT_COLUMNS
    return _DEFAULT_COLUMNS


def fitting(parts: Sequence[tuple[int, str]], room: int | None = None) -> str:
    """Join parts with commas, as many of them as there is room for.

    Args:
        parts: each with its rank; those with the largest are left out first, and one always stays.
        room: characters; None for any number.
    """
    ranks = sorted((rank for rank, _ in parts), reverse=True)
    text = ", ".join(text for _, text in parts)
    for least in ranks[:-1]:
        if room is None or len(text) <= room:
            break
        text = ", ".join(text for rank, text in parts if rank < least)
    return text


def _terminal_path() -> Path | None:
    """The launcher's own error stream, where one forwards ours through a pipe: that may be a terminal."""
    if "OMPI_COMM_WORLD_SIZE" not in os.environ:
        return None
    try:
        path = Path(f"/proc/{os.getppid()}/fd/2").readlink()
    except OSError:  # not Linux, or not ours to see
        return None
    return path if path.is_relative_to("/dev/pts") else None
