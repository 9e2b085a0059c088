"""What a surrogate is given to learn from, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError

__all__ = ["NOT_FITTED", "checked_values", "in_order"]

NOT_FITTED = "a surrogate predicts from what it has learned, and has learned nothing: call fit first"


def checked_values(values: Sequence[float] | NDArray[Any], n_genotypes: int) -> NDArray[np.float64]:
    """Give values as an array, (n_genotypes,).

    Raises:
        SettingsError: there are none, not as many values, or one is not finite.
    """
    scores = np.asarray(values, dtype=np.float64)
    if scores.shape != (n_genotypes,):
        raise SettingsError(
            f"each genotype needs one value, found {n_genotypes} genotypes and values of the shape {scores.shape}; of "
            "individuals these are [individual.fitness.values[0] for individual in individuals]"
        )
    if not n_genotypes:
        raise SettingsError("there is nothing to learn from: give at least one genotype and its value")
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise SettingsError(
            f"values must be finite, value {wrong[0]} is {scores[wrong[0]]}: leave out evaluations that failed, or "
            "give them the worst of the others"
        )
    return scores


def in_order(rows: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sort examples by their scores, and equal ones by their rows, so that nothing depends on how they were listed."""
    order = np.lexsort((*rows.T, scores))
    return rows[order], scores[order]
