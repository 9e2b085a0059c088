"""When the training of a candidate ends early: rungs of steps, and a rule that says what must be reached there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.evaluation.curves import Curves
from deap_nas.training.fitness.curve_extrapolation import CurveExtrapolation
from deap_nas.training.fitness.stopping_rules import CurveBound, StoppingRule, SuccessiveHalving

__all__ = ["EarlyStopping", "check_stopping"]

_RULES: Mapping[str, type[StoppingRule]] = {
    rule.kind: rule for rule in (SuccessiveHalving, CurveBound, CurveExtrapolation)
}


@dataclass(frozen=True)
class EarlyStopping:
    """Trainings that may end at a rung, where their accuracy is then their fitness.

    All repeats of a candidate train to a rung and are validated there; their mean accuracies decide whether they
    go on. :func:`~deap_nas.eaAsync` computes what must be reached when it hands a candidate out, from the evaluations
    that have ended by then. Elsewhere, as in DEAP's own loops, nothing is stopped.

    With several objectives the accuracy decides alone, against that of all others of whatever size: a network that is
    small and less accurate ends early too. It is no worse by its size, which is exact at any step; its accuracy is that
    at its rung, and by both it finds its place on the front.

    Raises:
        SettingsError: the rungs are not ascending fractions in (0, 1), the rule is none, or it would end no training at
            these rungs, as they are too few.
    """

    #: Where a training may end, as fractions of its steps, ascending; by default where it suits the rule.
    rungs: tuple[float, ...] = ()
    rule: StoppingRule = SuccessiveHalving()  # noqa: RUF009 - it is frozen, and the reference shows it

    def __post_init__(self) -> None:
        """Check the fields."""
        if not isinstance(self.rule, StoppingRule):
            raise SettingsError(f"rule must be a rule such as SuccessiveHalving(), found {self.rule!r}")
        if self.rungs == ():
            object.__setattr__(self, "rungs", tuple(self.rule.usual_rungs))
        edges = (0.0, *self.rungs, 1.0) if isinstance(self.rungs, tuple | list) else ()
        if len(edges) < 3 or any(not low < high for low, high in pairwise(edges)):
            raise SettingsError(
                f"rungs are ascending fractions of the steps in (0, 1), such as (1 / 9, 1 / 3), found {self.rungs!r}"
            )
        if len(self.rungs) <= self.rule.first_rung:
            raise SettingsError(
                f"rungs must be at least {self.rule.first_rung + 1}, since before that many no training is ended by "
                f"{self.rule}, found {len(self.rungs)}: give more of them"
            )

    def steps(self, steps: int) -> list[int]:
        """The rungs of a training of so many steps, as numbers of steps of at least 1."""
        return [max(1, round(rung * steps)) for rung in self.rungs]

    def cutoffs(self, curves: Curves) -> tuple[float, ...]:
        """See :meth:`Stopping.cutoffs <deap_nas.evaluation.Stopping>`."""
        return tuple(self.rule.cutoff(curves, rung, rungs=self.rungs) for rung in range(len(self.rungs)))

    def goes_on(self, curve: Sequence[float], *, cutoffs: Sequence[float]) -> bool:
        """Whether a training goes on from where it is.

        Args:
            curve: mean accuracy in [0, 1] at each rung so far, at least one.
            cutoffs: what :meth:`cutoffs` gave; where there are none for a rung, all go on.
        """
        rung = len(curve) - 1
        if rung >= len(cutoffs) or cutoffs[rung] == -math.inf:
            return True
        return self.rule.standing(curve, rungs=self.rungs[: len(curve)]) >= cutoffs[rung]

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
