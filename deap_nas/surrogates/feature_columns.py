"""Features of many networks as one array, in which distances say how unlike two networks are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deap_nas.surrogates.graph_features import Features, Pattern

__all__ = ["FeatureColumns"]


class FeatureColumns:
    """The columns of some networks, which others are put into as well.

    Each group of features is scaled so that it has the same part in the squared distance of two of the networks, which
    is one on average. What the networks do not have, and another one has, is in one column of its group: the distance
    between that one and any of them is what it would be with all columns.

    Args:
        features: of the networks, at least one, in any order.
    """

    def __init__(self, features: Sequence[Features]) -> None:
        """See the class."""
        groups = list(zip(*features, strict=True))
        self._groups = [_Group(group, n_groups=len(groups)) for group in groups]

    def rows(self, features: Sequence[Features]) -> NDArray[np.float64]:
        """Give a row for each network, (networks, columns)."""
        groups = zip(*features, strict=True)
        return np.hstack([own.rows(group) for own, group in zip(self._groups, groups, strict=True)])


class _Group:
    """The columns of one group of features; the last one is for what none of its networks has."""

    def __init__(self, patterns: Sequence[Pattern], *, n_groups: int) -> None:
        numbers = sorted({number for pattern in patterns for number in pattern})
        self._column_of = {number: column for column, number in enumerate(numbers)}
        self._scale = 1.0
        mean_distance = 2 * self.rows(patterns).var(axis=0).sum()
        if mean_distance > 0:
            self._scale = (n_groups * mean_distance) ** -0.5

    def rows(self, patterns: Sequence[Pattern]) -> NDArray[np.float64]:
        rows = np.zeros((len(patterns), len(self._column_of) + 1))
        for row, pattern in zip(rows, patterns, strict=True):
            unknown = 0.0
            for number, value in pattern.items():
                column = self._column_of.get(number)
                if column is None:
                    unknown += value * value
                else:
                    row[column] = value
            row[-1] = unknown**0.5
        return rows * self._scale
