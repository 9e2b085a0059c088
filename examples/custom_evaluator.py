"""A fitness of one's own, without PyTorch: networks of a wanted depth and size, found in seconds.

python examples/custom_evaluator.py --depth 12 --parameters 100000 --workers 2

It is a plain DEAP evaluate, a function from an individual to a tuple. It needs nothing but the core of deap_nas, and
processes that pebble runs. An individual that is no network raises, which the search records as a failure.
"""

import math
import random
from functools import partial

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, run
from deap_nas.graph import MERGES, viable_graph

SPACE = deap_nas.HierarchicalSpace()
TEMPLATE = deap_nas.NetworkTemplate.small_cifar()

creator.create("FitnessMin", base.Fitness, weights=(-1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMin)


def depth_of(genotype):
    """Operations on the longest path through the cell."""
    graph = viable_graph(SPACE, genotype)
    depths = []
    for node in graph.nodes:
        depth = max((depths[index] for index in node.inputs), default=0)
        depths.append(depth + (node.operation not in ("input", *MERGES)))
    return depths[graph.output]


def distance(genotype, *, depth, parameters):
    """Sum of the relative distances from the wanted depth and the wanted size."""
    n_parameters = deap_nas.cost(SPACE, genotype, TEMPLATE).n_parameters
    return (abs(depth_of(genotype) - depth) / depth + abs(math.log(n_parameters / parameters)),)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--depth", type=at_least(1), default=12, metavar="N", help="of the cell, in operations")
    line.add_argument("--parameters", type=at_least(1), default=100_000, metavar="N", help="of the small CIFAR model")
    line.add_argument("--population", type=at_least(1), default=100, metavar="N", help="random genotypes to start from")
    line.add_argument("--evaluations", type=at_least(1), default=1000, metavar="N", help="in the whole run")
    line.add_worker_options()
    return line.parse_args()


def search(args, executor):
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, SPACE, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", deap_nas.selTournamentFraction, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=SPACE, rng=rng)
    toolbox.register("evaluate", partial(distance, depth=args.depth, parameters=args.parameters))
    stats = tools.Statistics(lambda individual: individual.fitness.values[0])
    stats.register("min", lambda values: round(min(values), 4))
    best, population = tools.HallOfFame(1), toolbox.population(n=args.population)
    run = {"n_evaluations": args.evaluations, "stats": stats, "halloffame": best, "rng": rng}
    _, logbook = deap_nas.eaAsync(population, toolbox, executor, **run)
    print(logbook)
    size = deap_nas.cost(SPACE, best[0], TEMPLATE)
    print(f"best: depth {depth_of(best[0])}, {size.n_parameters:,} parameters")
    print(SPACE.describe(best[0]))


if __name__ == "__main__":
    run(search, arguments)
