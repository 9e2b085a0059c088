"""Rules that say what a training must reach at a rung to go on, by what others have reached there."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from deap_nas.errors import SettingsError
from deap_nas.evaluation.curves import Curves

__all__ = ["CurveBound", "StoppingRule", "SuccessiveHalving"]


class StoppingRule(ABC):
    """What a training must reach at a rung to go on; a frozen dataclass.

    The process that searches knows what the others have reached, and gives the cutoffs; the worker knows the curve of
    its training, and gives what is held against them.
    """

    #: What :meth:`EarlyStopping.to_dict` calls it.
    kind: ClassVar[str]
    #: Rungs that suit it, as fractions of the steps, ascending.
    usual_rungs: ClassVar[Sequence[float]] = (1 / 9, 1 / 3)

    @property
    def first_rung(self) -> int:
        """Number of the first rung, from 0, at which a training may end."""
        return 0

    @abstractmethod
    def cutoff(self, curves: Curves, rung: int, *, rungs: Sequence[float]) -> float:
        """Give the least standing that goes on; minus infinity if all do.

        Args:
            curves: of the evaluations that have ended; one that was not stopped has one score more than there are
                rungs, its last accuracy.
            rung: number of the rung, from 0.
            rungs: all of them, as fractions of the steps, ascending.
        """

    def standing(self, curve: Sequence[float], *, rungs: Sequence[float]) -> float:  # noqa: ARG002 - for some rules
        """Give what is held against the cutoff of the rung that a training has come to: here its accuracy there.

        Args:
            curve: mean accuracy in [0, 1] at each rung so far, at least one.
            rungs: those rungs, as fractions of the steps, ascending.
        """
        return curve[-1]


@dataclass(frozen=True)
class SuccessiveHalving(StoppingRule):
    """The best share of those that reach a rung go on (Li 2020 <https://arxiv.org/abs/1810.05934>, stopping form).

    A training goes on if its accuracy is at least that of the k-th best of the n that have reached the rung before
    it, where k is ``fraction`` times n, rounded down; while k is 0 all go on. Nobody waits for others, so a good one
    that comes early may be compared with few. In a search whose candidates improve, more than the share go on.

    Raises:
        SettingsError: ``fraction`` is out of its range.
    """

    kind: ClassVar[str] = "successive_halving"
    #: Share that goes on, in (0, 1): one over the reduction factor of Li 2020.
    fraction: float = 1 / 3

    def __post_init__(self) -> None:
        """Check the field."""
        if not 0 < self.fraction < 1:
            raise SettingsError(f"fraction must lie in (0, 1), found {self.fraction}")

    def cutoff(self, curves: Curves, rung: int, *, rungs: Sequence[float]) -> float:  # noqa: ARG002 - of all rules
        """See :meth:`StoppingRule.cutoff`."""
        scores = curves.at(rung)
        n_best = int(self.fraction * len(scores))
        return scores[-n_best] if n_best else -math.inf


@dataclass(frozen=True)
class CurveBound(StoppingRule):
    """A training ends when it cannot come up to the better part of the population, by the curves seen so far.

    The bound: from a rung to the end of its training no accuracy grows by more than the largest growth of all that
    were trained whole, plus ``margin``. A training goes on if its accuracy plus this bound is at least the accuracy
    of the member at ``quantile`` of the population, counted from the worst; members that failed do not count. A member
    that is fitter than a share q of the others wins a tournament of t, if it is drawn into it, with a probability of
    about q to the power of t - 1: one in the middle wins 0.2 % of its tournaments of 10.

    The bound is an observation and no proof: a network that learns later than all before it is lost.

    Raises:
        SettingsError: a field is out of its range.
    """

    kind: ClassVar[str] = "curve_bound"
    #: Share of the population, in [0, 1), whose accuracy a training must be able to surpass.
    quantile: float = 0.5
    #: Accuracy in [0, 1] that is added to the largest growth.
    margin: float = 0.02
    #: Trainings, at least 1, that must have come to their end before any is stopped.
    n_whole: int = 20

    def __post_init__(self) -> None:
        """Check the fields."""
        if not 0 <= self.quantile < 1 or not 0 <= self.margin <= 1:
            raise SettingsError(
                f"quantile must lie in [0, 1) and margin in [0, 1], found {self.quantile} and {self.margin}"
            )
        if not isinstance(self.n_whole, int) or self.n_whole < 1:
            raise SettingsError(f"n_whole must be an integer of at least 1, found {self.n_whole!r}")

    def cutoff(self, curves: Curves, rung: int, *, rungs: Sequence[float]) -> float:
        """See :meth:`StoppingRule.cutoff`."""
        members, end = curves.members, len(rungs)
        if len(curves.at(end)) < self.n_whole or not members:
            return -math.inf
        wanted = members[int(self.quantile * len(members))]
        return wanted - curves.largest_gain(rung, end) - self.margin
