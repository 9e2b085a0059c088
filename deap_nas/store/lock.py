"""One writer for a file: an advisory lock beside it, which the system releases when its holder dies."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import IO, Self

from deap_nas.errors import StoreError

__all__ = ["WriterLock"]

_log = logging.getLogger(__name__)


class WriterLock:
    """Held by the process that writes a population file; :meth:`acquire` makes it."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """Take over an open, locked file."""
        self._path = path
        self._file = file

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Become the writer of ``path``; makes its folder if need be.

        Raises:
            StoreError: another process is writing it, or nothing can be written there.
        """
        beside = path.with_name(f".{path.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                file = beside.open("ab")
                _lock(file, path)
                if _is_still_there(beside, file):  # its last holder may just have removed it
                    return cls(beside, file)
                file.close()
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error}") from error

    def release(self) -> None:
        """Let others write."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StoreError(f"{path} is being written by another process; wait for it, or end it") from error
    except OSError as error:  # a file system without locks
        _log.warning("%s cannot be locked (%s): make sure that only one run writes it", path, error)


def _is_still_there(path: Path, file: IO[bytes]) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
