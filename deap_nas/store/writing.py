"""How a population file comes into its place: prepared beside it, then put there in one step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deap_nas.errors import StoreError
from deap_nas.store.lock import WriterLock

__all__ = ["begin_file"]


def begin_file(path: Path, make: Callable[[Path], Any], prepare: Callable[[Any], None]) -> tuple[Any, WriterLock]:
    """Prepare a file beside ``path``, begin to write it, and only then put it in its place.

    So a kill at any instant leaves the file that was there, or the new one, and each can be read. From here on
    no attribute and no dataset can be added.

    Args:
        path: where the file is to be; its folder is made if need be.
        make: opens a new HDF5 file.
        prepare: writes what is to be in the file.

    Returns:
        The open file, which others may read, and the lock of its writer.

    Raises:
        StoreError: another process is writing the file, or it cannot be written.
    """
    lock, file = WriterLock.acquire(path), None
    beside = path.with_name(f".{path.name}.new")
    try:
        file = make(beside)
        prepare(file)
        file.swmr_mode = True
        file.flush()
        beside.replace(path)
        return file, lock
    except BaseException as error:
        if file is not None:
            file.close()
        beside.unlink(missing_ok=True)
        lock.release()
        if isinstance(error, OSError):
            raise StoreError(f"{path} cannot be written: {error}") from error
        raise
