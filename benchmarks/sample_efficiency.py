"""How good the best network is after so many evaluations, by each search, on tables and functions that cost nothing.

    python -m venv --system-site-packages VENV && VENV/bin/pip install optuna
    VENV/bin/python benchmarks/sample_efficiency.py --table nasbench201.npz        # hours; goes on where it was
    python benchmarks/sample_efficiency.py --searches "random search" "Gaussian process" --seeds 5 --evaluations 60

The last two rows are the search of Liu 2018, "evolution, nobody removed", with children that a surrogate chooses
(``deap_nas.Preselect``), with one setting for all tasks. NAS-Bench-201 (Dong 2020 <https://arxiv.org/abs/2001.00326>)
has three tasks: validation accuracy after 12 epochs is searched for, its regret is what the best cell of the space has
more, and no search sees the test accuracy. The synthetic fitness is a random smooth function of hierarchical genotypes,
another one for each seed. With several workers evaluations end in the order of random durations, as on a cluster.
"""

import json
import math
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean, stdev

import matplotlib.pyplot as plt
import numpy as np
from machine import describe
from sample_searches import SEARCHES, Synthetic, Table
from tqdm import tqdm

from deap_nas.command_line import CommandLine, at_least

COLUMNS = (50, 100, 150, 200)
DATASETS = ("cifar10", "cifar100", "imagenet16")
OURS, PEER, PLAIN = "Gaussian process", "Optuna's TPE", "evolution, nobody removed"
COLOURS = dict(zip(SEARCHES, ("#999999", "#d55e00", "#cc79a7", "#e69f00", "#009e73", "#0072b2"), strict=True))


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("searches").add_argument
    add("--table", type=Path, metavar="FILE", help="nasbench201.npz (default: the synthetic fitness only)")
    text = f"{', '.join(SEARCHES)} (default: all; {PEER} if Optuna is installed)"
    add("--searches", nargs="+", choices=SEARCHES, default=default_searches(), metavar="NAME", help=text)
    add("--seeds", type=at_least(1), default=100, metavar="N", help="searches of each kind")
    add("--evaluations", type=at_least(1), default=200, metavar="N", help="of a search")
    add("--workers", type=at_least(1), nargs="+", default=[1, 16], metavar="N", help="evaluations at the same time")
    add("--processes", type=at_least(1), default=1, metavar="N", help="searches at the same time")
    text = "what each search has found, which a run goes on from (default: %(default)s)"
    add("--found", type=Path, default=Path("runs/sample_efficiency.jsonl"), metavar="FILE", help=text)
    add("--output", type=Path, default=Path("runs/sample_efficiency.png"), metavar="PICTURE")
    return line.parse_args()


def default_searches():
    return [name for name in SEARCHES if name != PEER or find_spec("optuna") is not None]


def tasks_of(args):
    """Name of each task, and what gives it for a seed."""
    tasks = {}
    if args.table is not None:
        tasks |= {f"NAS-Bench-201, {name}": (lambda seed, name=name: Table(args.table, name)) for name in DATASETS}  # noqa: ARG005
    return tasks | {"synthetic, hierarchical": Synthetic}


def search(task, name, n_evaluations, n_workers, seed):
    """What a search has found after each evaluation: values, and test accuracies."""
    trace = SEARCHES[name](task, n_evaluations, n_workers, seed)
    return [[round(number, 4) for number in numbers] for numbers in (trace.values, trace.tests)]


def search_all(args):
    """Do all searches that the file does not have; gives what was found by (task, search, workers)."""
    known = {}
    if args.found.exists():
        known = dict(_entry(line) for line in args.found.read_text().splitlines())
    wanted = [
        (task, name, args.evaluations, n_workers, seed)
        for seed in range(args.seeds)
        for n_workers in args.workers
        for task in tasks_of(args)
        for name in args.searches
    ]
    missing = [key for key in wanted if key not in known]
    args.found.parent.mkdir(parents=True, exist_ok=True)
    makers = tasks_of(args)
    with ProcessPoolExecutor(args.processes) as pool, args.found.open("a") as file:
        futures = {
            pool.submit(search, makers[task](seed), *rest, seed): (task, *rest, seed) for task, *rest, seed in missing
        }
        for future in tqdm(as_completed(futures), "searches", len(futures), file=sys.stderr, disable=None):
            known[futures[future]] = future.result()
            file.write(json.dumps([*futures[future], *future.result()]) + "\n")
            file.flush()
    found = defaultdict(list)
    for task, name, n_evaluations, n_workers, seed in wanted:
        found[task, name, n_workers].append(known[task, name, n_evaluations, n_workers, seed])
    return {key: np.array(each) for key, each in found.items()}  # (seeds, 2, evaluations)


def _entry(line):
    *key, values, tests = json.loads(line)
    return tuple(key), [values, tests]


def table_of(task, found, n_workers, args):
    """Lines of the table of a task."""
    columns = [n for n in COLUMNS if n <= args.evaluations] or [args.evaluations]
    best = tasks_of(args)[task](0).best
    yield f"{task}, {n_workers} worker{'s' * (n_workers > 1)}, {args.seeds} seeds, after {columns} evaluations"
    what = "best fitness" if best is None else "regret of validation accuracy"
    yield f"{'':28}{what:<{18 * len(columns)}}{'' if best is None else 'test accuracy'}"
    for name in args.searches:
        values, tests = found[task, name, n_workers].transpose(1, 0, 2)
        shown = values if best is None else np.maximum(best - values, 0)
        cells = [f"{in_words(shown[:, n - 1]):<18}" for n in columns]
        cells += [] if best is None else [f"{in_words(tests[:, n - 1], 2):<18}" for n in columns]
        yield f"{name:28}" + "".join(cells)
    yield from compared(task, found, n_workers, columns, best)
    yield ""


def in_words(numbers, digits=3):
    """Mean, and its standard error."""
    error = f" +- {stdev(numbers) / math.sqrt(len(numbers)):.{digits}f}" if len(numbers) > 1 else ""
    return f"{fmean(numbers):.{digits}f}{error}"


def compared(task, found, n_workers, columns, best):
    """Ours beside the peer, and the trainings that it saves."""
    ours = found.get((task, OURS, n_workers))
    peer, plain = found.get((task, PEER, n_workers)), found.get((task, PLAIN, n_workers))
    if ours is not None and peer is not None and best is not None:
        regrets = [[max(0.0, best - each[:, 0, n - 1].mean()) for n in columns] for each in (ours, peer)]
        shares = " ".join(f"{mine / theirs:.2f}" if theirs > 0 else "-" for mine, theirs in zip(*regrets, strict=True))
        yield f"regret of the {OURS}, of that of {PEER}: {shares}"
    if ours is not None and plain is not None:
        reached = ours[:, 0].mean(axis=0) >= plain[:, 0, -1].mean()
        n_needed = int(np.argmax(reached)) + 1
        text = f"after {n_needed}, {plain.shape[2] / n_needed:.1f} times fewer" if reached.any() else "not at all"
        yield f"what {PLAIN} has after {plain.shape[2]} evaluations, the {OURS} has {text}"


def draw(found, args):
    """Regret, or fitness, against evaluations: a panel for each task and number of workers."""
    tasks = tasks_of(args)
    shape = len(args.workers), len(tasks)
    figure, panels = plt.subplots(*shape, figsize=(4 * shape[1], 3.2 * shape[0]), squeeze=False, layout="constrained")
    for row, n_workers in zip(panels, args.workers, strict=True):
        for axes, (task, make) in zip(row, tasks.items(), strict=True):
            best = make(0).best
            for name in args.searches:
                values = found[task, name, n_workers][:, 0]
                mean = values.mean(axis=0) if best is None else np.maximum(best - values.mean(axis=0), 1e-3)
                axes.plot(np.arange(1, len(mean) + 1), mean, color=COLOURS[name], label=name)
            axes.set(title=f"{task}, {n_workers} worker{'s' * (n_workers > 1)}", xlabel="evaluations")
            axes.set_ylabel("best fitness" if best is None else "regret (percent points)")
            if best is not None:
                axes.set_yscale("log")
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, -1].legend(frameon=False, fontsize=8, loc="lower right")  # fitness, which rises
    args.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.output, dpi=130)
    print(args.output)


def compare(args):
    """Search, and print the tables."""
    describe("deap-nas", "optuna", "scikit-learn", "numpy")
    found = search_all(args)
    for n_workers in args.workers:
        for task in tasks_of(args):
            print("\n".join(table_of(task, found, n_workers, args)))
    draw(found, args)


if __name__ == "__main__":
    compare(arguments())
