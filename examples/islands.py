"""Islands: populations that evolve apart and send their best around a ring now and then.

python examples/islands.py --workers 4
mpirun -n 5 python examples/islands.py

All islands' children of a generation are evaluated in one map, so the workers are shared and the islands stay in step.
"""

import random

from deap import algorithms, base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.evaluation import Guard

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--islands", type=at_least(1), default=4, metavar="N", help="populations")
    line.add_argument("--population", type=at_least(1), default=8, metavar="N", help="members of each")
    line.add_argument("--generations", type=at_least(0), default=12, metavar="N", help="after the first population")
    line.add_argument("--interval", type=at_least(1), default=3, metavar="N", help="generations between migrations")
    line.add_fitness_options(steps=200, batch_size=64, repeats=1, channels=8)
    line.add_worker_options()
    return line.parse_args()


def make_toolbox(args, executor):
    space = deap_nas.HierarchicalSpace()
    fitness = make_fitness(space, args)
    toolbox = base.Toolbox()
    toolbox.register("map", executor.map)
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual, args.population)
    toolbox.register("mate", deap_nas.cxMotif, space=space)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, must_change=True)
    toolbox.register("select", tools.selTournament, tournsize=2)
    toolbox.register("evaluate", Guard(fitness, worst_values=fitness.worst_values))
    toolbox.register("vary", algorithms.varAnd, toolbox=toolbox, cxpb=0.3, mutpb=0.8)
    toolbox.register("migrate", tools.migRing, k=1, selection=tools.selBest, replacement=tools.selWorst)
    return toolbox


def evaluate(islands, toolbox):
    waiting = [individual for island in islands for individual in island if not individual.fitness.valid]
    for individual, values in zip(waiting, toolbox.map(toolbox.evaluate, waiting), strict=True):
        individual.fitness.values = values


def search(args, executor):
    random.seed(args.seed)  # DEAP's algorithms draw from the module random
    toolbox = make_toolbox(args, executor)
    islands, best = [toolbox.population() for _ in range(args.islands)], tools.HallOfFame(1)
    print("generation  best of each island")
    for generation in range(args.generations + 1):
        if generation:
            islands = [island + toolbox.vary(toolbox.select(island, len(island))) for island in islands]
        evaluate(islands, toolbox)
        islands = [tools.selBest(island, args.population) for island in islands]
        best.update([island[0] for island in islands])
        print(f"{generation:10}", *(f"{island[0].fitness.values[0]:.4f}" for island in islands), sep="  ")
        if generation % args.interval == args.interval - 1:
            toolbox.migrate(islands)
    print(f"best: accuracy {best[0].fitness.values[0]:.4f}, {list(best[0])}")


if __name__ == "__main__":
    run(search, arguments)
