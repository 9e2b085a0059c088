import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import Genotype, initTrivial
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.facts.fronts import front_rows, objective_names
from deap_nas.facts.run_columns import RunColumns, without_gaps
from deap_nas.store import HDF5Store, merge_runs
from tests.toolboxes import SPACE

TRIVIAL = initTrivial(Genotype, SPACE)


def create(path, *evaluations, weights=(1.0,), settings=None):
    with HDF5Store.create(path, space=SPACE, settings=settings or {}, seed=1, weights=weights) as store:
        for number, evaluation in enumerate(evaluations):
            store.submit([Job(number, TRIVIAL, 0)], (3, (0,) * 625, None))
            store.append(TRIVIAL, evaluation)
    return HDF5Store.read(path)


def at(number, start, end, **fields):
    return Evaluation((0.5,), id=number, started=1e9 + start, finished=1e9 + end, **fields)


def test_a_pause_of_a_run_does_not_count(tmp_path):
    with create(tmp_path / "run.h5", at(0, 0, 10), at(1, 5, 20), at(2, 5020, 5030), at(3, 5025, 5040)) as store:
        columns = RunColumns.of(store)
    assert columns.started.tolist() == [0, 5, 20, 25]
    assert columns.finished.tolist() == [10, 20, 30, 40]


def test_each_run_of_a_merged_file_has_a_clock_of_its_own(tmp_path):
    for number, start in enumerate((0, 7000)):
        create(tmp_path / f"{number}.h5", at(0, start, start + 10), at(1, start + 10, start + 30)).close()
    merge_runs(tmp_path / "both.h5", [tmp_path / "0.h5", tmp_path / "1.h5"], free=["seed"])
    with HDF5Store.read(tmp_path / "both.h5") as store:
        assert RunColumns.of(store).finished.tolist() == [10, 30, 10, 30]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 1000)), min_size=1, max_size=40))
def test_the_clock_keeps_durations_and_order_and_never_stands_where_something_runs(pairs):
    starts, lengths = (np.array(column, float) for column in zip(*pairs, strict=True))
    started, finished = without_gaps(starts, starts + lengths)
    assert started.min() == 0
    assert np.allclose(finished - started, lengths)
    assert (np.diff(started[np.argsort(starts, kind="stable")]) >= 0).all()
    spans = sorted(zip(started.tolist(), finished.tolist(), strict=True))
    reached = 0.0
    for start, end in spans:
        assert start <= reached + 1e-6, "no gap is left"
        reached = max(reached, end)


def test_who_has_no_success_has_no_fitness_and_what_is_unknown_no_number(tmp_path):
    failure = Evaluation((-1e100,), status=Status.FAILED, id=0)
    damaged = Evaluation((1e300,), id=1)
    good = Evaluation((0.5,), id=2, n_parameters=7, flops=0, compute=3.0)
    with create(tmp_path / "run.h5", failure, damaged, good) as store:
        columns = RunColumns.of(store)
    assert np.isnan(columns.fitness[:2]).all()
    assert columns.fitness[2] == 0.5
    assert np.isnan(columns.n_parameters[:2]).all()
    assert columns.n_parameters[2] == 7
    assert columns.flops[2] == 0
    assert columns.compute.tolist() == [0, 0, 3]


@pytest.mark.parametrize(("sign", "rows"), [(1.0, [1, 2, 4]), (-1.0, [1, 3])])
def test_records_are_the_rows_that_were_fitter_than_all_before_them(tmp_path, sign, rows):
    values = [math.nan, 0.5, 0.6, 0.1, 0.7, 0.7]
    evaluations = [
        Evaluation((0.0,), status=Status.LOST, id=n) if math.isnan(value) else Evaluation((value,), id=n)
        for n, value in enumerate(values)
    ]
    with create(tmp_path / "run.h5", *evaluations, weights=(sign,)) as store:
        assert RunColumns.of(store).records().tolist() == rows


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_the_front_holds_the_first_row_of_each_value_that_none_dominates(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("front") / "run.h5"
    evaluations = [Evaluation(tuple(map(float, value)), id=n) for n, value in enumerate(values)]
    with create(path, *evaluations, weights=(1.0, -1.0)) as store:
        rows = front_rows(RunColumns.of(store)).tolist()

    def dominates(one, other):
        return one[0] >= other[0] and one[1] <= other[1] and one != other

    best = [n for n, value in enumerate(values) if not any(dominates(other, value) for other in values)]
    assert sorted(rows) == [n for n in best if values.index(values[n]) == n]
    assert all(values[one][0] > values[other][0] for one, other in pairwise(rows)), "the first objective falls"


def test_one_objective_has_no_front_and_is_called_fitness(tmp_path):
    with create(tmp_path / "run.h5", Evaluation((0.5,), id=0)) as store:
        assert len(front_rows(RunColumns.of(store))) == 0
        assert objective_names(store) == ["fitness"]
