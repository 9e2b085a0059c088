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

import json
import random
import sys
from argparse import Namespace
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bests import Bests
from compared import REPRESENTATIONS
from deap import base
from machine import describe
from representation_figures import draw_curves, draw_populations
from representation_table import Found, difference_lines, table_lines
from searches import Row, Search, common_budgets
from spending import BUDGETS, RandomSearch, Spending, is_spent
from tqdm import tqdm

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, number_in, run
from deap_nas.evaluation import derive_seed
from deap_nas.executors import GenotypeExecutor
from deap_nas.files import save_json
from deap_nas.report import save_figure
from deap_nas.store import beside, open_run, resume_population
from deap_nas.strategies import PairTournaments
from deap_nas.training import CIFAR_EVALUATION, Retraining, searched_accuracies

#: Evaluations after which a search ends, whatever it has not spent.
MOST_EVALUATIONS = 1_000_000


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


@dataclass(frozen=True)
class Experiment:
    """What all searches and trainings share.

    Args:
        args: of the command line.
        executor: runs the trainings.
    """

    args: Namespace
    executor: GenotypeExecutor

    @property
    def rows(self):
        """Every representation, evolved and searched at random."""
        return [Row(name, is_random) for name in self.args.representations for is_random in (False, True)]

    @property
    def budgets(self):
        """What a search is to spend of each, at least; None where it is not said."""
        return {name: getattr(self.args, name) for name in BUDGETS}

    def fitness(self, row, seed):
        """The same for all, but for the space and where weights come from."""
        representation = REPRESENTATIONS[row.name]
        folder = beside(row.file(self.args.output, seed), "-weights") if representation.inherits else None
        return make_fitness(representation.space, self.args, weights_dir=folder, image_size=self.args.image_size)

    @cached_property
    def most_parameters(self):
        """Name of a representation -> the most parameters that its networks may have; None for any number."""
        limits = {}
        for name in self.args.representations:
            space = REPRESENTATIONS[name].limited_by
            if space is not None:
                template = make_fitness(space, self.args, image_size=self.args.image_size).template
                median = deap_nas.median_cost(space, template, rng=random.Random(self.args.seed))
                limits[name] = median.n_parameters
        return limits

    def limit(self, row, fitness):
        """What makes operators give networks that are small enough."""
        sizes = {"max_parameters": self.most_parameters.get(row.name), "max_flops": self.args.max_flops}
        return deap_nas.CostLimit(fitness.space, fitness.template, **sizes, n_tries=100_000)

    def toolbox(self, row, fitness, rng):
        """Operators of a row, and its fitness."""
        representation = REPRESENTATIONS[row.name]
        toolbox = base.Toolbox()
        settings = {"space": representation.space, "rng": rng}
        toolbox.register("individual", representation.initial, representation.individual, **settings)
        toolbox.register("random", representation.random, representation.individual, **settings)
        toolbox.register("mutate", representation.mutate, **settings)
        for name in ("individual", "random", "mutate"):
            toolbox.decorate(name, self.limit(row, fitness))
        toolbox.register("evaluate", fitness)
        return toolbox

    def strategy(self, row, toolbox, rng):
        """Evolution, or random search; where weights are inherited, that is evolution that does not select."""
        if row.is_random and not REPRESENTATIONS[row.name].inherits:
            return RandomSearch(toolbox)
        return PairTournaments(toolbox, size=self.args.population, selects=not row.is_random, rng=rng)

    def has_ended(self, row, seed):
        """Whether a search has spent its budgets."""
        if not row.file(self.args.output, seed).exists():
            return False
        return is_spent(Search(self.args.output, row, seed).totals, self.budgets)

    def search(self, row, seed, bar):
        """Run a search to its end, or go on with it, and show that on a bar."""
        path, fitness = row.file(self.args.output, seed), self.fitness(row, seed)
        rng = random.Random(derive_seed(self.args.seed, seed, self.rows.index(row)))
        toolbox = self.toolbox(row, fitness, rng)
        spending = Spending(self.strategy(row, toolbox, rng), self.budgets)
        spending.register(toolbox)
        settings = {"population": self.args.population, "max_flops": self.args.max_flops, "fitness": fitness.to_dict()}
        settings |= {"max_parameters": self.most_parameters.get(row.name), "row": row.label}
        run_seed = derive_seed(self.args.seed, seed)
        with open_run(path, space=fitness.space, settings=settings, seed=run_seed, n_repeats=fitness.repeats) as store:
            population = resume_population(store, toolbox.individual.args[0], rng=rng)
            bests = Bests(fitness.weights_dir, store) if fitness.weights_dir else None

            def observe(individual, n_running):
                bar.show(spending.share)
                if bests is not None:
                    bests(individual, n_running)

            deap_nas.eaAsyncGenerateUpdate(
                toolbox, self.executor,
                n_evaluations=MOST_EVALUATIONS, store=store, rng=rng, population=population, observer=observe,
            )  # fmt: skip
        if fitness.weights_dir:
            self.measure_inherited(row, seed)

    def measure_inherited(self, row, seed):
        """Write down the test accuracy of each that was the best of its search, with the weights of the search."""
        fitness = self.fitness(row, seed)
        kept = fitness.weights_dir.with_name(f"{fitness.weights_dir.name}-of-bests")
        found = {}
        for record in Search(self.args.output, row, seed).bests():
            weights = kept / f"{record.evaluation.id}.safetensors"
            found[str(record.evaluation.id)] = searched_accuracies(fitness, record.genes, weights).test[0]
        save_json(beside(row.file(self.args.output, seed), "-inherited.json"), found)

    def inherited(self, search, number):
        """Test accuracy of an individual that was the best of its search; None where weights are drawn anew."""
        path = beside(search.row.file(self.args.output, search.seed), "-inherited.json")
        return json.loads(path.read_text(encoding="utf-8"))[str(number)] if path.exists() else None

    def retrain(self, search, record):
        """Begin to train a chosen network by the recipe that is common to all; gives a future of its result."""
        args, representation = self.args, REPRESENTATIONS[search.row.name]
        recipe = replace(CIFAR_EVALUATION, steps=args.test_steps, batch_size=args.batch_size)
        fitness = self.fitness(search.row, search.seed)
        source = fitness.source
        retraining = Retraining(
            fitness.space,
            representation.for_recipe(record.genes, recipe),
            dataset=args.dataset,
            template=fitness.template,
            recipe=recipe,
            runs=args.test_runs,
            seed=derive_seed(args.seed, search.seed, record.evaluation.id),
            device=args.device,
            data_dir=args.data_dir,
            n_images=source.n_images,
            image_size=source.image_size,
            flip=source.flip,
            crop=source.crop,
        )
        folder = search.row.file(args.output, search.seed).with_suffix("") / f"id{record.evaluation.id}"
        return self.executor.submit(retraining.run, folder)


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
    chosen = {(name, search): search.chosen(name, budgets[name]) for name in BUDGETS for search in searches}
    futures = {}
    for (_, search), record in chosen.items():
        if record is None:
            continue
        key = (search, record.evaluation.id)
        if key not in futures:
            futures[key] = experiment.retrain(search, record)
    results = {key: future.result() for key, future in tqdm(futures.items(), "tests", file=sys.stderr, disable=None)}
    found = {name: {search.row.label: [] for search in searches} for name in BUDGETS}
    for (name, search), record in chosen.items():
        if record is None:
            continue
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
