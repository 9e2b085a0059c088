import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import Evaluation, Genotype, Status
from deap_nas.evaluation import DetailedFitness, Job, derive_seed
from tests.toolboxes import SeedFitness, gene_sum

integers = st.integers(-(2**70), 2**70)


def test_status_numbers_are_those_of_the_population_file():
    assert {status.name: status.value for status in Status} == {
        "OK": 0,
        "NOT_VIABLE": 1,
        "FAILED": 2,
        "DIVERGED": 3,
        "OUT_OF_MEMORY": 4,
        "TIMED_OUT": 5,
        "LOST": 6,
    }


def test_an_evaluation_with_finite_values_is_checked_unchanged():
    evaluation = Evaluation((0.5, -1e300), scores=(float("nan"),))
    assert evaluation.checked() is evaluation


@pytest.mark.parametrize(
    "values", [(), (float("nan"),), (float("inf"),), (float("-inf"),), (0.5, float("nan")), (float("inf"), 0.5)]
)
def test_an_evaluation_without_finite_values_is_checked_as_diverged(values):
    evaluation = Evaluation(values, scores=(0.1, 0.2), n_parameters=12, flops=34, compute=5.0).checked()
    assert evaluation.status is Status.DIVERGED
    assert evaluation.values == ()
    assert (evaluation.scores, evaluation.n_parameters, evaluation.flops) == ((0.1, 0.2), 12, 34)
    assert evaluation.compute == 5.0
    assert "not finite" in evaluation.error


@pytest.mark.parametrize("end", [float("nan"), float("inf")])
def test_an_evaluation_whose_curve_is_not_finite_is_checked_as_diverged(end):
    assert Evaluation((0.5,), curve=(0.25, 0.5)).checked().status is Status.OK
    evaluation = Evaluation((0.5,), curve=(0.25, end)).checked()
    assert (evaluation.status, evaluation.values, evaluation.curve) == (Status.DIVERGED, (), ())
    assert str(end) in evaluation.error


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_a_failed_evaluation_is_checked_unchanged(status):
    evaluation = Evaluation(status=status, error="text")
    assert evaluation.checked() is evaluation


def test_evaluations_are_equal_whoever_made_them_and_whenever():
    first = Evaluation((1.0,), id=3, parent=1)
    assert replace(first, worker=4, host="a", threads=2, submitted=1.0, started=2.0, finished=3.0) == first
    assert replace(first, id=4) != first
    assert replace(first, values=(2.0,)) != first


def test_seconds_are_the_time_on_the_worker():
    assert Evaluation((1.0,), submitted=1.0, started=5.0, finished=7.5).seconds == 2.5


def test_jobs_and_evaluations_pickle_and_cannot_be_changed():
    job = Job(3, Genotype([1, 2]), 42, parent=1, submitted=2.0)
    evaluation = Evaluation((1.0,), Status.OK, scores=(1.0,), id=3, worker=4, host="a", finished=5.0, threads=2)
    for value in (job, evaluation):
        assert asdict(pickle.loads(pickle.dumps(value))) == asdict(value)
        assert copy.deepcopy(value) is value
    with pytest.raises(FrozenInstanceError):
        job.id = 4
    with pytest.raises(FrozenInstanceError):
        evaluation.values = (2.0,)


@given(st.lists(integers, max_size=4))
def test_a_seed_is_a_number_that_every_file_and_generator_takes(numbers):
    seed = derive_seed(*numbers)
    assert 0 <= seed < 2**63
    assert derive_seed(*numbers) == seed


def test_seeds_are_the_same_on_every_machine():
    assert derive_seed(0, 0) == 1350176041220068806
    assert derive_seed(7, 199) == 8984592476142102952


def test_the_order_and_the_number_of_integers_matter():
    seeds = {derive_seed(), derive_seed(1), derive_seed(1, 2), derive_seed(2, 1), derive_seed(12), derive_seed(1, 2, 0)}
    assert len(seeds) == 6


def test_seeds_of_neighbouring_evaluations_differ():
    assert len({derive_seed(run, number) for run in range(20) for number in range(500)}) == 10_000


def test_booleans_and_enumerations_count_as_their_integers():
    assert derive_seed(True, Status.FAILED) == derive_seed(1, 2)


def test_the_protocol_tells_a_detailed_fitness_from_a_function():
    assert isinstance(SeedFitness(), DetailedFitness)
    assert not isinstance(gene_sum, DetailedFitness)
