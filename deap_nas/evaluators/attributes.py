"""What a fitness says of itself, by attributes that it may have."""

from __future__ import annotations

from functools import partial
from typing import Any

__all__ = ["attribute_of"]


def attribute_of(evaluate: Any, name: str) -> Any:
    """An attribute of a fitness, also behind the partial of a toolbox; None if it has none."""
    while isinstance(evaluate, partial):
        evaluate = evaluate.func
    return getattr(evaluate, name, None)
