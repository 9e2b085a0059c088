"""How well predictions rank what they predict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError

__all__ = ["kendall_tau"]


def kendall_tau(one: Sequence[float] | NDArray[Any], other: Sequence[float] | NDArray[Any]) -> float:
    """Give Kendall's tau-b of two sequences of numbers, which counts ties (Kendall 1945, "The treatment of ties").

    The pairs that both rank alike minus those that they rank the other way round, over the geometric mean of the
    numbers of pairs that each of them ranks at all. The time grows by the square of their length: 10,000 numbers take
    about half a second.

    Returns:
        A number in [-1, 1], 0 on average for sequences that have nothing to do with each other; NaN where a sequence
        ranks nothing, as all of its numbers are equal or there are fewer than two.

    Raises:
        SettingsError: they are not two sequences of one length, or hold a NaN.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise SettingsError(
            f"two sequences of as many numbers each can be compared, found shapes {first.shape} and {second.shape}"
        )
    if np.isnan(first).any() or np.isnan(second).any():
        raise SettingsError("NaN has no rank: leave out the pairs of numbers of which one is NaN")
    agreement = n_first = n_second = 0
    for place in range(1, len(first)):
        ranks, others = _order(first, place), _order(second, place)
        agreement += int(np.dot(ranks, others))
        n_first += int(np.count_nonzero(ranks))
        n_second += int(np.count_nonzero(others))
    ranked = math.sqrt(n_first) * math.sqrt(n_second)
    return max(-1.0, min(1.0, agreement / ranked)) if ranked else math.nan


def _order(numbers: NDArray[np.float64], place: int) -> NDArray[np.int64]:
    """1, 0 or -1 for each number before a place that is smaller, equal or larger."""
    before, number = numbers[:place], numbers[place]
    order: NDArray[np.int64] = np.subtract(before < number, before > number, dtype=np.int64)
    return order
