"""Evolve the architecture of an image classifier, as in Liu et al. 2018, "Hierarchical representations".

python examples/hier_evo.py                               # one process
python examples/hier_evo.py --workers 4                   # four processes on this machine
mpirun -n 200 python examples/hier_evo.py                 # rank 0 searches, 199 ranks train
python examples/hier_evo.py --resume runs/hier_evo.h5     # go on with a run
"""

import random
from functools import partial

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, number_in, recorded_run, run
from deap_nas.errors import SettingsError
from deap_nas.report import Progress
from deap_nas.store import beside, resume_population

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("search").add_argument
    text = "random genotypes to start from, and members that stay unless all do"
    add("--population", type=at_least(1), default=200, metavar="N", help=text)
    add("--evaluations", type=at_least(1), default=7000, metavar="N", help="in the whole run")
    text = "share of the population in a tournament"
    add("--tournament", type=number_in("(0, 1]"), default=0.05, metavar="FRACTION", help=text)
    add("--representation", choices=("hierarchical", "flat"), default="hierarchical", help="of the genotypes")
    add("--mutations", type=at_least(0), default=1000, metavar="N", help="to diversify each first genotype")
    add("--max-parameters", type=at_least(1), metavar="N", help="that a network may have (default: no limit)")
    text = "all stay, the oldest leave, or the less fit of a random pair"
    add("--survival", choices=("all", "oldest", "loser"), default="all", help=text)
    text = "canonical: train the same network once, whatever its genotype"
    add("--reuse", choices=("never", "canonical"), default="never", help=text)
    text = "what a training starts from: weights drawn anew, or the parent's where they fit"
    add("--weights", choices=("fresh", "inherited"), default="fresh", help=text)
    line.add_fitness_options()
    line.add_stopping_options()
    line.add_cheaper_options()
    line.add_worker_options()
    line.add_file_options("runs/hier_evo.h5")
    args = line.parse_run()
    if (args.reuse, args.weights) == ("canonical", "inherited"):
        raise SettingsError("--reuse canonical is for --weights fresh: an equal network that inherits is trained on")
    return args


def evaluation(args):
    space = deap_nas.HierarchicalSpace() if args.representation == "hierarchical" else deap_nas.FlatSpace()
    folder = beside(args.output, "-weights") if args.weights == "inherited" else None
    return make_fitness(space, args, weights_dir=folder)


def make_toolbox(args, fitness, rng):
    space = fitness.space
    toolbox = base.Toolbox()
    diversified = partial(deap_nas.initDiversified, n_mutations=args.mutations, rng=rng)
    toolbox.register("individual", diversified, creator.Individual, space)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
    limit = deap_nas.CostLimit(space, fitness.template, max_parameters=args.max_parameters, n_tries=5000)
    toolbox.decorate("individual", limit)
    toolbox.decorate("mutate", limit)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=args.tournament, rng=rng)
    toolbox.register("evaluate", fitness)
    return toolbox


def survival_rule(args):
    oldest = partial(deap_nas.killOldest, size=args.population)
    loser = partial(deap_nas.killLoser, size=args.population, seed=args.seed)
    return {"all": None, "oldest": oldest, "loser": loser}[args.survival]


def search(args, executor):
    fitness, rng = evaluation(args), random.Random(args.seed)
    toolbox = make_toolbox(args, fitness, rng)
    with recorded_run(args, fitness, executor) as store:
        population = resume_population(store, creator.Individual, rng=rng)
        population = population or tools.initRepeat(list, toolbox.individual, args.population)
        done = (record.evaluation for record in store)
        with Progress(args.evaluations, evaluations=done) as progress:
            deap_nas.eaAsync(
                population,
                toolbox,
                executor,
                n_evaluations=args.evaluations,
                store=store,
                rng=rng,
                survival=survival_rule(args),
                reuse=partial(deap_nas.canonical_key, fitness.space) if args.reuse == "canonical" else None,
                observer=progress,
            )


if __name__ == "__main__":
    run(search, arguments)
