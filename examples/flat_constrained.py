"""Evolve flat genotypes whose networks are no larger than hierarchical ones (Liu et al. 2018, section 4.2).

python examples/flat_constrained.py --workers 4                        # at most the hierarchical median
python examples/flat_constrained.py --workers 4 --max-parameters 50000
mpirun -n 200 python examples/flat_constrained.py --dataset cifar10

Flat genotypes owe some of their accuracy to their size. A decorator keeps the first individuals and the mutants under
a limit; nothing larger is ever trained.
"""

import random

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.report import Progress

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--max-parameters", type=at_least(1), metavar="N", help="(default: the hierarchical median)")
    line.add_argument("--nodes", type=at_least(1), default=11, metavar="N", help="of the flat cell")
    line.add_argument("--population", type=at_least(1), default=200, metavar="N", help="genotypes to start from")
    line.add_argument("--evaluations", type=at_least(1), default=7000, metavar="N", help="in the whole run")
    line.add_fitness_options()
    line.add_worker_options()
    return line.parse_args()


def search(args, executor):
    space = deap_nas.FlatSpace(nodes=args.nodes)
    fitness = make_fitness(space, args)
    rng = random.Random(args.seed)
    most = args.max_parameters
    if most is None:
        most = deap_nas.median_cost(deap_nas.HierarchicalSpace(), fitness.template, rng=rng).n_parameters
    print(f"limit: {most:,} parameters")

    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
    # with 11 nodes about one random genotype in a hundred keeps within the default limit
    limit = deap_nas.CostLimit(space, fitness.template, max_parameters=most, n_tries=100_000)
    toolbox.decorate("individual", limit)
    toolbox.decorate("mutate", limit)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", deap_nas.selTournamentFraction, rng=rng)
    toolbox.register("evaluate", fitness)

    best, population = tools.HallOfFame(1), toolbox.population(n=args.population)
    run = {"n_evaluations": args.evaluations, "halloffame": best, "rng": rng}
    with Progress(args.evaluations) as progress:
        deap_nas.eaAsync(population, toolbox, executor, **run, observer=progress)
    sizes = sorted(individual.evaluation.n_parameters for individual in population)
    print(f"members: {len(sizes)}, the largest of {sizes[-1]:,} parameters")
    print(f"best: accuracy {best[0].fitness.values[0]:.4f}, {best[0].evaluation.n_parameters:,} parameters")
    print(space.describe(best[0]))


if __name__ == "__main__":
    run(search, arguments)
