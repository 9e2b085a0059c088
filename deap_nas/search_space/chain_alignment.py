"""Which layers of a chain are those of the chain that it came from, though they have moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deap_nas.graph import Convolution, OperationValue, Pooling, SeparableConvolution, pair

__all__ = ["Carried", "aligned", "carried"]

_Layer = str | OperationValue
_Convolution = Convolution | SeparableConvolution
#: What a step of an alignment costs that a trained function would not survive; one that it survives costs nothing.
_ALTERED, _LOST = 1, 3


class Carried(NamedTuple):
    """What is known of the value before a layer."""

    #: Channels; None where only the template knows.
    width: int | None
    #: Whether no number of it is negative, so that a ReLU changes nothing.
    is_positive: bool


def carried(layers: Sequence[_Layer]) -> list[Carried]:
    """The value before each layer of a chain, and after the last."""
    values = [Carried(None, is_positive=False)]
    for layer in layers:
        if isinstance(layer, _Convolution):
            values.append(Carried(layer.channels, is_positive=True))
        else:
            values.append(values[-1] if isinstance(layer, Pooling) else Carried(None, is_positive=False))
    return values


def aligned(parent: Sequence[_Layer], child: Sequence[_Layer]) -> dict[int, int]:
    """Places in the parent of those layers of the child that were there before.

    Of all ways to insert, to remove and to alter layers that lead from one to the other it is one that leaves the most
    of a trained function, by :mod:`deap_nas.training.weights.morphing`: all of it, if there is such a way.

    Args:
        parent: operation of each layer.
        child: likewise.
    """
    before, after = carried(parent), carried(child)
    #: For each number of layers of child and parent the least cost, and how the last of them were paired.
    best: dict[tuple[int, int], tuple[int, int, tuple[int, int]]] = {(0, 0): (0, 0, (0, 0))}
    for i in range(len(child) + 1):
        for j in range(len(parent) + 1):
            ways: list[tuple[int, bool, tuple[int, int]]] = []
            if i and j and type(child[i - 1]) is type(parent[j - 1]):
                old, new = parent[j - 1], child[i - 1]
                ways.append((_cost_of_change(old, new), old != new, (i - 1, j - 1)))
            if i:
                ways.append((_cost_of_insertion(child[i - 1], after[i - 1], before[j].width), True, (i - 1, j)))
            if j:
                ways.append((_LOST, True, (i, j - 1)))
            totals = [(best[way][0] + cost, best[way][1] + differs, way) for cost, differs, way in ways]
            if totals:
                best[i, j] = min(totals)
    return dict(_pairs(best, len(child), len(parent)))


def _pairs(best: dict[tuple[int, int], tuple[int, int, tuple[int, int]]], i: int, j: int) -> list[tuple[int, int]]:
    pairs = []
    while i or j:
        way = best[i, j][2]
        if way == (i - 1, j - 1):
            pairs.append(way)
        i, j = way
    return pairs[::-1]


def _cost_of_change(before: _Layer, after: _Layer) -> int:
    if before == after:
        return 0
    if not isinstance(before, _Convolution) or not isinstance(after, _Convolution):
        return _LOST
    is_larger = after.channels >= before.channels and all(
        new >= old for new, old in zip(pair(after.kernel_size), pair(before.kernel_size), strict=True)
    )
    return 0 if is_larger and before.stride == after.stride else _ALTERED


def _cost_of_insertion(layer: _Layer, value: Carried, width: int | None) -> int:
    """Of a layer after a value of the child that stands for one of so many channels of the parent."""
    if isinstance(layer, Pooling):
        return 0 if layer.kernel_size == layer.stride == 1 else _LOST
    is_identity = isinstance(layer, _Convolution) and layer.stride == 1 and value.is_positive
    return 0 if is_identity and width is not None and layer.channels >= width else _LOST  # type: ignore[union-attr]
