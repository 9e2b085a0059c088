"""The strategy of Elsken 2017, on fitnesses that are known; and with trainings, through its example."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from deap import base, creator

from deap_nas import DNA, DNASpace, Evaluation, Status, eaAsyncGenerateUpdate, initConvolutions, mutGene, mutMorph
from deap_nas.errors import SettingsError
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, find_problems, resume_population
from deap_nas.strategies import END, HillClimbing
from deap_nas.testing import StrategyContract
from tests.launch import ROOT, run
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox

EXAMPLE = ROOT / "examples" / "hill_climbing.py"
TINY = ("--width=2", "--n-steps=2", "--n-neigh=3", "--n-nm=2", "--epochs=0.2", "--batch-size=32", "--device=cpu")
N_TINY = 7

creator.create("ClimbingFitness", base.Fitness, weights=(1.0,))
creator.create("Climber", DNA, fitness=creator.ClimbingFitness)


def depth(dna):
    return (len(dna.edges) + 0.1 * len(dna.skips),)


def registered(toolbox, **settings):
    strategy = HillClimbing(toolbox, **settings)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    return toolbox


def of_dna(rng, evaluate=depth, **settings):
    toolbox = base.Toolbox()
    toolbox.register("individual", initConvolutions, creator.Climber, DNASpace(), channels=(4, 8), rng=rng)
    toolbox.register("mutate", mutMorph, space=DNASpace(), rng=rng)
    toolbox.register("evaluate", evaluate)
    return registered(toolbox, **settings)


class TestHillClimbing(StrategyContract):
    icls = creator.Climber
    n_evaluations = 41

    def make_toolbox(self, rng):
        return of_dna(rng)


class TestOnGenes(StrategyContract):
    """Any space will do."""

    icls = MaxIndividual
    n_evaluations = 25

    def make_toolbox(self, rng):
        toolbox = make_toolbox(rng=rng)
        toolbox.register("mutate", mutGene, space=SPACE, rng=rng)
        return registered(toolbox, n_steps=6, n_neighbours=4, n_mutations=1)


def climbed(evaluate=depth, executor=None, **settings):
    store = MemoryStore(seed=3)
    rng = random.Random(3)
    toolbox = of_dna(rng, evaluate, **settings)
    with executor or SerialExecutor() as workers:
        left, _ = eaAsyncGenerateUpdate(toolbox, workers, n_evaluations=1000, store=store, rng=rng, retries=0)
    return left, store.records()


def test_the_settings_are_those_of_the_paper():
    assert HillClimbing(make_toolbox()).n_evaluations == 1 + 5 * 8


@pytest.mark.parametrize("n_workers", [1, 4])
def test_each_step_has_neighbours_of_the_fittest_of_the_one_before(n_workers):
    """The last of which is that one itself."""
    settings = {"n_steps": 4, "n_neighbours": 5, "n_mutations": 2}
    _, records = climbed(executor=ThreadPoolExecutor(n_workers), **settings)
    of_id = {record.evaluation.id: record for record in records}
    assert len(records) == 21
    steps = [[0], *([1 + 5 * step + place for place in range(5)] for step in range(4))]
    for before, step in pairwise(steps):
        best = max(before, key=lambda number: (of_id[number].evaluation.values, -number))
        assert {of_id[number].evaluation.parent for number in step} == {best}
        *mutated, itself = [of_id[number].genes for number in step]
        assert itself == of_id[best].genes
        assert all(len(genes.edges) + len(genes.skips) >= 2 for genes in mutated)
        assert all(genes != itself for genes in mutated)
    assert of_id[20].evaluation.values > of_id[0].evaluation.values


def test_who_was_not_taken_leaves_when_the_next_step_begins():
    left, records = climbed(n_steps=3, n_neighbours=4, n_mutations=1)
    last = records[-1].evaluation.parent
    assert sorted(member.evaluation.id for member in left) == [last, 9, 10, 11, 12]


def test_the_best_neighbour_is_taken_though_it_be_worse():
    """As what is trained on may be; the one before does not come back."""
    values = iter(range(100, 0, -1))
    _, records = climbed(lambda dna: (next(values),), n_steps=2, n_neighbours=3, n_mutations=1)
    assert [record.evaluation.parent for record in records] == [-1, 0, 0, 0, 1, 1, 1]


def test_where_all_neighbours_fail_the_one_before_stays():
    numbers = iter(range(100))

    def evaluate(dna):
        if 1 <= next(numbers) <= 3:
            raise ArithmeticError("on purpose")
        return depth(dna)

    left, records = climbed(evaluate, n_steps=2, n_neighbours=3, n_mutations=1)
    assert [record.evaluation.parent for record in records] == [-1, 0, 0, 0, 0, 0, 0]
    assert [record.evaluation.status for record in records[1:4]] == [Status.FAILED] * 3
    assert sorted(member.evaluation.id for member in left) == [0, 4, 5, 6]


def test_it_waits_for_a_step_and_then_ends():
    strategy = HillClimbing(make_toolbox(), n_steps=1, n_neighbours=2, n_mutations=1)
    first = strategy.generate().individual
    assert strategy.generate() is None
    first.fitness.values, first.evaluation = (1.0,), Evaluation((1.0,), id=0)
    strategy.update(first)
    assert [strategy.generate().parents for _ in range(2)] == [[first], [first]]
    assert strategy.generate() is END


def test_of_equally_fit_neighbours_the_first_proposed_is_taken_whichever_ended_first():
    strategy = HillClimbing(make_toolbox(), n_steps=2, n_neighbours=2, n_mutations=1)

    def end(individual, number):
        individual.fitness.values, individual.evaluation = (1.0,), Evaluation((1.0,), id=number)
        strategy.update(individual)

    end(strategy.generate().individual, 0)
    first, second = (strategy.generate().individual for _ in range(2))
    end(second, 2)
    end(first, 1)
    assert strategy.generate().parents == [first]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"n_steps": 0}, "n_steps"), ({"n_neighbours": 1}, "n_neighbours"), ({"n_mutations": 0.5}, "n_mutations")],
)
def test_settings_out_of_their_range_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        HillClimbing(make_toolbox(), **settings)


def test_a_toolbox_that_lacks_something_is_refused():
    toolbox = base.Toolbox()
    toolbox.register("individual", MaxIndividual)
    with pytest.raises(SettingsError, match="mutate"):
        HillClimbing(toolbox)


def climb(path, *arguments, how=TINY):
    done = run(EXAMPLE, *how, *arguments)
    assert done.returncode == 0, done.stderr
    with HDF5Store.read(path) as store:
        assert find_problems(store, everything=True) == []
        return store.records(), store.settings


def test_its_example_trains_on_from_what_the_parents_compute(tmp_path):
    """On digits: no neighbour of a trained network begins anew, so even the worst is soon as good."""
    path = tmp_path / "run.h5"
    how = ("--width=4", "--n-steps=2", "--n-neigh=3", "--n-nm=1", "--epochs=2", "--batch-size=32", "--device=cpu")
    records, settings = climb(path, "--output", path, how=how)
    assert settings["fitness"]["morphs_weights"] is True
    assert settings["fitness"]["recipe"]["annealing"]["last"] == 0
    assert len(records) == 7
    values = [record.evaluation.values[0] for record in records]
    assert max(values) > 0.9
    assert max(values[4:]) >= max(values[:4]) - 0.02
    left = {record.evaluation.id for record in records if record.alive}
    assert {int(file.stem) for file in (tmp_path / "run-weights").glob("*.safetensors")} == left | {
        values.index(max(values))
    }
    tested = run("-m", "deap_nas.cli", "test", path, "--device=cpu")
    assert tested.returncode == 0, tested.stderr


def test_its_example_climbs_chains_and_goes_on(tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    records, _ = climb(whole, "--space=chain", "--output", whole)
    assert len(records) == N_TINY
    assert len({len(record.genes) for record in records}) > 1
    climb(parts, "--space=chain", "--output", parts)
    again, _ = climb(parts, "--resume", parts, how=())
    assert [(record.genes, record.evaluation.values) for record in again] == [
        (record.genes, record.evaluation.values) for record in records
    ]


def test_an_interrupted_climb_ends_as_one_that_was_not(tmp_path):
    """Through the file of another process, by its state, with removals."""
    path = tmp_path / "run.h5"
    left, records = climbed(n_steps=3, n_neighbours=4, n_mutations=2)
    for n_evaluations in (3, 6, 1000):
        rng = random.Random(3)
        resuming = path.exists()
        store = HDF5Store.resume(path) if resuming else HDF5Store.create(path, space=DNASpace(), settings={}, seed=3)
        with store, SerialExecutor() as workers:
            toolbox = of_dna(rng, n_steps=3, n_neighbours=4, n_mutations=2)
            population = resume_population(store, creator.Climber, rng=rng)
            options = {"n_evaluations": n_evaluations, "store": store, "population": population, "retries": 0}
            ours, _ = eaAsyncGenerateUpdate(toolbox, workers, rng=rng, **options)
            found = store.records()
    assert [(record.genes, record.evaluation) for record in found] == [
        (record.genes, record.evaluation) for record in records
    ]
    assert [each.evaluation.id for each in ours] == [each.evaluation.id for each in left]
