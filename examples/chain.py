"""Evolve chains of layers: each layer has channels, a window and a stride of its own, and the length evolves, too.

python examples/chain.py --workers 4
mpirun -n 5 python examples/chain.py

A mutation inserts a layer, removes one or alters one. What is no other network, such as a pooling whose channels were
altered, takes the fitness that is known. Started again, it goes on with its population file.
"""

import random
from functools import partial

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.report import Progress, draw_best, in_words, summarise
from deap_nas.store import open_run, resume_population

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--layers", type=at_least(1), default=10, metavar="N", help="of the longest chain")
    line.add_argument("--population", type=at_least(1), default=16, metavar="N", help="chains of one layer at first")
    line.add_argument("--evaluations", type=at_least(1), default=200, metavar="N", help="in the whole run")
    line.add_argument("--output", default="runs/chain.h5", metavar="FILE", help="population file")
    line.add_fitness_options(steps=200, batch_size=64, repeats=1, channels=8)
    line.add_worker_options()
    return line.parse_args()


def search(args, executor):
    channels = (args.channels, 2 * args.channels, 4 * args.channels)
    space = deap_nas.ChainSpace(max_layers=args.layers, channels=channels)
    fitness, rng = make_fitness(space, args), random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initChain, creator.Individual, space, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=0.2, rng=rng)
    toolbox.register("mutate", deap_nas.mutChain, space=space, rng=rng)  # insert, remove or alter
    toolbox.register("evaluate", fitness)
    settings = {"population": args.population, "fitness": fitness.to_dict()}
    with open_run(args.output, space=space, settings=settings, seed=args.seed, n_repeats=fitness.repeats) as store:
        population = resume_population(store, creator.Individual, rng=rng) or toolbox.population(n=args.population)
        run = {"n_evaluations": args.evaluations, "store": store, "rng": rng}
        with Progress(args.evaluations, evaluations=(record.evaluation for record in store)) as progress:
            key = partial(deap_nas.canonical_key, space)
            deap_nas.eaAsync(population, toolbox, executor, **run, reuse=key, observer=progress)
        print(in_words(summarise(store)), *draw_best(store), sep="\n")


if __name__ == "__main__":
    run(search, arguments)
