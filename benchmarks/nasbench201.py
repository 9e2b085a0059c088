"""Search strategies on NAS-Bench-201, whose every cell has been trained (Dong 2020 <https://arxiv.org/abs/2001.00326>).

    python benchmarks/nasbench201.py --table nasbench201.npz [--seeds 100] [--evaluations 200] [--output PICTURE]

The fitness is looked up: validation accuracy on CIFAR-10 after 12 epochs. What a search has found is the fittest cell
so far; its test accuracy after 200 epochs is what counts, and no search sees it. The table is a file of NumPy arrays:
``ops`` holds six digits a cell, which are its genes here; ``cifar10_val_acc_12``, ``cifar10_test_acc_200`` and so on
hold the accuracies in percent.
"""

import argparse
import random
import sys
from functools import partial
from math import sqrt
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from deap import base, creator, tools
from machine import describe
from tqdm import tqdm

import deap_nas
from deap_nas.executors import SerialExecutor

SPACE = deap_nas.FlatSpace(nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"), merge="add")
DATASETS = ("cifar10", "cifar100", "imagenet16")
#: CIFAR-10 test accuracy that Dong 2020, table 5, gives after a budget of 12,000 seconds of simulated training.
PUBLISHED = {"random search": "93.70 +- 0.36", "regularised evolution": "93.92 +- 0.30"}
COLOURS = {"random search": "#999999", "regularised evolution": "#0072b2", "evolution, nobody removed": "#d55e00"}

creator.create("CellFitness", base.Fitness, weights=(1.0,))
creator.create("Cell", deap_nas.Genotype, fitness=creator.CellFitness)


class TabularFitness:
    """Looks a genotype up.

    Args:
        path: of the table.
    """

    def __init__(self, path):
        """See the class."""
        table = np.load(path, allow_pickle=False)
        self.rows = {tuple(digits): row for row, digits in enumerate(table["ops"].tolist())}
        self.validation = table["cifar10_val_acc_12"]
        self.test = {name: table[f"{name}_test_acc_200"] for name in DATASETS}
        self.n_classes = len(np.unique(table["isomorph_of"]))

    def __call__(self, genotype):
        """Validation accuracy on CIFAR-10 after 12 epochs, in percent."""
        return (float(self.validation[self.rows[tuple(genotype)]]),)


def evolution(toolbox, rng):
    """The search of Liu 2018: tournaments among 5 % of a population that only grows."""
    toolbox.register("mutate", deap_nas.mutEdge, space=SPACE, rng=rng)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=0.05, rng=rng)
    return toolbox.population(n=20), None


def regularised_evolution(toolbox, rng):
    """The search of Real 2018 with the settings of Dong 2020: 10 members, of whom the oldest leaves."""
    toolbox.register("mutate", deap_nas.mutEdge, space=SPACE, must_change=True, rng=rng)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=1.0, rng=rng)
    return toolbox.population(n=10), partial(deap_nas.killOldest, size=10)


def random_search(toolbox, rng, n_evaluations):  # noqa: ARG001 - one signature for all strategies
    """A first population as large as the budget."""
    return toolbox.population(n=n_evaluations), None


def found_by(strategy, fitness, n_evaluations, seed):
    """Row in the table of the fittest cell after each evaluation of one run."""
    rng = random.Random(seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Cell, SPACE, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("evaluate", fitness)
    population, survival = strategy(toolbox, rng)
    found, best = [], tools.HallOfFame(1)

    def observe(individual, n_running):  # noqa: ARG001 - what an observer is called with
        best.update([individual])
        found.append(fitness.rows[tuple(best[0])])

    with SerialExecutor() as executor:
        deap_nas.eaAsync(
            population, toolbox, executor, n_evaluations=n_evaluations, rng=rng, survival=survival, observer=observe
        )
    return found


def table_of(found, fitness):
    """Lines of the table: what each strategy has found after so many evaluations."""
    n_evaluations = next(iter(found.values())).shape[1]
    columns = sorted({min(n, n_evaluations) for n in (50, 100, 200)} | {n_evaluations})
    yield "CIFAR-10 test accuracy in percent, mean +- deviation over seeds (standard error)"
    yield f"{'':28}" + "".join(f"{f'{n} evaluations':>26}" for n in columns) + f"{'published':>18}"
    for name, rows in found.items():
        cells = [in_words(fitness.test["cifar10"][rows[:, n - 1]]) for n in columns]
        yield f"{name:28}" + "".join(f"{cell:>26}" for cell in cells) + f"{PUBLISHED.get(name, ''):>18}"
    yield f"{'best cell of the space':28}" + f"{fitness.test['cifar10'].max():>26.2f}"
    yield (
        "The published budget is 12,000 seconds of simulated training and validation, not a number of evaluations;\n"
        "the table has no times, so the two cannot be converted here: look at all columns."
    )
    yield ""
    yield f"the same cells after {n_evaluations} evaluations, on the other datasets"
    for name, rows in found.items():
        cells = [in_words(fitness.test[dataset][rows[:, -1]]) for dataset in DATASETS[1:]]
        yield f"{name:28}" + "".join(
            f"{f'{dataset} {cell}':>40}" for dataset, cell in zip(DATASETS[1:], cells, strict=True)
        )


def in_words(accuracies):
    if len(accuracies) < 2:  # one seed has no deviation
        return f"{accuracies.mean():.2f}"
    deviation = accuracies.std(ddof=1)
    return f"{accuracies.mean():.2f} +- {deviation:.2f} ({deviation / sqrt(len(accuracies)):.3f})"


def draw(found, fitness, path):
    """Test accuracy of the fittest cell against evaluations: mean over seeds, and the middle half of them."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, rows in found.items():
        test = fitness.test["cifar10"][rows]
        evaluations = np.arange(1, test.shape[1] + 1)
        axes.plot(evaluations, test.mean(axis=0), color=COLOURS[name], label=name)
        low, high = np.quantile(test, (0.25, 0.75), axis=0)
        axes.fill_between(evaluations, low, high, color=COLOURS[name], alpha=0.15, linewidth=0)
    best = fitness.test["cifar10"].max()
    axes.axhline(best, color="black", linewidth=0.8, linestyle=":")
    axes.annotate("best cell of the space", (len(evaluations), best), ha="right", va="bottom", fontsize=8)
    axes.set(
        xlabel="evaluations",
        ylabel="CIFAR-10 test accuracy (%)",
        ylim=(91.5, 94.6),
        xlim=(0, len(evaluations)),
        title=f"Fittest cell on NAS-Bench-201: mean and middle half of {len(rows)} seeds",
    )
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="nasbench201.npz")
    parser.add_argument("--seeds", type=int, default=100, help="runs of each strategy (default: 100)")
    parser.add_argument("--evaluations", type=int, default=200, help="in a run (default: 200)")
    parser.add_argument("--output", type=Path, default=Path("nasbench201.png"), help="picture (default: %(default)s)")
    args = parser.parse_args()
    if min(args.seeds, args.evaluations) < 1:
        parser.error("--seeds and --evaluations must be at least 1")
    describe("deap-nas", "deap", "numpy")
    fitness = TabularFitness(args.table)
    strategies = {
        "random search": partial(random_search, n_evaluations=args.evaluations),
        "regularised evolution": regularised_evolution,
        "evolution, nobody removed": evolution,
    }
    keys = {deap_nas.canonical_key(SPACE, genes) for genes in fitness.rows}
    print(f"{len(fitness.rows):,} cells, {fitness.n_classes:,} classes in the table, {len(keys):,} canonical keys")
    print(f"{args.seeds} seeds, {args.evaluations} evaluations each\n")
    found = {}
    for name, strategy in strategies.items():
        seeds = tqdm(range(args.seeds), desc=name, file=sys.stderr, disable=not sys.stderr.isatty())
        found[name] = np.array([found_by(strategy, fitness, args.evaluations, seed) for seed in seeds])
    print("\n".join(table_of(found, fitness)))
    draw(found, fitness, args.output)
    print(f"\npicture {args.output}")


if __name__ == "__main__":
    main()
