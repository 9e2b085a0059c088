"""What an operator has changed in place, put back."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from copy import deepcopy
from typing import Any

__all__ = ["keep"]


def keep(argument: Any) -> Callable[[], None] | None:
    """Give what makes an individual again what it is now; None for what is no individual."""
    if isinstance(argument, MutableSequence):
        genes = list(argument)

        def restore() -> None:
            argument[:] = genes

    elif hasattr(argument, "to_genotype") and not isinstance(argument, type):
        content = deepcopy(vars(argument))

        def restore() -> None:
            vars(argument).clear()
            vars(argument).update(deepcopy(content))

    else:
        return None
    return restore
