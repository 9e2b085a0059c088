"""Searches whose population files are kept, as they were before genotypes could be anything but lists of ints.

``python -m tests.recorded.searches FOLDER`` writes them anew; do so only where rows are meant to change.
"""

import random
import sys
from functools import partial
from pathlib import Path

from deap import base, creator, tools

from deap_nas import (
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    NetworkTemplate,
    canonical_key,
    cost,
    cxMotif,
    eaAsync,
    initDiversified,
    killLoser,
    killOldest,
    mutEdge,
    selTournamentFraction,
)
from deap_nas.errors import DivergedError
from deap_nas.evaluation import Evaluation
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, resume_population

creator.create("RecordedFitness", base.Fitness, weights=(1.0,))
creator.create("Recorded", Genotype, fitness=creator.RecordedFitness)

HIERARCHICAL = HierarchicalSpace(motifs=(3, 1), nodes=(4, 4))
FLAT = FlatSpace(nodes=5)
TEMPLATE = NetworkTemplate.small_cifar(channels=8)


class SizeFitness:
    """Detailed: smaller is better, with scores drawn from the seed; now and then it diverges."""

    def __init__(self, space):
        self.space = space

    def __call__(self, individual):
        return self.evaluate(individual, seed=0).values

    def evaluate(self, genotype, *, seed):
        rng = random.Random(seed)
        scores = tuple(rng.random() for _ in range(2))
        if scores[0] < 0.05:
            raise DivergedError("the loss is NaN")
        size = cost(self.space, genotype, TEMPLATE)  # no network: NOT_VIABLE
        value = 1 / (1 + size.n_parameters) + sum(scores) / 1000
        return Evaluation((value,), scores=scores, n_parameters=size.n_parameters, flops=size.flops)


class HalvingFitness(SizeFitness):
    """Also has a curve, whose evaluations end early."""

    @property
    def stopping(self):
        return self

    def cutoffs(self, curves):
        seen = curves.at(0)
        return (seen[len(seen) // 2] if seen else 0.0,)

    def evaluate_job(self, job):
        first, last = (random.Random(job.seed + rung).random() for rung in range(2))
        curve = (first,) if job.cutoffs and first < job.cutoffs[0] else (first, (first + last) / 2)
        return Evaluation((curve[-1],), scores=(curve[-1],), curve=curve)


def _plain(space):
    return SizeFitness(space), {}


def _crossed(space):
    return SizeFitness(space), {
        "cxpb": 0.5,
        "survival": partial(killOldest, size=12),
        "reuse": partial(canonical_key, space),
    }


def _losers(space):
    return SizeFitness(space), {"survival": partial(killLoser, size=10, seed=3)}


def _halved(space):
    return HalvingFitness(space), {}


#: Name of the file, the space, and what makes the fitness and the arguments.
SEARCHES = {
    "hierarchical.h5": (HIERARCHICAL, _plain),
    "crossed.h5": (HIERARCHICAL, _crossed),
    "losers.h5": (FLAT, _losers),
    "halved.h5": (FLAT, _halved),
}


def search(path, name, *, n_evaluations=60):
    """Run one of the searches with one worker, or go on with it."""
    space, make = SEARCHES[name]
    evaluate, arguments = make(space)
    rng = random.Random(7)
    toolbox = base.Toolbox()
    toolbox.register("individual", initDiversified, creator.Recorded, space, n_mutations=20, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", selTournamentFraction, fraction=0.2, rng=rng)
    toolbox.register("mate", cxMotif, space=space, rng=rng)
    toolbox.register("mutate", mutEdge, space=space, rng=rng)
    toolbox.register("evaluate", evaluate)
    if Path(path).exists():
        store = HDF5Store.resume(path)
    else:
        n_rungs = 1 if name == "halved.h5" else 0
        store = HDF5Store.create(path, space=space, settings={"name": name}, seed=11, n_repeats=2, n_rungs=n_rungs)
    with store, SerialExecutor() as executor:
        population = resume_population(store, creator.Recorded, rng=rng) or toolbox.population(n=8)
        return eaAsync(population, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng, **arguments)


if __name__ == "__main__":
    for file_name in SEARCHES:
        search(Path(sys.argv[1], file_name), file_name)
