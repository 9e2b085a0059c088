"""Comparing the settings of a run that is there with those of a run that wants to go on with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deap_nas.errors import DifferentRunError

__all__ = ["check_same"]

_ABSENT = "nothing"


def check_same(
    name: str,
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    free: Iterable[str] = (),
    remedy: str = "leave those settings out, or start a new file",
) -> None:
    """Check that two nested dictionaries agree.

    Args:
        name: of the file, for the message.
        found: what the file holds.
        wanted: what is asked for.
        free: keys that may differ, those below another as ``"fitness.seed"``.
        remedy: what the message advises.

    Raises:
        DifferentRunError: they differ; the message names each difference.
    """
    left, right, free = dict(_leaves(found)), dict(_leaves(wanted)), set(free)
    differences = [
        f"{key} is {left.get(key, _ABSENT)} there, but {right.get(key, _ABSENT)} was asked for"
        for key in sorted(left.keys() | right.keys())
        if key not in free and left.get(key, _ABSENT) != right.get(key, _ABSENT)
    ]
    if differences:
        raise DifferentRunError(f"{name} belongs to another run: {'; '.join(differences)}; {remedy}")


def _leaves(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values, with tuples as the lists that JSON makes of them."""
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value
