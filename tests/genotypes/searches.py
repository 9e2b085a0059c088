"""A search over genotypes of any kind that writes a population file: python -m tests.genotypes.searches KIND FILE N."""

import random
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from deap import base, tools

from deap_nas import ChainSpace, Genotype, cxChain, eaAsync, initChain, killOldest, mpi_executor, mutChain
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, resume_population
from tests import toys
from tests.toolboxes import MaxIndividual

CHAINS = ChainSpace(max_layers=5, channels=(2, 4), kernel_sizes=(1, 3))
SPACES = {"wiring": toys.SPACE, "chain": CHAINS}
CLASSES = {"wiring": toys.WiringIndividual, "chain": MaxIndividual}


def layer_sum(genotype):
    """Plain DEAP evaluate of a chain."""
    if type(genotype) is not Genotype:
        raise TypeError(f"expected a plain Genotype, found {type(genotype).__name__}")
    return (float(sum(genotype)),)


def make_toolbox(kind, *, evaluate=None, rng=random):
    if kind == "wiring":
        return toys.make_toolbox(evaluate or toys.share_sum, rng=rng)
    toolbox = base.Toolbox()
    toolbox.register("individual", initChain, MaxIndividual, CHAINS, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", toys.select_of_two, rng=rng)
    toolbox.register("mate", cxChain, space=CHAINS, rng=rng)
    toolbox.register("mutate", mutChain, space=CHAINS, rng=rng)
    toolbox.register("evaluate", evaluate or layer_sum)
    return toolbox


def search(kind, path, n_evaluations, executor, *, evaluate=None, observer=None, settings=None):
    """Start the search, or go on with it; gives the population and the logbook."""
    rng = random.Random(3)
    toolbox = make_toolbox(kind, evaluate=evaluate, rng=rng)
    if Path(path).exists():
        store = HDF5Store.resume(path)
    else:
        store = HDF5Store.create(path, space=SPACES[kind], settings=settings or {}, seed=9)
    with store:
        population = resume_population(store, CLASSES[kind], rng=rng) or toolbox.population(n=6)
        return eaAsync(
            population, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng, cxpb=0.4,
            survival=partial(killOldest, size=12), observer=observer,
        )  # fmt: skip


def acknowledge(individual, n_running):
    sys.stdout.write(f"{individual.evaluation.id}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    name, output, number = sys.argv[1:4]
    with mpi_executor() if "--mpi" in sys.argv else nullcontext(SerialExecutor()) as workers:
        if workers is not None:
            search(name, output, int(number), workers, observer=acknowledge)
