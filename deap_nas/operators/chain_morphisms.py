"""Mutations of chains that a trained function survives, Elsken 2017 <https://arxiv.org/abs/1711.04528>, or that shrink.

They change the genotype only. The weights that keep the function are the business of
:class:`~deap_nas.training.MorphedWeights`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, MutableSequence
from types import ModuleType
from typing import Any, TypeVar

from deap_nas.operators.chain_operators import check_chains, mutRemoveLayer
from deap_nas.search_space import ChainSpace
from deap_nas.search_space.chain_alignment import carried

__all__ = ["mutDeepenChain", "mutMorphChain", "mutNarrowChain", "mutShrinkChain", "mutWidenChain"]

_Individual = TypeVar("_Individual", bound=MutableSequence[int])
_Rng = random.Random | ModuleType
#: Operations that may be an identity, and that choose their channels.
_CONVOLUTIONS = ("conv", "separable_conv")


def mutDeepenChain(individual: _Individual, space: ChainSpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Insert a convolution that may be an identity at a uniform place behind another one.

    It is one of the space's convolutions, separable or not, has stride 1, a window larger than one pixel where there
    are such, and as many channels as its input, or the least that are more.

    Args:
        individual: changed in place; it stays as it is where nothing can be inserted.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutDeepenChain", "mutGene")
    places = _places(individual, space)
    if places:
        place, channels = rng.choice(places)
        operation = rng.choice([name for name in _CONVOLUTIONS if name in space.operations])
        size = rng.choice([size for size in space.kernel_sizes if size > 1] or list(space.kernel_sizes))
        genes = (
            (operation, space.operations),
            (channels, space.channels),
            (size, space.kernel_sizes),
            (1, space.strides),
        )
        individual[4 * place : 4 * place] = [choices.index(value) for value, choices in genes]
    return (individual,)


def mutWidenChain(individual: _Individual, space: ChainSpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Give a uniform convolution more channels, each larger number of the space as likely.

    Args:
        individual: changed in place; it stays as it is where all have the most.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutWidenChain", "mutGene")
    _set_channels(individual, space, lambda new, old: new > old, rng)
    return (individual,)


def mutMorphChain(individual: _Individual, space: ChainSpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Make a chain deeper or wider, each as likely, of what is possible.

    With :class:`~deap_nas.training.MorphedWeights` the child computes what its parent computes.

    Args:
        individual: changed in place; it stays as it is where neither is possible.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutMorphChain", "mutGene")
    possible: list[Callable[..., object]] = [mutDeepenChain] if _places(individual, space) else []
    if _with_others(individual, space, lambda new, old: new > old):
        possible.append(mutWidenChain)
    if possible:
        rng.choice(possible)(individual, space, rng=rng)
    return (individual,)


def mutNarrowChain(individual: _Individual, space: ChainSpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Give a uniform convolution fewer channels, each smaller number of the space as likely.

    Args:
        individual: changed in place; it stays as it is where all have the fewest.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutNarrowChain", "mutGene")
    _set_channels(individual, space, lambda new, old: new < old, rng)
    return (individual,)


def mutShrinkChain(individual: _Individual, space: ChainSpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Narrow a convolution or remove a layer, each as likely, of what is possible (Elsken 2018).

    Args:
        individual: changed in place; it stays as it is where neither is possible.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no chains of layers.
    """
    check_chains(space, "mutShrinkChain", "mutGene")
    possible: list[Callable[..., object]] = [mutRemoveLayer] if len(individual) // 4 > space.min_layers else []
    if _with_others(individual, space, lambda new, old: new < old):
        possible.append(mutNarrowChain)
    if possible:
        rng.choice(possible)(individual, space, rng=rng)
    return (individual,)


def _choices(space: ChainSpace) -> tuple[tuple[Any, ...], ...]:
    """Values of the four genes of a layer."""
    return space.operations, space.channels, space.kernel_sizes, space.strides


def _places(chain: MutableSequence[int], space: ChainSpace) -> list[tuple[int, int]]:
    """Places where a convolution may be an identity, and its channels there."""
    if len(chain) // 4 == space.max_layers or 1 not in space.strides or not set(_CONVOLUTIONS) & set(space.operations):
        return []
    found = []
    for place, (width, is_positive) in enumerate(carried(space.layers_of(chain))):
        enough = [channels for channels in space.channels if width is not None and channels >= width]
        if is_positive and enough:
            found.append((place, min(enough)))
    return found


def _with_others(
    chain: MutableSequence[int], space: ChainSpace, is_wanted: Callable[[int, int], bool]
) -> list[tuple[int, list[int]]]:
    """Places of the genes that say channels, and values of them that are wanted in the place of what they have."""
    found = []
    for start in range(0, len(chain), 4):
        if space.operations[chain[start]] in _CONVOLUTIONS:
            old = space.channels[chain[start + 1]]
            others = [gene for gene, new in enumerate(space.channels) if is_wanted(new, old)]
            found += [(start + 1, others)] if others else []
    return found


def _set_channels(
    chain: MutableSequence[int], space: ChainSpace, is_wanted: Callable[[int, int], bool], rng: _Rng
) -> None:
    places = _with_others(chain, space, is_wanted)
    if places:
        place, genes = rng.choice(places)
        chain[place] = rng.choice(genes)
