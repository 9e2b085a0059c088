"""Room on the disk, taken before HDF5 writes.

Where a write of HDF5 fails in its midst, such as on a full disk, a row may be there without some of its values, and the
file cannot be closed. So the room is asked for first, from the system, and nothing is written where there is none.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from deap_nas.errors import StoreError
from deap_nas.store.hdf5.growing_table import CHUNK_ROWS

__all__ = ["Room", "give_back", "reserve"]

#: What HDF5 writes beside the rows themselves, such as its index of chunks.
_SLACK_BYTES = 2**16
#: A file system that says so cannot reserve: there HDF5 meets a full disk itself.
_CANNOT_RESERVE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def reserve(file: Any, *, n_bytes: int) -> None:
    """Take room on the disk behind the end of a file, as HDF5 knows it.

    Args:
        file: an open HDF5 file that is being written.
        n_bytes: to be taken.

    Raises:
        OSError: there is not so much.
    """
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.id.get_vfd_handle(), file.id.get_filesize(), n_bytes)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise


def give_back(file: Any) -> None:
    """End a file where HDF5 ends it."""
    os.ftruncate(file.id.get_vfd_handle(), file.id.get_filesize())


class Room:
    """The room on the disk that the next rows of a file will need.

    Args:
        file: an open HDF5 file that is being written.
        path: of the file, for messages.
        n_bytes: that one row can need at most.
    """

    def __init__(self, file: Any, path: Path, *, n_bytes: int) -> None:
        """See the class."""
        self._file = file
        self._path = path
        self._n_bytes = n_bytes + _SLACK_BYTES

    def take(self, n_rows: int = 1, *, more: int = 0) -> None:
        """Make sure that there is room for so many rows, and for ``more`` bytes.

        Raises:
            StoreError: there is none.
        """
        wanted = self._n_bytes * (1 + n_rows // CHUNK_ROWS) + more
        size, end = os.fstat(self._file.id.get_vfd_handle()).st_size, self._file.id.get_filesize()
        if size >= end + wanted:
            return
        try:
            reserve(self._file, n_bytes=wanted + self._n_bytes)
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot grow ({error}): it holds all that was recorded, and can be resumed"
            ) from error

    def give_back(self) -> None:
        """End the file where HDF5 ends it."""
        give_back(self._file)
