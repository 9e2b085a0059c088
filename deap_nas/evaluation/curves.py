"""Learning curves of the evaluations of a run, by which a fitness may end later ones early."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

from deap_nas.evaluation.evaluation import Evaluation, Status

__all__ = ["Curves", "Stopping"]

#: Curves of one length that are kept whole.
_N_LATEST = 50


class Curves:
    """The scores of all evaluations at each rung, a few steps of a binary search away.

    A rung is a place on the way of an evaluation at which it may end, counted from 0; what ends at none of them has
    one more score in its curve.
    """

    def __init__(self) -> None:
        """Make an empty collection."""
        self._at: list[list[float]] = []
        self._gains: dict[tuple[int, int], float] = {}
        self._latest: dict[int, deque[tuple[float, ...]]] = {}
        self._members: list[float] = []

    def add(self, evaluation: Evaluation, *, is_member: bool = True) -> None:
        """Take an evaluation in; one that was reused, or that has no curve, is a member at most.

        Args:
            evaluation: one that has ended.
            is_member: whether its individual is in the population.
        """
        if evaluation.reused < 0:
            self._add_curve(evaluation.curve)
        if is_member and _has_end(evaluation):
            insort(self._members, evaluation.curve[-1])

    def _add_curve(self, curve: Sequence[float]) -> None:
        self._latest.setdefault(len(curve), deque(maxlen=_N_LATEST)).append(tuple(curve))
        self._at += [[] for _ in range(len(curve) - len(self._at))]
        for rung, score in enumerate(curve):
            insort(self._at[rung], score)
        for places in combinations(range(len(curve)), 2):
            first, last = places
            gain = curve[last] - curve[first]
            self._gains[places] = max(gain, self._gains.get(places, gain))

    def discard(self, evaluation: Evaluation) -> None:
        """Let a member leave the population; its curve stays."""
        if _has_end(evaluation):
            del self._members[bisect_left(self._members, evaluation.curve[-1])]

    @property
    def members(self) -> Sequence[float]:
        """The last score of each member of the population that has not failed, in ascending order."""
        return self._members

    def at(self, rung: int) -> Sequence[float]:
        """The scores of all that reached a rung, in ascending order."""
        return self._at[rung] if rung < len(self._at) else ()

    def latest(self, n_scores: int) -> Sequence[tuple[float, ...]]:
        """The curves of so many scores that came last, at most 50, in the order in which they came."""
        return self._latest.get(n_scores, ())

    def largest_gain(self, first: int, last: int) -> float:
        """The most that a score has grown from one rung to another, among all that reached both.

        Raises:
            KeyError: none did.
        """
        return self._gains[first, last]


def _has_end(evaluation: Evaluation) -> bool:
    return evaluation.status is Status.OK and bool(evaluation.curve)


class Stopping(Protocol):
    """How evaluations are ended early; a fitness that wants it has one as its attribute ``stopping``."""

    def cutoffs(self, curves: Curves) -> tuple[float, ...]:
        """Give what an evaluation must reach at each rung to go on; minus infinity if all do.

        What must reach it, the mean score there or something that follows from those so far, is the fitness's matter.

        The search loop asks when it hands a :class:`Job` out, and puts the answer into it. It also asks once before the
        first job, to see how many rungs there are.

        Args:
            curves: of the evaluations that have ended by then; there may be none.
        """
        ...
