"""The Pareto front of a search with several objectives, and its hypervolume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.evaluation import Status
from deap_nas.report.dominated_volume import MOST_OBJECTIVES, hypervolume
from deap_nas.store import HDF5Store

__all__ = ["front_in_words", "front_of"]


def front_of(store: HDF5Store) -> dict[str, Any] | None:
    """Describe the front of all evaluations that have succeeded, as JSON can hold it.

    Returns:
        ``size``, the number of different values on the front; ``names`` of the objectives, where the fitness says them;
        ``reference``, the worst value of each objective among those evaluations; ``hypervolume`` against it, None for
        more than three objectives. None for a file with one objective, or without success.
    """
    values = store.column("fitness")[store.column("status") == Status.OK]
    values = values[np.isfinite(values).all(axis=1)]  # a damaged file may hold anything
    if values.shape[1] < 2 or not len(values):
        return None
    signs = np.sign(store.weights)
    front = _front(np.unique(values * signs, axis=0)) * signs
    reference = ((values * signs).min(axis=0) * signs).tolist()
    is_computed = values.shape[1] <= MOST_OBJECTIVES
    volume = hypervolume(front.tolist(), weights=store.weights, reference=reference) if is_computed else None
    return {"size": len(front), "names": _names(store), "reference": reference, "hypervolume": volume}


def _front(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows that no other dominates, where larger is better and no two are equal; the largest in the first are first."""
    kept = []
    rows = rows[np.lexsort(rows.T[::-1])[::-1]]
    while len(rows):  # nothing that is left dominates the first
        kept.append(rows[0])
        rows = rows[(rows > rows[0]).any(axis=1)]
    return np.array(kept)


def _names(store: HDF5Store) -> list[str]:
    """What a fitness calls its objectives, if it says so; from a stranger it may say anything."""
    fitness = store.settings.get("fitness")
    names = fitness.get("objectives") if isinstance(fitness, dict) else None
    if not isinstance(names, list) or len(names) != len(store.weights):
        return [f"objective {number}" for number in range(1, len(store.weights) + 1)]
    return list(map(str, names))


def front_in_words(front: Mapping[str, Any]) -> list[str]:
    """Two lines: the size of the front, and its hypervolume with the reference point."""
    lines = [f"front       {front['size']} of different values that none dominates"]
    if front["hypervolume"] is None:
        return lines
    pairs = zip(front["names"], front["reference"], strict=True)
    reference = ", ".join(f"{name} {value:,.6g}" for name, value in pairs)
    return [*lines, f"hypervolume {front['hypervolume']:.6g}, from the worst of each that was found: {reference}"]
