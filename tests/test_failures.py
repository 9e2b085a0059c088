"""A fitness that cannot be evaluated: what the program is told, and how the search ends and goes on."""

import logging
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from deap import tools

from deap_nas import Status, eaAsync
from deap_nas.errors import SettingsError
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, resume_population
from tests import toolboxes
from tests.launch import run
from tests.toolboxes import SPACE, MaxIndividual, gene_sum, make_toolbox


def undefined(genotype):
    return (undefined_name,)  # noqa: F821 - the fault


def raises_by_number(genotype):
    raise KeyError(sum(genotype))


def fails_for_odd(genotype):
    if sum(genotype) % 2:
        raise KeyError(sum(genotype))
    return gene_sum(genotype)


def gives_two(genotype):
    return 1.0, 2.0


def gives_nothing(genotype):
    return None


def gives_words(genotype):
    return "0.9"


def search(evaluate, *, n=6, n_evaluations=30, store=None, executor=None, population=None):
    """A run that goes on where its store has been used before; gives the population, also where it raises."""
    rng = random.Random(1)
    toolbox = make_toolbox(evaluate, rng=rng)
    store = MemoryStore(seed=3) if store is None else store
    population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(n)
    eaAsync(population, toolbox, executor or SerialExecutor(), n_evaluations=n_evaluations, store=store, rng=rng)
    return population


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("evaluate", "reason"),
    [
        (undefined, r"NameError: name 'undefined_name' is not defined \(test_failures.py, line \d+, in undefined\)"),
        (raises_by_number, r"KeyError: \d+ \(test_failures.py"),
        (toolboxes.gives_no_tuple, r"evaluate must return a sequence of numbers, .* \(0.9,\) for one; it returned 1.0"),
        (gives_nothing, "evaluate must return a sequence of numbers, .*; it returned None"),
        (gives_words, "evaluate must return a sequence of numbers, .*; it returned '0.9'"),
        (gives_two, r"expected 1 fitness values, one for each weight, found \(1.0, 2.0\)"),
    ],
)
def test_a_first_population_that_fails_for_one_reason_ends_the_search_with_it_and_all_is_recorded(evaluate, reason):
    store = MemoryStore(seed=3)
    with pytest.raises(SettingsError, match=f"all 6 evaluations have failed for the same reason, .*{reason}.*: mend"):
        search(evaluate, store=store)
    assert [record.evaluation.status for record in store] == [Status.FAILED] * 6
    assert store.n_submitted == 6


def test_with_several_workers_what_ended_is_recorded_before_the_search_ends():
    store = MemoryStore(seed=3)
    with ThreadPoolExecutor(3) as executor, pytest.raises(SettingsError, match="have failed for the same reason"):
        search(undefined, store=store, executor=executor)
    assert {record.evaluation.id for record in store} >= set(range(6))
    assert store.n_evaluated < 12


def test_one_evaluation_is_spoken_of_in_the_singular(tmp_path, caplog):
    with pytest.raises(SettingsError) as caught:
        search(undefined, n_evaluations=1)
    assert "the only evaluation has failed, NameError: name 'undefined_name' is not" in str(caught.value)
    assert "keeps this failure and goes on" in str(caught.value)

    def interrupts(genotype, calls=[]):  # noqa: B006 - counts the calls
        calls.append(genotype)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return gene_sum(genotype)

    path = tmp_path / "run.h5"
    with HDF5Store.create(path, space=SPACE, settings={}, seed=1) as store:
        with pytest.raises(KeyboardInterrupt):
            search(interrupts, store=store)
        with pytest.raises(SettingsError, match="holds a run of 1 evaluation, and nobody"):
            eaAsync(make_toolbox().population(2), make_toolbox(), SerialExecutor(), n_evaluations=5, store=store)
    assert f"stopped: {path} holds the 1 evaluation that has ended; start the program again" in caplog.text


def test_fewer_evaluations_than_members_that_all_fail_end_with_the_error_too():
    with pytest.raises(SettingsError, match="all 4 evaluations have failed"):
        search(undefined, n_evaluations=4)


def test_the_first_failure_of_each_kind_is_told_with_its_traceback_and_the_others_are_counted(caplog):
    def evaluate(genotype):
        if sum(genotype) % 3 == 1:
            raise ValueError(f"not {sum(genotype)}")
        return (float("nan"),) if sum(genotype) % 3 == 2 else gene_sum(genotype)

    store = MemoryStore(seed=3)
    search(evaluate, store=store, n_evaluations=60)
    n_failed = {status: sum(record.evaluation.status is status for record in store) for status in Status}
    assert n_failed[Status.OK] > 1
    assert n_failed[Status.FAILED] > 1
    assert n_failed[Status.DIVERGED] > 1
    *first, failed, diverged = sorted(warnings_in(caplog), key=lambda text: text[0].isdigit())
    assert len(first) == 2
    assert any("Traceback (most recent call last):" in text and "ValueError: not" in text for text in first)
    counts = {text.split()[0]: text for text in (failed, diverged)}
    assert "evaluations ended as FAILED like evaluation" in counts[str(n_failed[Status.FAILED])] or (
        n_failed[Status.FAILED] == n_failed[Status.DIVERGED]
    )
    assert str(n_failed[Status.DIVERGED]) in counts


def test_a_search_of_which_some_fail_goes_on_and_one_that_does_not_fail_says_nothing(caplog):
    assert len(search(fails_for_odd)) == 30
    assert warnings_in(caplog)
    caplog.clear()
    assert len(search(gene_sum)) == 30
    assert warnings_in(caplog) == []


def test_nobody_is_warned_of_genotypes_that_are_no_network(caplog):
    assert len(search(toolboxes.raises_not_viable)) == 30
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("evaluate", [toolboxes.gives_nan, toolboxes.raises_memory_error])
def test_what_trainings_may_end_in_does_not_end_the_search(evaluate, caplog):
    assert len(search(evaluate)) == 30
    assert len(warnings_in(caplog)) == 2


def test_a_run_that_is_resumed_with_the_same_fault_ends_after_one_more_evaluation():
    store = MemoryStore(seed=3)
    for n_evaluated in (6, 7, 8):
        with pytest.raises(SettingsError, match="a run that is resumed keeps these failures"):
            search(undefined, store=store)
        assert store.n_evaluated == n_evaluated


def test_a_run_whose_fault_has_been_mended_goes_on_from_its_file_to_its_end(tmp_path):
    path = tmp_path / "run.h5"
    with (
        HDF5Store.create(path, space=SPACE, settings={}, seed=3) as store,
        pytest.raises(SettingsError, match=f"start anew, with another file or without {path}"),
    ):
        search(undefined, store=store)
    with HDF5Store.resume(path) as store:
        population = search(gene_sum, store=store)
        assert store.n_evaluated == len(population) == 30
        assert [record.evaluation.status for record in store] == [Status.FAILED] * 6 + [Status.OK] * 24


def test_an_interrupted_first_population_is_waited_for_when_the_run_goes_on():
    calls = []

    def evaluate(genotype):
        calls.append(genotype)
        if len(calls) == 3:
            raise KeyboardInterrupt
        if len(calls) == 7:
            return gene_sum(genotype)
        return undefined(genotype)

    store = MemoryStore(seed=3)
    with pytest.raises(KeyboardInterrupt):
        search(evaluate, store=store)
    assert len(search(evaluate, store=store)) == 30  # the last of the first six succeeds


def test_a_logbook_whose_first_rows_have_no_statistics_prints():
    statistics = tools.Statistics(lambda individual: individual.fitness.values[0])
    statistics.register("max", max)
    calls = []

    def evaluate(genotype):
        calls.append(genotype)
        return (float("nan"),) if len(calls) < 10 else gene_sum(genotype)

    toolbox = make_toolbox(evaluate, rng=random.Random(1))
    several = tools.MultiStatistics(fitness=statistics)
    several.register("max", max)
    for stats in (statistics, several):
        calls.clear()
        _, logbook = eaAsync(toolbox.population(4), toolbox, SerialExecutor(), n_evaluations=20, stats=stats)
        assert "max" in str(logbook)


def test_a_plain_script_shows_the_warning_on_its_standard_error(tmp_path):
    path = tmp_path / "search.py"
    path.write_text("""
from deap_nas import eaAsync
from deap_nas.executors import SerialExecutor
from tests.toolboxes import MaxIndividual, make_toolbox

def evaluate(individual):
    return (undefined_name,)

eaAsync([MaxIndividual([1]), MaxIndividual([2])], make_toolbox(evaluate), SerialExecutor(), n_evaluations=20)
""")
    done = run(path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "evaluation 0 ended as FAILED; more that end like it are counted, not shown:\nTraceback"
    )
    assert "NameError: name 'undefined_name' is not defined\n2 evaluations ended as FAILED like" in done.stderr
    assert "all 2 evaluations have failed for the same reason, NameError" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("found", [0.5, None, [[0.5]], {"accuracy": 0.5}, partial(float)])
def test_whatever_is_no_sequence_of_numbers_is_shown(found):
    with pytest.raises(SettingsError, match="it returned "):
        search(lambda genotype: found)
