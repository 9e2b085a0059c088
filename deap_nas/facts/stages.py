"""What searches that go level by level have found at each step, and how well their surrogates had predicted it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from deap_nas.evaluation import Status
from deap_nas.store import HDF5Store
from deap_nas.surrogates import kendall_tau

__all__ = ["stages_in_words", "steps_of"]


def steps_of(store: HDF5Store) -> list[dict[str, Any]]:
    """Give each step of a progressive search as JSON can hold it, in their order; none of another search.

    Those of several searches in one file are taken together: the best of all, and the mean of their taus.

    Returns:
        Of each step ``iteration``, ``level``, ``n_networks`` that have a fitness, the ``best`` of their first
        objectives, and ``tau``, Kendall's between predicted and measured fitness; None where nothing was predicted, or
        all is equal.
    """
    stages = store.stages()
    if not stages:
        return []
    groups: dict[tuple[int, int], dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    is_ok = store.column("status") == Status.OK
    fitness = store.column("fitness")[is_ok, 0].tolist()
    for number, value in zip(store.column("id")[is_ok].tolist(), fitness, strict=True):
        if (stage := stages.get(number)) is not None:
            groups[stage.iteration, stage.level][stage.search].append((stage.predicted, value))
    return [_step(*key, searches, weight=store.weights[0]) for key, searches in sorted(groups.items())]


def _step(
    iteration: int, level: int, searches: Mapping[int, Sequence[tuple[float, float]]], *, weight: float
) -> dict[str, Any]:
    values = [value for pairs in searches.values() for _, value in pairs]
    taus = [tau for pairs in searches.values() if not math.isnan(tau := _tau(pairs))]
    return {
        "iteration": iteration,
        "level": level,
        "n_networks": len(values),
        "best": max(values, key=lambda value: value * weight),
        "tau": fmean(taus) if taus else None,
    }


def _tau(pairs: Sequence[tuple[float, float]]) -> float:
    known = [pair for pair in pairs if not math.isnan(pair[0])]
    return kendall_tau(*zip(*known, strict=True)) if len(known) > 1 else math.nan


def stages_in_words(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say a line for each iteration: the best and the tau of each level."""
    for iteration in dict.fromkeys(step["iteration"] for step in steps):
        own = [step for step in steps if step["iteration"] == iteration]
        bests = " ".join(f"{step['best']:.4f}" for step in own)
        taus = " ".join("-" if step["tau"] is None else f"{step['tau']:.2f}" for step in own)
        levels = f"levels {own[0]['level']} to {own[-1]['level']}" if len(own) > 1 else f"level {own[0]['level']}"
        yield f"iteration {iteration}, {levels}: best {bests}; Kendall tau of what was predicted {taus}"
