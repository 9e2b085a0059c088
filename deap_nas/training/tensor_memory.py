"""Memory of tensors on a CPU, kept between training steps.

A step allocates and frees the same large tensors as the one before. The C library of Linux gives each of them back to
the kernel at once, which clears every page of it before the next step has it again; the larger the activations, the
more this is of a step. ``benchmarks/networks.py`` measures it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

__all__ = ["keep_freed_memory", "release_freed_memory"]

#: Names of malloc.h, for mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Let this process keep what it frees, for its next allocations, as far as its C library is glibc."""
    library = _library()
    if library is not None:
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, -1)


def release_freed_memory() -> None:
    """Give the kernel what was kept and is not in use."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


@cache
def _library() -> Any:
    """The C library, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except (OSError, TypeError):  # there is no library of that kind, as on Windows
        return None
