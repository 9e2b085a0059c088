"""DEAP's own (mu + lambda) algorithm on architectures; ours are the genotype, the operators, the fitness, the map.

python examples/ea_mu_plus_lambda.py --workers 4
mpirun -n 5 python examples/ea_mu_plus_lambda.py

Each generation waits for its slowest evaluation; see hier_evo.py for a search that waits for nobody.
"""

import argparse
import random
import statistics
import sys

from deap import algorithms, base, creator, tools

import deap_nas
from deap_nas.evaluators import Guard
from deap_nas.training import AccuracyFitness, Recipe

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mu", type=int, default=8, help="members that are kept (default: 8)")
    parser.add_argument("--lambda", dest="lambda_", type=int, default=16, help="children a generation (default: 16)")
    parser.add_argument("--generations", type=int, default=10, help="after the first population (default: 10)")
    parser.add_argument("--dataset", default="digits", help="digits, cifar10, cifar100, imagefolder:PATH")
    parser.add_argument("--steps", type=int, default=200, help="of a training (default: 200)")
    parser.add_argument("--batch-size", type=int, default=64, help="images a step (default: 64)")
    parser.add_argument("--channels", type=int, default=8, help="of the first convolution (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=0, help="processes, without mpirun (default: none)")
    return parser.parse_args()


def accuracy(individual):
    return individual.fitness.values[0]


def search(args, executor):
    random.seed(args.seed)  # DEAP's algorithms draw from the module random
    space = deap_nas.HierarchicalSpace()
    template = deap_nas.NetworkTemplate.small_cifar(channels=args.channels)
    recipe = Recipe(steps=args.steps, batch_size=args.batch_size)
    fitness = AccuracyFitness(space, dataset=args.dataset, template=template, recipe=recipe, repeats=1, seed=args.seed)
    toolbox = base.Toolbox()
    toolbox.register("map", executor.map)
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("mate", deap_nas.cxMotif, space=space)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, must_change=True)
    toolbox.register("select", tools.selBest)
    toolbox.register("evaluate", Guard(fitness, worst_values=fitness.worst_values))  # what fails ends no search

    stats = tools.Statistics(accuracy)
    stats.register("best", max)
    stats.register("median", statistics.median)
    best = tools.HallOfFame(3)
    settings = {"mu": args.mu, "lambda_": args.lambda_, "cxpb": 0.4, "mutpb": 0.6, "ngen": args.generations}
    algorithms.eaMuPlusLambda(toolbox.population(n=args.mu), toolbox, **settings, stats=stats, halloffame=best)
    for individual in best:
        size = deap_nas.cost(space, individual, fitness.template)
        print(f"accuracy {accuracy(individual):.4f}, {size.n_parameters:,} parameters, {size.flops:,} FLOPs an image")
    print(space.describe(best[0]))


if __name__ == "__main__":
    try:
        with deap_nas.mpi_executor() as executor:
            if executor is not None:  # None on the ranks that have served as workers
                options = arguments()
                with executor.with_processes(options.workers) as workers:
                    search(options, workers)
    except deap_nas.NASError as error:
        sys.exit(str(error))
