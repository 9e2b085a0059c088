"""Evolve the architecture of an image classifier, as in Liu et al. 2018, "Hierarchical representations".

python examples/hier_evo.py                               # one process
python examples/hier_evo.py --workers 4                   # four processes on this machine
mpirun -n 200 python examples/hier_evo.py                 # rank 0 searches, 199 ranks train
python examples/hier_evo.py --resume runs/hier_evo.h5     # go on with a run
"""

import argparse
import random
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from deap import base, creator, tools

import deap_nas
from deap_nas.errors import SettingsError
from deap_nas.evaluators import MPIExecutor, ProcessExecutor
from deap_nas.report import Progress, in_words, save_drawing, summarise
from deap_nas.store import HDF5Store, resume_population
from deap_nas.training import SEARCH, AccuracyFitness

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)

MAY_CHANGE = ("evaluations", "device", "data_dir")  # when a run is resumed


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", default="digits", help="digits, cifar10, cifar100 or imagefolder:PATH (default: digits)")
    add("--representation", choices=("hierarchical", "flat"), default="hierarchical", help="(default: hierarchical)")
    add("--population", type=int, default=200, help="random genotypes to start from (default: 200)")
    add("--evaluations", type=int, default=7000, help="in the whole run (default: 7000)")
    add("--tournament", type=float, default=0.05, help="share of the population in a tournament (default: 0.05)")
    add("--mutations", type=int, default=1000, help="to diversify each first genotype (default: 1000)")
    add("--steps", type=int, default=SEARCH.steps, help=f"of a training (default: {SEARCH.steps})")
    add("--batch-size", type=int, default=SEARCH.batch_size, help=f"images a step (default: {SEARCH.batch_size})")
    add("--repeats", type=int, default=4, help="trainings of a genotype, whose accuracies are averaged (default: 4)")
    add("--channels", type=int, default=16, help="of the first convolution (default: 16)")
    add("--seed", type=int, default=0, help="of everything random (default: 0)")
    add("--device", default="auto", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    add("--data-dir", default="data", help="folder of cifar10 and cifar100 (default: data)")
    add("--download", action="store_true", help="fetch cifar10 or cifar100 if it is not there")
    add("--workers", type=int, default=0, help="processes on this machine, without mpirun (default: none)")
    add("--output", type=Path, default=Path("runs/hier_evo.h5"), help="population file (default: runs/hier_evo.h5)")
    add("--overwrite", action="store_true", help="replace the population file if it is there")
    add("--resume", type=Path, metavar="FILE", help="go on with the run of this file, with its settings")
    args = parser.parse_args()
    if args.resume:
        with HDF5Store.read(args.resume) as store:
            parser.set_defaults(**{key: value for key, value in store.settings.items() if key != "fitness"})
        args = parser.parse_args()
    for name in ("population", "evaluations"):
        if getattr(args, name) < 1:
            raise SettingsError(f"--{name} must be at least 1, found {getattr(args, name)}")
    if args.output.suffix in (".png", ".svg"):
        raise SettingsError(f"--output is the population file, pictures go beside it; found {args.output}")
    if not 0 < args.tournament <= 1:
        raise SettingsError(f"--tournament must lie in (0, 1], found {args.tournament}")
    return args


def open_store(args, space, fitness):
    names = ("dataset", "representation", "population", "evaluations", "tournament", "mutations", "steps", "batch_size")
    names += ("repeats", "channels", "seed", "device", "data_dir")
    settings = {name: getattr(args, name) for name in names} | {"fitness": fitness.to_dict()}
    if args.resume:
        return HDF5Store.resume(args.resume, space=space, settings=settings, free=MAY_CHANGE)
    return HDF5Store.create(
        args.output, space=space, settings=settings, seed=args.seed, n_repeats=args.repeats, overwrite=args.overwrite
    )


def search(args, executor):
    space = deap_nas.HierarchicalSpace() if args.representation == "hierarchical" else deap_nas.FlatSpace()
    fitness = AccuracyFitness(
        space,
        dataset=args.dataset,
        template=deap_nas.NetworkTemplate.small_cifar(channels=args.channels),
        recipe=replace(SEARCH, steps=args.steps, batch_size=args.batch_size),
        repeats=args.repeats,
        device=args.device,
        seed=args.seed,
        data_dir=args.data_dir,
        download=args.download,
    )
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register(
        "individual", deap_nas.initDiversified, creator.Individual, space, n_mutations=args.mutations, rng=rng
    )
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=args.tournament, rng=rng)
    toolbox.register("evaluate", fitness)
    population = toolbox.population(n=args.population)

    with open_store(args, space, fitness) as store:
        print(f"writing {store.path}; an interrupted run goes on with --resume {store.path}", file=sys.stderr)
        population = resume_population(store, creator.Individual, rng=rng) or population
        evaluated = [individual.evaluation for individual in population if individual.fitness.valid]
        try:
            with Progress(args.evaluations, evaluations=evaluated) as progress:
                deap_nas.eaAsync(
                    population,
                    toolbox,
                    executor,
                    n_evaluations=args.evaluations,
                    store=store,
                    rng=rng,
                    observer=progress,
                )
        except KeyboardInterrupt:
            sys.exit(f"stopped after {store.n_evaluated} evaluations; go on with --resume {store.path}")
        return store.path


def report(path):
    with HDF5Store.read(path) as store:
        summary = summarise(store)
        best = summary["best"]
        print(in_words(summary, store.space.describe(best["genes"]) if best else ""))
        if best:
            pictures = [path.with_suffix(".png"), path.with_suffix(".svg")]
            save_drawing(store.space, best["genes"], pictures, title=f"fitness {best['fitness'][0]:.4f}")
            print("pictures   ", *pictures)
    return best is not None


def main():
    with deap_nas.mpi_executor() as executor:
        if executor is None:  # a worker rank: the search is over
            return
        args = arguments()
        if args.workers and isinstance(executor, MPIExecutor):
            raise SettingsError("--workers is for runs without mpirun: give one or the other")
        with ProcessExecutor(args.workers) if args.workers else nullcontext(executor) as workers:
            path = search(args, workers)
        if not report(path):
            sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except deap_nas.NASError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
