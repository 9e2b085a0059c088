"""Random search over architectures, the baseline of Liu et al. 2018, section 3.3, of any size.

python examples/random_search.py --workers 4                          # four processes on this machine
mpirun -n 201 python examples/random_search.py --dataset cifar10      # 200 ranks train, as in the paper

No evaluation waits for another's result, so the whole search can run in parallel: with as many workers as evaluations
it takes as long as the longest of them. Started again, it goes on with its population file.
"""

import random

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.report import Progress, draw_best, in_words, summarise
from deap_nas.store import open_run, resume_population

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--evaluations", type=at_least(1), default=200, metavar="N", help="random genotypes")
    line.add_argument("--output", default="runs/random_search.h5", metavar="FILE", help="population file")
    line.add_fitness_options()
    line.add_worker_options()
    return line.parse_args()


def search(args, executor):
    space = deap_nas.HierarchicalSpace()
    fitness = make_fitness(space, args)
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()  # nobody is selected and nobody mutates
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
    toolbox.register("evaluate", fitness)

    settings = {"evaluations": args.evaluations, "fitness": fitness.to_dict()}
    with open_run(args.output, space=space, settings=settings, seed=args.seed, n_repeats=fitness.repeats) as store:
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
    run(search, arguments)
