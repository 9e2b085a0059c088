"""DEAP's own (mu + lambda) algorithm on architectures; ours are the genotype, the operators, the fitness, the map.

python examples/ea_mu_plus_lambda.py --workers 4
mpirun -n 5 python examples/ea_mu_plus_lambda.py

Each generation waits for its slowest evaluation; see hier_evo.py for a search that waits for nobody.
"""

import random
import statistics

from deap import algorithms, base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.evaluation import Guard

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--mu", type=at_least(1), default=8, metavar="N", help="members that are kept")
    line.add_argument("--lambda", dest="lambda_", type=at_least(1), default=16, metavar="N", help="children at a time")
    line.add_argument("--generations", type=at_least(0), default=10, metavar="N", help="after the first population")
    line.add_fitness_options(steps=200, batch_size=64, repeats=1, channels=8)
    line.add_worker_options()
    return line.parse_args()


def accuracy(individual):
    return individual.fitness.values[0]


def search(args, executor):
    random.seed(args.seed)  # DEAP's algorithms draw from the module random
    space = deap_nas.HierarchicalSpace()
    fitness = make_fitness(space, args)
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
    run(search, arguments)
