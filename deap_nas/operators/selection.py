"""Selection operators, in DEAP's form."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from operator import attrgetter
from types import ModuleType
from typing import TypeVar

from deap_nas.errors import SettingsError
from deap_nas.operators.ranking import RankedPopulation

__all__ = ["selTournamentCrowded", "selTournamentFraction"]

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
