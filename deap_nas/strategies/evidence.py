"""What a search knows of networks: how those that have been evaluated rank, and which are being evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.deap_protocols import Individual
from deap_nas.evaluation import Status
from deap_nas.genotype import plain_genotype

__all__ = ["Evidence", "normal_scores"]


class Evidence:
    """Networks with their values, as examples for a surrogate.

    Args:
        key: of a genotype, equal for those that are one network.
    """

    def __init__(self, key: Callable[[Any], Any]) -> None:
        """See the class."""
        self._key = key
        #: Genotypes of all evaluations that have ended, and their weighted values; of failed ones minus infinity.
        self._genotypes: list[Any] = []
        self._values: list[float] = []
        self._keys: set[Any] = set()
        #: Of those that go on, by key: genotype, and what is expected of it, as a score.
        self._running: dict[Any, tuple[Any, float | None]] = {}

    @property
    def n_ended(self) -> int:
        """Evaluations that have ended."""
        return len(self._values)

    @property
    def n_running(self) -> int:
        """Evaluations that go on."""
        return len(self._running)

    def knows(self, key: Any) -> bool:
        """Whether the network with a key has been evaluated, or is being evaluated."""
        return key in self._keys or key in self._running

    def has_ended(self, key: Any) -> bool:
        """Whether the network with a key has been evaluated."""
        return key in self._keys

    def begin(self, genotype: Any, expected: float | None = None) -> None:
        """Take note of an evaluation that begins.

        Args:
            genotype: without fitness.
            expected: its score, in [0, 1]; None where nobody has said.
        """
        self._running[self._key(genotype)] = (genotype, expected)

    def end(self, individual: Individual) -> None:
        """Take note of an evaluation that has ended, and count it among those that go on no more."""
        genotype = plain_genotype(individual)
        key = self._key(genotype)
        self._running.pop(key, None)
        self._keys.add(key)
        self._genotypes.append(genotype)
        evaluation = getattr(individual, "evaluation", None)
        has_failed = evaluation is not None and evaluation.status is not Status.OK
        self._values.append(-math.inf if has_failed else individual.fitness.wvalues[0])

    def forget_running(self, n_left: int = 0) -> None:
        """Forget the first of those that go on, of whom no more than so many are left."""
        for key in list(self._running)[: max(0, len(self._running) - n_left)]:
            del self._running[key]

    def examples(self) -> tuple[list[Any], NDArray[np.float64]]:
        """Give the genotypes with their scores in [0, 1], and after them those of whom something is expected."""
        expected = [(genotype, score) for genotype, score in self._running.values() if score is not None]
        genotypes = [*self._genotypes, *(genotype for genotype, _ in expected)]
        return genotypes, np.concatenate([normal_scores(self._values), np.clip([score for _, score in expected], 0, 1)])


def normal_scores(values: Sequence[float]) -> NDArray[np.float64]:
    """Spread values as if they were normally distributed, by their ranks, and scale them to [0, 1].

    Args:
        values: at least one; equal ones get their mean rank.

    Returns:
        The scores, (values,), of which the highest is 1 and the lowest 0; of equal values all are 0.5.
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - counts / 2  # in the middle of those that are equal
    quantile = NormalDist().inv_cdf
    scores = np.array([quantile(rank / len(values)) for rank in ranks.tolist()])
    span = scores[-1] - scores[0]
    return (scores[places] - scores[0]) / span if span > 0 else np.full(len(values), 0.5)
