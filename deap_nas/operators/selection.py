"""Selection operators, in DEAP's form."""

from __future__ import annotations

import random
from collections.abc import Sequence
from operator import attrgetter
from types import ModuleType
from typing import TypeVar

from deap_nas.errors import SettingsError

__all__ = ["selTournamentFraction"]

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
    the first drawn wins. One individual may win several tournaments.

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
    fitness_of = attrgetter(fit_attr)
    evaluated = [individual for individual in individuals if fitness_of(individual).valid]
    if not evaluated:
        raise SettingsError(f"a tournament needs an evaluated individual, found none among {len(individuals)}")
    tournsize = min(len(evaluated), max(2, round(fraction * len(evaluated))))
    return [max(rng.sample(evaluated, tournsize), key=fitness_of) for _ in range(k)]
