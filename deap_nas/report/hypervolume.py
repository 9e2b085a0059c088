"""The hypervolume of a front: how much of what is better than a reference point it dominates (Zitzler 1999)."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from deap_nas.errors import SettingsError

__all__ = ["MOST_OBJECTIVES", "hypervolume"]

#: More are not computed.
MOST_OBJECTIVES = 3


def hypervolume(values: Iterable[Sequence[float]], *, weights: Sequence[float], reference: Sequence[float]) -> float:
    """Give the exact volume of what is dominated by some points and dominates a reference point.

    In O(n log n) for two objectives, and in O(n ** 2 log n) for three.

    Args:
        values: fitness values, each of one to three objectives, in any order; those that are no better than the
            reference in some objective add nothing.
        weights: of the fitness; of those that are negative smaller values are better. Only the signs count.
        reference: value of each objective.

    Returns:
        In the product of the units of the objectives; 0 for no points.

    Raises:
        SettingsError: there are more than three objectives or none, a number is NaN, or lengths differ.
    """
    if not 1 <= len(weights) <= MOST_OBJECTIVES:
        raise SettingsError(f"hypervolumes are computed of 1 to {MOST_OBJECTIVES} objectives, found {len(weights)}")
    signs = [1.0 if weight > 0 else -1.0 for weight in weights]
    gains = set()
    for row in values:
        if len(row) != len(signs) or len(reference) != len(signs):
            raise SettingsError(f"values and reference must have a number for each of {len(signs)} objectives")
        gain = tuple([sign * (value - worst) for sign, value, worst in zip(signs, row, reference, strict=True)])
        if any(map(math.isnan, gain)):
            raise SettingsError(f"values and reference must be numbers, found {row!r} and {reference!r}")
        if min(gain) > 0:
            gains.add(gain)
    if len(signs) == 1:
        return max((gain[0] for gain in gains), default=0.0)
    return _area(gains) if len(signs) == 2 else _volume(gains)


def _area(points: Iterable[tuple[float, ...]]) -> float:
    """Area below a staircase, of points with positive coordinates."""
    area = height = 0.0
    for width, top in sorted(points, reverse=True):
        area += width * max(0.0, top - height)
        height = max(height, top)
    return area


def _volume(points: Iterable[tuple[float, ...]]) -> float:
    """Volume below points with positive coordinates: slices from the highest down, each of the area above it."""
    ordered = sorted(points, key=lambda point: -point[2])
    stairs: list[tuple[float, float]] = []  # ascending in the first coordinate, descending in the second
    volume = 0.0
    for place, (width, depth, height) in enumerate(ordered):
        _add_stair(stairs, (width, depth))
        below = ordered[place + 1][2] if place + 1 < len(ordered) else 0.0
        volume += _area(stairs) * (height - below)
    return volume


def _add_stair(stairs: list[tuple[float, float]], point: tuple[float, float]) -> None:
    """Add a point to those that none dominates."""
    place = bisect_left(stairs, point)
    if place < len(stairs) and stairs[place][1] >= point[1]:
        return
    first = place
    while first > 0 and stairs[first - 1][1] <= point[1]:
        first -= 1
    stairs[first:place] = [point]
