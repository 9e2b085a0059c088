import logging
import math
import pickle
import random
from functools import partial

import numpy as np
import pytest
from deap import algorithms, base, tools
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import Evaluation, Genotype, Status, eaAsync
from deap_nas.errors import DatasetError, MissingExtraError, SettingsError, UnknownNameError
from deap_nas.evaluation import Guard, Job, JobFitness, derive_seed
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.evaluation.runner import Runner
from deap_nas.executors import SerialExecutor
from deap_nas.store import MemoryStore
from tests import toolboxes
from tests.toolboxes import MaxIndividual, PairIndividual, SeedFitness, gene_sum, gene_sum_and_zeros, make_toolbox

FAILING = [
    toolboxes.raises_error,
    toolboxes.raises_not_viable,
    toolboxes.raises_diverged,
    toolboxes.raises_memory_error,
    toolboxes.gives_nan,
    toolboxes.gives_inf,
    toolboxes.gives_no_tuple,
    gene_sum_and_zeros,
]


def raises(error):
    """A fitness that raises this error."""

    def evaluate(individual):
        raise error

    return evaluate


def scaled(offset, individual, *, factor):
    """A fitness with arguments of the toolbox's before and after the individual."""
    return (offset + factor * sum(individual),)


@pytest.mark.parametrize("evaluate", FAILING, ids=lambda evaluate: evaluate.__name__)
def test_a_failed_evaluation_gives_the_worst_values_and_a_warning(evaluate, caplog):
    assert Guard(evaluate, worst_values=(-7,))(MaxIndividual([1, 2])) == (-7.0,)
    ((logger, level, message),) = caplog.record_tuples
    assert (logger, level) == ("deap_nas.evaluation.guard", logging.WARNING)
    assert "[1, 2]" in message


def test_children_that_are_not_viable_are_counted_and_told_ever_less_often(caplog):
    guard = Guard(toolboxes.raises_not_viable, worst_values=(0.0,))
    for number in range(94):
        copy = pickle.loads(pickle.dumps(guard))  # as in a worker
        assert copy([number]) == (0.0,)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 7
    assert "NOT_VIABLE evaluation of [0]: no path (number 1 of this kind; the next one told is number 2)" in caplog.text
    assert (
        "NOT_VIABLE evaluation of [63]: no path (number 64 of this kind; the next one told is number 128)"
        in caplog.text
    )
    Guard(toolboxes.raises_not_viable, worst_values=(0.0,))([1])  # another guard begins anew
    assert len(caplog.records) == 8


def test_no_other_error_is_silent(caplog):
    guard = Guard(toolboxes.raises_error, worst_values=(0.0,))
    for _ in range(10):
        guard([1])
    assert caplog.text.count("ZeroDivisionError: a bug in the fitness") == 10


def test_the_warning_holds_the_traceback(caplog):
    Guard(toolboxes.raises_error, worst_values=(0.0,))([1])
    assert "ZeroDivisionError: a bug in the fitness" in caplog.text
    assert "Traceback (most recent call last)" in caplog.text


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, 2.0, 3.0), (1.0, math.nan), (-math.inf, 1.0), None, "ab"])
def test_values_that_are_no_fitness_of_two_objectives_become_the_worst(values):
    assert Guard(lambda individual: values, worst_values=(0.0, 99.0))([1]) == (0.0, 99.0)


@given(st.lists(st.floats(), max_size=3), st.lists(st.floats(-9, 9), min_size=1, max_size=3))
def test_what_a_guard_gives_is_always_a_fitness(values, worst_values):
    given_values = Guard(lambda individual: values, worst_values=worst_values)([1])
    is_fitness = len(values) == len(worst_values) and all(map(math.isfinite, values))
    assert given_values == tuple(values if is_fitness else worst_values)


def test_a_successful_evaluation_is_what_it_was_and_logs_nothing(caplog):
    individual = MaxIndividual([1, 2, 3])
    seen = []
    guard = Guard(
        lambda given_individual: (seen.append(given_individual), gene_sum(given_individual))[1], worst_values=(0,)
    )
    assert guard(individual) == gene_sum(individual)
    assert seen[0] is individual
    assert not caplog.records


def test_a_detailed_fitness_evaluates_as_it_does_without_the_guard():
    class Counting(SeedFitness):
        def __call__(self, individual):
            return (float(len(individual)),)

    assert Guard(Counting(), worst_values=(0.0,))([1, 2]) == Counting()([1, 2]) == (2.0,)


@pytest.mark.parametrize(
    "error",
    [DatasetError("none"), MissingExtraError("torch", "torch"), SettingsError("x"), UnknownNameError("a", 1, "")],
)
def test_wrong_settings_are_raised(error):
    guard = Guard(raises(error), worst_values=(0.0,))
    with pytest.raises(type(error)):
        guard([1])
    with pytest.raises(type(error)):
        guard.evaluate_job(Job(0, Genotype([1]), seed=0))


def test_an_interrupt_is_raised():
    with pytest.raises(KeyboardInterrupt):
        Guard(raises(KeyboardInterrupt()), worst_values=(0.0,))([1])


@pytest.mark.parametrize("worst", [(), 0.0, (math.nan,), (1.0, math.inf), (None,), "12", None, (1j,), ([0.0],)])
def test_worst_values_that_are_no_finite_numbers_are_refused(worst):
    with pytest.raises(SettingsError, match="worst_values must be finite numbers, one for each objective, found"):
        Guard(gene_sum, worst_values=worst)


@pytest.mark.parametrize("worst", [[1, 2], (np.float32(1), np.int64(2)), (1.0, 2.0)])
def test_worst_values_become_a_tuple_of_floats(worst):
    guard = Guard(gene_sum_and_zeros, worst_values=worst)
    assert guard.worst_values == (1.0, 2.0)
    assert {type(value) for value in guard.worst_values} == {float}


def test_a_guard_pickles_with_its_fitness():
    guard = pickle.loads(pickle.dumps(Guard(gene_sum, worst_values=(-1.0,))))
    assert guard([1, 2]) == (3.0,)
    assert guard(["a"]) == guard.worst_values == (-1.0,)


@pytest.mark.parametrize("decorated", [False, True])
def test_arguments_of_the_toolbox_reach_the_fitness(decorated):
    toolbox = base.Toolbox()
    if decorated:
        toolbox.register("evaluate", scaled, 100, factor=2)
        toolbox.decorate("evaluate", partial(Guard, worst_values=(0.0,)))
    else:
        toolbox.register("evaluate", Guard(scaled, worst_values=(0.0,)), 100, factor=2)
    assert toolbox.evaluate([1, 2]) == (106.0,)
    assert toolbox.evaluate([None]) == (0.0,)
    with SerialExecutor() as executor:
        toolbox.register("select", tools.selBest)
        toolbox.register("mutate", tools.mutShuffleIndexes, indpb=0.5)
        population, _ = eaAsync([MaxIndividual([1, 2])], toolbox, executor, n_evaluations=2)
    assert [member.fitness.values for member in population] == [(106.0,)] * 2


def test_deaps_loop_goes_on_where_evaluations_fail_and_never_sees_a_nan():
    random.seed(1)
    toolbox = make_toolbox(Guard(toolboxes.troubled, worst_values=(-1.0,)))
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("select", tools.selTournament, tournsize=3)
    hall = tools.HallOfFame(1)
    seen = set()
    stats = tools.Statistics(lambda individual: individual.fitness.values)
    stats.register("seen", seen.update)
    population, _ = algorithms.eaSimple(
        toolbox.population(20), toolbox, 0.5, 0.9, 15, halloffame=hall, stats=stats, verbose=False
    )
    assert all(individual.fitness.valid for individual in population)
    assert (-1.0,) in seen
    assert all(value == (-1.0,) or (value[0] >= 0 and value[0] % 6 == 0) for value in seen)  # sums that do not fail
    assert hall[0].fitness.values == (float(sum(hall[0])),) == max(seen)


def test_without_a_guard_a_nan_wins_deaps_tournaments_when_it_comes_last():
    number, nan = toolboxes.evaluated(MaxIndividual, 1.0, math.nan)
    assert max([number, nan], key=lambda individual: individual.fitness) is nan
    assert max([nan, number], key=lambda individual: individual.fitness) is number


# In eaAsync


def test_in_the_asynchronous_loop_a_guarded_fitness_keeps_its_statuses():
    rng = random.Random(2)
    toolbox = make_toolbox(Guard(toolboxes.troubled, worst_values=(-3.0,)), rng=rng)
    with SerialExecutor() as executor:
        population, _ = eaAsync(toolbox.population(8), toolbox, executor, n_evaluations=60, rng=rng)
    failed = [member for member in population if member.evaluation.status is not Status.OK]
    assert {member.evaluation.status for member in failed} == set(Status) - {Status.OK, Status.TIMED_OUT, Status.LOST}
    assert {member.fitness.values for member in failed} == {(-3.0,)}


def test_in_the_asynchronous_loop_a_detailed_fitness_keeps_its_seeds_and_details():
    guard = Guard(SeedFitness(), worst_values=(0.0,))
    assert isinstance(guard, JobFitness)
    toolbox = make_toolbox(guard)
    with SerialExecutor() as executor:
        population, _ = eaAsync(toolbox.population(2), toolbox, executor, n_evaluations=3, store=MemoryStore(seed=7))
    for number, member in enumerate(population):
        assert member.evaluation.scores == (float(derive_seed(7, number)),)
        assert (member.evaluation.n_parameters, member.evaluation.flops) == (12, 34)


def test_a_detailed_evaluation_with_a_wrong_number_of_values_is_a_failure():
    evaluation = Guard(SeedFitness(), worst_values=(0.0, 0.0)).evaluate_job(Job(0, Genotype([1]), seed=3))
    assert evaluation.status is Status.FAILED
    assert evaluation.values == ()
    assert evaluation.error == "expected 2 fitness values, found (3.0,)"
    assert evaluation.scores == (3.0,)


def test_a_detailed_failure_has_its_status_and_no_warning(caplog):
    evaluation = Guard(toolboxes.raises_not_viable, worst_values=(0.0,)).evaluate_job(
        Job(0, PairIndividual([1]), seed=3)
    )
    assert (evaluation.status, evaluation.error) == (Status.NOT_VIABLE, "no path")
    assert isinstance(evaluation, Evaluation)
    assert not caplog.records


class Training:
    isolated = True

    def __call__(self, genotype):
        return (1.0,)


def test_a_guarded_training_still_asks_for_a_child_process():
    assert AdaptedFitness(Runner(Guard(Training(), worst_values=(0.0,)))).isolated
    assert AdaptedFitness(partial(Training().__call__)).isolated
    assert not AdaptedFitness(Runner(Guard(len, worst_values=(0.0,)))).isolated
