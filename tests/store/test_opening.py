import random

import pytest

from deap_nas import eaAsync
from deap_nas.errors import DifferentRunError
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, open_run, resume_population
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox

RUN = {"space": SPACE, "settings": {"steps": 3, "device": "cpu"}, "seed": 5}


def search(path, n_evaluations):
    rng = random.Random(5)
    toolbox = make_toolbox(rng=rng)
    with open_run(path, **RUN) as store, SerialExecutor() as executor:
        population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(n=4)
        eaAsync(population, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng)
        return [(record.genes, record.evaluation.values) for record in store.records()]


def test_a_new_file_is_made_with_its_folder(tmp_path):
    path = tmp_path / "runs" / "run.h5"
    with open_run(path, **RUN, weights=(1.0, -1.0), n_repeats=2) as store:
        assert (store.n_submitted, store.seed, store.weights) == (0, 5, (1.0, -1.0))
        assert resume_population(store, MaxIndividual) == []
    with HDF5Store.read(path) as store:
        assert store.settings == RUN["settings"]
        assert store.space == SPACE


def test_a_run_in_two_starts_is_the_run_in_one(tmp_path):
    search(tmp_path / "twice.h5", 7)
    assert search(tmp_path / "twice.h5", 12) == search(tmp_path / "once.h5", 12)
    with HDF5Store.read(tmp_path / "twice.h5") as store:
        assert len(store.sessions) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 6}, "seed is 5 there, but 6 was asked for"),
        ({"weights": (-1.0,)}, r"weights is \[1.0\] there, but \[-1.0\] was asked for"),
        ({"settings": {"steps": 4, "device": "cpu"}}, "steps is 3 there, but 4"),
    ],
)
def test_a_file_of_another_run_is_refused_and_left_alone(tmp_path, change, message):
    path = tmp_path / "run.h5"
    open_run(path, **RUN).close()
    before = path.read_bytes()
    with pytest.raises(DifferentRunError, match=message):
        open_run(path, **(RUN | change))
    assert path.read_bytes() == before


def test_a_free_setting_may_change(tmp_path):
    path = tmp_path / "run.h5"
    open_run(path, **RUN).close()
    settings = {"steps": 3, "device": "cuda"}
    with open_run(path, **(RUN | {"settings": settings}), free=("device",)) as store:
        assert store.settings == settings
