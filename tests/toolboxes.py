"""Individuals, toolboxes and fitness functions for the tests. Functions that cross a process border live here."""

import os
import random
import signal
import time

from deap import base, creator, tools

from deap_nas import FlatSpace, Genotype, initDiversified, mutEdge, selTournamentFraction
from deap_nas.errors import DivergedError, NotViableError
from deap_nas.evaluation import Evaluation

creator.create("MaxFitness", base.Fitness, weights=(1.0,))
creator.create("MinFitness", base.Fitness, weights=(-1.0,))
creator.create("PairFitness", base.Fitness, weights=(1.0, -1.0))
creator.create("MaxIndividual", Genotype, fitness=creator.MaxFitness)
creator.create("MinIndividual", Genotype, fitness=creator.MinFitness)
creator.create("PairIndividual", Genotype, fitness=creator.PairFitness)

MaxIndividual = creator.MaxIndividual
MinIndividual = creator.MinIndividual
PairIndividual = creator.PairIndividual

SPACE = FlatSpace(nodes=4)


def gene_sum(genotype):
    """Plain DEAP evaluate."""
    return (float(sum(genotype)),)


def make_toolbox(evaluate=gene_sum, *, rng=random, space=SPACE, icls=MaxIndividual):
    """Toolbox of the paper's search."""
    toolbox = base.Toolbox()
    toolbox.register("individual", initDiversified, icls, space, n_mutations=30, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", selTournamentFraction, fraction=0.2, rng=rng)
    toolbox.register("mutate", mutEdge, space=space, rng=rng)
    toolbox.register("evaluate", evaluate)
    return toolbox


def evaluated(icls, *values, genes=(0,)):
    """Individuals with these fitness values, one each."""
    individuals = [icls(genes) for _ in values]
    for individual, value in zip(individuals, values, strict=True):
        individual.fitness.values = value if isinstance(value, tuple) else (value,)
    return individuals


def gene_sum_and_zeros(genotype):
    """Two objectives."""
    return float(sum(genotype)), float(genotype.count(0))


def is_plain(genotype):
    """1 for a plain genotype, 0 for an individual."""
    return (float(type(genotype) is Genotype),)


def kind_of(genotype):
    """Name of the class that arrives."""
    return type(genotype).__name__


def raises_error(genotype):
    raise ZeroDivisionError("a bug in the fitness")


def raises_not_viable(genotype):
    raise NotViableError("no path")


def raises_diverged(genotype):
    raise DivergedError("loss is nan")


def raises_memory_error(genotype):
    raise MemoryError


def raises_allocation_error(genotype):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")


def gives_nan(genotype):
    return (float("nan"),)


def gives_inf(genotype):
    return (float("inf"),)


def gives_no_tuple(genotype):
    return 1.0


def troubled(genotype):
    """Fails in one way or another for most genotypes."""
    outcomes = [gene_sum, gives_nan, gives_inf, raises_error, raises_not_viable, raises_memory_error]
    return outcomes[sum(genotype) % len(outcomes)](genotype)


class SeedFitness:
    """A detailed fitness that tells the seed it was given."""

    def __call__(self, individual):
        return self.evaluate(individual, seed=0).values

    def evaluate(self, genotype, *, seed):
        details = {"n_parameters": 12, "flops": 34, "error": kind_of(genotype)}
        return Evaluation((float(seed % 1000),), scores=(float(seed),), **details)


class WorstFitness(SeedFitness):
    """A detailed fitness that always fails and says what the worst value is."""

    worst_values = (0.25,)

    def evaluate(self, genotype, *, seed):
        raise ZeroDivisionError


class WrongFitness(SeedFitness):
    """A detailed fitness that breaks the protocol."""

    def evaluate(self, genotype, *, seed):
        return (1.0,)


def double(number):
    return 2 * number


def raise_value_error(text):
    raise ValueError(text)


def exit_at_three(number):
    """Kill the process for the argument 3."""
    if number == 3:
        os._exit(17)
    return number


def interrupt_itself(number=signal.SIGINT):
    """Send a signal to the process that runs the call, by default that of Ctrl-C."""
    os.kill(os.getpid(), number)
    time.sleep(0.1)
    return "still here"


def sleep_forever():
    time.sleep(600)


def crashes_hangs_or_works(genotype):
    """Kill the process when the first gene is 1, hang when it is 2."""
    if genotype[0] == 1:
        os._exit(17)
    if genotype[0] == 2:
        sleep_forever()
    return gene_sum(genotype)


def environment(name):
    return os.environ.get(name)
