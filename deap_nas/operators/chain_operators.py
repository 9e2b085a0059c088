"""Operators on chains of layers: insert one, remove one, alter one; exchange the ends of two chains."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, MutableSequence
from types import ModuleType
from typing import Any, TypeVar

from deap_nas.errors import SettingsError
from deap_nas.search_space import ChainSpace

__all__ = ["check_chains", "cxChain", "initChain", "mutAlterLayer", "mutChain", "mutInsertLayer", "mutRemoveLayer"]

_Individual = TypeVar("_Individual", bound=MutableSequence[int])


def initChain(
    icls: Callable[[Iterable[int]], _Individual],
    space: ChainSpace,
    *,
    n_layers: int | None = None,
    rng: random.Random | ModuleType = random,
) -> _Individual:
    """Make a chain of random layers.

    Args:
        icls: class of the individual.
        space: its search space.
        n_layers: layers, within those of the space; by default its fewest, to let searches begin small.
        rng: source of the random draws.

    Raises:
        SettingsError: the space has no chains of layers, or none of so many.
    """
    check_chains(space, "initChain", "initUniform")
    n_layers = space.min_layers if n_layers is None else n_layers
    if not space.min_layers <= n_layers <= space.max_layers:
        raise SettingsError(f"n_layers must lie in {space.min_layers}..{space.max_layers}, found {n_layers}")
    return icls([gene for _ in range(n_layers) for gene in space.sample_layer(rng=rng)])


def mutInsertLayer(
    individual: _Individual, space: ChainSpace, *, rng: random.Random | ModuleType = random
) -> tuple[_Individual]:
    """Insert a random layer at a random place; a chain of ``max_layers`` stays as it is.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutInsertLayer", "mutGene")
    n_layers = len(individual) // 4
    if n_layers < space.max_layers:
        place = 4 * rng.randint(0, n_layers)
        individual[place:place] = space.sample_layer(rng=rng)
    return (individual,)


def mutRemoveLayer(
    individual: _Individual, space: ChainSpace, *, rng: random.Random | ModuleType = random
) -> tuple[_Individual]:
    """Remove a random layer; a chain of ``min_layers`` stays as it is.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutRemoveLayer", "mutGene")
    n_layers = len(individual) // 4
    if n_layers > space.min_layers:
        place = 4 * rng.randrange(n_layers)
        del individual[place : place + 4]
    return (individual,)


def mutAlterLayer(
    individual: _Individual, space: ChainSpace, *, rng: random.Random | ModuleType = random
) -> tuple[_Individual]:
    """Draw one of a random layer's operation, channels, kernel size and stride anew; it may come out as it was.

    What has one choice only in the space is never drawn.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutAlterLayer", "mutGene")
    up = space.layer_up
    genes = [gene for gene in range(len(individual)) if up[gene % 4]]
    if genes:
        gene = rng.choice(genes)
        individual[gene] = rng.randint(0, up[gene % 4])
    return (individual,)


def mutChain(
    individual: _Individual, space: ChainSpace, *, rng: random.Random | ModuleType = random
) -> tuple[_Individual]:
    """Insert, remove or alter a layer, each with probability one third.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutChain", "mutGene")
    return rng.choice((mutInsertLayer, mutRemoveLayer, mutAlterLayer))(individual, space, rng=rng)


def cxChain(
    ind1: _Individual, ind2: _Individual, space: ChainSpace, *, rng: random.Random | ModuleType = random
) -> tuple[_Individual, _Individual]:
    """Exchange the ends of two chains, each cut between two layers at the same random share of its length.

    Where a child would be longer or shorter than the space allows, nothing is exchanged.

    Args:
        ind1: changed in place.
        ind2: changed in place.
        space: their search space.
        rng: source of the random draws.

    Returns:
        A tuple of both individuals.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "cxChain", "DEAP's cxTwoPoint or cxUniform")
    share = rng.random()
    cut1, cut2 = (4 * round(share * (len(individual) // 4)) for individual in (ind1, ind2))
    lengths = (cut1 + len(ind2) - cut2, cut2 + len(ind1) - cut1)
    if all(4 * space.min_layers <= length <= 4 * space.max_layers for length in lengths):
        ind1[cut1:], ind2[cut2:] = ind2[cut2:], ind1[cut1:]
    return ind1, ind2


def check_chains(space: Any, operator: str, instead: str) -> None:
    """Check that an operator has been given a space of chains.

    Raises:
        SettingsError: it is another.
    """
    if not hasattr(space, "layer_up"):
        raise SettingsError(
            f"{operator} is for chains of layers, the genotypes of ChainSpace, and {type(space).__name__} has none: "
            f"take {instead}, for any space of lists of ints"
        )
