"""The contracts of strategies, survival rules and estimators: on what the package has, and on what breaks them."""

import random
from functools import partial

import pytest
from deap import base, tools

from deap_nas import FlatSpace, Genotype, killLoser, killOldest, killUnselected, mutEdge, selTournamentFraction
from deap_nas.evaluation import Evaluation, Guard
from deap_nas.strategies import Tournaments
from deap_nas.testing import EstimatorContract, StrategyContract, SurvivalContract
from deap_nas.training import AccuracyFitness, Recipe
from tests.test_generate_update import Pairs
from tests.test_generate_update import make_toolbox as with_strategy
from tests.toolboxes import SPACE, MaxIndividual, SeedFitness, gene_sum, raises_not_viable


class TestPairs(StrategyContract):
    icls = MaxIndividual

    def make_toolbox(self, rng):
        return with_strategy(Pairs(rng))


class Evolution:
    """Liu 2018's tournaments, asked from outside: the first members are drawn, the others are children."""

    def __init__(self, rng):
        toolbox = base.Toolbox()
        toolbox.register("select", selTournamentFraction, fraction=0.3, rng=rng)
        toolbox.register("mutate", mutEdge, space=SPACE, rng=rng)
        self.rng, self.members = rng, []
        self.tournaments = Tournaments(self.members, toolbox, rng=rng)

    def generate(self):
        return self.tournaments.generate() or MaxIndividual(SPACE.sample(rng=self.rng))

    def update(self, individual):
        self.members.append(individual)


class TestTournaments(StrategyContract):
    icls = MaxIndividual

    def make_toolbox(self, rng):
        return with_strategy(Evolution(rng))


class Forgetful(Pairs):
    """Its state lacks the number of its steps, on which children depend."""

    def getstate(self):
        return {"n_steps": 0, "n_made": self.n_made}


class Elsewhere(Pairs):
    """Draws from the global generator."""

    def generate(self):
        self.rng = random
        return super().generate()


class Heavy(Pairs):
    """Writes down all that it has seen."""

    def getstate(self):
        return {**super().getstate(), "seen": [0] * 100_000}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Forgetful, "test_a_resumed_search_ends_as_one_that_was_not_interrupted"),
        (Elsewhere, "test_the_same_seed_gives_the_same_search"),
        (Heavy, "test_a_state_is_plain_data"),
    ],
)
def test_a_strategy_that_breaks_the_contract_is_found_out(kind, name):
    class Contract(StrategyContract):
        icls = MaxIndividual

        def make_toolbox(self, rng):
            return with_strategy(kind(rng))

    with pytest.raises(AssertionError):
        getattr(Contract(), name)()


class TestKillOldest(SurvivalContract):
    def make_rule(self):
        return partial(killOldest, size=5)


class TestKillLoser(SurvivalContract):
    def make_rule(self):
        return partial(killLoser, size=5, seed=1)


class TestKillUnselected(SurvivalContract):
    def make_rule(self):
        return partial(killUnselected, size=5, select=tools.selBest)


def nobody(evaluated):
    return []


def everybody(evaluated):
    return list(evaluated)


def any_of_them(evaluated):
    return random.sample(list(evaluated), max(0, len(evaluated) - 5))


def a_stranger(evaluated):
    return [MaxIndividual()] * (len(evaluated) > 5)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (nobody, "test_some_members_leave_and_some_stay"),
        (everybody, "test_some_members_leave_and_some_stay"),
        (a_stranger, "test_some_members_leave_and_some_stay"),
        (everybody, "test_few_members_stay"),
        (any_of_them, "test_it_is_repeatable"),
        (any_of_them, "test_a_resumed_search_ends_as_one_that_was_not_interrupted"),
    ],
)
def test_a_survival_rule_that_breaks_the_contract_is_found_out(rule, name):
    class Contract(SurvivalContract):
        def make_rule(self):
            return rule

    with pytest.raises(AssertionError):
        getattr(Contract(), name)()


FLAT = FlatSpace(nodes=4)
QUICK = Recipe(steps=2, batch_size=16, learning_rate=0.1, momentum=0.9, weight_decay=3e-4, drops=())


class TestFunction(EstimatorContract):
    def make_fitness(self):
        return gene_sum

    def genotypes(self):
        return [SPACE.sample(rng=random.Random(number)) for number in range(3)]


class TestDetailedFitness(TestFunction):
    def make_fitness(self):
        return SeedFitness()


class TestGuard(TestFunction):
    def make_fitness(self):
        return Guard(gene_sum, worst_values=(-1.0,))


class TestAccuracyFitness(EstimatorContract):
    weights = (1.0, -1.0)

    def make_fitness(self):
        options = {"recipe": QUICK, "repeats": 2, "n_images": 200, "device": "cpu"}
        return AccuracyFitness(FLAT, template=FLAT.default_template().with_channels(4),
                               objectives=("accuracy", "n_parameters"), **options)  # fmt: skip

    def genotypes(self):
        return [Genotype([number] * FLAT.n_genes) for number in (1, 2)]

    def not_viable(self):
        return Genotype([0] * FLAT.n_genes)


class Draws:
    """Draws from the global generator."""

    def __call__(self, individual):
        return (random.random(),)


class Counts:
    """Gives a better value with each evaluation, and says nothing of it."""

    n_calls = 0

    def __call__(self, individual):
        self.n_calls += 1
        return (float(self.n_calls),)


class Changes:
    """Changes what it is given."""

    def __call__(self, individual):
        individual[0] += 1
        return (0.0,)


class Proud:
    """Takes its worst value for a good one."""

    worst_values = (1e6,)

    def evaluate(self, genotype, *, seed):
        return Evaluation((1.0,))


class Open:
    """Holds what does not cross processes."""

    def __init__(self):
        self.held = lambda: None

    def __call__(self, individual):
        return (0.0,)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: lambda individual: (1.0, 2.0), "test_it_gives_a_finite_value_for_each_weight"),
        (lambda: lambda individual: (float("nan"),), "test_it_gives_a_finite_value_for_each_weight"),
        (lambda: raises_not_viable, "test_it_gives_a_finite_value_for_each_weight"),
        (lambda: lambda individual: 1.0, "test_it_evaluates_for_deap"),
        (Open, "test_it_crosses_processes"),
        (Draws, "test_the_seed_decides"),
        (Counts, "test_the_seed_decides"),
        (Draws, "test_it_leaves_the_genotype_and_the_global_generator_alone"),
        (Changes, "test_it_leaves_the_genotype_and_the_global_generator_alone"),
        (Proud, "test_its_worst_values_are_finite_and_bad"),
    ],
)
def test_a_fitness_that_breaks_the_contract_is_found_out(make, name):
    class Contract(TestFunction):
        def make_fitness(self):
            return make()

    with pytest.raises((AssertionError, AttributeError)):
        getattr(Contract(), name)()


def test_a_fitness_that_is_not_deterministic_may_say_so():
    class Contract(TestFunction):
        def make_fitness(self):
            fitness = Counts()
            fitness.deterministic = False
            return fitness

    Contract().test_the_seed_decides()
