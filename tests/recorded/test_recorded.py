"""Searches give the rows that they gave when their files were recorded; files of that time are read and resumed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from deap_nas.store import HDF5Store, find_problems
from tests.recorded.searches import SEARCHES, search

FOLDER = Path(__file__).parent
#: What differs from run to run and from machine to machine.
_FREE = ("submitted", "started", "finished", "host", "worker", "threads")


def rows(path):
    """Everything else that a file holds."""
    with HDF5Store.read(path) as store:
        names = [name for name in store._individuals.names if name not in _FREE]
        columns = {name: store.column(name) for name in names}
        jobs = {name: store.column(name, table="submissions") for name in ("id", "parent", "genes")}
        return columns | {f"submitted {name}": column for name, column in jobs.items()}, store.errors()


def assert_same(found, recorded):
    columns, errors = recorded
    assert found[1].keys() == errors.keys()
    for name, column in columns.items():
        np.testing.assert_array_equal(found[0][name], column, err_msg=name)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_gives_the_rows_that_were_recorded(name, tmp_path):
    search(tmp_path / name, name)
    assert_same(rows(tmp_path / name), rows(FOLDER / name))


@pytest.mark.parametrize("name", SEARCHES)
def test_a_recorded_file_is_sound(name):
    with HDF5Store.read(FOLDER / name) as store:
        assert find_problems(store, everything=True) == []


@pytest.mark.parametrize("name", SEARCHES)
def test_a_recorded_search_goes_on_as_one_that_was_not_ended(name, tmp_path):
    shutil.copy(FOLDER / name, tmp_path / name)
    search(tmp_path / name, name, n_evaluations=90)
    search(tmp_path / f"whole-{name}", name, n_evaluations=90)
    assert_same(rows(tmp_path / name), rows(tmp_path / f"whole-{name}"))
