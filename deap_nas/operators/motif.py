"""Initialisation, mutation and crossover of hierarchical and flat genotypes, in DEAP's form.

Operators change the individual in place and also return it; as everywhere in DEAP, the caller clones beforehand and
deletes the fitness afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, MutableSequence
from types import ModuleType
from typing import Any, TypeVar

from deap_nas.errors import SettingsError
from deap_nas.search_space import GenePlace, HierarchicalSpace

__all__ = ["cxMotif", "initDiversified", "initTrivial", "mutEdge"]

_Individual = TypeVar("_Individual", bound=MutableSequence[int])


def initTrivial(icls: Callable[[Iterable[int]], _Individual], space: HierarchicalSpace) -> _Individual:
    """Make the trivial individual: every motif is a chain of identities (Liu 2018, section 3.2).

    Above level 2 each edge of the chain is motif 1; as all motifs are alike, every choice gives the same network.

    Args:
        icls: class of the individual.
        space: its search space.

    Raises:
        SettingsError: the space has no motifs, or no operation ``identity``.
    """
    _check_motifs(space, "initTrivial", "initUniform")
    if "identity" not in space.operations:
        raise SettingsError(f"a trivial genotype needs the operation 'identity'; this space has {space.operations}")
    identity = space.operations.index("identity") + 1
    places = (space.place(gene) for gene in range(space.n_genes))
    return icls([_chain_gene(place, identity) for place in places])


def _chain_gene(place: GenePlace, identity: int) -> int:
    if place.predecessor != place.successor - 1:
        return 0
    return identity if place.level == 2 else 1


def initDiversified(
    icls: Callable[[Iterable[int]], _Individual],
    space: HierarchicalSpace,
    *,
    n_mutations: int = 1000,
    rng: random.Random | ModuleType = random,
) -> _Individual:
    """Make an individual by many mutations of the trivial one (Liu 2018, section 3.2).

    Args:
        icls: class of the individual.
        space: its search space.
        n_mutations: mutations applied, at least 0; the paper suggests 1000.
        rng: source of the random draws.

    Raises:
        SettingsError: ``n_mutations`` is negative, or the space has no motifs, or no operation ``identity``.
    """
    _check_motifs(space, "initDiversified", "initUniform")
    if n_mutations < 0:
        raise SettingsError(f"n_mutations must be at least 0, found {n_mutations}")
    individual = initTrivial(icls, space)
    for _ in range(n_mutations):
        mutEdge(individual, space, rng=rng)
    return individual


def mutEdge(
    individual: _Individual,
    space: HierarchicalSpace,
    *,
    must_change: bool = False,
    rng: random.Random | ModuleType = random,
) -> tuple[_Individual]:
    """Give one random edge a random label (Liu 2018, section 3.1).

    Level, motif, successor node and predecessor node are drawn uniformly in that order, then the label, uniformly
    over its whole domain: it may be the current one, so a mutation may change nothing.

    Args:
        individual: changed in place.
        space: its search space.
        must_change: draw the label among the others only; not what the paper says.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no motifs.
    """
    try:
        n_levels = space.n_levels
    except AttributeError:  # asked for here, since a check beforehand would take time in each of many mutations
        _check_motifs(space, "mutEdge", "mutGene")
        raise
    level = rng.randint(2, n_levels)
    motif = rng.randint(1, space.motifs[level - 2])
    successor = rng.randint(2, space.nodes[level - 2])
    predecessor = rng.randint(1, successor - 1)
    gene = space.index(GenePlace(level, motif, successor, predecessor))
    label = rng.randint(0, space.up[gene] - must_change)
    individual[gene] = label + (must_change and label >= individual[gene])
    return (individual,)


def cxMotif(
    ind1: _Individual, ind2: _Individual, space: HierarchicalSpace, *, rng: random.Random | ModuleType = random
) -> tuple[_Individual, _Individual]:
    """Exchange whole motifs between two individuals.

    Each motif of each level is exchanged with probability one half, so the edges of a motif stay together.

    Args:
        ind1: changed in place.
        ind2: changed in place.
        space: their search space.
        rng: source of the random draws.

    Returns:
        A tuple of both individuals.

    Raises:
        SettingsError: the space has no motifs.
    """
    _check_motifs(space, "cxMotif", "DEAP's cxTwoPoint or cxUniform")
    for level, n_motifs in enumerate(space.motifs, start=2):
        for motif in range(1, n_motifs + 1):
            if rng.random() < 0.5:
                genes = space.motif_genes(level, motif)
                ind1[genes], ind2[genes] = ind2[genes], ind1[genes]
    return ind1, ind2


def _check_motifs(space: Any, operator: str, instead: str) -> None:
    if not hasattr(space, "n_levels"):
        raise SettingsError(
            f"{operator} is for genotypes of motifs, those of HierarchicalSpace and FlatSpace, and "
            f"{type(space).__name__} has none: take {instead}, for any space of lists of ints"
        )
