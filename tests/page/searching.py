"""A search of N evaluations, one at a time, or one that goes on: ``python -m tests.page.searching FILE N SECONDS``."""

import random
import sys
import time
from pathlib import Path

from deap import base, creator

from deap_nas import (
    FlatSpace,
    Genotype,
    eaAsync,
    initDiversified,
    mutEdge,
    selTournamentFraction,
)
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, resume_population

SPACE = FlatSpace(nodes=4)

creator.create("SearchedFitness", base.Fitness, weights=(1.0,))
creator.create("Searched", Genotype, fitness=creator.SearchedFitness)


def main(path, n_evaluations, seconds):
    """Start the search, or go on with it."""
    rng = random.Random(0)
    toolbox = base.Toolbox()
    toolbox.register("select", selTournamentFraction, fraction=0.5, rng=rng)
    toolbox.register("mutate", mutEdge, space=SPACE, rng=rng)

    def evaluate(individual):
        time.sleep(seconds)
        return (sum(individual) / 30,)

    toolbox.register("evaluate", evaluate)
    if Path(path).exists():
        store = HDF5Store.resume(path)
        members = resume_population(store, creator.Searched, rng=rng)
    else:
        store = HDF5Store.create(path, space=SPACE, settings={"evaluations": n_evaluations}, seed=0)
        members = [initDiversified(creator.Searched, SPACE, n_mutations=20, rng=rng) for _ in range(4)]
    with store:
        eaAsync(members, toolbox, SerialExecutor(), n_evaluations=n_evaluations, store=store, rng=rng)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
