"""How a search is conducted, where only its loop knows it: what a store is told of it, and how a file keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

__all__ = ["CONDUCT", "Conduct", "conduct_of"]

#: Name of the dataset, which has one text: in a file that is being written, nothing of another length can be written.
CONDUCT = "conduct"
_N_BYTES = 2048
#: Characters of the name of a function with its settings.
_LONGEST_NAME = 80
#: What is told of a search, and the type of each.
_KINDS = {"n_evaluations": int, "n_workers": int, "survival": str, "reuse": str, "deterministic": bool}


def conduct_of(
    *,
    n_evaluations: int,
    n_workers: int,
    survival: Callable[..., Any] | str | None,
    reuse: Callable[..., Any] | None,
    deterministic: bool = True,
) -> dict[str, Any]:
    """Describe how a search is conducted, as JSON can hold it.

    Args:
        n_evaluations: in the whole run.
        n_workers: evaluations kept running at a time.
        survival: the rule, or None; where there is none of its own, who names those that leave.
        reuse: what gives the keys of genotypes, or None.
        deterministic: whether genotype, seed and parent decide what an evaluation gives.
    """
    return {
        "n_evaluations": n_evaluations,
        "n_workers": n_workers,
        "survival": "all stay" if survival is None else survival if isinstance(survival, str) else _name(survival),
        "reuse": "never" if reuse is None else _name(reuse),
        "deterministic": deterministic,
    }


def _name(function: Callable[..., Any]) -> str:
    """Name of a function, with those settings of its partials that are plain values: ``"killOldest(size=200)"``."""
    settings: dict[str, Any] = {}
    while isinstance(function, partial):
        settings = {**function.keywords, **settings}
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    plain = [f"{key}={value}" for key, value in settings.items() if isinstance(value, (int, float, str))]
    return (f"{name}({', '.join(plain)})" if plain else name)[:_LONGEST_NAME]


class Conduct:
    """The text in an open HDF5 file; one that has none, or another one of that name, holds nothing and takes nothing.

    Args:
        file: an HDF5 file.
    """

    def __init__(self, file: Any) -> None:
        """See the class."""
        dataset = file.get(CONDUCT)
        is_ours = hasattr(dataset, "dtype") and dataset.dtype == f"S{_N_BYTES}" and dataset.shape == (1,)
        self._dataset = dataset if is_ours else None

    @staticmethod
    def lay_out(file: Any) -> None:
        """Make room for the text, unless something of its name is there."""
        if CONDUCT not in file:
            file.create_dataset(CONDUCT, data=[b""], dtype=f"S{_N_BYTES}")

    def save(self, fields: Mapping[str, Any]) -> None:
        """Write what :func:`conduct_of` gave."""
        if self._dataset is not None:
            self._dataset[0] = json.dumps(fields).encode()[:_N_BYTES]

    def load(self) -> dict[str, Any]:
        """Give what was written, as far as it is sound: it may be changed at this moment."""
        if self._dataset is None:
            return {}
        try:
            fields = json.loads(bytes(self._dataset[0]))
        except (OSError, ValueError, RecursionError):
            return {}
        fields = fields if isinstance(fields, dict) else {}
        return {name: fields[name] for name, kind in _KINDS.items() if type(fields.get(name)) is kind}
