"""How a population file is opened: to be read, or prepared beside its place and put there in one step.

The only file that uses h5py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deap_nas.errors import StorageError, StoreError, StoreExistsError
from deap_nas.extras import require
from deap_nas.files import beside, replacing
from deap_nas.store.hdf5.disk_space import reserve
from deap_nas.store.hdf5.layout import check_layout
from deap_nas.store.hdf5.lock import WriterLock
from deap_nas.store.hdf5.superblock import is_cut_short, is_marked

__all__ = ["check_names_beside", "new_file", "open_for_reading"]

#: Bytes of a column that HDF5 keeps in memory while it writes: little more than the chunk that grows, since each flush
#: looks at all it keeps, and so would take longer from row to row.
_CACHE_BYTES = 2**14


def check_names_beside(path: Path) -> None:
    """Check that there is no population file whose pictures and folders would have the same names: ``a`` and ``a.h5``.

    Raises:
        StoreExistsError: one is.
        MissingExtraError: h5py is not installed.
    """
    stem = path.name.removesuffix(".h5")
    other = path.with_name(stem if stem != path.name else f"{stem}.h5")
    if other.is_file() and require("h5py", extra="hdf5").is_hdf5(other):
        raise StoreExistsError(
            f"what lies beside {path} would have the names of what lies beside {other}, such as "
            f"{beside(path, '-weights').name}: choose another name"
        )


def new_file(path: Path, prepare: Callable[[Any], None], *, n_bytes: int = 2**16) -> tuple[Any, WriterLock]:
    """Prepare a file beside ``path``, begin to write it, and only then put it in its place.

    So a kill at any instant, or a crash of the machine, leaves the file that was there, or the new one, and each can be
    read. From here on no attribute and no dataset can be added.

    Args:
        path: where the file is to be, or a link to that place; its folder is made if need be.
        prepare: writes what is to be in the file.
        n_bytes: that this takes at most, as far as is known.

    Returns:
        The open file, which others may read, and the lock of its writer.

    Raises:
        StoreError: another process is writing the file, or it cannot be written.
        MissingExtraError: h5py is not installed.
    """
    lock, file = WriterLock.acquire(path), None
    try:
        with replacing(path) as partial:
            file = _open(partial, mode="w", rdcc_nbytes=_CACHE_BYTES)
            reserve(file, n_bytes=n_bytes)
            prepare(file)
            file.swmr_mode = True
            file.flush()
        return file, lock
    except BaseException as error:
        if file is not None:
            file.close()
        lock.release()
        if isinstance(error, StorageError):
            raise StoreError(str(error)) from error
        raise


def open_for_reading(path: Path) -> Any:
    """Open a file that may be written at the same time, and check that it is a population file.

    Raises:
        StoreError: it is not there, is no population file, is damaged, or its format is newer than this package.
        MissingExtraError: h5py is not installed.
    """
    h5py = require("h5py", extra="hdf5")
    if not path.is_file():
        raise StoreError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    if is_cut_short(path):
        raise StoreError(f"{path} is damaged: its end is missing")
    try:
        # a file that nobody writes is opened without SWMR, in which HDF5 tries damaged bytes again and again for hours
        file = _open(path, mode="r", swmr=is_marked(path))
    except OSError as error:
        kind = "is damaged" if h5py.is_hdf5(path) else "is no population file"
        raise StoreError(f"{path} {kind}: {error}") from error
    try:
        check_layout(file)
    except (OSError, RuntimeError, TypeError, ValueError, KeyError) as error:
        file.close()
        words = str(error) if type(error) is ValueError else f"is damaged: {error}"
        raise StoreError(f"{path} {' '.join(words.split())}") from error
    except BaseException:
        file.close()
        raise
    return file


def _open(path: Path, **options: Any) -> Any:
    """Open a file, without HDF5's own locks where the file system has none: :class:`WriterLock` keeps writers apart."""
    h5py = require("h5py", extra="hdf5")
    try:
        return h5py.File(path, libver="latest", **options)
    except OSError as error:
        if "SWMR read access flag" in str(error):  # this process has it open in the other way
            return h5py.File(path, libver="latest", **options | {"swmr": not options["swmr"]})
        if "unable to lock file" not in str(error) or isinstance(error, BlockingIOError):
            raise
        return h5py.File(path, libver="latest", locking=False, **options)
