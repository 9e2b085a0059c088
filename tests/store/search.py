"""A search that writes a population file, for tests that kill it: python -m tests.store.search FILE N."""

import random
import sys
from pathlib import Path

from deap_nas import eaAsync
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, resume_population
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox, troubled


def acknowledge(individual, n_running):
    """Say which evaluation is recorded; several in one line must not be torn by a kill."""
    sys.stdout.write(f"{individual.evaluation.id}\n")
    sys.stdout.flush()


def run(path, n_evaluations, executor, observer=None):
    """Start the search, or go on with it."""
    rng = random.Random(1)
    toolbox = make_toolbox(troubled, rng=rng)
    settings = {"n_evaluations": n_evaluations}
    if Path(path).exists():
        store = HDF5Store.resume(path, space=SPACE, settings=settings, free=("n_evaluations",))
    else:
        store = HDF5Store.create(path, space=SPACE, settings=settings, seed=5)
    with store:
        if observer is not None:
            print("begun", flush=True)
        population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(n=10)
        eaAsync(population, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng, observer=observer)


if __name__ == "__main__":
    with SerialExecutor() as serial:
        run(sys.argv[1], int(sys.argv[2]), serial, acknowledge)
