"""When the training of a candidate ends early: rungs of steps, and rules that say what must be reached there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol, Self

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.evaluation.curves import Curves

__all__ = ["CurveBound", "EarlyStopping", "StoppingRule", "SuccessiveHalving", "check_stopping"]


class StoppingRule(Protocol):
    """What a training must reach at a rung to go on; a frozen dataclass."""

    #: What :meth:`EarlyStopping.to_dict` calls it.
    kind: ClassVar[str]

    def cutoff(self, curves: Curves, rung: int, *, end: int) -> float:
        """Give the least mean accuracy that goes on; minus infinity if all do.

        Args:
            curves: of the evaluations that have ended.
            rung: number of the rung, from 0.
            end: number of rungs; a training that was not stopped has its last accuracy there.
        """
        ...


@dataclass(frozen=True)
class SuccessiveHalving:
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

    def cutoff(self, curves: Curves, rung: int, *, end: int) -> float:  # noqa: ARG002 - one signature for all rules
        """See :meth:`StoppingRule.cutoff`."""
        scores = curves.at(rung)
        n_best = int(self.fraction * len(scores))
        return scores[-n_best] if n_best else -math.inf


@dataclass(frozen=True)
class CurveBound:
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

    def cutoff(self, curves: Curves, rung: int, *, end: int) -> float:
        """See :meth:`StoppingRule.cutoff`."""
        members = curves.members
        if len(curves.at(end)) < self.n_whole or not members:
            return -math.inf
        wanted = members[int(self.quantile * len(members))]
        return wanted - curves.largest_gain(rung, end) - self.margin


_RULES: Mapping[str, type[SuccessiveHalving] | type[CurveBound]] = {
    rule.kind: rule for rule in (SuccessiveHalving, CurveBound)
}


@dataclass(frozen=True)
class EarlyStopping:
    """Trainings that may end at a rung, where their accuracy is then their fitness.

    All repeats of a candidate train to a rung and are validated there; their mean accuracy decides whether they go on.
    :func:`~deap_nas.eaAsync` computes what it must be when it hands a candidate out, from the evaluations that have
    ended by then. Elsewhere, as in DEAP's own loops, nothing is stopped.

    With several objectives the accuracy decides alone, against that of all others of whatever size: a network that is
    small and less accurate ends early too. It is no worse by its size, which is exact at any step; its accuracy is that
    at its rung, and by both it finds its place on the front.

    Raises:
        SettingsError: the rungs are not ascending fractions in (0, 1), or the rule is none.
    """

    #: Where a training may end, as fractions of its steps, ascending.
    rungs: tuple[float, ...] = (1 / 9, 1 / 3)
    rule: StoppingRule = SuccessiveHalving()

    def __post_init__(self) -> None:
        """Check the fields."""
        if isinstance(self.rule, type) or not hasattr(self.rule, "cutoff"):
            raise SettingsError(f"rule must be a rule such as SuccessiveHalving(), found {self.rule!r}")
        edges = (0.0, *self.rungs, 1.0) if isinstance(self.rungs, tuple | list) else ()
        if len(edges) < 3 or any(not low < high for low, high in pairwise(edges)):
            raise SettingsError(
                f"rungs are ascending fractions of the steps in (0, 1), such as (1 / 9, 1 / 3), found {self.rungs!r}"
            )

    def steps(self, steps: int) -> list[int]:
        """The rungs of a training of so many steps, as numbers of steps of at least 1."""
        return [max(1, round(rung * steps)) for rung in self.rungs]

    def cutoffs(self, curves: Curves) -> tuple[float, ...]:
        """See :meth:`Stopping.cutoffs <deap_nas.evaluation.Stopping>`."""
        end = len(self.rungs)
        return tuple(self.rule.cutoff(curves, rung, end=end) for rung in range(end))

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`from_dict` takes, as JSON can hold it."""
        rule: Any = self.rule
        return {"rungs": list(self.rungs), "rule": {"kind": rule.kind, **asdict(rule)}}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Make what :meth:`to_dict` described.

        Raises:
            KeyError: a field is missing.
            TypeError: there is one that does not belong there.
            UnknownNameError: it has a rule that is not of this package.
            SettingsError: a field is out of its range.
        """
        options = dict(fields["rule"])
        kind = options.pop("kind")
        if kind not in _RULES:
            raise UnknownNameError("stopping rule", kind, _RULES)
        return cls(tuple(fields["rungs"]), _RULES[kind](**options))


def check_stopping(stopping: EarlyStopping | None) -> EarlyStopping | None:
    """Check how trainings end early, None for not at all.

    Raises:
        SettingsError: it is something else, such as a rule without its rungs.
    """
    if stopping is not None and not isinstance(stopping, EarlyStopping):
        raise SettingsError(f"stopping must be an EarlyStopping, which has rungs and a rule, found {stopping!r}")
    return stopping
