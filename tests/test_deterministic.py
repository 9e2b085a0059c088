"""What a search asks of a fitness that may not follow from genotype, seed and parent: reuse, and a run that goes on."""

import logging
import random
from functools import partial

import h5py
import pytest

from deap_nas import Genotype, canonical_key, eaAsync, eaAsyncGenerateUpdate
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Guard
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, open_run, resume_population
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox

N_FIRST = 4


class Clocked:
    """A fitness that depends on how often it was called; it interrupts the search at one of its calls."""

    def __init__(self, *, deterministic, at=10**9):
        self.deterministic = deterministic
        self.n_calls = 0
        self._at = at

    def __call__(self, genotype):
        if self.n_calls == self._at:
            raise KeyboardInterrupt
        self.n_calls += 1
        return (float(self.n_calls),)


def search(path, evaluate, *, n_evaluations=10, **settings):
    """Start a run or go on with it; gives its fitness values by id."""
    rng = random.Random(1)
    toolbox = make_toolbox(evaluate, rng=rng)
    with open_run(path, space=SPACE, settings={}, seed=1) as store, SerialExecutor() as executor:
        population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(N_FIRST)
        eaAsync(population, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng, **settings)
        return [record.evaluation.values[0] for record in sorted(store, key=lambda record: record.evaluation.id)]


def interrupted(path, *, deterministic):
    """A run of which two evaluations have ended and two are pending."""
    with pytest.raises(KeyboardInterrupt):
        search(path, Clocked(deterministic=deterministic, at=2))
    with HDF5Store.read(path) as store:
        assert (store.n_submitted, store.n_evaluated) == (N_FIRST, 2)


def warnings_of(caplog):
    """All but what says that a run was interrupted."""
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    return [text for text in found if not text.startswith("stopped: ")]


@pytest.mark.parametrize("word", [True, False])
def test_a_file_keeps_the_word_of_its_fitness(tmp_path, word):
    search(tmp_path / "run.h5", Clocked(deterministic=word))
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.conduct["deterministic"] is word


def test_a_run_that_is_not_deterministic_starts_silently_and_goes_on_with_one_warning(tmp_path, caplog):
    path = tmp_path / "run.h5"
    interrupted(path, deterministic=False)
    assert warnings_of(caplog) == []
    values = search(path, Clocked(deterministic=False))
    (warning,) = warnings_of(caplog)
    assert warning.startswith(f"{path} goes on, but need not end as a run that was not interrupted: its fitness is not")
    assert "\n" not in warning
    assert values == [1, 2, *range(1, 9)]  # what had begun was evaluated anew, and nothing was lost
    assert values != search(tmp_path / "whole.h5", Clocked(deterministic=False))


def test_a_run_that_is_deterministic_goes_on_without_a_word(tmp_path, caplog):
    interrupted(tmp_path / "run.h5", deterministic=True)
    search(tmp_path / "run.h5", Clocked(deterministic=True))
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("word", [True, False])
@pytest.mark.parametrize("wrap", [lambda fitness: fitness, partial, partial(Guard, worst_values=(0.0,))])
def test_a_fitness_of_another_word_than_the_runs_is_refused_and_the_file_stays_as_it_is(tmp_path, word, wrap):
    path = tmp_path / "run.h5"
    interrupted(path, deterministic=word)
    other = Clocked(deterministic=not word)
    message = rf"run in {path} {'does' if word else 'does not'} follow from .* \(its deterministic is {word}\)"
    with pytest.raises(SettingsError, match=message):
        search(path, wrap(other))
    assert other.n_calls == 0
    with HDF5Store.read(path) as store:
        assert (store.n_submitted, store.n_evaluated) == (N_FIRST, 2)
        assert store.conduct["deterministic"] is word
    assert len(search(path, Clocked(deterministic=word))) == 10


def test_a_file_from_before_takes_either_word_and_then_says_it(tmp_path, caplog):
    path = tmp_path / "run.h5"
    interrupted(path, deterministic=True)
    with h5py.File(path, "r+") as file:
        file["conduct"][0] = b'{"n_evaluations": 10, "n_workers": 1}'
    search(path, Clocked(deterministic=False))
    assert len(warnings_of(caplog)) == 1
    with HDF5Store.read(path) as store:
        assert store.conduct["deterministic"] is False


def test_a_strategy_that_goes_on_asks_the_same(tmp_path, caplog):
    def go_on(fitness, n_evaluations):
        rng = random.Random(2)
        toolbox = make_toolbox(fitness, rng=rng)
        toolbox.register("generate", toolbox.individual)
        toolbox.register("update", lambda individual: None)
        with open_run(tmp_path / "run.h5", space=SPACE, settings={}, seed=1) as store, SerialExecutor() as executor:
            population = resume_population(store, MaxIndividual, rng=rng)
            run = {"n_evaluations": n_evaluations, "store": store, "population": population, "rng": rng}
            eaAsyncGenerateUpdate(toolbox, executor, **run)

    go_on(Clocked(deterministic=False), 3)
    assert warnings_of(caplog) == []
    go_on(Clocked(deterministic=False), 6)
    assert len(warnings_of(caplog)) == 1
    with pytest.raises(SettingsError, match="its deterministic is False"):
        go_on(Clocked(deterministic=True), 9)


def test_reuse_of_what_is_not_deterministic_is_refused_before_anything_is_evaluated(tmp_path):
    fitness = Clocked(deterministic=False)
    with pytest.raises(SettingsError, match="reuse needs a fitness that follows from genotype, seed and parent"):
        search(tmp_path / "run.h5", fitness, reuse=partial(canonical_key, SPACE))
    assert fitness.n_calls == 0
    assert fitness(Genotype([1])) == (1.0,)
