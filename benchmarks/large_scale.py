"""Figure 2 of Real 2017, small: evolution from linear models, and its controls without inheritance or selection.

    python benchmarks/large_scale.py                                              # digits, some minutes
    python benchmarks/large_scale.py --workers 2 --dataset imagefolder:PATH ...   # see benchmarks/results
    mpirun -n 5 python benchmarks/large_scale.py --dataset cifar10                # four ranks train

Three searches with one seed: as in the paper; with weights drawn anew for each training; with chance in the place of
fitness, for who dies and who has a child. Each time that an individual has a higher validation accuracy than all
before it, its weights are kept, and when the search has ended they are measured on the test images, without another
training. A search that was interrupted goes on when the same command is given again.
"""

import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from bests import Bests
from deap import base, creator
from machine import describe

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.evaluation import Status
from deap_nas.report import Progress, draw_best, draw_lineage, save_figure
from deap_nas.store import beside, open_run, resume_population
from deap_nas.strategies import PairTournaments
from deap_nas.training import LARGE_SCALE, searched_accuracies

SEARCHES = ("evolution", "no inheritance", "no selection")
STYLES = dict(zip(SEARCHES, ("solid", "dashed", "dashdot"), strict=True))
COLOURS = dict(zip(SEARCHES, ("#0072b2", "#d55e00", "#000000"), strict=True))

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.DNA, fitness=creator.FitnessMax)


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("searches").add_argument
    add("--population", type=at_least(2), default=12, metavar="N", help="members; the paper has 1000")
    add("--evaluations", type=at_least(1), default=60, metavar="N", help="of each search")
    add("--max-flops", type=at_least(1), metavar="N", help="of a network, for an image (default: no limit)")
    add("--searches", nargs="+", choices=SEARCHES, default=SEARCHES, help="which (default: all)")
    add("--output", type=Path, default=Path("runs/large-scale"), metavar="FOLDER", help="of files and pictures")
    text = "height and width that the images are shrunk to (default: their own)"
    add("--image-size", type=at_least(1), metavar="PIXELS", help=text)
    line.add_fitness_options(
        steps=100, batch_size=LARGE_SCALE.batch_size, repeats=1, channels=None, validation_share=0.1
    )
    line.add_worker_options()
    return line.parse_args()


def fitness_of(args, path):
    """As in the example, with the weights of each search beside its population file."""
    args.crop = 4 if args.crop is None and args.dataset != "digits" else args.crop
    kept = {"weights_dir": beside(path, "-weights"), "image_size": args.image_size}
    return make_fitness(deap_nas.DNASpace(), args, recipe=LARGE_SCALE, **kept)


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


def search(args, executor, name):
    """Run a search to its end, and draw its best; gives what is shown of it."""
    path = args.output / f"{name.replace(' ', '-')}.h5"
    fitness, rng = fitness_of(args, path), random.Random(args.seed)
    toolbox = make_toolbox(args, name, fitness, rng)
    settings = {"fitness": fitness.to_dict(), "population": args.population, "max_flops": args.max_flops}
    with open_run(path, space=fitness.space, settings=settings, seed=args.seed, n_repeats=args.repeats) as store:
        population = resume_population(store, creator.Individual, rng=rng)
        bests = Bests(fitness.weights_dir, store)
        with Progress(args.evaluations, evaluations=(record.evaluation for record in store)) as progress:

            def observe(individual, n_running):
                bests(individual, n_running)
                progress(individual, n_running)

            deap_nas.eaAsyncGenerateUpdate(
                toolbox, executor,
                n_evaluations=args.evaluations, store=store, rng=rng, population=population, observer=observe,
            )  # fmt: skip
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


def compare(args, executor):
    describe("deap-nas", "torch")
    found = {}
    for name in args.searches:
        print(f"{name} ...", file=sys.stderr)
        found[name] = search(args, executor, name)
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
    run(compare, arguments)
