import os
import random
from concurrent.futures import Executor

import pytest
from deap import algorithms, tools

from deap_nas import cxMotif
from deap_nas.errors import ExecutorError, SettingsError
from deap_nas.executors import GenotypeExecutor, ProcessExecutor, SerialExecutor
from tests.toolboxes import SPACE, MaxIndividual, double, gene_sum, kind_of, make_toolbox, raise_value_error


def test_it_is_a_standard_executor_with_one_worker():
    with SerialExecutor() as executor:
        assert isinstance(executor, GenotypeExecutor)
        assert isinstance(executor, Executor)
        assert executor.n_workers == 1


def test_processes_may_take_its_place():
    with SerialExecutor() as executor:
        with executor.with_processes(0) as workers:
            assert workers is executor
        with executor.with_processes(2) as workers:
            assert type(workers) is ProcessExecutor
            assert workers.n_workers == 2
            assert workers.submit(os.getpid).result() != os.getpid()
        assert executor.submit(double, 4).result() == 8
        with pytest.raises(SettingsError, match="n_workers must be at least 1, found -1"):
            executor.with_processes(-1)


def test_a_process_takes_its_place_where_a_call_may_be_ended():
    with SerialExecutor() as executor:
        with executor.with_processes(0, lease_seconds=10.0) as workers:
            assert workers is executor
        with executor.with_processes(0, timeout_seconds=60.0) as workers:
            assert type(workers) is ProcessExecutor
            assert workers.n_workers == 1


@pytest.mark.parametrize("name", ["timeout_seconds", "memory_bytes", "lease_seconds"])
def test_limits_are_positive(name):
    with SerialExecutor() as executor, pytest.raises(SettingsError, match=f"{name} must be positive, found 0"):
        executor.with_processes(0, **{name: 0})


def test_processes_may_not_take_the_place_of_other_workers():
    class Elsewhere(SerialExecutor):
        _processes = GenotypeExecutor._processes

    with Elsewhere() as executor:
        with executor.with_processes(0) as workers:
            assert workers is executor
        with pytest.raises(SettingsError, match="n_workers is for runs without mpirun"):
            executor.with_processes(2)


def test_a_call_is_done_when_submit_returns():
    with SerialExecutor() as executor:
        future = executor.submit(double, number=4)
        assert future.done()
        assert future.result() == 8


def test_an_exception_arrives_with_the_future():
    with SerialExecutor() as executor:
        future = executor.submit(raise_value_error, "wrong")
        with pytest.raises(ValueError, match="wrong"):
            future.result()


def test_an_interrupt_is_let_through():
    def interrupt():
        raise KeyboardInterrupt

    with SerialExecutor() as executor, pytest.raises(KeyboardInterrupt):
        executor.submit(interrupt)


def test_a_call_after_the_block_is_refused():
    with SerialExecutor() as executor:
        pass
    with pytest.raises(ExecutorError, match="submit inside its 'with' block"):
        executor.submit(double, 1)


def test_map_keeps_order_and_length():
    with SerialExecutor() as executor:
        assert list(executor.map(double, range(20))) == list(range(0, 40, 2))
        assert list(executor.map(pow, [2, 3], [4, 5])) == [16, 243]
        assert list(executor.map(double, [])) == []


def test_map_sends_individuals_as_plain_genotypes_and_other_things_as_they_are():
    with SerialExecutor() as executor:
        assert list(executor.map(kind_of, [MaxIndividual([1]), [1], 3])) == ["Genotype", "list", "int"]


def test_deaps_synchronous_algorithms_run_on_its_map():
    rng = random.Random(1)
    toolbox = make_toolbox(gene_sum, rng=rng)
    toolbox.register("mate", cxMotif, space=SPACE, rng=rng)
    random.seed(1)
    for run in (
        lambda population: algorithms.eaSimple(population, toolbox, 0.5, 0.5, 3, verbose=False),
        lambda population: algorithms.eaMuPlusLambda(population, toolbox, 6, 6, 0.5, 0.5, 3, verbose=False),
        lambda population: algorithms.eaMuCommaLambda(population, toolbox, 6, 6, 0.5, 0.5, 3, verbose=False),
    ):
        with SerialExecutor() as executor:
            toolbox.register("map", executor.map)
            population, logbook = run(toolbox.population(6))
        assert len(logbook) == 4
        assert all(individual.fitness.values == gene_sum(individual) for individual in population)
        assert tools.selBest(population, 1)[0].fitness.valid
