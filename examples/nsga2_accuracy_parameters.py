"""Accuracy against parameters: NSGA-II that waits for nobody, and a picture of the Pareto front.

python examples/nsga2_accuracy_parameters.py --workers 4
mpirun -n 5 python examples/nsga2_accuracy_parameters.py --output front.pdf

After each evaluation the member leaves that tools.selNSGA2 leaves out; parents win pairs by dominance, then crowding.
"""

import argparse
import random
import sys
from functools import partial
from pathlib import Path

from deap import base, creator, tools
from matplotlib.figure import Figure

import deap_nas
from deap_nas.report import Progress
from deap_nas.store import MemoryStore
from deap_nas.training import AccuracyFitness, Recipe

creator.create("FitnessPair", base.Fitness, weights=(1.0, -1.0))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessPair)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--population", type=int, default=40, help="members that stay (default: 40)")
    parser.add_argument("--evaluations", type=int, default=400, help="in the whole run (default: 400)")
    parser.add_argument("--dataset", default="digits", help="digits, cifar10, cifar100, imagefolder:PATH")
    parser.add_argument("--steps", type=int, default=200, help="of a training (default: 200)")
    parser.add_argument("--batch-size", type=int, default=64, help="images a step (default: 64)")
    parser.add_argument("--channels", type=int, default=8, help="of the first convolution (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=0, help="processes, without mpirun (default: none)")
    parser.add_argument("--output", type=Path, default=Path("runs/front.png"), help="picture (default: %(default)s)")
    return parser.parse_args()


def search(args, executor):
    space, rng = deap_nas.HierarchicalSpace(), random.Random(args.seed)
    template = deap_nas.NetworkTemplate.small_cifar(channels=args.channels)
    recipe = Recipe(steps=args.steps, batch_size=args.batch_size)
    objectives = ("accuracy", "n_parameters")
    fitness = AccuracyFitness(
        space, dataset=args.dataset, template=template, recipe=recipe, repeats=1, objectives=objectives, seed=args.seed
    )
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, space, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", deap_nas.selTournamentCrowded, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=space, must_change=True, rng=rng)
    toolbox.register("evaluate", fitness)
    survival = partial(deap_nas.killUnselected, size=args.population, select=tools.selNSGA2)
    front, store = tools.ParetoFront(), MemoryStore(seed=args.seed)
    run = {"n_evaluations": args.evaluations, "survival": survival, "store": store, "halloffame": front, "rng": rng}
    with Progress(args.evaluations) as progress:
        deap_nas.eaAsync(toolbox.population(n=args.population), toolbox, executor, **run, observer=progress)
    evaluations = [record.evaluation for record in store.records()]
    pareto = sorted({member.fitness.values for member in front})
    draw([one.values for one in evaluations if one.status is deap_nas.Status.OK], pareto, args.output)
    print("accuracy  parameters", *(f"{value:8.4f}  {size:10,.0f}" for value, size in pareto), args.output, sep="\n")


def draw(everyone, front, path):
    axes = Figure(figsize=(6, 4), layout="constrained").add_subplot(xlabel="parameters", ylabel="validation accuracy")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    for points, style in ((everyone, {"color": "0.7", "label": "evaluated"}), (front, {"color": "C3"})):
        accuracies, parameters = zip(*points, strict=True)
        axes.scatter(parameters, accuracies, s=16, **style)
    axes.step(parameters, accuracies, where="post", color="C3", marker="o", markersize=4, label="Pareto front")
    axes.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    axes.figure.savefig(path, dpi=120)


if __name__ == "__main__":
    try:
        with deap_nas.mpi_executor() as executor:
            if executor is not None:  # None on the ranks that have served as workers
                options = arguments()
                with executor.with_processes(options.workers) as workers:
                    search(options, workers)
    except deap_nas.NASError as error:
        sys.exit(str(error))
