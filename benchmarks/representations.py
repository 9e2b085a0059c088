"""Hierarchical against Large-Scale Evolution: how good are networks that each representation finds for what it spends?

    python benchmarks/representations.py                                              # digits, some minutes
    python benchmarks/representations.py --workers 2 --dataset imagefolder:PATH ...   # see benchmarks/results
    mpirun -n 9 python benchmarks/representations.py --dataset cifar10                # eight ranks train

Every representation of compared.py is evolved by the same engine, pair tournaments in which the worse dies, on the same
images with the same split and the same training, and is searched at random besides, with several seeds. A search ends
when it has spent all of its budgets, so that all can be compared at equal evaluations, at equal floating-point
operations and at equal hours of work. Whoever is the best within a budget is trained anew by one common recipe and
measured on the test images; where weights are inherited, also with those of the search.

Started again with the same options, it goes on where it was; more seeds may be asked for.
"""

import sys
from pathlib import Path

from compared import REPRESENTATIONS
from experiment import Experiment
from machine import describe
from representation_figures import draw_curves, draw_populations
from representation_table import Found, difference_lines, table_lines
from searches import Search, common_budgets
from spending import BUDGETS
from tqdm import tqdm

from deap_nas.command_line import CommandLine, at_least, number_in, run
from deap_nas.report import save_figure


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument_group("searches").add_argument
    names, text = list(REPRESENTATIONS), "which of those of compared.py (default: all)"
    add("--representations", nargs="+", choices=names, default=names, metavar="NAME", help=text)
    add("--seeds", type=at_least(1), default=2, metavar="N", help="searches of each kind")
    add("--evaluations", type=at_least(1), default=20, metavar="N", help="that a search has at least")
    text = "of all workers together, that a search works at least (default: as long as its evaluations take)"
    add("--hours", type=number_in("(0, inf)"), metavar="H", help=text)
    text = "that a search computes at least in its trainings (default: as many as its evaluations take)"
    add("--flops", type=number_in("(0, inf)"), metavar="N", help=text)
    add("--population", type=at_least(2), default=8, metavar="N", help="members that stay")
    text = "of a network, for an image, in all spaces (default: no limit)"
    add("--max-flops", type=at_least(1), metavar="N", help=text)
    text = "height and width that the images are shrunk to (default: their own)"
    add("--image-size", type=at_least(1), metavar="PIXELS", help=text)
    add("--output", type=Path, default=Path("runs/representations"), metavar="FOLDER", help="of files and pictures")
    line.add_fitness_options(steps=60, batch_size=64, repeats=1, channels=8, validation_share=0.1)
    add = line.add_argument_group("test", "Trainings of the chosen, on all training images.").add_argument
    add("--test-steps", type=at_least(1), default=120, metavar="N", help="of a training")
    add("--test-runs", type=at_least(1), default=1, metavar="N", help="trainings of each")
    line.add_worker_options()
    return line.parse_args()


def compare(args, executor):
    """Search, train anew what was found, and print and draw what has come of it."""
    describe("deap-nas", "torch", "numpy", "scipy")
    experiment = Experiment(args, executor)
    wanted = [(row, seed) for seed in range(args.seeds) for row in experiment.rows]
    with Bar(len(wanted)) as bar:
        for number, (row, seed) in enumerate(wanted):
            bar.begin(number, f"{row.label}, seed {seed}")
            if not experiment.has_ended(row, seed):
                experiment.search(row, seed, bar)
    searches = [Search(args.output, row, seed) for row, seed in wanted]
    budgets = common_budgets(searches, experiment.budgets)
    found = find(experiment, searches, budgets)
    for name, budget in budgets.items():
        amount = f"{budget:,.0f}" if name == "evaluations" else f"{budget:.3g}"
        print(*table_lines(f"equal {BUDGETS[name]}: {amount}", found[name]), "", sep="\n")
        print(*difference_lines(found[name]), "", sep="\n")
    for name, draw in (("curves", draw_curves), ("populations", draw_populations)):
        save_figure(draw(searches), [args.output / f"{name}.png"], dpi=150)
        print(args.output / f"{name}.png")


class Bar(tqdm):
    """How far all searches have come.

    Args:
        n_searches: how many there are.
    """

    def __init__(self, n_searches):
        """See the class."""
        form = "{percentage:5.1f}% {bar} {desc}, {remaining} left"
        super().__init__(total=n_searches, bar_format=form, file=sys.stderr, mininterval=1)
        self.n_before = 0

    def begin(self, number, text):
        """Show that one begins."""
        self.n_before = number
        self.set_description_str(text)
        self.show(0)

    def show(self, share):
        """Show which part of it is done."""
        self.update(self.n_before + share - self.n)


def find(experiment, searches, budgets):
    """Budget -> label of a row -> what each of its searches has found within it."""
    all_chosen = {(name, search): search.chosen(name, budgets[name]) for name in BUDGETS for search in searches}
    chosen = {key: record for key, record in all_chosen.items() if record is not None}
    wanted = {(search, record.evaluation.id): record for (_, search), record in chosen.items()}
    futures = {(search, number): experiment.retrain(search, record) for (search, number), record in wanted.items()}
    results = {key: future.result() for key, future in tqdm(futures.items(), "tests", file=sys.stderr, disable=None)}
    found = {name: {search.row.label: [] for search in searches} for name in BUDGETS}
    for (name, search), record in chosen.items():
        evaluation = record.evaluation
        found[name][search.row.label].append(
            Found(
                n_evaluations=search.n_within(name, budgets[name]),
                validation=evaluation.values[0],
                test=results[search, evaluation.id].accuracies,
                inherited=experiment.inherited(search, evaluation.id),
                n_parameters=evaluation.n_parameters,
                flops=evaluation.flops,
            )
        )
    return found


if __name__ == "__main__":
    run(compare, arguments)
