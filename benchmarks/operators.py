"""How far a child is from its parent, by kind of mutation: the operators of each representation without a search.

    python benchmarks/operators.py                                       # by a synthetic fitness
    python benchmarks/operators.py --table nasbench201.npz               # also by NAS-Bench-201, every change of a cell
    python benchmarks/operators.py --searches FOLDER --workers 2         # also by trainings, of members of searches
    mpirun -n 5 python benchmarks/operators.py --searches FOLDER         # four ranks train

A parent is drawn from a population, and a clone of it is mutated once. A child is neutral where it is the same network
as its parent; else it may be no network at all; else it is worse or better. There are three kinds of fitness.

Trainings: the parents are the living members of FOLDER/seedK/NAME.h5, of all K together, and are trained by the fitness
of that file, but from weights drawn anew. So are their children, from the same seeds as their parents. The parents are
trained once more, since a fitness that a search has selected is a lucky one. The deviation of a training is pooled
within genotypes over all of a table that was trained. Where the means of parent and child differ by more than two
genotypes that are equally good do in all but 5 % of cases (a t-test with that deviation; half of the 5 % each way), the
child is worse or better, else it is undecided. Where common seeds make differences smaller, which is told beside the
deviation, that bar is too high. The learning rate of a DNA belongs to what is trained: a child with another one is
trained, though the network is the same.

Synthetic: likeness.py's function of a network, without noise, of which there are several with other weights; the
parents are the last members of a short search by pair tournaments with each. Channels, strides and the learning rate
mean nothing to it: children that differ by these alone are neutral or equal.

NAS-Bench-201: all changes of one label of all cells that are networks, and of the fittest twentieth of these by test
accuracy after 200 epochs; the fitness is validation accuracy after 12. Cells that are the same network were trained one
by one, which tells the deviation of a training.

Shares are percent of the children, with Wilson intervals of 95 % where children are a sample; higher are those with a
higher mean, in percent of those that could be compared, half of them by chance alone. The mean change in fitness, in
percentage points where it is an accuracy, and the quantiles of the change in parameters, in percent, are those of other
networks. An operator is looked at without the limit on parameters that a search may have.
"""

from dataclasses import replace
from pathlib import Path

from compared import REPRESENTATIONS
from machine import describe
from operators_figures import draw_outcomes, draw_parameters
from operators_trained import by_training
from operators_untrained import by_synthetic_fitness, by_table

from deap_nas.command_line import CommandLine, at_least, run
from deap_nas.files import make_folder, save_json

#: Heading of each part.
TITLES = {
    "synthetic": "Synthetic fitness, without noise",
    "nasbench201": "NAS-Bench-201, every change of one label",
    "trainings": "Trainings of members of searches and of their children",
}
LEGEND = (
    "children in %, with 95 % intervals of samples; mean change in fitness | quantiles of the change in parameters in %"
)


def arguments():
    line = CommandLine(__doc__)
    line.add_argument(
        "--representations", nargs="+", choices=REPRESENTATIONS, default=default_rows(), metavar="NAME",
        help=f"out of {', '.join(map(repr, REPRESENTATIONS))} (default: all whose operators or parents differ)",
    )  # fmt: skip
    add = line.add_argument
    add("--output", type=Path, default=Path("runs/operators"), metavar="FOLDER", help="of numbers and pictures")
    add = line.add_argument_group("trainings").add_argument
    add("--searches", type=Path, metavar="FOLDER", help="of population files, seedK/NAME.h5 (default: no trainings)")
    add("--children", type=at_least(1), default=60, metavar="N", help="of each representation")
    add("--repeats", type=at_least(2), default=2, metavar="N", help="trainings of a genotype")
    add("--device", default="auto", metavar="NAME", help="cpu, cuda, cuda:1, ...; auto is a GPU if there is one")
    add("--data-dir", default="data", metavar="FOLDER", help="of cifar10 and cifar100")
    add = line.add_argument_group("synthetic fitness").add_argument
    add("--synthetic", type=at_least(0), default=5000, metavar="N", help="children of each representation; 0: none")
    add("--fitnesses", type=at_least(1), default=10, metavar="N", help="functions, each with a search of its own")
    add("--evaluations", type=at_least(1), default=400, metavar="N", help="of such a search")
    add = line.add_argument_group("NAS-Bench-201").add_argument
    add("--table", type=Path, metavar="FILE", help="nasbench201.npz (default: without it)")
    line.add_worker_options()
    args = line.parse_args()
    for option, path in (("--table", args.table), ("--searches", args.searches)):
        if path is not None and not path.exists():
            line.error(f"{option} is not there: {path}")
    return args


def default_rows():
    """Names of the representations but for those that differ from another one only by where weights come from."""
    fresh = [each for each in REPRESENTATIONS.values() if not each.inherits]
    twins = [name for name, each in REPRESENTATIONS.items() if each.inherits and replace(each, inherits=False) in fresh]
    return [name for name in REPRESENTATIONS if name not in twins]


def compare(args, executor):
    """Print the tables, draw the pictures, write the numbers."""
    describe("deap-nas", "torch", "numpy", "scipy")
    make_folder(args.output)
    numbers = {}
    for part, found in measured(args, executor):
        show(part, found, args.output)
        numbers[part] = {name: effects.to_dict() for name, effects in found.items()}
    save_json(args.output / "operators.json", numbers)
    print(f"numbers  {args.output / 'operators.json'}")


def measured(args, executor):
    """Give the parts that were asked for, one after the other, each by representation."""
    if args.synthetic:
        yield "synthetic", by_synthetic_fitness(args)
    if args.table:
        yield "nasbench201", by_table(args.table)
    if args.searches:
        yield "trainings", by_training(args, executor)


def show(part, found, folder):
    """Print the tables of a part, and draw its pictures."""
    print(f"{TITLES[part]}\n{LEGEND}\n")
    for name, effects in found.items():
        print(f"{name}: ", end="")
        print("\n".join(effects.lines()), end="\n\n", flush=True)
    pictures = folder / f"operators-{part}.png", folder / f"parameters-{part}.png"
    draw_outcomes(found, pictures[0])
    draw_parameters(found, pictures[1])
    print("pictures", *pictures, end="\n\n")


if __name__ == "__main__":
    run(compare, arguments)
