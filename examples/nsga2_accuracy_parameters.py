"""Accuracy against parameters: NSGA-II that waits for nobody, and a picture of the Pareto front.

python examples/nsga2_accuracy_parameters.py --workers 4
mpirun -n 5 python examples/nsga2_accuracy_parameters.py --output front.pdf

After each evaluation the member leaves that tools.selNSGA2 leaves out; parents win pairs by dominance, then crowding.
"""

import random
from functools import partial
from pathlib import Path

from deap import base, creator, tools
from matplotlib.figure import Figure

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.report import Progress, save_figure
from deap_nas.store import MemoryStore

creator.create("FitnessPair", base.Fitness, weights=(1.0, -1.0))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessPair)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument("--population", type=at_least(1), default=40, metavar="N", help="members that stay")
    line.add_argument("--evaluations", type=at_least(1), default=400, metavar="N", help="in the whole run")
    line.add_argument("--output", type=Path, default=Path("runs/front.png"), metavar="FILE", help="picture")
    line.add_fitness_options(steps=200, batch_size=64, repeats=1, channels=8)
    line.add_worker_options()
    return line.parse_args()


def search(args, executor):
    space, rng = deap_nas.HierarchicalSpace(), random.Random(args.seed)
    fitness = make_fitness(space, args, objectives=("accuracy", "n_parameters"))
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
    path.expanduser().parent.mkdir(parents=True, exist_ok=True)
    save_figure(axes.figure, [path], dpi=120)


if __name__ == "__main__":
    run(search, arguments)
