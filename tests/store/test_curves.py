"""Curves of evaluations in a population file."""

import random

import h5py
import numpy as np
import pytest

from deap_nas.errors import SettingsError, StoreError
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.store import HDF5Store, find_problems, merge_runs, open_run, to_frame
from tests.store.hdf5.test_population_file import GENES, create
from tests.toolboxes import SPACE

CURVES = ((0.25, 0.5, 0.75), (0.125,), ())


def write(path, curves=CURVES, **changes):
    """A run of one individual for each curve."""
    with create(path, **{"n_repeats": 1, "n_rungs": 2} | changes) as store:
        for number, curve in enumerate(curves):
            store.submit([Job(number, GENES, 0)], random.Random(0).getstate())
            status = Status.OK if curve else Status.DIVERGED
            store.append(GENES, Evaluation((0.5,), status, curve[-1:], id=number, curve=curve))
    return path


def test_curves_come_back_as_they_were(tmp_path):
    with HDF5Store.resume(write(tmp_path / "run.h5")) as store:
        assert store.n_rungs == 2
        assert tuple(record.evaluation.curve for record in store) == CURVES
        assert find_problems(store) == []


def test_the_column_is_there_only_where_there_are_rungs(tmp_path):
    create(tmp_path / "run.h5").close()
    with h5py.File(write(tmp_path / "curves.h5")) as file, h5py.File(tmp_path / "run.h5") as plain:
        assert "curve" not in plain["individuals"]
        np.testing.assert_array_equal(file["individuals/curve"][1], [0.125, np.nan, np.nan])


def test_a_curve_for_which_there_is_no_room_is_refused(tmp_path):
    with pytest.raises(StoreError, match="room for 0 rungs, found 2: create it with n_rungs=2"):
        write(tmp_path / "run.h5", n_rungs=0)


def test_a_run_that_is_opened_has_the_rungs_that_were_asked_for(tmp_path):
    for _ in range(2):
        with open_run(tmp_path / "run.h5", space=SPACE, settings={}, seed=3, n_rungs=2) as store:
            assert store.n_rungs == 2


def test_a_frame_has_a_column_for_each_rung_and_the_end(tmp_path):
    pytest.importorskip("pandas")
    frame = to_frame(write(tmp_path / "run.h5"))
    np.testing.assert_array_equal(frame["curve0"], [0.25, 0.125, np.nan])
    np.testing.assert_array_equal(frame["curve2"], [0.75, np.nan, np.nan])


def test_runs_with_and_without_curves_are_merged(tmp_path):
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5", ((), ()), n_rungs=0)
    write(tmp_path / "c.h5", ((0.5, 0.25),), n_rungs=1)
    merge_runs(tmp_path / "merged.h5", [tmp_path / name for name in ("a.h5", "b.h5", "c.h5")])
    with HDF5Store.read(tmp_path / "merged.h5") as store:
        assert tuple(record.evaluation.curve for record in store) == (*CURVES, (), (), (0.5, 0.25))
        assert find_problems(store) == []


@pytest.mark.parametrize(
    ("curve", "problem"),
    [
        ((0.25, np.nan, 0.75), "a curve with gaps"),
        ((0.25, np.inf, np.nan), "an infinite one"),
        ((0.25, 0.5, 0.7), "does not end with the mean of their scores"),
    ],
)
def test_a_curve_that_cannot_be_is_found(tmp_path, curve, problem):
    with h5py.File(write(tmp_path / "run.h5"), "r+") as file:
        file["individuals/curve"][0] = curve
    with HDF5Store.read(tmp_path / "run.h5") as store:
        (found,) = find_problems(store)
    assert problem in found.text
    assert found.ids == (0,)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 2, 2)])
def test_a_column_of_another_form_is_refused(tmp_path, shape):
    with h5py.File(write(tmp_path / "run.h5"), "r+") as file:
        del file["individuals/curve"]
        file["individuals"].create_dataset("curve", data=np.zeros(shape))
    with pytest.raises(StoreError, match=r"is damaged: its .*curves"):
        HDF5Store.read(tmp_path / "run.h5")


def test_rungs_are_not_negative(tmp_path):
    with pytest.raises((SettingsError, ValueError)):
        create(tmp_path / "run.h5", n_rungs=-2)
