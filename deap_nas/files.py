"""Files that a kill or a full disk cannot tear, and the names of what belongs to a population file."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from deap_nas.errors import StorageError

__all__ = ["append_row", "beside", "cut_rows", "make_folder", "naming", "replacing", "save_json", "user_path"]

_REMEDY = "make room or allow it, or choose another place; what was there before is as it was"
#: How libraries that are written in Rust give the number of an error of the system.
_NUMBER_IN_WORDS = re.compile(r"\(os error (\d+)\)")


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path as a person gives it: ``~`` is the home folder."""
    return Path(os.path.expanduser(path))


def beside(path: str | os.PathLike[str], ending: str) -> Path:
    """Path of what belongs to a population file: beside it, with its whole name, but for a last ``.h5``, and an ending.

    Args:
        path: of the population file, such as ``runs/lr0.1`` or ``runs/demo.h5``.
        ending: such as ``"-weights"``, which gives ``runs/lr0.1-weights`` and ``runs/demo-weights``.
    """
    path = user_path(path)
    return path.with_name(path.name.removesuffix(".h5") + ending)


def make_folder(path: Path) -> Path:
    """Make a folder, and those it is in, if it is not there; gives it.

    Raises:
        StorageError: it cannot be made.
    """
    with naming(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def naming(path: Path, *, remedy: str = _REMEDY) -> Iterator[None]:
    """Raise what the system refuses while ``path`` is written in the block as an error that names it.

    Args:
        path: of the file or folder.
        remedy: what the message advises.

    Raises:
        StorageError: there is no room on the disk, the folder is not there or not to be written to, or the like.
    """
    try:
        yield
    except StorageError:  # of a file in the block, which is named already
        raise
    except Exception as error:
        if (reason := _refusal(error)) is None:
            raise
        raise StorageError(f"{path} cannot be written: {reason}; {remedy}") from error


def _refusal(error: Exception) -> str | None:
    """What the system said; None for another error."""
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else str(error)
    found = _NUMBER_IN_WORDS.search(str(error))
    return None if found is None else os.strerror(int(found[1]))


@contextmanager
def replacing(path: Path, *, shared: bool = False, remedy: str = _REMEDY) -> Iterator[Path]:
    """Give the path of a new file, which takes the place of the old one when the block ends well.

    So a kill, a full disk or a bug leaves the old file as it was. The new one has the permissions of the old one, and
    stands in its place also where ``path`` is a link. What is no plain file, such as a pipe, is written as it is.

    Args:
        path: of the file.
        shared: whether another process may be writing the same file; each then has a new file of its own.
        remedy: what the message of an error advises.

    Raises:
        StorageError: it cannot be written, such as on a full disk.
    """
    with naming(path, remedy=remedy):
        place = path.resolve()
        if place.exists() and not place.is_file():
            yield place
            return
        own = f"{socket.gethostname()}-{os.getpid()}." if shared else ""
        partial = place.with_name(f".{place.name}.{own}partial")
        try:
            partial.touch()
            mode = (place if place.exists() else partial).stat().st_mode  # some writers keep it from everybody else
            yield partial
            partial.chmod(mode)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(place)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


def save_json(path: Path, fields: Mapping[str, Any]) -> None:
    """Write JSON in the place of the file that is there.

    Raises:
        StorageError: it cannot be written.
    """
    with replacing(path) as partial:
        partial.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Add a line to a table of comma-separated values; a new one begins with the names of the columns.

    Raises:
        StorageError: it cannot be written; a part of the line may be there.
    """
    with naming(path), path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(row)
        writer.writerow(row.values())


def cut_rows(path: Path, *, after: int) -> None:
    """Drop the rows of a table whose first column is beyond a number, and a last line that a kill has torn.

    Raises:
        StorageError: it cannot be written.
    """
    if not path.exists():
        return
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    kept = lines[:1] + [line for line in lines[1:] if int(line.partition(",")[0]) <= after]
    with replacing(path) as partial:
        partial.write_text("".join(kept), encoding="utf-8")
