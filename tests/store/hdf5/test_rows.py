import os

import h5py
import pytest

from deap_nas.evaluation import Status
from deap_nas.store import HDF5Store, find_problems, merge_runs, to_frame
from tests.store.hdf5.test_population_file import append, create


def test_a_text_that_no_utf8_can_hold_is_kept_with_escapes(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")  # as Python gives the name of a file in another encoding
    with create(tmp_path / "run.h5") as store:
        append(store, 0, status=Status.FAILED, error=f"cannot read {name}", host=name)
        (record,) = store
    assert record.evaluation.error == r"cannot read caf\udce9.png"
    assert record.evaluation.host == r"caf\udce9.png"


@pytest.fixture(params=["threads", "compute"])
def name(request):
    """Of a column that older files lack."""
    return request.param


@pytest.fixture
def old_file(tmp_path, name):
    """A file that was made before there was this column."""
    with create(tmp_path / "old.h5") as store:
        append(store, 0, **{name: 3})
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        del file["individuals"][name]
    return tmp_path / "old.h5"


def read(path, name):
    """The column, which the evaluations have as well."""
    with HDF5Store.read(path) as store:
        assert find_problems(store) == []
        assert [getattr(record.evaluation, name) for record in store] == store.column(name).tolist()
        return store.column(name).tolist()


def test_a_file_without_a_later_column_is_read_and_resumed_and_stays_without(old_file, name):
    with HDF5Store.resume(old_file) as store:
        append(store, 1, **{name: 2})
    assert read(old_file, name) == [0, 0]
    with h5py.File(old_file) as file:
        assert name not in file["individuals"]


def test_files_with_and_without_a_later_column_are_merged(old_file, name, tmp_path):
    with create(tmp_path / "new.h5") as store:
        append(store, 0, **{name: 2})
    merge_runs(tmp_path / "merged.h5", [old_file, tmp_path / "new.h5"])
    assert read(tmp_path / "merged.h5", name) == [0, 2]


def test_a_frame_has_the_later_columns_of_each_individual(old_file, name, tmp_path):
    pytest.importorskip("pandas")
    with create(tmp_path / "new.h5") as store:
        append(store, 0, **{name: 2})
        assert to_frame(store)[name].tolist() == [2]
    assert to_frame(old_file)[name].tolist() == [0]


def test_compute_is_a_number_that_may_be_larger_than_any_integer_of_64_bits(tmp_path):
    with create(tmp_path / "run.h5") as store:
        append(store, 0, compute=1.5e20)
        assert store.column("compute").dtype == "f8"
    assert read(tmp_path / "run.h5", "compute") == [1.5e20]
