import json
from functools import partial

import h5py
import numpy as np
import pytest

from deap_nas import canonical_key, eaAsync, killLoser, killOldest
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore
from deap_nas.store.conduct import conduct_of
from tests.store import search
from tests.store.hdf5.test_population_file import create
from tests.toolboxes import SPACE, gene_sum, make_toolbox


class Rule:
    def __call__(self, members):
        return []


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (None, "all stay"),
        (killOldest, "killOldest"),
        (partial(killOldest, size=20), "killOldest(size=20)"),
        (partial(partial(killLoser, size=20, seed=1), seed=2), "killLoser(size=20, seed=2)"),
        (lambda members: [], "<lambda>"),
        (Rule(), "Rule"),
    ],
)
def test_a_survival_rule_is_told_by_name(rule, name):
    told = conduct_of(n_evaluations=9, n_workers=2, survival=rule, reuse=None)["survival"]
    assert told.rpartition(".")[2] == name


def test_what_gives_the_keys_is_told_without_its_space():
    told = conduct_of(n_evaluations=9, n_workers=2, survival=None, reuse=partial(canonical_key, SPACE))
    rules = {"survival": "all stay", "reuse": "canonical_key", "deterministic": True}
    assert told == {"n_evaluations": 9, "n_workers": 2, **rules}


def test_a_name_of_any_length_fits_into_the_file(tmp_path):
    rules = dict.fromkeys(("survival", "reuse"), partial(killOldest, size="\U0001f600" * 5000))
    with create(tmp_path / "run.h5") as store:
        store.note_conduct(conduct_of(n_evaluations=10**9, n_workers=10**6, **rules))
        assert store.conduct["survival"].startswith("killOldest(size=")


def run(store, **options):
    toolbox = make_toolbox(gene_sum)
    with SerialExecutor() as executor:
        eaAsync(toolbox.population(3), toolbox, executor, n_evaluations=5, store=store, **options)


def test_the_loop_tells_a_file_how_it_searches_and_readers_see_it_meanwhile(tmp_path):
    seen = []

    def look(individual, n_running):
        with HDF5Store.read(tmp_path / "run.h5") as store:
            seen.append(store.conduct)

    with create(tmp_path / "run.h5") as store:
        run(store, survival=partial(killOldest, size=2), observer=look)
    rules = {"survival": "killOldest(size=2)", "reuse": "never", "deterministic": True}
    expected = {"n_evaluations": 5, "n_workers": 1, **rules}
    assert seen == [expected] * 5
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.conduct == expected


def test_a_store_that_keeps_nothing_of_it_serves_as_before():
    store = MemoryStore()
    run(store)
    assert store.n_evaluated == 5


def test_ranks_that_come_or_go_are_told(tmp_path):
    class Growing(SerialExecutor):
        n_workers = 3

    with create(tmp_path / "run.h5") as store, Growing() as executor:
        toolbox = make_toolbox(gene_sum)

        def die(individual, n_running):
            executor.n_workers = 2

        eaAsync(toolbox.population(3), toolbox, executor, n_evaluations=9, store=store, observer=die)
        assert store.conduct["n_workers"] == 2


def make_old(path):
    """A file as it was before."""
    with SerialExecutor() as executor:
        search.run(path, 12, executor)
    with h5py.File(path, "r+") as file:
        del file["conduct"]


def test_a_file_from_before_is_read_and_resumed_and_then_says_it(tmp_path):
    make_old(tmp_path / "run.h5")
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.conduct == {}
    with SerialExecutor() as executor:
        search.run(tmp_path / "run.h5", 15, executor)  # with the same settings but for the number
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.conduct["n_evaluations"] == 15
        assert store.settings == {"n_evaluations": 15}


@pytest.mark.parametrize(
    "content",
    [
        np.array([b"no JSON"], dtype="S2048"),
        np.array([b"[1]"], dtype="S2048"),
        np.array([b"[" * 2048], dtype="S2048"),
        np.array([json.dumps({"n_workers": "many", "survival": 5, "x": 1}).encode()], dtype="S2048"),
        np.array([b'{"deterministic": 1}'], dtype="S2048"),
        np.array([b"{}", b"{}"], dtype="S2048"),
        np.arange(5),
    ],
)
def test_what_is_no_such_text_counts_as_nothing_and_is_left_alone(tmp_path, content):
    make_old(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["conduct"] = content
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.conduct == {}
    HDF5Store.resume(tmp_path / "run.h5").close()
