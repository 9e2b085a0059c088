"""Whatever ``toolbox.map`` is, the same seed gives the same run, and nobody is left without a fitness."""

import json
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from deap import algorithms, tools
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.executors import ProcessExecutor, SerialExecutor
from tests.launch import run
from tests.strategies import genes_of
from tests.toolboxes import MaxIndividual, crashes_hangs_or_works, double, gene_sum, make_toolbox, raises_error
from tests.with_deap import loops

SPAWN = get_context("spawn")
MAKERS = {
    "SerialExecutor": SerialExecutor,
    "ProcessExecutor": lambda: ProcessExecutor(2),
    "ThreadPoolExecutor": lambda: ThreadPoolExecutor(3),
    "ProcessPoolExecutor": lambda: ProcessPoolExecutor(2, mp_context=SPAWN),
    "multiprocessing.Pool": lambda: SPAWN.Pool(2),
}


@pytest.fixture(scope="module")
def expected():
    """What the loops give with Python's own map."""
    return json.loads(json.dumps(loops.everything(map)))


@pytest.fixture(scope="module", params=MAKERS)
def workers(request):
    if request.param == "ProcessExecutor":
        pytest.importorskip("pebble")
    with MAKERS[request.param]() as made:
        yield made


@pytest.fixture(scope="module", params=["SerialExecutor", "ProcessExecutor"])
def ours(request):
    if request.param == "ProcessExecutor":
        pytest.importorskip("pebble")
    with MAKERS[request.param]() as made:
        yield made


def test_the_same_seed_gives_the_same_runs_with_every_map(workers, expected):
    assert json.loads(json.dumps(loops.everything(workers.map))) == expected


def test_the_same_seed_gives_the_same_runs_on_mpi_ranks(expected):
    pytest.importorskip("mpi4py")
    done = run("-m", "tests.with_deap.programs", "everything", n_ranks=4)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [3, expected]


def test_the_expected_runs_are_no_trifle(expected):
    assert {len(found) for name, found in expected.items() if name != "nsga2"} == {3}
    assert len(expected["nsga2"]) == 20
    assert len({json.dumps(expected[name][0]) for name in ("simple", "plus", "comma", "generate_update")}) == 4


# As many results as items, or an exception


@given(st.lists(st.integers(), max_size=30))
def test_a_map_has_a_result_for_each_item_of_any_iterable(items):
    with SerialExecutor() as executor:
        assert list(executor.map(double, items)) == list(executor.map(double, iter(items))) == [2 * i for i in items]


@given(st.lists(st.integers(0, 9), max_size=5), st.lists(st.integers(0, 9), max_size=5))
def test_iterables_of_different_lengths_are_refused_before_anything_runs(first, second):
    calls = []
    with SerialExecutor() as executor:
        if len(first) == len(second):
            assert list(executor.map(pow, first, second)) == list(map(pow, first, second))
        else:
            with pytest.raises(ValueError, match=r"argument 2 is (shorter|longer) than argument 1"):
                executor.map(lambda *pair: calls.append(pair), first, second)
    assert not calls


@given(st.lists(genes_of(loops.SPACE), max_size=20))
def test_individuals_of_a_map_get_their_own_fitness(genes):
    population = [loops.SizeIndividual(values) for values in genes]
    with SerialExecutor() as executor:
        toolbox = loops.make_toolbox(map_function=executor.map)
        assert loops.evaluate_invalid(population, toolbox) == len(population)
    assert all(individual.fitness.values == loops.size_fitness(individual) for individual in population)


def test_a_fitness_that_raises_ends_deaps_loop_and_leaves_no_wrong_fitness(ours):
    toolbox = make_toolbox(raises_error)
    toolbox.register("map", ours.map)
    population = toolbox.population(6)
    with pytest.raises(ZeroDivisionError, match="a bug in the fitness"):
        algorithms.eaSimple(population, toolbox, 0.5, 0.5, 3, verbose=False)
    assert not any(individual.fitness.valid for individual in population)
    assert list(ours.map(double, range(4))) == [0, 2, 4, 6]


@pytest.mark.parametrize("victim", [0, 3, 7])
def test_a_process_killed_in_the_middle_of_a_map_raises_and_leaves_no_wrong_fitness(victim):
    pytest.importorskip("pebble")
    genes = [[1 if place == victim else 3, place % 7, 0, 0, 0, 0] for place in range(8)]
    population = [MaxIndividual(values) for values in genes]
    toolbox = make_toolbox(crashes_hangs_or_works)
    with ProcessExecutor(2) as executor:
        toolbox.register("map", executor.map)
        with pytest.raises(Exception, match="Abnormal termination"):
            algorithms.eaSimple(population, toolbox, 0.5, 0.5, 3, verbose=False)
        assert [individual.fitness.valid for individual in population] == [place < victim for place in range(8)]
        assert all(i.fitness.values == gene_sum(i) for i in population if i.fitness.valid)
        assert list(executor.map(double, range(4))) == [0, 2, 4, 6]


def test_an_evaluation_past_its_time_limit_raises_from_the_map():
    pytest.importorskip("pebble")
    population = [MaxIndividual([first, 0, 0, 0, 0, 0]) for first in (3, 2, 3)]
    toolbox = make_toolbox(crashes_hangs_or_works)
    with ProcessExecutor(1, timeout_seconds=2) as executor:
        toolbox.register("map", executor.map)
        with pytest.raises(TimeoutError):
            algorithms.eaSimple(population, toolbox, 0.5, 0.5, 3, verbose=False)
    assert [individual.fitness.valid for individual in population] == [True, False, False]


def test_a_rank_that_dies_in_the_middle_of_a_map_gives_no_short_results():
    pytest.importorskip("mpi4py")
    done = run("-m", "tests.with_deap.programs", "short", n_ranks=3)
    assert done.returncode != 0
    assert done.stdout == ""


def test_a_search_goes_on_after_the_evaluation_that_ended_it():
    """What is not evaluated yet is evaluated by the next loop, since its fitness is not valid."""
    pytest.importorskip("pebble")
    random.seed(1)
    population = [MaxIndividual([first, 0, 0, 0, 0, 0]) for first in (3, 1, 3, 4)]
    toolbox = make_toolbox(crashes_hangs_or_works)
    toolbox.register("mate", tools.cxTwoPoint)
    with ProcessExecutor(1) as executor:
        toolbox.register("map", executor.map)
        with pytest.raises(Exception, match="Abnormal termination"):
            algorithms.eaSimple(population, toolbox, 0.5, 0.5, 2, verbose=False)
        toolbox.register("evaluate", gene_sum)
        population, logbook = algorithms.eaSimple(population, toolbox, 0.5, 0.5, 2, verbose=False)
    assert logbook[0]["nevals"] == 3
    assert all(individual.fitness.values == gene_sum(individual) for individual in population)
