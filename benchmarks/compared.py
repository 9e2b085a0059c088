"""The representations that the benchmarks compare: a search space, how it begins, and how it is mutated.

To add one, write a script beside these, or with this folder in PYTHONPATH::

    from compared import REPRESENTATIONS, Representation
    from representations import arguments, compare
    from deap_nas.command_line import run

    REPRESENTATIONS["mine"] = Representation(MySpace(), initial=init_mine, mutate=mut_mine)

    if __name__ == "__main__":
        run(compare, arguments)

``initial(icls, space, rng=rng)`` makes an individual of a first population, and ``mutate(individual, space, rng=rng)``
gives a tuple of one, as every operator of DEAP does.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from deap import base, creator

import deap_nas
from deap_nas.errors import SettingsError
from deap_nas.search_space import SearchSpace

creator.create("ComparedFitness", base.Fitness, weights=(1.0,))


def sampled(icls, space, *, rng):
    """Draw a genotype as the space does."""
    return icls(space.sample(rng=rng))


def linear(icls, space, *, rng):  # noqa: ARG001 - nothing is drawn
    """Make the first individual of Real 2017, which has no layers."""
    return deap_nas.initLinear(icls, space)


def unchanged(genotype, recipe):  # noqa: ARG001 - one signature for all
    """Train a genotype as it is."""
    return genotype


def at_its_rate(genotype, recipe):
    """Give a DNA the learning rate of a recipe."""
    genotype = deepcopy(genotype)
    genotype.learning_rate = recipe.learning_rate
    return genotype


def edge_kind(parent, child, space):
    """Name what was done to an edge of a motif."""
    changed = [gene for gene, (one, other) in enumerate(zip(parent, child, strict=True)) if one != other]
    if not changed:
        return "the same label"
    (gene,) = changed
    what = "added" if parent[gene] == 0 else "removed" if child[gene] == 0 else "relabelled"
    return f"level {space.place(gene).level}: edge {what}" if space.n_levels > 2 else f"edge {what}"


def layer_kind(parent, child, space):  # noqa: ARG001 - one signature for all
    """Name what was done to a layer of a chain."""
    if len(parent) != len(child):
        return "layer inserted" if len(child) > len(parent) else "layer removed"
    changed = [gene % 4 for gene, (one, other) in enumerate(zip(parent, child, strict=True)) if one != other]
    return f"{('operation', 'channels', 'window', 'stride')[changed[0]]} altered" if changed else "the same gene"


def one_kind(parent, child, space):  # noqa: ARG001 - one signature for all
    """Tell no kinds apart."""
    return "mutation"


def by_outcome(mutate, kind):
    """Give what mutates an individual and names what has come of it."""

    def named(individual, space, *, rng):
        parent = deepcopy(individual)
        (child,) = mutate(individual, space, rng=rng)
        return kind(parent, child, space), child

    return named


def large_scale_named(individual, space, *, rng):
    """Apply one of the eleven mutations of Real 2017, and name it; drawn again where it is impossible, as there."""
    names = list(deap_nas.LARGE_SCALE_MUTATIONS)
    for name in rng.sample(names, len(names)):
        try:
            (child,) = deap_nas.mutLargeScale(individual, space, weights={name: 1}, rng=rng)
        except SettingsError:  # it is impossible for this individual
            continue
        return name, child
    raise AssertionError("identity is always possible")


@dataclass(frozen=True)
class Representation:
    """What is evolved, and by what; a row of the tables.

    A frozen dataclass so that a variant is a ``dataclasses.replace`` away.
    """

    space: SearchSpace
    #: Makes an individual of the first population.
    initial: Callable[..., Any]
    mutate: Callable[..., Any]
    #: Draws an individual of random search.
    random: Callable[..., Any] = sampled
    #: Class of its genotypes.
    genotype: type = deap_nas.Genotype
    #: Whether a training begins with the weights of the parent; random search is then evolution without selection.
    inherits: bool = False
    #: Search space whose random networks say by their median how many parameters one may have; None for any number.
    limited_by: SearchSpace | None = None
    #: Names what has become of a parent: ``kind(parent, child, space)``.
    kind: Callable[..., str] = one_kind
    #: ``named(individual, space, rng=rng)`` mutates and gives (kind, child); None for ``mutate`` and ``kind``.
    named: Callable[..., Any] | None = None
    #: Gives a genotype as it is trained by a recipe that is common to all.
    for_recipe: Callable[..., Any] = unchanged

    @property
    def individual(self):
        """Class of its individuals."""
        name = f"{self.genotype.__name__}Individual"
        if not hasattr(creator, name):
            creator.create(name, self.genotype, fitness=creator.ComparedFitness)
        return getattr(creator, name)

    @property
    def mutate_named(self):
        """What mutates an individual in place, and gives the kind of the mutation and the child."""
        return self.named or by_outcome(self.mutate, self.kind)


_HIERARCHICAL, _FLAT, _DNA = deap_nas.HierarchicalSpace(), deap_nas.FlatSpace(), deap_nas.DNASpace()
_OF_MOTIFS = {
    "initial": deap_nas.initDiversified,
    "mutate": deap_nas.mutEdge,
    "random": deap_nas.initDiversified,
    "kind": edge_kind,
}
_OF_DNA = {
    "initial": linear,
    "mutate": deap_nas.mutLargeScale,
    "genotype": deap_nas.DNA,
    "named": large_scale_named,
    "for_recipe": at_its_rate,
}

#: Name -> representation; a script may add its own.
REPRESENTATIONS = {
    "hierarchical": Representation(_HIERARCHICAL, **_OF_MOTIFS),
    "flat": Representation(_FLAT, **_OF_MOTIFS),
    "flat, limited": Representation(_FLAT, **_OF_MOTIFS, limited_by=_HIERARCHICAL),
    "DNA, inherited weights": Representation(_DNA, **_OF_DNA, inherits=True),
    "DNA": Representation(_DNA, **_OF_DNA),
    "chain": Representation(deap_nas.ChainSpace(), deap_nas.initChain, deap_nas.mutChain, kind=layer_kind),
}
