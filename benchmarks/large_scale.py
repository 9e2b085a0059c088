"""Figure 2 of Real 2017, small: evolution from linear models, and its controls without inheritance or selection.

    python benchmarks/large_scale.py                                              # digits, some minutes
    python benchmarks/large_scale.py --workers 2 --dataset imagefolder:PATH ...   # see benchmarks/results

Three searches with one seed: as in the paper; with weights drawn anew for each training; with chance in the place of
fitness, for who dies and who has a child. Each time that an individual has a higher validation accuracy than all
before it, its weights are kept, and when the search has ended they are measured on the test images, without another
training. A search that was interrupted goes on when the same command is given again.
"""

import argparse
import json
import random
import shutil
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from deap import base, creator
from machine import describe

import deap_nas
from deap_nas.evaluation import Status
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.report import Progress, draw_best, draw_lineage, save_figure
from deap_nas.store import beside, open_run, resume_population
from deap_nas.strategies import PairTournaments
from deap_nas.training import LARGE_SCALE, AccuracyFitness, searched_accuracies

SEARCHES = ("evolution", "no inheritance", "no selection")
STYLES = dict(zip(SEARCHES, ("solid", "dashed", "dashdot"), strict=True))
COLOURS = dict(zip(SEARCHES, ("#0072b2", "#d55e00", "#000000"), strict=True))

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.DNA, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int)
    add("--dataset", type=str, default="digits", help="digits, cifar10, cifar100 or imagefolder:PATH (default: digits)")
    add("--data-dir", type=str, default="data", help="folder of cifar10 and cifar100 (default: data)")
    add("--images", help="training images to use (default: all)")
    add("--image-size", help="height and width in pixels that the images are shrunk to (default: their own)")
    add("--population", default=12, help="members (default: 12)")
    add("--evaluations", default=60, help="of each search (default: 60)")
    add("--steps", default=100, help="of a training (default: 100; the paper's 25,600)")
    add("--batch-size", default=LARGE_SCALE.batch_size, help="images a step (default: the paper's 50)")
    add("--max-flops", help="of a network, for an image (default: no limit)")
    add("--workers", default=0, help="processes (default: this one)")
    add("--seed", default=0, help="of everything random (default: 0)")
    add("--device", type=str, default="auto", help="cpu, cuda, ... (default: a GPU if there is one)")
    add("--searches", type=str, nargs="+", choices=SEARCHES, default=SEARCHES, help="which (default: all)")
    add("--output", type=Path, default=Path("runs/large-scale"), help="folder (default: runs/large-scale)")
    return parser.parse_args()


def make_fitness(args, path):
    return AccuracyFitness(
        deap_nas.DNASpace(),
        dataset=args.dataset,
        data_dir=args.data_dir,
        n_images=args.images,
        image_size=args.image_size,
        recipe=replace(LARGE_SCALE, steps=args.steps, batch_size=args.batch_size),
        repeats=1,
        crop=None if args.dataset == "digits" else 4,
        validation_share=0.1,
        weights_dir=beside(path, "-weights"),
        seed=args.seed,
        device=args.device,
    )


def mutate_anew(individual, space, rng):
    """A mutation after which nothing is inherited, since all ids are new."""
    (individual,) = deap_nas.mutLargeScale(individual, space, rng=rng)
    return deap_nas.mutResetWeights(individual, space, rng=rng)


def make_toolbox(args, name, fitness, rng):
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initLinear, creator.Individual, fitness.space)
    mutate = mutate_anew if name == "no inheritance" else deap_nas.mutLargeScale
    toolbox.register("mutate", mutate, space=fitness.space, rng=rng)
    toolbox.decorate("mutate", deap_nas.CostLimit(fitness.space, fitness.template, max_flops=args.max_flops))
    toolbox.register("evaluate", fitness)
    strategy = PairTournaments(toolbox, size=args.population, selects=name != "no selection", rng=rng)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    return toolbox


class Bests:
    """Keeps the weights of each individual that is fitter than all before it, beside those of the members."""

    def __init__(self, weights, store):
        self.weights, self.kept = weights, weights.with_name(f"{weights.name}-of-bests")
        self.kept.mkdir(parents=True, exist_ok=True)
        self.best = max([0.0, *(record.evaluation.values[0] for record in store)])

    def __call__(self, individual, n_running):
        """Take note of an evaluation that has ended."""
        del n_running
        evaluation = individual.evaluation
        if evaluation.status is Status.OK and evaluation.values[0] > self.best:
            self.best = evaluation.values[0]
            name = f"{evaluation.id}.safetensors"
            shutil.copyfile(self.weights / name, self.kept / name)


def search(args, name):
    """Run a search to its end, and draw its best; gives what is shown of it."""
    path = args.output / f"{name.replace(' ', '-')}.h5"
    fitness, rng = make_fitness(args, path), random.Random(args.seed)
    toolbox = make_toolbox(args, name, fitness, rng)
    executor = ProcessExecutor(args.workers) if args.workers else SerialExecutor()
    settings = {"fitness": fitness.to_dict(), "population": args.population, "max_flops": args.max_flops}
    with executor, open_run(path, space=fitness.space, settings=settings, seed=args.seed, n_repeats=1) as store:
        run = {"n_evaluations": args.evaluations, "store": store, "rng": rng}
        population = resume_population(store, creator.Individual, rng=rng)
        bests = Bests(fitness.weights_dir, store)
        with Progress(args.evaluations, evaluations=(record.evaluation for record in store)) as progress:

            def observe(individual, n_running):
                bests(individual, n_running)
                progress(individual, n_running)

            deap_nas.eaAsyncGenerateUpdate(toolbox, executor, **run, population=population, observer=observe)
        draw_best(store)
        save_figure(draw_lineage(store), [beside(path, "-lineage.png")])
        return measure(store, fitness, bests.kept)


def measure(store, fitness, kept):
    """What each evaluation took, and the test accuracy of the best until then, in the order in which they ended."""
    records = [record for record in store if record.evaluation.status is Status.OK]
    points, best = [], -1.0
    for number, record in enumerate(records, start=1):
        evaluation = record.evaluation
        if evaluation.values[0] > best:
            best = evaluation.values[0]
            measured = searched_accuracies(fitness, record.genes, kept / f"{evaluation.id}.safetensors")
            points.append({"evaluations": number, "id": evaluation.id, **asdict(measured)})
    return {
        "points": points,
        "compute": np.cumsum([record.evaluation.compute for record in records]).tolist(),
        "n_evaluations": store.n_evaluated,
        "seconds": sum(record.evaluation.seconds for record in store),
        "first": float(np.mean([record.evaluation.values[0] for record in records if record.evaluation.parent < 0])),
    }


def draw(found, path):
    figure, (by_number, by_compute) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    for name, each in found.items():
        places = [point["evaluations"] for point in each["points"]] + [each["n_evaluations"]]
        test = [100 * point["test"][0] for point in each["points"]]
        style = {"where": "post", "linestyle": STYLES[name], "color": COLOURS[name], "label": name}
        by_number.step(places, [*test, test[-1]], **style)
        compute = [each["compute"][min(place, len(each["compute"])) - 1] for place in places]
        by_compute.step(compute, [*test, test[-1]], **style)
    by_number.set(xlabel="evaluations", ylabel="test accuracy of the best by validation (%)")
    by_compute.set(xlabel="floating-point operations", xscale="log")
    for axes in (by_number, by_compute):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    by_number.legend(frameon=False, loc="upper left")
    save_figure(figure, [path], dpi=150)
    plt.close(figure)


def main():
    args = arguments()
    describe("deap-nas", "torch")
    found = {}
    for name in args.searches:
        print(f"{name} ...", file=sys.stderr)
        found[name] = search(args, name)
        (args.output / "measured.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print("search           evaluations  linear start  best validation   test  parameters      FLOPs      work")
    for name, each in found.items():
        best = each["points"][-1]
        first, validation, test = (100 * share for share in (each["first"], best["validation"][0], best["test"][0]))
        print(
            f"{name:<16} {each['n_evaluations']:>11}  {first:>10.1f} %  {validation:>13.1f} %  {test:>3.1f} %  "
            f"{best['n_parameters']:>9,}  {each['compute'][-1]:>9.2g}  {each['seconds']:>6,.0f} s"
        )
    draw(found, args.output / "figure2.png")
    print(f"\n{args.output / 'figure2.png'}")


if __name__ == "__main__":
    main()
