"""The hypervolume of a front: how much of what is better than a reference point it dominates (Zitzler 1999)."""

from __future__ import annotations

import math
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
    """Volume below points with positive coordinates: slices from the highest down, each of the area of those above."""
    ordered = sorted(points, key=lambda point: -point[2])
    heights = [point[2] for point in ordered[1:]] + [0.0]
    above: list[tuple[float, ...]] = []
    volume = 0.0
    for (width, depth, top), bottom in zip(ordered, heights, strict=False):
        above.append((width, depth))
        if top > bottom:
            volume += _area(above) * (top - bottom)
    return volume
