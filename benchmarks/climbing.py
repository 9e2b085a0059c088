"""Hill climbing from random networks towards a given one, mutation by mutation, in any representation."""

import math
import random
from dataclasses import dataclass

from likeness import distance, graph_of, neighbourhoods

from deap_nas.errors import NotViableError


@dataclass(frozen=True)
class Climb:
    """What has become of a hill climb."""

    #: (mutations, distance) at the start, and after each mutation that has led nearer.
    steps: list[tuple[int, float]]
    n_mutations: int
    #: Mutations whose child took the place of its parent.
    n_accepted: int

    @property
    def n_to_arrive(self):
        """Mutations until the target was reached; infinity where it was not."""
        return math.inf if self.steps[-1][1] else self.n_mutations

    def distance_after(self, n_mutations):
        """Distance after so many mutations; one that has arrived stays there."""
        return next(distance for number, distance in reversed(self.steps) if number <= n_mutations)


def climb(representation, target, n_mutations, seed):
    """Climb from a random network towards a target.

    Args:
        representation: in which it is sought.
        target: its neighbourhoods.
        n_mutations: most of them.
        seed: of the start and of the mutations.
    """
    space, rng = representation.space, random.Random(seed)
    here = random_network(representation, rng)
    left = distance(neighbourhoods_of(space, here), target)
    steps, number, n_accepted = [(0, left)], 0, 0
    while left and number < n_mutations:
        number += 1
        child = mutated(representation, here, rng)
        found = neighbourhoods_of(space, child)
        if found is None or (would_be_left := distance(found, target)) > left:
            continue
        n_accepted += 1
        if would_be_left < left:
            steps.append((number, would_be_left))
        here, left = child, would_be_left
    return Climb(steps, number, n_accepted)


def random_network(representation, rng):
    """Draw genotypes until one is a network."""
    while True:
        genotype = representation.random(representation.genotype, representation.space, rng=rng)
        if neighbourhoods_of(representation.space, genotype) is not None:
            return genotype


def mutated(representation, genotype, rng):
    """Mutate a copy."""
    (child,) = representation.mutate(genotype.to_genotype(), representation.space, rng=rng)
    return child


def neighbourhoods_of(space, genotype):
    """Give the neighbourhoods of a genotype; None where it is no network."""
    try:
        return neighbourhoods(graph_of(space, genotype))
    except NotViableError:
        return None


def step(representation, seed):
    """Take one step from a random network.

    Returns:
        Nodes of the random network, and the distance to its mutated copy; None where that is no network.
    """
    space, rng = representation.space, random.Random(seed)
    parent = random_network(representation, rng)
    sketch, after = graph_of(space, parent), neighbourhoods_of(space, mutated(representation, parent, rng))
    return len(sketch.living()), None if after is None else distance(neighbourhoods(sketch), after)
