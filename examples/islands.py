"""Islands: populations that evolve apart and send their best around a ring now and then.

python examples/islands.py --workers 4
mpirun -n 5 python examples/islands.py

All islands' children of a generation are evaluated in one map, so the workers are shared and the islands stay in step.
"""

import argparse
import random
import sys

from deap import algorithms, base, creator, tools

import deap_nas
from deap_nas.evaluators import Guard
from deap_nas.training import AccuracyFitness, Recipe

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--islands", type=int, default=4, help="populations (default: 4)")
    parser.add_argument("--population", type=int, default=8, help="members of each (default: 8)")
    parser.add_argument("--generations", type=int, default=12, help="after the first population (default: 12)")
    parser.add_argument("--interval", type=int, default=3, help="generations between migrations (default: 3)")
    parser.add_argument("--dataset", default="digits", help="digits, cifar10, cifar100, imagefolder:PATH")
    parser.add_argument("--steps", type=int, default=200, help="of a training (default: 200)")
    parser.add_argument("--batch-size", type=int, default=64, help="images a step (default: 64)")
    parser.add_argument("--channels", type=int, default=8, help="of the first convolution (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=0, help="processes, without mpirun (default: none)")
    return parser.parse_args()


def make_toolbox(args, executor):
    space = deap_nas.HierarchicalSpace()
    template = deap_nas.NetworkTemplate.small_cifar(channels=args.channels)
    recipe = Recipe(steps=args.steps, batch_size=args.batch_size)
    fitness = AccuracyFitness(space, dataset=args.dataset, template=template, recipe=recipe, repeats=1, seed=args.seed)
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
    try:
        with deap_nas.mpi_executor() as executor:
            if executor is not None:  # None on the ranks that have served as workers
                options = arguments()
                with executor.with_processes(options.workers) as workers:
                    search(options, workers)
    except deap_nas.NASError as error:
        sys.exit(str(error))
