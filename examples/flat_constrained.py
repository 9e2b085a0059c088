"""Evolve flat genotypes whose networks are no larger than hierarchical ones (Liu et al. 2018, section 4.2).

python examples/flat_constrained.py --workers 4                        # at most the hierarchical median
python examples/flat_constrained.py --workers 4 --max-parameters 50000
mpirun -n 200 python examples/flat_constrained.py --dataset cifar10

Flat genotypes owe some of their accuracy to their size. A decorator keeps the first individuals and the mutants under
a limit; nothing larger is ever trained.
"""

import argparse
import random
import sys
from dataclasses import replace

from deap import base, creator, tools

import deap_nas
from deap_nas.report import Progress
from deap_nas.training import SEARCH, AccuracyFitness

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-parameters", type=int, help="(default: the median of 200 random hierarchical genotypes)")
    parser.add_argument("--nodes", type=int, default=11, help="of the flat cell (default: 11)")
    parser.add_argument("--population", type=int, default=200, help="genotypes to start from (default: 200)")
    parser.add_argument("--evaluations", type=int, default=7000, help="in the whole run (default: 7000)")
    parser.add_argument("--dataset", default="digits", help="digits, cifar10, cifar100, imagefolder:PATH")
    parser.add_argument("--steps", type=int, default=SEARCH.steps, help="of a training (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=SEARCH.batch_size, help="images a step (default: 256)")
    parser.add_argument("--repeats", type=int, default=4, help="trainings of a genotype (default: 4)")
    parser.add_argument("--channels", type=int, default=16, help="of the first convolution (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=0, help="processes, without mpirun (default: none)")
    return parser.parse_args()


def search(args, executor):
    space = deap_nas.FlatSpace(nodes=args.nodes)
    template = deap_nas.NetworkTemplate.small_cifar(channels=args.channels)
    recipe = replace(SEARCH, steps=args.steps, batch_size=args.batch_size)
    fitness = AccuracyFitness(
        space, dataset=args.dataset, template=template, recipe=recipe, repeats=args.repeats, seed=args.seed
    )
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
    try:
        with deap_nas.mpi_executor() as executor:
            if executor is not None:  # None on the ranks that have served as workers
                options = arguments()
                with executor.with_processes(options.workers) as workers:
                    search(options, workers)
    except deap_nas.NASError as error:
        sys.exit(str(error))
