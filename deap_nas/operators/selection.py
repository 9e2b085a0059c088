"""Selection operators, in DEAP's form."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from operator import attrgetter
from types import ModuleType
from typing import TypeVar

from deap_nas.errors import SettingsError
from deap_nas.evaluation import Status
from deap_nas.operators.ranking import RankedPopulation

__all__ = ["selInverseDensity", "selTournamentCrowded", "selTournamentFraction"]

_Individual = TypeVar("_Individual")


def selTournamentFraction(
    individuals: Sequence[_Individual],
    k: int,
    *,
    fraction: float = 0.05,
    rng: random.Random | ModuleType = random,
    fit_attr: str = "fitness",
) -> list[_Individual]:
    """Select the winners of ``k`` tournaments whose size is a share of the population (Liu 2018, section 3.3).

    The members of a tournament are drawn without replacement among the evaluated individuals; of equally fit ones,
    the first drawn wins. One individual may win several tournaments. The time does not grow with a
    :class:`RankedPopulation`, which the search loops select from.

    Args:
        individuals: the population; those without a valid fitness take no part.
        k: tournaments.
        fraction: share of the evaluated individuals that enters a tournament, in (0, 1]; rounded, and at least 2
            (or all of them when there are fewer).
        rng: source of the random draws.
        fit_attr: attribute that holds the fitness.

    Returns:
        References to the winners.

    Raises:
        SettingsError: ``fraction`` is out of its range, or no individual is evaluated.
    """
    if not 0 < fraction <= 1:
        raise SettingsError(f"fraction must lie in (0, 1], found {fraction}")
    if isinstance(individuals, RankedPopulation) and individuals and fit_attr == "fitness":
        tournsize = _tournsize(len(individuals), fraction)
        return [individuals.winner(tournsize, rng) for _ in range(k)]
    fitness_of = attrgetter(fit_attr)
    evaluated = [individual for individual in individuals if fitness_of(individual).valid]
    if not evaluated:
        raise SettingsError(f"a tournament needs an evaluated individual, found none among {len(individuals)}")
    tournsize = _tournsize(len(evaluated), fraction)
    return [max(rng.sample(evaluated, tournsize), key=fitness_of) for _ in range(k)]


def _tournsize(n_evaluated: int, fraction: float) -> int:
    return min(n_evaluated, max(2, round(fraction * n_evaluated)))


def selTournamentCrowded(
    individuals: Sequence[_Individual],
    k: int,
    *,
    rng: random.Random | ModuleType = random,
    fit_attr: str = "fitness",
) -> list[_Individual]:
    """Select the winners of ``k`` pairs by dominance, then by crowding, for searches with several objectives.

    Of a pair drawn without replacement the one that dominates the other wins; if neither does, the one in the less
    crowded place, and of equally crowded ones the first drawn. It is :func:`deap.tools.selTournamentDCD` for any
    ``k``, as a steady-state search needs it.

    Args:
        individuals: evaluated individuals. Their ``fitness.crowding_dist`` is what :func:`deap.tools.selNSGA2` sets;
            one that has none yet counts as lonely.
        k: pairs.
        rng: source of the random draws.
        fit_attr: attribute that holds the fitness.

    Returns:
        References to the winners.

    Raises:
        SettingsError: no individual is given.
    """
    if not individuals:
        raise SettingsError("a tournament needs an individual, found none")
    fitness_of = attrgetter(fit_attr)
    winners = []
    for _ in range(k):
        first, *rest = rng.sample(individuals, min(2, len(individuals)))
        second = rest[0] if rest else first
        one, other = fitness_of(first), fitness_of(second)
        distances = [getattr(fitness, "crowding_dist", math.inf) for fitness in (one, other)]
        loses = other.dominates(one) or (not one.dominates(other) and distances[1] > distances[0])
        winners.append(second if loses else first)
    return winners


def selInverseDensity(
    individuals: Sequence[_Individual],
    k: int,
    *,
    objectives: Sequence[int] | None = None,
    bandwidth: float = 1.0,
    rng: random.Random | ModuleType = random,
    fit_attr: str = "fitness",
) -> list[_Individual]:
    """Select ``k`` individuals by chance, those that are lonely in the cheap objectives more often.

    Elsken 2018 <https://arxiv.org/abs/1804.09081> (LEMONADE), section 4: the probability of each is in proportion to
    one over the density of the population where it is, in the objectives that cost nothing to compute, such as the
    parameters of a network; so search spreads along the front. The density is estimated with Gaussian kernels in the
    logarithms of the values, each divided by its standard deviation, as wide as Scott's rule says: n ** (-1 / (d + 4))
    for n individuals and d objectives. One may be selected several times.

    Args:
        individuals: the population; those without a valid fitness, and those whose evaluation has failed, take no part.
        k: selections.
        objectives: indices of the cheap ones among the fitness values, which are positive there; by default all but the
            first.
        bandwidth: times the width of the kernels, above 0.
        rng: source of the random draws.
        fit_attr: attribute that holds the fitness.

    Returns:
        References to the selected.

    Raises:
        SettingsError: no individual is evaluated, there is no cheap objective, one has a value that is not positive, or
            ``bandwidth`` is not.
    """
    if not bandwidth > 0:
        raise SettingsError(f"bandwidth must be positive, found {bandwidth!r}")
    fitness_of = attrgetter(fit_attr)
    evaluated = [each for each in individuals if fitness_of(each).valid and not _has_failed(each)]
    if not evaluated:
        raise SettingsError(f"a selection needs an evaluated individual, found none among {len(individuals)}")
    values = [fitness_of(each).values for each in evaluated]
    chosen = range(1, len(values[0])) if objectives is None else objectives
    if not chosen or not all(0 <= index < len(values[0]) for index in chosen):
        raise SettingsError(
            f"objectives must be indices of cheap ones among the {len(values[0])} values of the fitness, found "
            f"{list(chosen)}: a fitness has several where it is made with objectives=('accuracy', 'n_parameters')"
        )
    densities = _densities([[row[index] for index in chosen] for row in values], bandwidth)
    return rng.choices(evaluated, [1 / density for density in densities], k=k)


def _has_failed(individual: object) -> bool:
    evaluation = getattr(individual, "evaluation", None)
    return evaluation is not None and evaluation.status is not Status.OK


def _densities(rows: Sequence[Sequence[float]], bandwidth: float) -> list[float]:
    """Density at each of some points, (points, objectives), up to a common factor."""
    import numpy as np

    points = np.asarray(rows, dtype=float)
    if not (points > 0).all():
        raise SettingsError(f"cheap objectives are compared by their logarithms, found the value {points.min():g}")
    points = np.log(points)
    deviations = points.std(axis=0)
    points = points[:, deviations > 1e-12] / deviations[deviations > 1e-12]
    width = bandwidth * len(points) ** (-1 / (points.shape[1] + 4))
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    densities: list[float] = np.exp(-squares / (2 * width**2)).sum(axis=1).tolist()
    return densities
