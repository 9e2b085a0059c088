"""Arrays and texts as a page carries them: binary, compressed, in letters that mean nothing to HTML."""

from __future__ import annotations

import base64
import gzip
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["array_of", "compressed", "finite"]

#: Names of JavaScript's typed arrays, by NumPy's types.
_TYPED = {"u1": "Uint8Array", "i4": "Int32Array", "f4": "Float32Array", "f8": "Float64Array"}


def array_of(values: NDArray[Any] | list[Any], dtype: str) -> dict[str, str]:
    """Give an array, row by row, as JSON can hold it; the page's ``unpack`` reads it.

    Args:
        values: of any shape.
        dtype: ``"u1"``, ``"i4"``, ``"f4"`` or ``"f8"``; NaN stays what it is.
    """
    data = np.ascontiguousarray(values).astype(f"<{dtype}").tobytes()
    return {"array": _TYPED[dtype], "data": base64.b64encode(data).decode("ascii")}


def finite(content: Any) -> Any:
    """Give content as JSON can hold it: None for NaN and the infinite ones, wherever in dicts and lists they are."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {name: finite(value) for name, value in content.items()}
    return list(map(finite, content)) if isinstance(content, list | tuple) else content


def compressed(content: Any) -> str:
    """Give content as letters of base64: JSON, compressed. The same content gives the same letters.

    Raises:
        ValueError: it holds NaN or infinity outside of arrays.
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode("ascii")
