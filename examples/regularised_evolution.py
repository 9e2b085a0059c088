"""Evolve a normal and a reduction cell, as in Real et al. 2018, "Regularized evolution for image classifiers".

python examples/regularised_evolution.py --workers 4 --population 16 --sample 4  # four processes on this machine
mpirun -n 451 python examples/regularised_evolution.py --dataset cifar10         # rank 0 searches, 450 ranks train
python examples/regularised_evolution.py --resume runs/regularised_evolution.h5  # go on with a run

The fittest of a random sample of the population has a child: one operation reads another value, or is another one, or
the child is its parent, trained once more. The oldest member dies, however fit. At the end deap-nas retrain FILE trains
the best cells in a larger network; examples/cells has published ones. Training images but digits are cropped with 4
pixels around them.
"""

import random
from functools import partial
from operator import attrgetter

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, number_in, recorded_run, run
from deap_nas.graph import AMOEBANET_OPERATIONS, DARTS_OPERATIONS
from deap_nas.report import Progress
from deap_nas.store import resume_population
from deap_nas.training import AMOEBANET

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)

SPACES = {
    "amoebanet": deap_nas.CellSpace(operations=AMOEBANET_OPERATIONS),
    "nasnet": deap_nas.CellSpace(),
    "darts": deap_nas.CellSpace(blocks=4, operations=DARTS_OPERATIONS, output="all", distinct_inputs=True),
}


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("search").add_argument
    add("--population", type=at_least(1), default=100, metavar="N", help="random cells to start from, and members")
    text = "members drawn, with replacement, of which the fittest has a child"
    add("--sample", type=at_least(1), default=25, metavar="N", help=text)
    add("--evaluations", type=at_least(1), default=20_000, metavar="N", help="in the whole run")
    text = "probability that a child is its parent, trained once more"
    add("--identity", type=number_in("[0, 1]"), default=0.05, metavar="P", help=text)
    add("--space", choices=SPACES, default="amoebanet", help="whose operations, and whose cells")
    add("--max-parameters", type=at_least(1), metavar="N", help="that a network may have (default: no limit)")
    settings = {"batch_size": AMOEBANET.batch_size, "repeats": 1, "channels": 24, "cells": 3, "validation_share": 0.1}
    line.add_fitness_options(epochs=25.0, **settings)
    line.add_worker_options()
    line.add_file_options("runs/regularised_evolution.h5")
    return line.parse_run()


def evaluation(args):
    if args.crop is None and args.dataset != "digits":
        args.crop = 4
    return make_fitness(SPACES[args.space], args, recipe=AMOEBANET)


def fittest_of_a_sample(individuals, k, *, size, rng):
    return [max(rng.choices(individuals, k=size), key=attrgetter("fitness")) for _ in range(k)]


def make_toolbox(args, fitness, rng):
    space = fitness.space
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initUniform, creator.Individual, space, rng=rng)
    toolbox.register("mutate", deap_nas.mutCell, space=space, identitypb=args.identity, rng=rng)
    limit = deap_nas.CostLimit(space, fitness.template, max_parameters=args.max_parameters)
    toolbox.decorate("individual", limit)
    toolbox.decorate("mutate", limit)
    toolbox.register("select", fittest_of_a_sample, size=args.sample, rng=rng)
    toolbox.register("evaluate", fitness)
    return toolbox


def search(args, executor):
    fitness, rng = evaluation(args), random.Random(args.seed)
    toolbox = make_toolbox(args, fitness, rng)
    with recorded_run(args, fitness, executor) as store:
        population = resume_population(store, creator.Individual, rng=rng)
        population = population or tools.initRepeat(list, toolbox.individual, args.population)
        run = {"n_evaluations": args.evaluations, "store": store, "rng": rng}
        aging = partial(deap_nas.killOldest, size=args.population)
        with Progress(args.evaluations, evaluations=(record.evaluation for record in store)) as progress:
            deap_nas.eaAsync(population, toolbox, executor, **run, survival=aging, observer=progress)


if __name__ == "__main__":
    run(search, arguments)
