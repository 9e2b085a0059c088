"""One of the eleven mutations of Real 2017 <https://arxiv.org/abs/1703.01041>, section 3.2, by chance."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from deap_nas.dna import DNA
from deap_nas.errors import SettingsError
from deap_nas.operators.dna_operators import (
    check_dna_space,
    has_place_for_skip,
    mutAddSkip,
    mutAlterLearningRate,
    mutAlterNumberOfChannels,
    mutAlterStride,
    mutFilterSize,
    mutIdentity,
    mutInsertConvolution,
    mutInsertOneToOne,
    mutRemoveConvolution,
    mutRemoveSkip,
    mutResetWeights,
)
from deap_nas.search_space import DNASpace

__all__ = ["LARGE_SCALE_MUTATIONS", "mutLargeScale"]

_Individual = TypeVar("_Individual", bound=DNA)
_Rng = random.Random | ModuleType
_Mutation = Callable[..., Any]

#: The mutations by the names of the paper (Real 2017, section 3.2), in its order.
LARGE_SCALE_MUTATIONS: Mapping[str, _Mutation] = MappingProxyType(
    {
        "alter-learning-rate": mutAlterLearningRate,
        "identity": mutIdentity,
        "reset-weights": mutResetWeights,
        "insert-convolution": mutInsertConvolution,
        "remove-convolution": mutRemoveConvolution,
        "alter-stride": mutAlterStride,
        "alter-number-of-channels": mutAlterNumberOfChannels,
        "filter-size": mutFilterSize,
        "insert-one-to-one": mutInsertOneToOne,
        "add-skip": mutAddSkip,
        "remove-skip": mutRemoveSkip,
    }
)


def mutLargeScale(
    individual: _Individual,
    space: DNASpace,
    *,
    n_mutations: int = 1,
    weights: Mapping[str, float] | Sequence[float] | None = None,
    rng: _Rng = random,
) -> tuple[_Individual]:
    """Apply one of the eleven mutations, drawn again where it is impossible (Real 2017, section 3.2).

    Args:
        individual: changed in place.
        space: its search space.
        n_mutations: how many, one after the other; 5 is the paper's way out of a local optimum (section 5).
        weights: relative probabilities by the names of :data:`LARGE_SCALE_MUTATIONS` or of the functions, where those
            that are not named are not drawn; or of all, in their order. By default all are as likely, as in the paper.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA, ``n_mutations`` is negative, ``weights`` are none, or what they
            leave is impossible for this individual.
    """
    check_dna_space(space, "mutLargeScale")
    if not isinstance(n_mutations, int) or n_mutations < 0:
        raise SettingsError(f"n_mutations must be an integer of at least 0, found {n_mutations!r}")
    chances = [1.0] * len(_MUTATIONS) if weights is None else _checked(weights)
    for _ in range(n_mutations):
        _drawn(individual, chances, rng)(individual, space, rng=rng)
    return (individual,)


def _drawn(individual: DNA, weights: Sequence[float], rng: _Rng) -> _Mutation:
    """Draw one that is possible: as if one that is not was drawn again."""
    left = [weight * _is_possible(each, individual) for each, weight in zip(_MUTATIONS, weights, strict=True)]
    if not any(left):
        raise SettingsError(f"none of the mutations that weights leave is possible for {individual!r}")
    return rng.choices(_MUTATIONS, left)[0]


def _checked(weights: Mapping[str, float] | Sequence[float]) -> Sequence[float]:
    """Weights of all mutations, in their order."""
    named = weights if isinstance(weights, Mapping) else dict(enumerate(weights))
    keys = zip(LARGE_SCALE_MUTATIONS.items(), range(len(_MUTATIONS)), strict=True)
    places = {key: place for (name, mutate), place in keys for key in (name, mutate.__name__, place)}
    is_sound = all(isinstance(weight, (int, float)) and 0 <= weight < math.inf for weight in named.values())
    if not named.keys() <= places.keys() or not is_sound or not any(named.values()):
        raise SettingsError(
            f"weights must be numbers of at least 0, one of them larger, by {', '.join(LARGE_SCALE_MUTATIONS)}, or all "
            f"in this order; found {weights!r}"
        )
    found = [0.0] * len(_MUTATIONS)
    for key, weight in named.items():
        found[places[key]] += weight
    return found


_MUTATIONS = tuple(LARGE_SCALE_MUTATIONS.values())
_OF_CONVOLUTIONS = (mutRemoveConvolution, mutAlterStride, mutAlterNumberOfChannels, mutFilterSize)


def _is_possible(mutation: _Mutation, dna: DNA) -> bool:
    if mutation in _OF_CONVOLUTIONS:
        return any(edge.filters is not None for edge in dna.edges)
    if mutation is mutAddSkip:
        return has_place_for_skip(dna)
    return bool(dna.skips) if mutation is mutRemoveSkip else True
