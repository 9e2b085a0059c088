"""The searches of ``representations.py``, one for each representation and seed, and the trainings of what they find."""

import json
import random
from argparse import Namespace
from dataclasses import dataclass, replace
from functools import cached_property

from bests import Bests
from compared import REPRESENTATIONS
from deap import base
from searches import Row, Search
from spending import BUDGETS, Spending, is_spent

import deap_nas
from deap_nas.command_line import make_fitness
from deap_nas.evaluation import derive_seed
from deap_nas.executors import GenotypeExecutor
from deap_nas.files import save_json
from deap_nas.store import beside, open_run, resume_population
from deap_nas.strategies import PairTournaments, RandomSearch
from deap_nas.training import CIFAR_EVALUATION, Retraining, searched_accuracies

#: Evaluations after which a search ends, whatever it has not spent.
MOST_EVALUATIONS = 1_000_000


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
        """Operators of a row, and its fitness; what random search draws is no first population."""
        representation = REPRESENTATIONS[row.name]
        draw = representation.random if self.is_sampled(row) else representation.initial
        toolbox = base.Toolbox()
        settings = {"space": representation.space, "rng": rng}
        toolbox.register("individual", draw, representation.individual, **settings)
        toolbox.register("mutate", representation.mutate, **settings)
        for name in ("individual", "mutate"):
            toolbox.decorate(name, self.limit(row, fitness))
        toolbox.register("evaluate", fitness)
        return toolbox

    def is_sampled(self, row):
        """Whether all individuals of a row are drawn by themselves."""
        return row.is_random and not REPRESENTATIONS[row.name].inherits

    def strategy(self, row, toolbox, rng):
        """Evolution, or random search; where weights are inherited, that is evolution that does not select."""
        if self.is_sampled(row):
            return RandomSearch(toolbox)
        return PairTournaments(toolbox, size=self.args.population, selects=not row.is_random, rng=rng)

    def has_ended(self, row, seed):
        """Whether a search has spent its budgets, and what its weights are worth is known."""
        wanted = [row.file(self.args.output, seed)]
        if REPRESENTATIONS[row.name].inherits:
            wanted.append(self.inherited_file(row, seed))
        if not all(path.exists() for path in wanted):
            return False
        return is_spent(Search(self.args.output, row, seed).totals, self.budgets)

    def search(self, row, seed, bar):
        """Run a search to its end, or go on with it, and show that on a bar."""
        path, fitness = row.file(self.args.output, seed), self.fitness(row, seed)
        rng = random.Random(f"{self.args.seed} {seed} {row.label}")
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
        save_json(self.inherited_file(row, seed), found)

    def inherited_file(self, row, seed):
        """Where that is written down."""
        return beside(row.file(self.args.output, seed), "-inherited.json")

    def inherited(self, search, number):
        """Test accuracy of an individual that was the best of its search; None where weights are drawn anew."""
        path = self.inherited_file(search.row, search.seed)
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
