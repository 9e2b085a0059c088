"""A look at the first bytes of an HDF5 file, for what HDF5 does not check while a writer may be at work."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_cut_short", "is_marked"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Version 3 of the superblock, with addresses of 8 bytes, as HDF5 writes it for several readers.
_LATEST = bytes([3, 8])


def is_cut_short(path: Path) -> bool:
    """Whether a file is shorter than its own superblock says.

    "HDF5 File Format Specification", disk format level 0A: the end of file address stands at byte 28.
    """
    head = _head(path)
    return _is_latest(head) and path.stat().st_size < int.from_bytes(head[28:36], "little")


def is_marked(path: Path) -> bool:
    """Whether a file is marked as being written: it is, or a kill has left it so.

    The same level: the file consistency flags are byte 11.
    """
    head = _head(path)
    return _is_latest(head) and head[11] != 0


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(36)


def _is_latest(head: bytes) -> bool:
    return len(head) == 36 and head[:8] == _SIGNATURE and head[8:10] == _LATEST
