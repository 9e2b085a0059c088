"""How a learning curve goes on: what it will end with, and the rule that stops a training by it.

A curve is taken for f - d h(t), where t in (0, 1] is the share of the steps, f the accuracy at the end, d what is
gained from the first point to there, and h falls from 1 to 0. The shape h is of one of three families. They hold most
of the eleven of Domhan 2015, "Speeding up automatic hyperparameter optimization of deep neural networks by
extrapolation of learning curves":

- t ** -a: pow3; with a = -1, a line
- exp(-(k t) ** a): exp4, Janoschek, Weibull
- 1 / (1 + (k t) ** a): MMF, Hill3, log power

Where they are sampled by Markov chains there, a and k lie on a grid here, and so does the noise. For each place of the
grid f and d have a normal prior, so their posterior, what it says of the end, and how well the place explains the curve
are known in closed form: what will be is a mixture of normal distributions, found without a random number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError
from deap_nas.evaluation.curves import Curves
from deap_nas.training.fitness.stopping_rules import StoppingRule

__all__ = ["CurveExtrapolation", "Extrapolation", "extrapolate"]

_Array = NDArray[np.float64]

_POWERS = np.geomspace(0.1, 4, 12)
_RATES = np.geomspace(0.5, 40, 10)
_BENDS = (0.5, 1.0, 2.0, 4.0)
#: Standard deviations of a measured accuracy around its curve.
_NOISES = np.geomspace(0.002, 0.08, 11)[:, None]
#: Means and standard deviations of the priors: of the last accuracy, and of the gain until then.
_END = (0.5, 0.3)
_GAIN = (0.25, 0.25)

_error_function = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """What the last accuracy of a curve will be: a mixture of normal distributions, of each a number in three arrays.

    It is about the accuracy that will be measured, so its noise is in the deviations.
    """

    #: Shares of the mixture, which add up to 1.
    weights: _Array
    means: _Array
    deviations: _Array

    @property
    def mean(self) -> float:
        """The accuracy that is expected."""
        return float(self.weights @ self.means)

    @property
    def deviation(self) -> float:
        """Its standard deviation."""
        return math.sqrt(self.weights @ (self.deviations**2 + (self.means - self.mean) ** 2))

    def chance(self, accuracy: float) -> float:
        """Probability, in [0, 1], that the last accuracy is at least so high."""
        return min(1.0, float(self.weights @ _normal_share(self.means, self.deviations, accuracy)))

    def most(self, chance: float) -> float:
        """The accuracy that is reached with a probability in (0, 1), to about twelve digits."""
        low, high = ((self.means + side * 40 * self.deviations) for side in (-1, 1))
        below, above = float(low.min()), float(high.max())
        for _ in range(50):
            middle = (below + above) / 2
            below, above = (middle, above) if self.chance(middle) >= chance else (below, middle)
        return below


def extrapolate(shares: Sequence[float], accuracies: Sequence[float]) -> Extrapolation:
    """Extrapolate a learning curve to its end; it takes about half a millisecond.

    Args:
        shares: of the steps, at which the accuracies were measured, ascending in (0, 1).
        accuracies: as many numbers, most of them in [0, 1]; those that are not finite are left out, and where nothing
            is left what is expected is what may be expected of any curve.

    Raises:
        SettingsError: the shares do not ascend in (0, 1), or there are not as many as accuracies.
    """
    edges = (0.0, *shares, 1.0)
    if len(shares) != len(accuracies) or any(not low < high for low, high in pairwise(edges)):
        raise SettingsError(
            f"accuracies are measured at shares of the steps that ascend in (0, 1), one each, "
            f"found {shares!r} and {accuracies!r}"
        )
    seen = [point for point in zip(shares, accuracies, strict=True) if math.isfinite(point[1])]
    return _extrapolated(*zip(*seen, strict=True)) if seen else _single(*_END)


@lru_cache(maxsize=2048)
def _extrapolated(shares: tuple[float, ...], accuracies: tuple[float, ...]) -> Extrapolation:
    """Of finite accuracies, at least one; the arrays have a row for each noise and a column for each shape."""
    shapes = _shapes(shares)
    y, precision = np.array(accuracies), _NOISES**-2
    (end, end_deviation), (gain, gain_deviation) = _END, _GAIN
    # the normal equations of y = f - d h, with the priors
    ff = len(y) * precision + end_deviation**-2
    fd = -shapes.sum(axis=1) * precision
    dd = (shapes**2).sum(axis=1) * precision + gain_deviation**-2
    f_side = y.sum() * precision + end / end_deviation**2
    d_side = -(shapes @ y) * precision + gain / gain_deviation**2
    determinant = ff * dd - fd**2
    f, d = (dd * f_side - fd * d_side) / determinant, (ff * d_side - fd * f_side) / determinant
    left = (y @ y) * precision - f_side * f - d_side * d
    evidence = (len(y) * np.log(precision) - np.log(determinant) - left) / 2
    weights = np.exp(evidence - evidence.max())
    counts = weights > 1e-9
    deviations = np.sqrt(dd / determinant + _NOISES**2)
    return Extrapolation(weights[counts] / weights[counts].sum(), f[counts], deviations[counts])


def _single(mean: float, deviation: float) -> Extrapolation:
    return Extrapolation(np.ones(1), np.array([mean]), np.array([deviation]))


@lru_cache(maxsize=256)
def _shapes(shares: tuple[float, ...]) -> _Array:
    """A row for each shape, a column for each of some shares: from 1 at the first of them towards 0 at the end."""
    t = np.maximum([*shares, 1.0], 1e-9)
    shapes = np.array(
        [
            -t,
            *(t**-power for power in _POWERS),
            *(np.exp(-((rate * t) ** bend)) for rate in _RATES for bend in _BENDS[:3]),
            *(1 / (1 + (rate * t) ** bend) for rate in _RATES for bend in _BENDS[1:]),
        ]
    )
    first, last = shapes[:, :1], shapes[:, -1:]
    # the others are flat from the first share on, as far as can be computed; a line never is
    falls = (first - last > np.maximum(1e-9 * first, 1e-100)).ravel()
    scaled: _Array = ((shapes - last)[falls] / (first - last)[falls])[:, :-1]
    return scaled


def _normal_share(means: _Array, deviations: _Array, least: float) -> _Array:
    """How much of each normal distribution is at least so high."""
    scaled: Any = (means - least) / (deviations * math.sqrt(2))
    share: _Array = (1 + _error_function(scaled).astype(np.float64)) / 2
    return share


@dataclass(frozen=True)
class CurveExtrapolation(StoppingRule):
    """A training ends when, by its own curve, it is unlikely to come up to the better part of the population.

    That is the criterion of Domhan 2015, where the better part is the best one alone. From the accuracies of a training
    at its rungs, :func:`extrapolate` says with what probability it will end with at least the accuracy of the member at
    ``quantile`` of the population, counted from the worst; members that failed do not count. Below ``chance`` the
    training ends. It never does where it has been as good as that member.

    A curve knows nothing of a learning rate that will drop. So what must be reached is lowered by as much as the last
    trainings that were not stopped, 50 at most, have ended above what their curves had promised at the same rung, in
    the mean; where they have ended below it, it stays.

    Raises:
        SettingsError: a field is out of its range.
    """

    kind: ClassVar[str] = "curve_extrapolation"
    usual_rungs: ClassVar[Sequence[float]] = tuple(tenth / 10 for tenth in range(1, 10))
    #: Share of the population, in [0, 1], whose accuracy a training must be able to reach; 1 for the best.
    quantile: float = 0.5
    #: Probability, in (0, 1), of reaching it, below which a training ends.
    chance: float = 0.05
    #: Accuracies, at least 1, that a curve must have before its training may end.
    n_points: int = 4
    #: Trainings, at least 1, that must have come to their end before any is stopped.
    n_whole: int = 20

    def __post_init__(self) -> None:
        """Check the fields."""
        if not 0 <= self.quantile <= 1 or not 0 < self.chance < 1:
            raise SettingsError(
                f"quantile must lie in [0, 1] and chance in (0, 1), found {self.quantile} and {self.chance}"
            )
        for name in ("n_points", "n_whole"):
            number = getattr(self, name)
            if not isinstance(number, int) or number < 1:
                raise SettingsError(f"{name} must be an integer of at least 1, found {number!r}")

    @property
    def first_rung(self) -> int:
        """See :attr:`StoppingRule.first_rung`."""
        return self.n_points - 1

    def cutoff(self, curves: Curves, rung: int, *, rungs: Sequence[float]) -> float:
        """See :meth:`StoppingRule.cutoff`."""
        members, end = curves.members, len(rungs)
        if rung < self.first_rung or len(curves.at(end)) < self.n_whole or not members:
            return -math.inf
        wanted = members[min(int(self.quantile * len(members)), len(members) - 1)]
        seen = rungs[: rung + 1]
        above = [curve[end] - extrapolate(seen, curve[: rung + 1]).mean for curve in curves.latest(end + 1)]
        return wanted - max(0.0, sum(above) / len(above))

    def standing(self, curve: Sequence[float], *, rungs: Sequence[float]) -> float:
        """Give the accuracy that is reached with the probability ``chance``, or one that was reached already."""
        return max(extrapolate(rungs, curve).most(self.chance), *filter(math.isfinite, curve), -math.inf)
