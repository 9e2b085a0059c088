"""Children that a surrogate chooses, in all loops, and what it is told."""

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from deap import algorithms, base, tools
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import (
    CostLimit,
    DNASpace,
    Evaluation,
    FlatSpace,
    ForestSurrogate,
    Genotype,
    GPSurrogate,
    NetworkTemplate,
    Preselect,
    Status,
    canonical_key,
    eaAsync,
    initUniform,
    mutEdge,
    mutLargeScale,
    selTournamentFraction,
)
from deap_nas.errors import SettingsError
from deap_nas.executors import SerialExecutor
from deap_nas.store import MemoryStore, resume_population
from deap_nas.strategies.evidence import Evidence, normal_scores
from deap_nas.surrogates import Prediction
from tests.toolboxes import MaxIndividual

SPACE = FlatSpace(nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"), merge="add")
KEY = partial(canonical_key, SPACE)


def merit(genotype):
    """A fitness: the more 3x3 convolutions, the better."""
    return (sum(gene == 3 for gene in genotype),)


class Oracle:
    """A surrogate that knows the fitness, and remembers what it was told and asked."""

    def __init__(self, merit=merit):
        self.merit, self.fits, self.asked = merit, [], []

    def fit(self, genotypes, values):
        self.fits.append(([tuple(genotype) for genotype in genotypes], list(values)))

    def predict(self, genotypes):
        self.asked.append(list(genotypes))
        mean = np.array([self.merit(genotype)[0] / 6 for genotype in genotypes], dtype=float)
        return Prediction(mean, np.full(len(mean), 0.1))


def individual_of(genes, value=None, status=Status.OK):
    individual = MaxIndividual(genes)
    if value is not None:
        individual.fitness.values = (value,)
        individual.evaluation = Evaluation((value,), status)
    return individual


def make_toolbox(preselect=None, *, rng, evaluate=merit):
    toolbox = base.Toolbox()
    toolbox.register("individual", initUniform, MaxIndividual, SPACE, rng=rng)
    toolbox.register("mutate", mutEdge, space=SPACE, rng=rng)
    toolbox.register("select", selTournamentFraction, fraction=0.1, rng=rng)
    toolbox.register("evaluate", evaluate)
    if preselect is not None:
        toolbox.decorate("mutate", preselect)
    return toolbox


def search(surrogate, n_evaluations=40, *, seed=0, n_first=10, store=None, executor=None, **settings):
    """Gives all individuals, in the order in which their evaluations ended."""
    rng = random.Random(seed)
    preselect = Preselect(SPACE, surrogate, rng=rng, **{"n_children": 30, "n_first": n_first} | settings)
    toolbox, found = make_toolbox(preselect, rng=rng), []

    def observe(individual, n_running):
        preselect.observe(individual, n_running)
        found.append(individual)

    population = [] if store is None else resume_population(store, MaxIndividual, rng=rng)
    for individual in population:
        preselect.observe(individual)
    with executor or SerialExecutor() as workers:
        eaAsync(
            population or [toolbox.individual() for _ in range(n_first)], toolbox, workers, store=store, rng=rng,
            n_evaluations=n_evaluations, observer=observe,
        )  # fmt: skip
    return found


def ready(surrogate=None, n_known=10, **settings):
    """A preselection that has seen enough to choose."""
    preselect = Preselect(
        SPACE, surrogate or Oracle(), rng=random.Random(0), **{"n_children": 20, "n_first": 5} | settings
    )
    rng = random.Random(1)
    for _ in range(n_known):
        genes = SPACE.sample(rng=rng)
        preselect.observe(individual_of(genes, merit(genes)[0]), 0)
    return preselect


def mutate_by(preselect, seed=2):
    return partial(preselect(mutEdge), space=SPACE, rng=random.Random(seed))


def test_the_best_of_the_children_is_kept():
    surrogate = Oracle()
    preselect = ready(surrogate)
    parent = individual_of([1, 2, 1, 2, 1, 2], 0)
    (child,) = mutate_by(preselect)(parent)
    assert child is parent  # changed in place
    (asked,) = surrogate.asked
    assert len(asked) == len(set(map(KEY, asked))) == 20
    assert merit(child)[0] == max(merit(genotype)[0] for genotype in asked)


def test_children_are_near_the_parent_mostly_and_far_now_and_then():
    surrogate = Oracle()
    preselect = ready(surrogate, n_children=100)
    parent = [3, 2, 3, 2, 3, 2]
    mutate_by(preselect)(individual_of(parent, 3))
    distances = [
        sum(one != other for one, other in zip(parent, genotype, strict=True)) for genotype in surrogate.asked[0]
    ]
    assert {1, 2, 5} <= set(distances)
    assert np.median(distances) <= 4


def test_before_there_is_enough_to_learn_from_a_child_is_mutated_once():
    surrogate = Oracle()
    preselect = ready(surrogate, n_known=9, n_first=10)
    child = individual_of([3, 2, 3, 2, 3, 2], 3)
    mutate_by(preselect)(child)
    assert sum(one != other for one, other in zip(child, [3, 2, 3, 2, 3, 2], strict=True)) == 1
    assert not surrogate.fits


@pytest.mark.parametrize(
    ("surrogate", "margin"), [(Oracle(), 0.2), (GPSurrogate(SPACE), 0.2), (ForestSurrogate(SPACE), 0.0)]
)
def test_a_search_finds_the_best_network_soon(surrogate, margin):
    found = search(surrogate, 40, margin=margin)
    assert max(merit(individual)[0] for individual in found) == 6
    plain = search(Oracle(lambda genotype: (0.5,)), 40)  # which knows nothing
    assert sum(merit(each)[0] for each in found[10:]) > 1.3 * sum(merit(each)[0] for each in plain[10:])


def test_no_network_is_evaluated_twice_whatever_is_running():
    with ThreadPoolExecutor(4) as threads:
        found = search(Oracle(), 120, executor=threads, seed=3)
    children = [KEY(individual) for individual in found if individual.job.parent >= 0]
    assert len(children) > 100
    assert len({KEY(individual) for individual in found}) >= len(set(children))
    assert len(children) == len(set(children))


def test_a_network_may_be_proposed_again_where_that_is_wanted():
    best = [3] * 6
    again, never = (ready(repeats=repeats, n_children=60) for repeats in (True, False))
    for preselect in (again, never):
        preselect.observe(individual_of(best, 6), 0)
    children = {}
    for preselect in (again, never):
        mutate = mutate_by(preselect)
        children[preselect] = [mutate(individual_of([3, 3, 3, 3, 3, 2], 5))[0] for _ in range(3)]
    assert best in map(list, children[again])
    assert best not in map(list, children[never])


def test_where_all_is_known_a_known_network_is_proposed():
    tiny = FlatSpace(nodes=2, operations=("conv_1x1",))
    preselect = Preselect(tiny, Oracle(), n_first=2, rng=random.Random(0))
    for genes in ([0], [1]):
        preselect.observe(individual_of(genes, 0.5), 0)
    (child,) = preselect(mutEdge)(individual_of([1], 0.5), space=tiny, rng=random.Random(0))
    assert list(child) in ([0], [1])


def test_the_surrogate_learns_how_evaluations_rank():
    surrogate = Oracle()
    preselect = Preselect(SPACE, surrogate, n_first=2, rng=random.Random(0))
    values = {(1, 1, 1, 1, 1, 1): 0.1, (2, 1, 1, 1, 1, 1): 0.9, (3, 1, 1, 1, 1, 1): 0.901, (3, 3, 1, 1, 1, 1): 7.0}
    for genes, value in values.items():
        preselect.observe(individual_of(genes, value), 0)
    preselect.observe(individual_of([2] * 6, 100.0, Status.DIVERGED), 0)
    mutate_by(preselect)(individual_of([3] * 6, 1))
    ((genotypes, scores),) = surrogate.fits
    assert genotypes == [*values, (2,) * 6]
    assert scores[4] == 0  # what has failed is the lowest, whatever its fitness says
    assert scores[3] == 1
    assert sorted(scores) == [scores[4], *scores[:4]]


def test_what_is_running_counts_as_what_was_expected_of_it():
    surrogate = Oracle()
    mutate = mutate_by(ready(surrogate))
    first = tuple(mutate(individual_of([3, 2, 3, 2, 3, 2], 3))[0])
    mutate(individual_of([3, 2, 3, 2, 3, 2], 3))
    genotypes, scores = surrogate.fits[1]
    assert len(genotypes) == 11
    assert genotypes[10] == first
    assert scores[10] == pytest.approx(merit(first)[0] / 6)


def test_of_what_nothing_is_expected_nothing_is_learnt_while_it_is_running():
    surrogate = Oracle()
    preselect = ready(surrogate)
    preselect.observe(individual_of([3] * 6))  # a first member, of whom nobody has said anything
    (child,) = mutate_by(preselect)(individual_of([3, 3, 3, 3, 3, 2], 5))
    assert len(surrogate.fits[0][0]) == 10
    assert list(child) != [3] * 6


@pytest.mark.parametrize("margin", [0, 0.3])
def test_what_is_to_be_surpassed_is_the_best_and_a_margin(margin):
    told = []

    def acquisition(prediction, best, rng):
        told.append(best)
        return prediction.mean

    mutate_by(ready(acquisition=acquisition, margin=margin))(individual_of([3, 2, 3, 2, 3, 2], 3))
    assert told == [1 + margin]


def test_an_evaluation_that_ends_runs_no_more_and_lost_ones_are_forgotten():
    evidence = Evidence(KEY)
    for genes in ([1] * 6, [2] * 6, [3] * 6):
        evidence.begin(Genotype(genes), 0.5)
    evidence.end(individual_of([2] * 6, 1.0))
    assert (evidence.n_running, evidence.n_ended) == (2, 1)
    assert evidence.knows(KEY([1] * 6))
    evidence.forget_running(1)
    assert not evidence.knows(KEY([1] * 6))
    assert evidence.knows(KEY([3] * 6))
    assert evidence.has_ended(KEY([2] * 6))
    assert not evidence.has_ended(KEY([3] * 6))


def test_with_many_workers_proposals_are_quicker():
    surrogate = Oracle()
    preselect = ready(surrogate, n_children=50)
    mutate = mutate_by(preselect)
    n_fits = []
    for _ in range(64):
        mutate(individual_of([3, 2, 3, 2, 3, 2], 3))
        n_fits.append(len(surrogate.fits))
    assert n_fits[:8] == list(range(1, 9))  # anew each time
    assert n_fits[-1] - n_fits[-20] < 5
    n_children = [len(asked) for asked in surrogate.asked]
    assert n_children[:8] == [50] * 8
    assert n_children[-1] < 10
    for genes in surrogate.fits[-1][0][10:]:  # they end, all of them
        preselect.observe(individual_of(genes, merit(genes)[0]), 0)
    mutate(individual_of([3, 2, 3, 2, 3, 2], 3))
    assert len(surrogate.asked[-1]) == 50


def test_a_resumed_search_ends_as_one_that_was_not_interrupted():
    whole = search(GPSurrogate(SPACE), 30, store=MemoryStore(seed=0))
    store = MemoryStore(seed=0)
    part = search(GPSurrogate(SPACE), 18, store=store)
    rest = search(GPSurrogate(SPACE), 30, store=store)
    assert [*map(list, part), *map(list, rest)] == list(map(list, whole))


def test_an_individual_without_a_fitness_is_taken_as_running():
    preselect = ready()
    preselect.observe(individual_of([3] * 6))
    (child,) = mutate_by(preselect)(individual_of([3, 3, 3, 3, 3, 2], 5))
    assert list(child) != [3] * 6


def test_it_learns_from_the_algorithms_of_deap_as_their_hall_of_fame():
    rng = random.Random(0)
    surrogate = Oracle()
    preselect = Preselect(SPACE, surrogate, n_children=30, n_first=5, rng=rng)
    toolbox = make_toolbox(preselect, rng=rng)
    toolbox.register("mate", tools.cxUniform, indpb=0.5)
    random.seed(0)
    population = [toolbox.individual() for _ in range(12)]
    population, _ = algorithms.eaMuPlusLambda(
        population, toolbox, mu=12, lambda_=8, cxpb=0, mutpb=1, ngen=4, halloffame=preselect, verbose=False
    )
    assert max(merit(individual)[0] for individual in population) == 6
    learnt, _ = surrogate.fits[-1]
    assert len({KEY(genotype) for genotype in learnt}) == len(learnt)


def test_under_a_limit_all_children_are_permitted():
    template = NetworkTemplate.small_cifar()
    limit = CostLimit(SPACE, template, max_parameters=30_000)
    surrogate = Oracle()
    rng = random.Random(0)
    preselect = ready(surrogate)
    toolbox = make_toolbox(rng=rng)
    toolbox.decorate("mutate", limit, preselect)
    toolbox.mutate(individual_of([1, 0, 1, 0, 0, 1], 0))
    assert len(surrogate.asked[0]) > 3
    assert all(map(limit.permits, surrogate.asked[0]))


def test_individuals_that_are_no_lists_are_changed_in_place_too():
    space = DNASpace()
    rng = random.Random(0)
    preselect = Preselect(space, GPSurrogate(space), n_children=10, n_first=4, n_mutations=4, rng=rng)
    dnas = [space.sample(rng=rng) for _ in range(5)]

    class Individual(type(dnas[0])):
        """With a fitness."""

        fitness = None

    for number, dna in enumerate(dnas):
        individual = Individual(dna)
        individual.fitness = individual_of([0], float(number)).fitness
        preselect.observe(individual, 0)
    individual = Individual(dnas[0])
    (child,) = preselect(mutLargeScale)(individual, space=space, rng=rng)
    assert child is individual
    assert child.to_genotype() != dnas[0]
    space.validate(child)


def test_numbers_out_of_their_ranges_are_refused():
    for name, number in {"n_children": 0, "n_first": 1, "n_mutations": 0, "margin": -0.1}.items():
        with pytest.raises(SettingsError, match=name):
            Preselect(SPACE, Oracle(), **{name: number})
    with pytest.raises(SettingsError, match="found \\(1, 2\\)"):
        ready()(mutEdge)((1, 2), space=SPACE)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30))
def test_normal_scores_keep_the_order_and_lie_between_0_and_1(values):
    scores = normal_scores(values)
    assert ((scores >= 0) & (scores <= 1)).all()
    for one, value in zip(scores, values, strict=True):
        for other, another in zip(scores, values, strict=True):
            assert (one > other) == (value > another)
    if len(set(values)) > 1:
        assert (scores.min(), scores.max()) == (0, 1)


def test_normal_scores_spread_the_ends():
    gaps = np.diff(normal_scores(range(101)))
    assert gaps[0] == pytest.approx(gaps[-1])
    assert gaps[0] > 5 * gaps[50]
