import pickle
import random

import pytest

from deap_nas import FlatSpace
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Job
from deap_nas.genotype import Genotype
from deap_nas.store import HDF5Store, MemoryStore, Store
from deap_nas.training import ParentWeights, remove_dead_weights
from deap_nas.training.weights.inheritance import check_weights, weights_file

SPACE = FlatSpace(nodes=3)


def create(path, **options):
    return HDF5Store.create(path, space=SPACE, settings={}, seed=3, **options)


def submit(store):
    store.submit([Job(store.n_submitted, Genotype([1, 1, 1]), 0)], random.Random(0).getstate())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_a_folder_of_another_run_is_refused_also_while_it_is_empty(tmp_path, folder):
    with create(tmp_path / "a.h5") as first, create(tmp_path / "b.h5") as second:
        check_weights(first, folder)
        submit(second)
        for refuse in (check_weights, remove_dead_weights):
            with pytest.raises(
                SettingsError, match=r"weights belongs to the run in .*a\.h5: give each run a weights_dir"
            ):
                refuse(second, folder)
        weights_file(folder, 0).touch()
        with pytest.raises(SettingsError, match="belongs to the run in"):
            remove_dead_weights(second, folder)
    assert weights_file(folder, 0).exists()


def test_a_run_knows_its_folder_again_when_it_is_resumed_and_when_its_file_was_moved(tmp_path, folder):
    with create(tmp_path / "a.h5") as store:
        check_weights(store, folder)
        submit(store)
    weights_file(folder, 0).touch()
    with HDF5Store.resume(tmp_path / "a.h5") as store:
        check_weights(store, folder)
    (tmp_path / "a.h5").rename(tmp_path / "moved.h5")
    with HDF5Store.resume(tmp_path / "moved.h5") as store:
        check_weights(store, folder)
        remove_dead_weights(store, folder)
    with create(tmp_path / "b.h5") as other, pytest.raises(SettingsError, match=r"the run in .*moved\.h5"):
        check_weights(other, folder)


def test_a_run_that_replaces_the_file_of_another_may_empty_its_folder_and_has_it_then(tmp_path, folder):
    with create(tmp_path / "a.h5") as store:
        check_weights(store, folder)
    weights_file(folder, 0).touch()
    with create(tmp_path / "a.h5", overwrite=True) as store:
        submit(store)
        with pytest.raises(SettingsError, match=r"0\.safetensors is of no evaluation of this run"):
            check_weights(store, folder)
    with create(tmp_path / "a.h5", overwrite=True) as store:
        remove_dead_weights(store, folder)
        assert list(folder.iterdir()) == []
        check_weights(store, folder)


def test_a_folder_of_a_store_that_tells_no_run_and_one_from_before_are_taken(folder):
    class Nameless(MemoryStore):
        run_id = Store.run_id

    check_weights(Nameless(), folder)
    assert list(folder.iterdir()) == []
    (folder / ".run.json").write_text("no JSON")
    check_weights(MemoryStore(), folder)


def test_a_folder_is_the_same_to_a_worker_that_works_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = pickle.dumps(ParentWeights("weights"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(weights).folder == tmp_path / "weights"


def test_what_a_killed_worker_has_left_is_removed_unless_its_evaluation_may_be_at_work(tmp_path, folder):
    names = [f".{number}.safetensors.host-{number}.partial" for number in (0, 1)]
    for name in names:
        (folder / name).touch()
    with create(tmp_path / "a.h5") as store:
        submit(store)
        remove_dead_weights(store, folder)
    assert [path.name for path in folder.iterdir()] == names[:1]


def test_what_a_killed_worker_has_left_is_removed_when_the_run_goes_on(tmp_path, folder):
    (folder / ".0.safetensors.host-0.partial").touch()
    with create(tmp_path / "a.h5") as store:
        submit(store)
        ParentWeights(folder).check_store(store)
    assert [path.name for path in folder.iterdir()] == [".run.json"]
