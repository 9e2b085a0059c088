"""Progressive search (Perez-Rua 2018 <https://arxiv.org/abs/1808.00391>) beside what it differs from, in one run.

    python benchmarks/epnas.py                              # digits, some minutes
    python benchmarks/epnas.py --table nasbench201.npz      # also on NAS-Bench-201, where the true order is known
    python benchmarks/epnas.py --workers 2 --dataset imagefolder:PATH ...   # see benchmarks/results

The searches are EPNAS, which samples by a surrogate at a temperature that falls to one; PNAS, which takes the K best by
the surrogate; the same steps with uniform draws; and random search over networks of all levels, with as many trainings.
On images each is done with shared weights and with weights drawn anew, and how well shared weights rank networks is
measured on networks that are also trained alone: those of the searches, and random ones by a one-shot model, whose
shared weights random networks have trained. Figure 6 of the paper, the spread over searches by iterations, is drawn.

Started again with the same options, it goes on where it was.
"""

import json
import random
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import matplotlib.pyplot as plt
import numpy as np
from deap import base, creator
from machine import describe
from tqdm import tqdm

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.evaluation import Status, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.files import save_json
from deap_nas.report import save_figure
from deap_nas.store import MemoryStore, beside, open_run, resume_population
from deap_nas.strategies import ProgressiveSearch, RandomSearch
from deap_nas.surrogates import LSTMSurrogate, kendall_tau
from deap_nas.training import EPNAS, OneShotFitness, SharedWeights

#: Search -> first and last temperature; None for random search.
SEARCHES = {
    "EPNAS": (10.0, 1.0),
    "EPNAS, down to 0.2": (10.0, 0.2),
    "PNAS, the K best": (0.0, 0.0),
    "uniform draws": (float("inf"), float("inf")),
    "random search": None,
}

creator.create("EpnasFitness", base.Fitness, weights=(1.0,))
creator.create("EpnasIndividual", deap_nas.Genotype, fitness=creator.EpnasFitness)


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("searches").add_argument
    add("--seeds", type=at_least(1), default=2, metavar="N", help="searches of each kind on images")
    add("--k", type=at_least(1), default=6, metavar="N", help="networks that are sampled at each step, on images")
    add("--levels", type=at_least(1), default=2, metavar="N", help="layers of the networks on images, a macro space")
    add("--iterations", type=at_least(1), default=3, metavar="N", help="passes over the levels")
    text = "height and width that the images are shrunk to (default: their own)"
    add("--image-size", type=at_least(1), metavar="PIXELS", help=text)
    add("--one-shot", type=at_least(1), default=20, metavar="N", help="trainings of the one-shot model")
    add("--ranked", type=at_least(2), default=8, metavar="N", help="networks that are also trained alone")
    add("--output", type=Path, default=Path("runs/epnas"), metavar="FOLDER", help="of files and the picture")
    line.add_fitness_options(
        epochs=1.0, batch_size=EPNAS.batch_size, repeats=1, channels=8, validation_share=0.1
    )  # fmt: skip
    add = line.add_argument_group("NAS-Bench-201").add_argument
    add("--table", type=Path, metavar="FILE", help="nasbench201.npz (default: without it)")
    add("--table-seeds", type=at_least(2), default=20, metavar="N", help="searches of each kind on it, with K = 25")
    line.add_worker_options()
    return line.parse_args()


@dataclass(frozen=True)
class Setting:
    """What the searches of a comparison share."""

    space: deap_nas.search_space.SearchSpace
    k: int
    iterations: int

    def strategy(self, name, rng, *, sequential=False):
        """A search by its name, and how many evaluations it has."""
        steps = partial(ProgressiveSearch, creator.EpnasIndividual, self.space, k=self.k, iterations=self.iterations)
        temperatures = SEARCHES[name] or (1.0, 1.0)
        search = steps(
            LSTMSurrogate(self.space, seed=rng.getrandbits(32)),
            first_temperature=temperatures[0], last_temperature=temperatures[1], sequential=sequential, rng=rng,
        )  # fmt: skip
        if SEARCHES[name] is not None:
            return search, search.n_evaluations
        toolbox = base.Toolbox()
        toolbox.register("individual", lambda: creator.EpnasIndividual(self.space.sample(rng=rng)))
        return RandomSearch(toolbox), search.n_evaluations

    def run(self, name, fitness, executor, store, rng, *, sequential=False):
        """Search to the end, or go on with a search."""
        strategy, n_evaluations = self.strategy(name, rng, sequential=sequential)
        toolbox = base.Toolbox()
        toolbox.register("generate", strategy.generate)
        toolbox.register("update", strategy.update)
        toolbox.register("evaluate", fitness)
        deap_nas.eaAsyncGenerateUpdate(
            toolbox, executor,
            n_evaluations=n_evaluations, store=store, rng=rng,
            population=resume_population(store, creator.EpnasIndividual, rng=rng),
            n_workers=1 if sequential else None,
        )  # fmt: skip


def spread(values, *, digits=2):
    """Mean and deviation."""
    deviation = f" +- {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{deviation}"
