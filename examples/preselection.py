"""Evolve a hierarchical genotype with fewer trainings: of many children of the best member a surrogate chooses one.

python examples/preselection.py --workers 4                        # four processes on this machine
mpirun -n 17 python examples/preselection.py --dataset cifar10     # rank 0 searches, 16 ranks train
python examples/preselection.py --resume runs/preselection.h5      # go on with a run

The surrogate learns from all trainings that have ended how networks rank; the other children are never trained. The
space, the mutation and the training are those of Liu 2018, as in hier_evo.py; nobody is removed.
"""

import random
from functools import partial

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, recorded_run, run
from deap_nas.report import Progress
from deap_nas.store import resume_population

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)

SURROGATES = {"gp": deap_nas.GPSurrogate, "forest": deap_nas.ForestSurrogate}
#: By how much the best is to be surpassed: a forest expects nothing beyond what it has seen.
MARGINS = {"gp": 0.2, "forest": 0.0}


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("search").add_argument
    add("--population", type=at_least(2), default=20, metavar="N", help="random genotypes to start from")
    add("--first", type=at_least(2), default=15, metavar="N", help="evaluations before the surrogate is asked")
    add("--evaluations", type=at_least(1), default=200, metavar="N", help="in the whole run")
    add("--children", type=at_least(1), default=100, metavar="N", help="that one is chosen from")
    add("--surrogate", choices=SURROGATES, default="gp", help="a Gaussian process, or a random forest")
    add("--max-parameters", type=at_least(1), metavar="N", help="that a network may have (default: no limit)")
    line.add_fitness_options()
    line.add_worker_options()
    line.add_file_options("runs/preselection.h5")
    return line.parse_run()


def make_preselect(args, space, rng):
    surrogate = SURROGATES[args.surrogate](space)
    settings = {"n_children": args.children, "n_first": args.first, "margin": MARGINS[args.surrogate]}
    return deap_nas.Preselect(space, surrogate, **settings, rng=rng)


def make_toolbox(args, fitness, preselect, rng):
    space = fitness.space
    toolbox = base.Toolbox()
    diversified = partial(deap_nas.initDiversified, n_mutations=1000, rng=rng)
    toolbox.register("individual", diversified, creator.Individual, space)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
    limit = deap_nas.CostLimit(space, fitness.template, max_parameters=args.max_parameters)
    toolbox.decorate("individual", limit)
    toolbox.decorate("mutate", limit, preselect)  # the limit first: of permitted children one is chosen
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=1.0, rng=rng)
    toolbox.register("evaluate", fitness)
    return toolbox


def search(args, executor):
    fitness, rng = make_fitness(deap_nas.HierarchicalSpace(), args), random.Random(args.seed)
    preselect = make_preselect(args, fitness.space, rng)
    toolbox = make_toolbox(args, fitness, preselect, rng)
    with recorded_run(args, fitness, executor) as store:
        population = resume_population(store, creator.Individual, rng=rng)
        for individual in population:
            preselect.observe(individual)
        population = population or tools.initRepeat(list, toolbox.individual, args.population)
        settings = {"n_evaluations": args.evaluations, "store": store, "rng": rng}
        with Progress(args.evaluations, evaluations=(record.evaluation for record in store)) as progress:

            def observe(individual, n_running):
                progress(individual, n_running)
                preselect.observe(individual, n_running)

            deap_nas.eaAsync(population, toolbox, executor, **settings, observer=observe)


if __name__ == "__main__":
    run(search, arguments)
