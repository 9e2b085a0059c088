"""Progressive search (Perez-Rua 2018 <https://arxiv.org/abs/1808.00391>) beside what it differs from, in one run.

    python benchmarks/epnas.py                              # digits, some minutes
    python benchmarks/epnas.py --table nasbench201.npz      # also on NAS-Bench-201, where the true order is known
    python benchmarks/epnas.py --workers 2 --dataset imagefolder:PATH ...   # see benchmarks/results

The searches are EPNAS, which samples by a surrogate at a temperature that falls to one; PNAS, which takes the K best by
the surrogate; the same steps with uniform draws; and random search over networks of all levels, with as many trainings.
On images each is done with shared weights and with weights drawn anew, and how well shared weights rank networks is
measured on networks that are also trained alone: those of the searches, and random ones by a one-shot model, whose
shared weights random networks have trained. Figure 6 of the paper, the spread over searches by iterations, is drawn.

Started again with the same options, it goes on where it was.
"""

import math
import random
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import matplotlib.pyplot as plt
import numpy as np
from deap import base, creator
from machine import describe
from tqdm import tqdm

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, number_in, run
from deap_nas.evaluation import Stage, Status, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.facts.stages import steps_of
from deap_nas.report import Progress, save_figure
from deap_nas.store import HDF5Store, MemoryStore, beside, open_run, resume_population
from deap_nas.strategies import END, ProgressiveSearch, Proposal, RandomSearch, SeveralSearches
from deap_nas.surrogates import LSTMSurrogate, kendall_tau
from deap_nas.training import EPNAS, OneShotFitness, Retraining, SharedWeights

#: Search -> first and last temperature; None for random search.
SEARCHES = {
    "EPNAS": (10.0, 1.0),
    "EPNAS, down to 0.2": (10.0, 0.2),
    "PNAS, the K best": (0.0, 0.0),
    "uniform draws": (float("inf"), float("inf")),
    "random search": None,
}

creator.create("EpnasFitness", base.Fitness, weights=(1.0,))
creator.create("EpnasIndividual", deap_nas.Genotype, fitness=creator.EpnasFitness)


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("searches").add_argument
    add("--space", choices=("macro", "micro"), default="macro", help="whole networks of layers, or cells of blocks")
    add("--levels", type=at_least(1), default=2, metavar="N", help="layers or blocks")
    add("--seeds", type=at_least(1), default=2, metavar="N", help="searches of each kind")
    add("--k", type=at_least(1), default=6, metavar="N", help="networks that are sampled at each step")
    add("--iterations", type=at_least(1), default=3, metavar="N", help="passes over the levels")
    text = "height and width that the images are shrunk to (default: their own)"
    add("--image-size", type=at_least(1), metavar="PIXELS", help=text)
    add(
        "--alone-epochs",
        type=number_in("(0, inf)"),
        default=3.0,
        metavar="N",
        help="of a network that is trained alone",
    )
    add("--one-shot", type=at_least(1), default=20, metavar="N", help="trainings of the one-shot model")
    add("--ranked", type=at_least(2), default=8, metavar="N", help="networks that are also trained alone")
    add("--output", type=Path, default=Path("runs/epnas"), metavar="FOLDER", help="of files and the picture")
    line.add_fitness_options(
        epochs=1.0, batch_size=EPNAS.batch_size, repeats=1, channels=8, validation_share=0.1
    )  # fmt: skip
    add = line.add_argument_group("NAS-Bench-201").add_argument
    add("--table", type=Path, metavar="FILE", help="nasbench201.npz (default: without it)")
    add("--table-seeds", type=at_least(2), default=20, metavar="N", help="searches of each kind on it, with K = 25")
    line.add_worker_options()
    return line.parse_args()


class Drawn:
    """Random search as one of several in a run: each network is drawn by itself, with all levels.

    Args:
        space: of the networks.
        n_evaluations: how many there are to be.
        seed: of the draws.
        number: of the search.
    """

    def __init__(self, space, n_evaluations, seed, *, number):
        """See the class."""
        self.space, self.n_evaluations, self.seed, self.number = space, n_evaluations, seed, number
        self.n_proposed = self.n_ended = 0

    def generate(self):
        """Draw the next, when the one before has ended."""
        if self.n_proposed > self.n_ended:
            return None
        if self.n_proposed == self.n_evaluations:
            return END
        genotype = self.space.sample(rng=random.Random(derive_seed(self.seed, self.n_proposed)))
        stage = Stage(self.space.n_levels, 1, math.nan, self.number, self.n_proposed)
        self.n_proposed += 1
        return Proposal(creator.EpnasIndividual(genotype), stage=stage)

    def update(self, individual):  # noqa: ARG002 - nothing is learnt from it
        """Count those that have ended."""
        self.n_ended += 1

    def getstate(self):
        """How many have begun."""
        return {"n_proposed": self.n_proposed}

    def setstate(self, state):
        """Go on from there."""
        self.n_proposed = state["n_proposed"]


def search_by(name, space, args, *, k, number=0):
    """One search by its name, with a generator of its own."""
    rng = random.Random(f"{args.seed} {number} {name}")
    surrogate = LSTMSurrogate(space, seed=rng.getrandbits(32))
    first, last = SEARCHES[name] or (1.0, 1.0)
    progressive = ProgressiveSearch(
        creator.EpnasIndividual, space, surrogate,
        k=k, iterations=args.iterations, first_temperature=first, last_temperature=last, sequential=True,
        number=number, rng=rng,
    )  # fmt: skip
    if SEARCHES[name] is not None:
        return progressive
    return Drawn(space, progressive.n_evaluations, rng.getrandbits(32), number=number)


def go(strategy, fitness, executor, store, rng):
    """Search to the end, or go on with a search."""
    toolbox = base.Toolbox()
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    toolbox.register("evaluate", fitness)
    population = resume_population(store, creator.EpnasIndividual, rng=rng)
    deap_nas.eaAsyncGenerateUpdate(
        toolbox, executor, n_evaluations=strategy.n_evaluations, store=store, rng=rng, population=population
    )


def spread(values, *, digits=2):
    """Mean and deviation of some numbers; a dash where there are none."""
    if not values:
        return "-"
    deviation = f" +- {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{deviation}"


def compare_on_table(args):
    """Search the cells of NAS-Bench-201, whose accuracies are looked up."""
    from growing_cells import GrowingCells, completed
    from nasbench201 import TabularFitness

    table, space = TabularFitness(args.table), GrowingCells()
    best = table.validation.max()
    print(f"NAS-Bench-201, K = 25, {args.iterations} iterations, {args.table_seeds} seeds; accuracies in %")
    print(f"{'':24}{'trainings':>10}{'validation':>18}{'its regret':>18}{'test':>18}{'tau of the last step':>24}")
    for name in SEARCHES:
        rows = [
            search_table(search_by(name, space, args, k=25, number=seed), table, partial(completed, space), seed)
            for seed in tqdm(range(args.table_seeds), name, file=sys.stderr, disable=None)
        ]
        counts, validation, test, taus = map(list, zip(*rows, strict=True))
        regret = [best - value for value in validation]
        print(
            f"{name:24}{fmean(counts):>10.0f}{spread(validation):>18}{spread(regret):>18}{spread(test):>18}"
            f"{spread([tau for tau in taus if not math.isnan(tau)]):>24}",
            flush=True,
        )
    print()


def search_table(strategy, table, completed, seed):
    """Trainings, validation and test accuracy of the fittest, in percent, and tau of what was predicted last."""
    store = MemoryStore(seed=seed)
    with SerialExecutor() as executor:
        go(strategy, lambda genotype: (table(completed(genotype))[0] / 100,), executor, store, random.Random(seed))
    records = store.records()
    fittest = max(records, key=lambda record: record.evaluation.values)
    row = table.rows[tuple(completed(fittest.genes))]
    tau = strategy.taus[-1] if isinstance(strategy, ProgressiveSearch) else math.nan
    return len(records), float(table.validation[row]), float(table.test["cifar10"][row]), tau


def compare_on_images(args, executor):
    """Search on images, with weights that are shared and with weights drawn anew."""
    kind, count = {"macro": (deap_nas.MacroSpace, "layers"), "micro": (deap_nas.MicroSpace, "blocks")}[args.space]
    space = kind(**{count: args.levels})
    print(f"{args.dataset}, {space}, K = {args.k}, {args.iterations} iterations, {args.seeds} seeds; accuracies in %")
    print(
        f"{'weights':8}{'search':24}{'trainings':>10}{'best validation':>18}{'test, alone':>18}{'FLOPs':>10}{'tau':>18}"
    )
    for weights in ("shared", "fresh"):
        for name in SEARCHES:
            path = args.output / weights / f"{name.replace(',', '').replace(' ', '-')}.h5"
            searches = [search_by(name, space, args, k=args.k, number=seed) for seed in range(args.seeds)]
            search_images(SeveralSearches(searches), space, path, args, executor)
            show_searches(name, path, space, args, executor)
    print()
    rank_networks(space, args, executor)
    figure = draw_iterations({weights: args.output / weights / "EPNAS.h5" for weights in ("shared", "fresh")})
    save_figure(figure, [args.output / "figure6.png"], dpi=150)
    print(args.output / "figure6.png")


def fitness_of(space, args, *, bank=None, epochs=None):
    """Validation accuracy of a training, from the weights of a bank or from weights drawn anew."""
    if args.crop is None and args.dataset != "digits":
        args.crop = 4
    epochs = args.epochs if epochs is None else epochs
    changed = Namespace(**vars(args) | {"epochs": epochs})
    weights = None if bank is None else SharedWeights(bank)
    return make_fitness(space, changed, recipe=EPNAS, weights=weights, image_size=args.image_size)


def search_images(strategy, space, path, args, executor):
    """Search to the end, or go on with a search; shared weights are in a folder beside its file."""
    bank = beside(path, "-bank") if path.parent.name == "shared" else None
    fitness, rng = fitness_of(space, args, bank=bank), random.Random(args.seed)
    settings = {"fitness": fitness.to_dict(), "k": args.k, "iterations": args.iterations, "searches": args.seeds}
    with open_run(path, space=space, settings=settings, seed=args.seed, n_repeats=1) as store:
        done = (record.evaluation for record in store)
        with Progress(strategy.n_evaluations, evaluations=done):
            go(strategy, fitness, executor, store, rng)


def show_searches(name, path, space, args, executor):
    """Print the row of a kind of search; the best of each search is trained anew, and measured on the test images."""
    with HDF5Store.read(path) as store:
        stages, records = store.stages(), store.records()
        taus = [step["tau"] for step in steps_of(store) if step["tau"] is not None]
    by_search = [[r for r in records if stages[r.evaluation.id].search == seed] for seed in range(args.seeds)]
    bests = [max(each, key=lambda record: record.evaluation.values) for each in by_search]
    futures = [
        executor.submit(alone(space, record.genes, args).run, path.with_suffix("") / f"id{record.evaluation.id}")
        for record in bests
    ]
    tests = [accuracy for future in futures for accuracy in future.result().accuracies]
    compute = sum(record.evaluation.compute for record in records) / args.seeds
    validation = [record.evaluation.values[0] for record in bests]
    print(
        f"{path.parent.name:8}{name:24}{len(records) / args.seeds:>10.0f}{in_percent(validation):>18}"
        f"{in_percent(tests):>18}{compute:>10.1e}{spread(taus):>18}",
        flush=True,
    )


def alone(space, genotype, args):
    """A training of a network by itself, on all training images, which is measured on the test images."""
    fitness = fitness_of(space, args, epochs=args.alone_epochs)
    source = fitness.source
    return Retraining(
        space, genotype, dataset=args.dataset, template=fitness.template, recipe=fitness.recipe, runs=1, seed=args.seed,
        device=args.device, data_dir=args.data_dir, n_images=source.n_images, image_size=source.image_size,
        flip=source.flip, crop=source.crop,
    )  # fmt: skip


def rank_networks(space, args, executor):
    """How well random networks are ranked: by a one-shot model, by a surrogate, by another training alone."""
    bank = args.output / "one-shot-bank"
    fitness, rng = fitness_of(space, args, bank=bank), random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", lambda: creator.EpnasIndividual(space.sample(rng=rng)))
    strategy = RandomSearch(toolbox)
    strategy.n_evaluations = args.one_shot
    settings = {"fitness": fitness.to_dict(), "evaluations": args.one_shot}
    with open_run(args.output / "one-shot.h5", space=space, settings=settings, seed=args.seed, n_repeats=1) as store:
        go(strategy, fitness, executor, store, rng)
    drawn = [space.sample(rng=random.Random(derive_seed(args.seed, number))) for number in range(args.ranked)]
    jobs = {
        "alone": fitness_of(space, args, epochs=args.alone_epochs),
        "alone, other seeds": fitness_of(space, args, epochs=args.alone_epochs),
        "alone, as short as in a search": fitness_of(space, args),
        "one-shot": OneShotFitness(fitness),
    }
    futures = {
        name: [executor.submit(each.evaluate, genotype, seed=derive_seed(args.seed, place, number))
               for number, genotype in enumerate(drawn)]
        for place, (name, each) in enumerate(jobs.items())
    }  # fmt: skip
    scores = {name: [future.result().values[0] for future in each] for name, each in futures.items()}
    scores["surrogate of EPNAS, fresh"] = predicted(args.output / "fresh" / "EPNAS.h5", space, drawn)
    scores["surrogate of EPNAS, shared"] = predicted(args.output / "shared" / "EPNAS.h5", space, drawn)
    print(f"{args.ranked} random networks, ranked as by {args.alone_epochs:g} epochs of training alone")
    print(f"{'':34}{'Kendall tau':>14}{'mean accuracy':>18}")
    for name, found in scores.items():
        print(f"{name:34}{kendall_tau(scores['alone'], found):>14.2f}{in_percent(found):>18}")
    print()


def predicted(path, space, genotypes):
    """What a surrogate says that has learnt from all evaluations of a file."""
    with HDF5Store.read(path) as store:
        ok = [record for record in store if record.evaluation.status is Status.OK]
    surrogate = LSTMSurrogate(space)
    surrogate.fit([record.genes for record in ok], [record.evaluation.values[0] for record in ok])
    return surrogate.predict(genotypes).mean.tolist()


def draw_iterations(paths):
    """Draw figure 6: the best of each search after each iteration; a star is the mean, the band the deviation."""
    figure, panels = plt.subplots(1, len(paths), figsize=(4.6 * len(paths), 3.6), layout="constrained", sharey=True)
    for axes, (weights, path) in zip(panels, paths.items(), strict=True):
        with HDF5Store.read(path) as store:
            stages, records = store.stages(), store.records()
        found = {}
        for record in records:
            stage, value = stages[record.evaluation.id], 100 * record.evaluation.values[0]
            best = found.setdefault(stage.search, {})
            best[stage.iteration] = max(value, best.get(stage.iteration, 0))
        iterations = sorted(next(iter(found.values())))
        values = np.array([[best[iteration] for iteration in iterations] for best in found.values()])
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        axes.fill_between(iterations, mean - deviation, mean + deviation, color="#56b4e9", alpha=0.25, linewidth=0)
        for row in values:
            axes.plot(iterations, row, "o", color="#0072b2", markersize=4)
        axes.plot(iterations, mean, "*", color="black", markersize=10)
        axes.set(title=f"{weights} weights", xlabel="iteration", xticks=iterations)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("best validation accuracy (%)")
    return figure


def in_percent(shares):
    return spread([100 * share for share in shares], digits=1)


def compare(args, executor):
    """Compare on the table, if there is one, and on images."""
    describe("deap-nas", "torch", "numpy")
    if args.table is not None:
        compare_on_table(args)
    compare_on_images(args, executor)


if __name__ == "__main__":
    run(compare, arguments)
