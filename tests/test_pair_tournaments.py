"""The strategy of Real 2017: who dies and who has a child, first individuals, bursts, resets, the control."""

import random

import pytest
from deap import base, creator

from deap_nas import DNA, DNASpace, eaAsyncGenerateUpdate, initLinear, mutIdentity, mutLargeScale, mutResetWeights
from deap_nas.errors import SettingsError
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, find_problems, resume_population
from deap_nas.strategies import PairTournaments
from deap_nas.testing import StrategyContract
from tests.toolboxes import MaxIndividual, make_toolbox

SPACE = DNASpace()

creator.create("DeepFitness", base.Fitness, weights=(1.0,))
creator.create("Deep", DNA, fitness=creator.DeepFitness)


def depth(dna):
    return (len(dna.edges) + dna.learning_rate,)


def toolbox_of(rng, evaluate=depth, mutate=mutLargeScale, **settings):
    toolbox = base.Toolbox()
    toolbox.register("individual", initLinear, creator.Deep, SPACE)
    toolbox.register("mutate", mutate, space=SPACE, rng=rng)
    toolbox.register("reset", mutResetWeights, space=SPACE, rng=rng)
    toolbox.register("evaluate", evaluate)
    strategy = PairTournaments(toolbox, rng=rng, **settings)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    return toolbox


def search(n_evaluations, *, store=None, seed=1, executor=None, n_workers=None, **settings):
    rng, store = random.Random(seed), MemoryStore(seed=seed) if store is None else store
    toolbox = toolbox_of(rng, **settings)
    population = resume_population(store, creator.Deep, rng=rng)
    with executor or SerialExecutor() as workers:
        options = {"n_evaluations": n_evaluations, "store": store, "population": population, "n_workers": n_workers}
        left, _ = eaAsyncGenerateUpdate(toolbox, workers, rng=rng, **options)
    return left, store.records()


class TestPairTournaments(StrategyContract):
    icls = creator.Deep

    def make_toolbox(self, rng):
        return toolbox_of(rng, size=6)


class TestBurstsAndResets(StrategyContract):
    icls = creator.Deep

    def make_toolbox(self, rng):
        return toolbox_of(rng, size=5, bursts=[(10, 14, 5)], resets=[12, 25])


class TestWithoutSelection(StrategyContract):
    icls = creator.Deep

    def make_toolbox(self, rng):
        return toolbox_of(rng, size=6, selects=False)


class TestOnGenes(StrategyContract):
    """Any space will do."""

    icls = MaxIndividual

    def make_toolbox(self, rng):
        toolbox = make_toolbox(rng=rng)
        strategy = PairTournaments(toolbox, size=6, rng=rng)
        toolbox.register("generate", strategy.generate)
        toolbox.register("update", strategy.update)
        return toolbox


def test_the_first_population_is_of_first_individuals_and_then_the_size_stays():
    left, records = search(60, size=10)
    assert [record.evaluation.parent == -1 for record in records] == [True] * 10 + [False] * 50
    assert [record.genes for record in records[:10]] == [DNA()] * 10
    assert len(left) == 10
    assert len({individual.evaluation.id for individual in left}) == 10


def pairs_of(store, n_evaluations, *, n_workers=1, **settings):
    """Parents and removed of each proposal of a search."""
    rng, pairs = random.Random(2), []
    toolbox = toolbox_of(rng, **settings)
    generate = toolbox.generate

    def watched():
        proposal = generate()
        pairs.append((proposal.parents, proposal.removed))
        return proposal

    toolbox.register("generate", watched)
    strategy = generate.func.__self__
    for name in ("getstate", "setstate", "remove"):
        toolbox.register(name, getattr(strategy, name))
    with SerialExecutor() as workers:
        options = {"n_evaluations": n_evaluations, "store": store, "n_workers": n_workers}
        eaAsyncGenerateUpdate(toolbox, workers, rng=rng, **options)
    return pairs


@pytest.mark.parametrize("n_workers", [1, 3])
def test_one_pair_gives_the_dead_and_the_parent(n_workers):
    store = MemoryStore(seed=2)
    pairs = pairs_of(store, 60, n_workers=n_workers, size=8)
    assert pairs[:8] == [((), ())] * 8
    for (parent,), (dead,) in pairs[8:]:
        assert parent is not dead
        assert parent.fitness >= dead.fitness
        assert not store.records()[dead.evaluation.id].alive


def test_the_fitter_of_a_uniform_pair_lives_so_the_fittest_stays():
    left, records = search(200, size=10)
    best = max(records, key=lambda record: record.evaluation.values)
    assert best.alive
    assert min(individual.fitness.values for individual in left) > (5.0,)


def test_without_selection_chance_says_who_dies():
    pairs = pairs_of(MemoryStore(seed=2), 400, size=10, selects=False)[10:]
    unequal = [
        parent.fitness > dead.fitness for (parent,), (dead,) in pairs if parent.fitness.values != dead.fitness.values
    ]
    assert len(unequal) > 250
    assert 0.4 < sum(unequal) / len(unequal) < 0.6


def test_who_is_alone_has_a_child_and_stays():
    strategy = toolbox_of(random.Random(1), size=2).generate.func.__self__
    first, second = strategy.generate(), strategy.generate()
    first.individual.fitness.values = (1.0,)
    strategy.update(first.individual)
    third = strategy.generate()
    assert (second.parents, third.parents, third.removed) == ((), [first.individual], [])


def test_where_nobody_has_been_evaluated_a_first_individual_is_proposed():
    strategy = toolbox_of(random.Random(1), size=3).generate.func.__self__
    assert [strategy.generate().parents for _ in range(5)] == [()] * 5


def test_in_a_burst_each_child_has_several_mutations():
    only = {"insert-convolution": 1}

    def insert(individual, space, rng):
        return mutLargeScale(individual, space, weights=only, rng=rng)

    _, records = search(60, size=10, mutate=insert, bursts=[(20, 30, 5), (40, 50, 2)])
    edges = {record.evaluation.id: len(record.genes.edges) for record in records}
    grown = [edges[record.evaluation.id] - edges[record.evaluation.parent] for record in records[10:]]
    assert grown == [1] * 10 + [5] * 10 + [1] * 10 + [2] * 10 + [1] * 10


@pytest.mark.parametrize("n_workers", [1, 4])
def test_a_reset_replaces_all_members_by_clones_with_new_weights(n_workers):
    _, records = search(40, size=10, mutate=mutIdentity, resets=[20], n_workers=n_workers)
    by_id = {record.evaluation.id: record for record in records}
    assert {record.genes.head for number, record in by_id.items() if number < 20} == {0}
    renewed = [by_id[number] for number in range(20, 30)]
    assert len({record.genes.head for record in renewed} - {0}) == 10
    assert len({record.evaluation.parent for record in renewed}) == 10
    assert all(by_id[record.evaluation.parent].evaluation.id < 20 for record in renewed)
    assert not any(record.alive for number, record in by_id.items() if number < 20)
    assert all(record.genes.head for number, record in by_id.items() if number >= 30)


def test_settings_that_make_no_sense_are_refused():
    rng = random.Random(1)
    for size in (1, 2.0, 0):
        with pytest.raises(SettingsError, match="size must be an integer of at least 2"):
            toolbox_of(rng, size=size)
    for burst in ((1, 1, 5), (1, 2, 0), (1, 2), (0.5, 2, 5)):
        with pytest.raises(SettingsError, match="a burst is"):
            toolbox_of(rng, bursts=[burst])
    toolbox = base.Toolbox()
    with pytest.raises(SettingsError, match="the toolbox has no individual"):
        PairTournaments(toolbox)
    toolbox.register("individual", DNA)
    toolbox.register("mutate", mutLargeScale)
    with pytest.raises(SettingsError, match="the toolbox has no reset"):
        PairTournaments(toolbox, resets=[3])


def test_a_file_of_dna_holds_all_of_a_search_and_goes_on(tmp_path):
    whole = tmp_path / "whole.h5"
    with HDF5Store.create(whole, space=SPACE, settings={}, seed=3) as store:
        _, expected = search(60, store=store, size=8)
    cut = tmp_path / "cut.h5"
    for n_evaluations in (20, 41, 60):
        exists = cut.exists()
        with HDF5Store.resume(cut) if exists else HDF5Store.create(cut, space=SPACE, settings={}, seed=3) as store:
            _, found = search(n_evaluations, store=store, size=8)
    assert found == expected
    with HDF5Store.read(cut) as store:
        assert find_problems(store, everything=True) == []
        assert [record.genes for record in store] == [record.genes for record in expected]
        assert isinstance(next(iter(store)).genes, DNA)
