"""Random search over architectures, the baseline of Liu et al. 2018, section 3.3, of any size.

python examples/random_search.py --workers 4                          # four processes on this machine
mpirun -n 201 python examples/random_search.py --dataset cifar10      # 200 ranks train, as in the paper

No evaluation waits for another's result, so the whole search can run in parallel: with as many workers as evaluations
it takes as long as the longest of them. Started again, it goes on with its population file.
"""

import argparse
import random
import sys
from dataclasses import replace

from deap import base, creator, tools

import deap_nas
from deap_nas.report import Progress, draw_best, in_words, summarise
from deap_nas.store import open_run, resume_population
from deap_nas.training import SEARCH, AccuracyFitness

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=200, help="random genotypes (default: 200)")
    parser.add_argument("--dataset", default="digits", help="digits, cifar10, cifar100, imagefolder:PATH")
    parser.add_argument("--steps", type=int, default=SEARCH.steps, help="of a training (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=SEARCH.batch_size, help="images a step (default: 256)")
    parser.add_argument("--repeats", type=int, default=4, help="trainings of a genotype (default: 4)")
    parser.add_argument("--channels", type=int, default=16, help="of the first convolution (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=0, help="processes, without mpirun (default: none)")
    parser.add_argument("--output", default="runs/random_search.h5", help="population file (default: %(default)s)")
    return parser.parse_args()


def search(args, executor):
    space = deap_nas.HierarchicalSpace()
    template = deap_nas.NetworkTemplate.small_cifar(channels=args.channels)
    recipe = replace(SEARCH, steps=args.steps, batch_size=args.batch_size)
    fitness = AccuracyFitness(
        space, dataset=args.dataset, template=template, recipe=recipe, repeats=args.repeats, seed=args.seed
    )
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()  # nobody is selected and nobody mutates
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
    toolbox.register("evaluate", fitness)

    settings = {"evaluations": args.evaluations, "fitness": fitness.to_dict()}
    with open_run(args.output, space=space, settings=settings, seed=args.seed, n_repeats=args.repeats) as store:
        population = resume_population(store, creator.Individual, rng=rng)
        if not population:  # a first population that is the whole run
            population = tools.initRepeat(list, toolbox.individual, args.evaluations)
        done = [individual.evaluation for individual in population if individual.fitness.valid]
        run = {"n_evaluations": args.evaluations, "store": store, "rng": rng}
        with Progress(args.evaluations, evaluations=done) as progress:
            deap_nas.eaAsync(population, toolbox, executor, **run, observer=progress)
        print(in_words(summarise(store)))
        print(*draw_best(store))


if __name__ == "__main__":
    try:
        with deap_nas.mpi_executor() as executor:
            if executor is not None:  # None on the ranks that have served as workers
                options = arguments()
                with executor.with_processes(options.workers) as workers:
                    search(options, workers)
    except deap_nas.NASError as error:
        sys.exit(str(error))
