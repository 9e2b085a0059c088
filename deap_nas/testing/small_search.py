"""The small search that the contracts run."""

from __future__ import annotations

import random
from typing import Any

from deap import base, tools

from deap_nas.genotype import Genotype
from deap_nas.operators import initTrivial, mutEdge, selTournamentFraction
from deap_nas.search_space import FlatSpace

__all__ = ["SPACE", "ContractIndividual", "first_members", "gene_sum", "make_toolbox"]

SPACE = FlatSpace(nodes=4)


class _Fitness(base.Fitness):  # type: ignore[misc]  # DEAP has no types
    weights = (1.0,)


class ContractIndividual(Genotype):
    """What ``creator.create`` would make."""

    def __init__(self, genes: Any = ()) -> None:
        super().__init__(genes)
        self.fitness = _Fitness()


def gene_sum(genotype: Genotype) -> tuple[float, ...]:
    """Fitness of a plain genotype; nothing else may reach a worker."""
    if type(genotype) is not Genotype:
        raise TypeError(f"expected a plain genotype, found {type(genotype).__name__}")
    return (float(sum(genotype)),)


def make_toolbox(evaluate: Any, rng: random.Random) -> Any:
    """Tournaments and mutation, over :data:`SPACE`."""
    toolbox = base.Toolbox()
    toolbox.register("select", selTournamentFraction, fraction=0.2, rng=rng)
    toolbox.register("mutate", mutEdge, space=SPACE, rng=rng)
    toolbox.register("evaluate", evaluate)
    return toolbox


def first_members() -> list[Any]:
    """Eight members of different fitness, not evaluated."""
    first: list[Any] = tools.initRepeat(list, lambda: initTrivial(ContractIndividual, SPACE), 8)
    for number, individual in enumerate(first):
        individual[0] = number % (SPACE.up[0] + 1)
    return first
