"""Progressive search by a surrogate, on spaces whose true order is known."""

import math
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from deap import base
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deap_nas import FlatSpace, MacroSpace, MicroSpace, eaAsyncGenerateUpdate
from deap_nas.errors import SettingsError
from deap_nas.executors import SerialExecutor
from deap_nas.store import MemoryStore, resume_population
from deap_nas.strategies import END, ProgressiveSearch, SeveralSearches, temperatures
from deap_nas.strategies.progressive import sampled
from deap_nas.surrogates import Prediction
from deap_nas.testing import StrategyContract
from tests.toolboxes import MaxIndividual

SPACE = MicroSpace(blocks=3, operations=("conv_3x3", "max_pool_3x3", "identity"))
#: Networks of one block: two inputs and three operations, twice.
N_FIRST = 36


def share_of_convolutions(genotype):
    """A fitness in [0, 1]."""
    operations = genotype[1::2]
    return (sum(gene == 0 for gene in operations) / len(operations),)


class Oracle:
    """A surrogate that knows the fitness, and what it was fitted with."""

    def __init__(self, sign=1):
        self.fits, self.sign = [], sign

    def fit(self, genotypes, values):
        self.fits.append((list(map(tuple, genotypes)), list(values)))

    def predict(self, genotypes):
        mean = np.array([share_of_convolutions(list(genotype))[0] for genotype in genotypes])
        return Prediction(mean if self.sign > 0 else 1 - mean, np.zeros(len(mean)))


def make_search(surrogate=None, *, space=SPACE, seed=0, **settings):
    options = {"k": 5, "iterations": 2, "last_temperature": 0.0, "first_temperature": 0.0, "rng": random.Random(seed)}
    return ProgressiveSearch(MaxIndividual, space, surrogate or Oracle(), **options | settings)


def register(strategy):
    toolbox = base.Toolbox()
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    toolbox.register("evaluate", share_of_convolutions)
    return toolbox


def run(strategy, *, executor=None, store=None, n_evaluations=10**6):
    store = MemoryStore(seed=1) if store is None else store
    population = resume_population(store, MaxIndividual)
    with executor or SerialExecutor() as workers:
        eaAsyncGenerateUpdate(
            register(strategy), workers, n_evaluations=n_evaluations, store=store, population=population
        )
    return store


class TestProgressiveSearch(StrategyContract):
    icls = MaxIndividual
    n_evaluations = 50

    def make_toolbox(self, rng):
        return register(make_search(first_temperature=10.0, last_temperature=1.0, rng=rng))


class TestSeveralSearches(StrategyContract):
    icls = MaxIndividual
    n_evaluations = 90

    def make_toolbox(self, rng):
        searches = [make_search(rng=rng, first_temperature=10.0, sequential=True, number=n) for n in range(2)]
        return register(SeveralSearches(searches))


def test_all_of_one_level_come_first_then_k_of_each_further_level_and_of_each_level_again():
    surrogate = Oracle()
    search = make_search(surrogate)
    store = run(search)
    assert store.n_evaluated == search.n_evaluations == N_FIRST + 5 * 5
    stages = [stage[:2] for _, stage in sorted(store.stages().items())]
    assert stages == [(1, 1)] * N_FIRST + [(2, 1)] * 5 + [(3, 1)] * 5 + [
        (level, 2) for level in (1, 2, 3) for _ in range(5)
    ]
    genes = [record.genes for record in store]
    assert len(set(genes[:N_FIRST])) == N_FIRST
    assert [len(each) for each in genes] == [4] * N_FIRST + [8] * 5 + [12] * 20
    assert [len(known) for known, _ in surrogate.fits] == [N_FIRST + 5 * step for step in range(5)]
    known, values = surrogate.fits[-1]
    assert known == genes[:-5]
    assert values == [share_of_convolutions(each)[0] for each in known]


def test_what_is_drawn_extends_or_varies_one_level_of_a_survivor():
    store = run(make_search(first_temperature=10.0, last_temperature=3.0))
    genes = {record.evaluation.id: record.genes for record in store}
    steps = {}
    for number, stage in store.stages().items():
        steps.setdefault((stage.iteration, stage.level), []).append(number)
    order = sorted(steps)
    for before, step in pairwise(order):
        level = SPACE.genes_of(step[1])
        for number in steps[step]:
            parent = next(record.evaluation.parent for record in store if record.evaluation.id == number)
            assert parent in steps[before]
            old, new = genes[parent], genes[number]
            assert new[: level.start] == old[: level.start]
            assert new[level.stop :] == old[level.stop :]
        assert len({genes[number] for number in steps[step]}) == len(steps[step])  # without replacement


def test_at_temperature_zero_the_best_by_the_surrogate_are_taken():
    store = run(make_search())
    last = [record.evaluation.values[0] for record in store][-5:]
    assert last == [1.0] * 5
    worst = run(make_search(Oracle(sign=-1)))
    assert [record.evaluation.values[0] for record in worst][-5:] == [0.0] * 5


def test_a_restart_grows_again_from_one_level_of_which_k_are_drawn():
    store = run(make_search(restart=True))
    lengths = [len(record.genes) for record in store]
    assert lengths == [4] * N_FIRST + [8] * 5 + [12] * 5 + [4] * 5 + [8] * 5 + [12] * 5


def test_predictions_stand_beside_what_they_predicted_and_their_tau_is_kept():
    search = make_search(first_temperature=10.0, last_temperature=5.0)
    store = run(search)
    stages = store.stages()
    assert all(math.isnan(stages[number].predicted) for number in range(N_FIRST))
    for record in list(store)[N_FIRST:]:
        assert stages[record.evaluation.id].predicted == record.evaluation.values[0]
    assert math.isnan(search.taus[0])
    known = [tau for tau in search.taus[1:] if not math.isnan(tau)]
    assert known == pytest.approx([1.0] * len(known))
    assert len(search.taus) == 6
    assert len(known) >= 3
    state, _ = store.strategy_state()
    assert state["taus"][0] is None
    assert state["taus"][1:] == [None if math.isnan(tau) else 1.0 for tau in search.taus[1:5]]


def test_one_at_a_time_waits_for_each_evaluation():
    search = make_search(sequential=True)
    first = search.generate()
    assert search.generate() is None
    first.individual.stage = first.stage
    first.individual.fitness.values = (0.5,)
    first.individual.evaluation = type("Done", (), {"status": 0, "id": 0})()
    search.update(first.individual)
    assert search.generate().stage.number == 1


def test_the_order_in_which_evaluations_end_does_not_matter():
    alone, together = run(make_search(first_temperature=10.0)), MemoryStore(seed=1)
    run(make_search(first_temperature=10.0), executor=ThreadPoolExecutor(4), store=together)
    found, wanted = ({record.evaluation.id: record.genes for record in store} for store in (together, alone))
    assert found == wanted


def test_a_failed_evaluation_counts_as_nothing_and_may_be_drawn_again():
    surrogate, search = Oracle(), None
    search = make_search(surrogate)
    toolbox = register(search)
    toolbox.register("evaluate", lambda genotype: (math.nan,) if genotype[0] else share_of_convolutions(genotype))
    store = MemoryStore(seed=1)
    with SerialExecutor() as executor:
        eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=1000, store=store)
    assert store.n_evaluated == search.n_evaluations
    known, values = surrogate.fits[0]
    assert {value for genes, value in zip(known, values, strict=True) if genes[0]} == {0.0}


def test_a_step_with_few_candidates_takes_all_of_them():
    space = MacroSpace(layers=2, operations=("conv_3x3",))
    store = run(make_search(space=space, k=50, iterations=1))
    assert [record.genes for record in store] == [(0,), (0, 0, 0), (0, 0, 1)]


def test_searches_side_by_side_are_those_that_each_would_have_been():
    alone = [run(make_search(seed=seed, first_temperature=10.0, sequential=True)) for seed in (1, 2)]
    searches = [make_search(seed=seed, number=seed - 1, first_temperature=10.0, sequential=True) for seed in (1, 2)]
    store = run(SeveralSearches(searches), executor=ThreadPoolExecutor(3))
    stages = store.stages()
    for number, each in enumerate(alone):
        own = [record for record in store if stages[record.evaluation.id].search == number]
        own.sort(key=lambda record: stages[record.evaluation.id].number)
        assert [record.genes for record in own] == [record.genes for record in each]
    assert searches[0].generate() is END


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=30), st.integers(1, 40), st.integers(0, 2**32))
def test_draws_are_without_replacement(scores, k, seed):
    for temperature in (0, 0.3, 1, 10, math.inf):
        found = sampled(np.array(scores), k, temperature=temperature, rng=np.random.default_rng(seed))
        assert len(found) == len(set(found.tolist())) == min(k, len(scores))
    greedy = sampled(np.array(scores), k, temperature=0, rng=np.random.default_rng(seed))
    assert [scores[place] for place in greedy] == sorted(scores, reverse=True)[:k]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0, math.inf])
def test_the_first_draw_is_in_proportion_to_the_score_to_the_power_of_one_over_the_temperature(temperature):
    scores, rng = np.array([0.2, 0.4, 0.6, 0.8]), np.random.default_rng(0)
    n_draws = 4000
    counts = np.bincount([sampled(scores, 1, temperature=temperature, rng=rng)[0] for _ in range(n_draws)], minlength=4)
    shares = scores ** (0 if math.isinf(temperature) else 1 / temperature)
    assert stats.chisquare(counts, n_draws * shares / shares.sum()).pvalue > 1e-4


def test_the_second_draw_is_in_proportion_among_those_that_are_left():
    scores, rng = np.array([0.1, 0.3, 0.6]), np.random.default_rng(1)
    pairs = [tuple(sampled(scores, 2, temperature=1.0, rng=rng)) for _ in range(4000)]
    wanted = {(a, b): scores[a] * scores[b] / (1 - scores[a]) for a in range(3) for b in range(3) if a != b}
    counts = [pairs.count(pair) for pair in wanted]
    assert stats.chisquare(counts, 4000 * np.array(list(wanted.values()))).pvalue > 1e-4


def test_a_score_of_zero_is_drawn_last():
    found = sampled(np.array([0.0, 0.5, 0.0, 0.1]), 4, temperature=2.0, rng=np.random.default_rng(0))
    assert set(found[:2].tolist()) == {1, 3}


def test_the_temperature_falls_as_half_a_bell():
    found = temperatures(36, first=10.0, last=1.0)
    assert found[0] == pytest.approx(9 * math.exp(-1 / 16) + 1)
    assert found[3] == pytest.approx(9 * math.exp(-1) + 1)
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(1.0)
    assert temperatures(2, first=math.inf) == [math.inf] * 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "k must be an integer of at least 1, found 0"),
        ({"iterations": 1.5}, "iterations must be an integer"),
        ({"first_temperature": -1}, "temperatures must be at least 0"),
        ({"last_temperature": math.nan}, "temperatures must be at least 0"),
        (
            {"space": FlatSpace(nodes=3)},
            "genotypes that grow, such as those of MicroSpace .* FlatSpace has no options",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        make_search(**settings)
    with pytest.raises(SettingsError, match="at least one, found none"):
        SeveralSearches([])
