"""A search that can be stopped at any instant and goes on when it is started again, and how to read its file.

python examples/resume.py --workers 2           # stop it with Ctrl-C, or kill it
python examples/resume.py --workers 2           # the same command goes on
python examples/resume.py --show                # read the file; at any time, also while the search runs

A file that belongs to other settings is refused; only --evaluations may grow.
"""

import random
import sys

from deap import base, creator, tools

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.report import Progress, best_id, member
from deap_nas.store import HDF5Store, open_run, resume_population

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--file", default="runs/resume.h5", metavar="FILE", help="population file")
    line.add_argument("--show", action="store_true", help="only print what the file holds")
    line.add_argument("--population", type=at_least(1), default=20, metavar="N", help="random genotypes to start from")
    line.add_argument("--evaluations", type=at_least(1), default=200, metavar="N", help="in the whole run")
    line.add_fitness_options(steps=200, batch_size=64, repeats=1, channels=8)
    line.add_worker_options()
    return line.parse_args()


def search(args, executor):
    space = deap_nas.HierarchicalSpace()
    fitness = make_fitness(space, args)
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", deap_nas.selTournamentFraction, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
    toolbox.register("evaluate", fitness)
    settings = {"population": args.population, "fitness": fitness.to_dict()}
    with open_run(args.file, space=space, settings=settings, seed=args.seed, n_repeats=fitness.repeats) as store:
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


def main(args, executor):
    try:
        if not args.show:
            search(args, executor)
    except KeyboardInterrupt:  # eaAsync has said what the file holds
        sys.exit(130)
    show(args.file)


if __name__ == "__main__":
    run(main, arguments)
