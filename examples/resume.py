"""A search that can be stopped at any instant and goes on when it is started again, and how to read its file.

python examples/resume.py --workers 2           # stop it with Ctrl-C, or kill it
python examples/resume.py --workers 2           # the same command goes on
python examples/resume.py --show                # read the file; at any time, also while the search runs

A file that belongs to other settings is refused; only --evaluations may grow.
"""

import argparse
import random
import sys

from deap import base, creator, tools

import deap_nas
from deap_nas.report import Progress, best_id, member
from deap_nas.store import HDF5Store, open_run, resume_population
from deap_nas.training import AccuracyFitness, Recipe

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", default="runs/resume.h5", help="population file (default: %(default)s)")
    parser.add_argument("--show", action="store_true", help="only print what the file holds")
    parser.add_argument("--population", type=int, default=20, help="random genotypes to start from (default: 20)")
    parser.add_argument("--evaluations", type=int, default=200, help="in the whole run (default: 200)")
    parser.add_argument("--steps", type=int, default=200, help="of a training on digits (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=0, help="processes, without mpirun (default: none)")
    return parser.parse_args()


def search(args, executor):
    space = deap_nas.HierarchicalSpace()
    template = deap_nas.NetworkTemplate.small_cifar(channels=8)
    recipe = Recipe(steps=args.steps, batch_size=64)
    fitness = AccuracyFitness(space, template=template, recipe=recipe, repeats=1, seed=args.seed)
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", deap_nas.selTournamentFraction, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
    toolbox.register("evaluate", fitness)
    settings = {"population": args.population, "fitness": fitness.to_dict()}
    with open_run(args.file, space=space, settings=settings, seed=args.seed) as store:
        # brings the members back, what had begun, and the state of rng
        population = resume_population(store, creator.Individual, rng=rng) or toolbox.population(n=args.population)
        done = (record.evaluation for record in store)
        with Progress(args.evaluations, evaluations=done) as progress:
            run = {"n_evaluations": args.evaluations, "store": store, "rng": rng, "observer": progress}
            deap_nas.eaAsync(population, toolbox, executor, **run)


def show(path):
    with HDF5Store.read(path) as store:
        print(f"{store.n_evaluated} evaluated in {len(store.sessions)} sessions; the fittest:")
        print("   id  parent  fitness  parameters  seconds  status")
        evaluations = [record.evaluation for record in store.records()]
        for one in sorted(evaluations, key=lambda one: one.values, reverse=True)[:5]:
            numbers = f"{one.id:5}  {one.parent:6}  {one.values[0]:7.4f}  {one.n_parameters:10,}  {one.seconds:7.1f}"
            print(f"{numbers}  {one.status.name}")
        for number, text in store.errors().items():
            print(f"evaluation {number} failed: {text.splitlines()[-1]}")
        best = best_id(store)
        if best is not None:
            print(store.space.describe(member(store, best)["genes"]))


if __name__ == "__main__":
    try:
        with deap_nas.mpi_executor() as executor:
            if executor is not None:  # None on the ranks that have served as workers
                options = arguments()
                with executor.with_processes(options.workers) as workers:
                    if not options.show:
                        search(options, workers)
                    show(options.file)
    except KeyboardInterrupt:  # eaAsync has said what the file holds
        sys.exit(130)
    except deap_nas.NASError as error:
        sys.exit(str(error))
