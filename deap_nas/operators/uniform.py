"""Initialisation and mutation for any space of lists of ints, which know its bounds and nothing else of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from types import ModuleType
from typing import Protocol, TypeVar

from deap_nas.errors import SettingsError

__all__ = ["Bounded", "initUniform", "mutGene"]

_Individual = TypeVar("_Individual", bound=MutableSequence[int])


class Bounded(Protocol):
    """A search space whose genotypes are lists of ints: each gene lies between two bounds, which are legal too.

    Where genotypes differ in length, the bounds are those of the longest, and the first of them those of the others.
    """

    @property
    def low(self) -> Sequence[int]:
        """Smallest value of each gene."""
        ...

    @property
    def up(self) -> Sequence[int]:
        """Largest value of each gene."""
        ...


def initUniform(
    icls: Callable[[Iterable[int]], _Individual], space: Bounded, *, rng: random.Random | ModuleType = random
) -> _Individual:
    """Make an individual each of whose genes is drawn uniformly between its bounds, the longest where lengths differ.

    Args:
        icls: class of the individual.
        space: its search space, any whose genotypes are lists of ints.
        rng: source of the random draws.

    Raises:
        SettingsError: the space has no bounds ``low`` and ``up``.
    """
    low, up = _bounds(space, "initUniform")
    return icls([rng.randint(*bounds) for bounds in zip(low, up, strict=True)])


def mutGene(
    individual: _Individual,
    space: Bounded,
    *,
    must_change: bool = False,
    rng: random.Random | ModuleType = random,
) -> tuple[_Individual]:
    """Give one random gene a random value between its bounds.

    The gene is drawn uniformly, then the value, uniformly over all that the gene may have: it may be the current one,
    so a mutation may change nothing. The individual keeps its length.

    Args:
        individual: changed in place.
        space: its search space, any whose genotypes are lists of ints.
        must_change: draw among the genes that have several values, and among the other values of the gene.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no bounds ``low`` and ``up``, or no gene that can be drawn.
    """
    low, up = _bounds(space, "mutGene")
    places = range(min(len(low), len(individual)))
    genes = [gene for gene in places if low[gene] < up[gene]] if must_change else places
    if not genes:
        raise SettingsError(f"mutGene finds no gene to {'change' if must_change else 'draw'} in {space!r}")
    gene = genes[rng.randint(0, len(genes) - 1)]
    value = rng.randint(low[gene], up[gene] - must_change)
    individual[gene] = value + (must_change and value >= individual[gene])
    return (individual,)


def _bounds(space: Bounded, operator: str) -> tuple[Sequence[int], Sequence[int]]:
    try:
        return space.low, space.up
    except AttributeError:
        raise SettingsError(
            f"{operator} needs a search space of lists of ints, with low and up, the smallest and the largest value of "
            f"each gene; {type(space).__name__} has none: give it those, or take operators for its genotypes"
        ) from None
