"""What is searched for, and the searches, of ``sample_efficiency.py``."""

import random
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from deap import base, creator
from likeness import SyntheticFitness
from nasbench201 import SPACE as CELLS
from virtual_workers import VirtualWorkers

import deap_nas
from deap_nas.errors import NotViableError

creator.create("SampledFitness", base.Fitness, weights=(1.0,))
creator.create("SampledIndividual", deap_nas.Genotype, fitness=creator.SampledFitness)

#: The space of the synthetic fitness: hierarchical genotypes as large as those of Liu 2018.
HIERARCHICAL = deap_nas.HierarchicalSpace()
#: Of a search with a surrogate: the parent is the best member, the winner of a tournament of all.
SURROGATE = {"n_first": 20, "fraction": 1.0}


@dataclass(frozen=True)
class Table:
    """NAS-Bench-201: validation accuracy after 12 epochs is searched for, test accuracy after 200 is what counts."""

    path: Path
    dataset: str
    space: Any = CELLS

    def fitness(self, genotype):
        """Validation accuracy, in percent."""
        return float(self._columns[1][self._row(genotype)])

    def test(self, genotype):
        """Test accuracy, in percent."""
        return float(self._columns[2][self._row(genotype)])

    @property
    def best(self):
        """The highest validation accuracy."""
        return float(self._columns[1].max())

    def _row(self, genotype):
        return self._columns[0][tuple(genotype)]

    @property
    def _columns(self):
        return _read(self.path, self.dataset)


@cache
def _read(path, dataset):
    table = np.load(path, allow_pickle=False)
    rows = {tuple(digits): row for row, digits in enumerate(table["ops"].tolist())}
    return rows, table[f"{dataset}_val_acc_12"], table[f"{dataset}_test_acc_200"]


@dataclass(frozen=True)
class Synthetic:
    """A random smooth function of networks, without noise, of which each seed has its own; nobody knows its best."""

    seed: int = 0
    space: Any = HIERARCHICAL
    best = None

    def fitness(self, genotype):
        """About as large as a draw from the standard normal distribution; -5 of what is no network."""
        try:
            return _function(self.space, self.seed)(genotype)
        except NotViableError:
            return -5.0

    def test(self, genotype):
        """The fitness."""
        return self.fitness(genotype)


@cache
def _function(space, seed):
    return SyntheticFitness(space, seed)


class Trace:
    """What a search has found after each evaluation.

    Attributes:
        values: highest fitness so far, after each.
        tests: test accuracy of that network.
    """

    def __init__(self, task):
        """See the class."""
        self._task = task
        self.values, self.tests = [], []

    def add(self, genotype, value):
        """Take note of an evaluation that has ended."""
        if not self.values or value > self.values[-1]:
            self.values.append(value)
            self.tests.append(self._task.test(genotype))
        else:
            self.values.append(self.values[-1])
            self.tests.append(self.tests[-1])


def evolution(
    task, n_evaluations, n_workers, seed, *, n_first, fraction=0.05, survival=None, surrogate=None, margin=0.2
):
    """Tournaments, with children that are chosen by a surrogate if there is one."""
    rng, trace = random.Random(seed), Trace(task)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initUniform, creator.SampledIndividual, task.space, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=task.space, must_change=surrogate is None, rng=rng)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=fraction, rng=rng)
    toolbox.register("evaluate", lambda genotype: (task.fitness(genotype),))
    learn = None
    if surrogate is not None:
        preselect = deap_nas.Preselect(task.space, surrogate(task.space), margin=margin, rng=rng)
        toolbox.decorate("mutate", preselect)
        learn = preselect.observe

    def observe(individual, n_running):
        trace.add(individual, individual.fitness.values[0])
        if learn is not None:
            learn(individual, n_running)

    population = [toolbox.individual() for _ in range(n_first)]
    workers = VirtualWorkers(n_workers, random.Random(seed))
    deap_nas.eaAsync(
        population, toolbox, workers, n_evaluations=n_evaluations, rng=rng, survival=survival, observer=observe
    )
    return trace


def random_search(task, n_evaluations, n_workers, seed):
    """Networks drawn gene by gene."""
    return evolution(task, n_evaluations, n_workers, seed, n_first=n_evaluations)


def tpe(task, n_evaluations, n_workers, seed):
    """Optuna's sampler of that name, as it is, with a category for each value of each gene."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    trace, n_begun, n_ended = Trace(task), 0, 0
    choices = [list(range(low, up + 1)) for low, up in zip(task.space.low, task.space.up, strict=True)]

    def evaluate(asked):
        trial, genotype = asked
        return trial, genotype, task.fitness(genotype)

    running = VirtualWorkers(n_workers, random.Random(seed)).open_channel(evaluate)
    while n_ended < n_evaluations:
        while n_begun < n_evaluations and n_begun - n_ended < n_workers:
            trial = study.ask()
            genes = [trial.suggest_categorical(str(gene), values) for gene, values in enumerate(choices)]
            running.submit((trial, deap_nas.Genotype(genes)))
            n_begun += 1
        for _, end in running.wait():
            trial, genotype, value = end.result()
            study.tell(trial, value)
            trace.add(genotype, value)
            n_ended += 1
    return trace


#: Name -> function of (task, evaluations, workers, seed), which gives a :class:`Trace`.
SEARCHES = {
    "random search": random_search,
    "evolution, nobody removed": partial(evolution, n_first=20),
    "regularised evolution": partial(
        evolution, n_first=10, fraction=1.0, survival=partial(deap_nas.killOldest, size=10)
    ),
    "Optuna's TPE": tpe,
    "forest": partial(evolution, **SURROGATE, surrogate=deap_nas.ForestSurrogate, margin=0.0),
    "Gaussian process": partial(evolution, **SURROGATE, surrogate=deap_nas.GPSurrogate),
}
