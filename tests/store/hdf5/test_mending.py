import random

import h5py

from deap_nas.evaluation import Job
from deap_nas.store import HDF5Store
from tests.store.hdf5.test_population_file import GENES, append, create


def test_whom_a_submission_removes_is_dead_though_a_kill_came_between(tmp_path):
    path = tmp_path / "run.h5"
    with create(path) as store:
        for number in range(3):
            append(store, number)
        store.submit([Job(3, GENES, 0)], random.Random(0).getstate(), removed=[1])
    with h5py.File(path, "r+") as file:
        file["individuals/alive"][1] = True  # the kill came after the submission, and before its dead were marked
    with HDF5Store.resume(path) as store:
        assert [record.alive for record in store] == [True, False, True]


def test_a_removal_whose_submission_was_cut_off_does_not_count(tmp_path):
    path = tmp_path / "run.h5"
    with create(path) as store:
        for number in range(3):
            append(store, number)
    with h5py.File(path, "r+") as file:
        for name, number in (("removed", 1), ("id", 3)):
            file[f"removals/{name}"].resize(1, axis=0)
            file[f"removals/{name}"][0] = number  # of submission 3, which is not there
    with HDF5Store.resume(path) as store:
        assert [record.alive for record in store] == [True, True, True]
