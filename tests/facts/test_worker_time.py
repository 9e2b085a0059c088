import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.evaluation import Status
from deap_nas.facts.run_columns import RunColumns
from deap_nas.facts.worker_time import worker_time
from tests.facts.test_run_columns import at, create


def test_the_share_of_each_interval_in_which_each_worker_evaluated(tmp_path):
    evaluations = [at(0, 0, 40, worker=1), at(1, 0, 10, worker=2), at(2, 30, 40, worker=2)]
    with create(tmp_path / "run.h5", *evaluations) as store:
        found = worker_time(RunColumns.of(store), n_intervals=4)
    assert found.edges.tolist() == [0, 10, 20, 30, 40]
    assert found.names == ("1", "2")
    assert np.allclose(found.busy, [[1, 1, 1, 1], [1, 0, 0, 1]])
    assert np.allclose(found.utilisation, [1, 0.5, 0.5, 1])


def test_workers_of_several_machines_are_told_apart_and_lost_ones_are_told(tmp_path):
    lost = at(2, 5, 8, worker=-1, status=Status.LOST)
    with create(tmp_path / "run.h5", at(0, 0, 9, worker=1, host="a"), at(1, 0, 9, worker=1, host="b"), lost) as store:
        found = worker_time(RunColumns.of(store))
    assert found.names == ("a 1", "b 1")
    assert found.lost.tolist() == [8]


def test_a_fitness_that_was_taken_from_another_is_nobodys_work(tmp_path):
    with create(tmp_path / "run.h5", at(0, 0, 10, worker=1), at(1, 10, 10, worker=0, reused=0)) as store:
        assert worker_time(RunColumns.of(store)).names == ("1",)


def test_a_run_without_evaluations_has_no_workers(tmp_path):
    with create(tmp_path / "run.h5") as store:
        found = worker_time(RunColumns.of(store))
    assert (found.names, found.n_workers, found.busy.shape[0]) == ((), 0, 0)
    assert not found.utilisation.any()


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 50)), min_size=1, max_size=12), st.integers(1, 30))
def test_shares_of_one_worker_add_up_to_the_time_of_its_evaluations(tmp_path_factory, gaps, n_intervals):
    evaluations, end = [], 0
    for number, (gap, length) in enumerate(gaps):
        evaluations.append(at(number, end + gap, end + gap + length, worker=3))
        end += gap + length
    with create(tmp_path_factory.mktemp("time") / "run.h5", *evaluations) as store:
        found = worker_time(RunColumns.of(store), n_intervals=n_intervals)
    assert np.isclose((found.busy * np.diff(found.edges)).sum(), sum(length for _, length in gaps))
    assert found.busy.min() >= 0
    assert found.busy.max() <= 1


def test_of_too_many_workers_those_who_evaluated_longest_are_shown_and_all_count(tmp_path):
    evaluations = [at(n, 0, 10 if n < 256 else 5, worker=n) for n in range(300)]
    with create(tmp_path / "run.h5", *evaluations) as store:
        found = worker_time(RunColumns.of(store), n_intervals=2)
    assert found.names == tuple(map(str, range(256)))
    assert found.n_workers == 300
    assert np.allclose(found.utilisation, [1, 256 / 300])
