"""Evolve the architecture of an image classifier, as in Liu et al. 2018, "Hierarchical representations".

python examples/hier_evo.py                               # one process
python examples/hier_evo.py --workers 4                   # four processes on this machine
mpirun -n 200 python examples/hier_evo.py                 # rank 0 searches, 199 ranks train
python examples/hier_evo.py --resume runs/hier_evo.h5     # go on with a run
"""

import argparse
import random
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from deap import base, creator, tools

import deap_nas
from deap_nas.errors import SettingsError
from deap_nas.evaluators import MPIExecutor
from deap_nas.report import Progress, draw_best, in_words, summarise
from deap_nas.store import HDF5Store, resume_population
from deap_nas.training import SEARCH, AccuracyFitness, remove_dead_weights

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)

SETTINGS = (  # name, default or choices, what it is; all are recorded in the population file
    ("dataset", "digits", "digits, cifar10, cifar100 or imagefolder:PATH"),
    ("images", None, "training images to use, the same ones throughout; all if not given"),
    ("representation", ("hierarchical", "flat"), "of the genotypes"),
    ("max_parameters", None, "parameters that a network may have; no limit if not given"),
    ("population", 200, "random genotypes to start from, and members that stay unless all do"),
    ("evaluations", 7000, "in the whole run"),
    ("tournament", 0.05, "share of the population in a tournament"),
    ("mutations", 1000, "to diversify each first genotype"),
    ("survival", ("all", "oldest", "loser"), "all stay, the oldest leave, or the less fit of a random pair"),
    ("reuse", ("never", "canonical"), "train the same network once, whatever its genotype"),
    ("weights", ("fresh", "inherited"), "a training starts from: drawn anew, or the parent's where they fit"),
    ("steps", SEARCH.steps, "of a training"),
    ("batch_size", SEARCH.batch_size, "images a step"),
    ("repeats", 4, "trainings of a genotype, whose accuracies are averaged"),
    ("channels", 16, "of the first convolution"),
    ("seed", 0, "of everything random"),
    ("device", "auto", "cpu, cuda, cuda:1, ...; auto is a GPU if there is one"),
    ("data_dir", "data", "folder of cifar10 and cifar100"),
)
MAY_CHANGE = ("evaluations", "device", "data_dir")  # when a run is resumed


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value, text in SETTINGS:
        choices = value if isinstance(value, tuple) else None
        default = choices[0] if choices else value
        kind, ending = (int, "") if value is None else (type(default), f" (default: {default})")
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=kind, choices=choices, default=default, help=text + ending)
    parser.add_argument("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
    parser.add_argument("--workers", type=int, default=0, help="processes on this machine, without mpirun")
    parser.add_argument("--output", type=Path, help="population file (default: runs/hier_evo.h5)")
    parser.add_argument("--overwrite", action="store_true", help="replace the population file if it is there")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on with the run of this file")
    args = parser.parse_args()
    if args.resume:
        with HDF5Store.read(args.resume) as store:
            parser.set_defaults(**{key: value for key, value in store.settings.items() if key != "fitness"})
        args = parser.parse_args()
    check(args)
    args.output = args.resume or args.output or Path("runs/hier_evo.h5")
    return args


def check(args):
    for name, least in (("population", 1), ("evaluations", 1), ("mutations", 0)):
        if getattr(args, name) < least:
            raise SettingsError(f"--{name} must be at least {least}, found {getattr(args, name)}")
    if not 0 < args.tournament <= 1:
        raise SettingsError(f"--tournament must lie in (0, 1], found {args.tournament}")
    if args.resume and (args.output or args.overwrite):
        raise SettingsError(f"--resume goes on writing {args.resume}: leave out --output and --overwrite")
    file = args.resume or args.output
    if file and file.suffix in (".png", ".svg"):
        raise SettingsError(f"--output is the population file, pictures go beside it; found {file}")


def make_fitness(args):
    space = deap_nas.HierarchicalSpace() if args.representation == "hierarchical" else deap_nas.FlatSpace()
    same = {name: getattr(args, name) for name in ("dataset", "repeats", "device", "seed", "data_dir", "download")}
    template = deap_nas.NetworkTemplate.small_cifar(channels=args.channels)
    recipe = replace(SEARCH, steps=args.steps, batch_size=args.batch_size)
    folder = args.output.with_name(f"{args.output.stem}-weights") if args.weights == "inherited" else None
    return AccuracyFitness(space, template=template, recipe=recipe, n_images=args.images, weights_dir=folder, **same)


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


def open_store(args, fitness):
    settings = {name: getattr(args, name) for name, *_ in SETTINGS}
    run = {"space": fitness.space, "settings": {**settings, "fitness": fitness.to_dict()}}
    if args.resume:
        return HDF5Store.resume(args.resume, **run, free=MAY_CHANGE)
    store = HDF5Store.create(args.output, **run, seed=args.seed, n_repeats=args.repeats, overwrite=args.overwrite)
    if fitness.weights_dir:  # those of a run that was there before
        remove_dead_weights(store, fitness.weights_dir)
    return store


def survival_rule(args):
    oldest = partial(deap_nas.killOldest, size=args.population)
    loser = partial(deap_nas.killLoser, size=args.population, seed=args.seed)
    return {"all": None, "oldest": oldest, "loser": loser}[args.survival]


def search(args, executor):
    fitness = make_fitness(args)
    rng = random.Random(args.seed)
    toolbox = make_toolbox(args, fitness, rng)
    with open_store(args, fitness) as store:
        print(f"writing {store.path}; an interrupted run goes on with --resume {store.path}", file=sys.stderr)
        population = resume_population(store, creator.Individual, rng=rng)
        population = population or tools.initRepeat(list, toolbox.individual, args.population)
        done = (record.evaluation for record in store)
        try:
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
        except KeyboardInterrupt:  # eaAsync has said what the file holds
            sys.exit(130)  # as a program that a signal has ended
        print(in_words(summarise(store)))
        pictures = draw_best(store)
    if not pictures:  # no evaluation has succeeded
        sys.exit(1)
    print("pictures   ", *pictures)


def main(executor):
    args = arguments()
    with executor.with_processes(args.workers) as workers:
        if isinstance(workers, MPIExecutor):
            print(workers.describe(), file=sys.stderr)
        search(args, workers)


if __name__ == "__main__":
    with deap_nas.mpi_executor() as executor:
        if executor is not None:  # None on the ranks that have served as workers
            try:
                main(executor)
            except deap_nas.NASError as error:  # in the block, which would else end the other ranks with a traceback
                sys.exit(f"{Path(sys.argv[0]).name}: {error}")
