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


@pytest.fixture
def old_file(tmp_path):
    """A file that was made before there was a column of threads."""
    with create(tmp_path / "old.h5") as store:
        append(store, 0, threads=3)
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        del file["individuals/threads"]
    return tmp_path / "old.h5"


def threads_in(path):
    with HDF5Store.read(path) as store:
        assert find_problems(store) == []
        assert [record.evaluation.threads for record in store] == store.column("threads").tolist()
        return store.column("threads").tolist()


def test_a_file_without_threads_is_read_and_resumed_and_stays_without(old_file):
    with HDF5Store.resume(old_file) as store:
        append(store, 1, threads=2)
    assert threads_in(old_file) == [0, 0]
    with h5py.File(old_file) as file:
        assert "threads" not in file["individuals"]


def test_files_with_and_without_threads_are_merged(old_file, tmp_path):
    with create(tmp_path / "new.h5") as store:
        append(store, 0, threads=2)
    merge_runs(tmp_path / "merged.h5", [old_file, tmp_path / "new.h5"])
    assert threads_in(tmp_path / "merged.h5") == [0, 2]


def test_a_frame_has_the_threads_of_each_individual(old_file, tmp_path):
    pytest.importorskip("pandas")
    with create(tmp_path / "new.h5") as store:
        append(store, 0, threads=2)
        assert to_frame(store)["threads"].tolist() == [2]
    assert to_frame(old_file)["threads"].tolist() == [0]
