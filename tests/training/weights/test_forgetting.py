"""Weights that nobody needs any more are removed while a search goes on, and no others."""

import logging
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from deap_nas import NetworkTemplate, eaAsync, eaAsyncGenerateUpdate, killLoser
from deap_nas.assembly import weights
from deap_nas.errors import SettingsError, StorageError
from deap_nas.evaluation import Job, Status
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, resume_population
from deap_nas.strategies import Proposal
from deap_nas.training import SEARCH, AccuracyFitness, FreshWeights, ParentWeights, WeightSource
from deap_nas.training.weights.inheritance import weights_file
from tests.launch import ROOT, command, environment
from tests.test_generate_update import Pairs
from tests.test_generate_update import make_toolbox as make_strategy_toolbox
from tests.test_needs import needed
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox

SIZE = 4
N_EVALUATIONS = 24


def make_fitness(folder, kind=AccuracyFitness, **changes):
    recipe = replace(SEARCH, steps=3, batch_size=32)
    options = {"template": NetworkTemplate.small_cifar(channels=2), "recipe": recipe, "repeats": 1, "device": "cpu"}
    return kind(SPACE, **(options | {"n_images": 200, "weights_dir": folder} | changes))


def files(folder):
    return {int(path.stem) for path in Path(folder).glob("*.safetensors")}


class Watch:
    """An observer that compares the folder with the store after each evaluation."""

    def __init__(self, store, folder, *, n_workers=1):
        self.store, self.folder, self.n_workers = store, folder, n_workers
        self.most = 0

    def __call__(self, individual, n_running):
        pending = {job.id for job in self.store.pending()}
        trained = {record.evaluation.id for record in self.store if record.evaluation.status is Status.OK}
        found = files(self.folder) - pending
        assert found == needed(self.store) & trained
        self.most = max(self.most, len(found))
        assert len(found) <= SIZE + 1 + self.n_workers


def evolve(store, fitness, *, executor=None, observer=None, n_evaluations=N_EVALUATIONS):
    rng = random.Random(1)
    toolbox = make_toolbox(fitness, rng=rng, space=SPACE)
    population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(SIZE)
    survival = partial(killLoser, size=SIZE, seed=3)
    with executor or SerialExecutor() as workers:
        eaAsync(
            population, toolbox, workers, n_evaluations=n_evaluations, store=store, survival=survival, rng=rng,
            observer=observer,
        )  # fmt: skip
    return store.records()


class Hoard(ParentWeights):
    """Removes nothing."""

    forget = WeightSource.forget


@pytest.mark.parametrize("n_workers", [1, 2])
def test_under_a_survival_rule_the_folder_holds_the_members_the_best_and_parents_of_what_goes_on(tmp_path, n_workers):
    store = MemoryStore(seed=3)
    executor = SerialExecutor() if n_workers == 1 else ProcessExecutor(n_workers)
    watch = Watch(store, tmp_path / "few", n_workers=n_workers)
    records = evolve(store, make_fitness(tmp_path / "few"), executor=executor, observer=watch)
    assert watch.most >= SIZE
    if n_workers == 1:
        fitness = make_fitness(None, weights=Hoard(tmp_path / "all"))
        assert fitness.forget is None
        assert evolve(MemoryStore(seed=3), fitness) == records
        assert len(files(tmp_path / "all")) == sum(row.evaluation.status is Status.OK for row in records) > SIZE + 1


def strategy_search(store, fitness, executor, observer=None, n_evaluations=N_EVALUATIONS):
    strategy = Pairs(random.Random(4), size=SIZE)
    toolbox = make_strategy_toolbox(strategy, fitness)
    population = resume_population(store, MaxIndividual, rng=strategy.rng)
    options = {"store": store, "population": population, "rng": strategy.rng, "observer": observer}
    with executor as workers:
        eaAsyncGenerateUpdate(toolbox, workers, n_evaluations=n_evaluations, **options)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_under_a_strategy_that_removes_members_it_is_the_same(tmp_path, n_workers):
    store = MemoryStore(seed=3)
    executor = SerialExecutor() if n_workers == 1 else ProcessExecutor(n_workers)
    watch = Watch(store, tmp_path, n_workers=n_workers)
    strategy_search(store, make_fitness(tmp_path), executor, observer=watch)
    assert watch.most >= SIZE


def main(path, n_evaluations, executor=None):
    """Search, or go on, with two processes where nobody else is named, and tell each evaluation."""
    folder = Path(path).with_name("run-weights")
    fitness = make_fitness(folder)
    exists = Path(path).exists()
    store = HDF5Store.resume(path) if exists else HDF5Store.create(path, space=SPACE, settings={}, seed=2)
    with store:

        def observer(individual, n_running):
            print(individual.evaluation.id, flush=True)

        evolve(
            store, fitness, executor=executor or ProcessExecutor(2), observer=observer, n_evaluations=int(n_evaluations)
        )


def test_a_kill_of_the_program_leaves_what_the_run_removes_when_it_goes_on(tmp_path):
    path, folder = tmp_path / "run.h5", tmp_path / "run-weights"
    options = {"env": environment(), "cwd": ROOT, "stdout": subprocess.PIPE}
    with subprocess.Popen(command("-m", __name__, path, 10_000), **options) as process:
        for _ in range(3 * SIZE):
            process.stdout.readline()
        process.kill()
        process.communicate()
    with HDF5Store.read(path) as store:
        n_done, dead = store.n_evaluated, sorted({row.evaluation.id for row in store} - needed(store))
    late = dead[:3]
    living = next(file for file in sorted(folder.glob("[0-9]*.safetensors")))
    for number in late:  # written by workers that nobody waited for
        shutil.copyfile(living, weights_file(folder, number))
    main(path, n_done + 3, SerialExecutor())
    with HDF5Store.read(path) as store:
        trained = {row.evaluation.id for row in store if row.evaluation.status is Status.OK}
        assert files(folder) == needed(store) & trained
        assert files(folder).isdisjoint(late)
        assert len(late) == 3


class Held(AccuracyFitness):
    """Lets one evaluation wait until it is told to go on."""

    held = 0
    go_on = threading.Event()

    def evaluate_job(self, job):
        if job.id == self.held:
            assert self.go_on.wait(60)
        return super().evaluate_job(job)


def test_a_child_whose_parent_is_removed_while_it_waits_finds_the_parents_weights(tmp_path, caplog):
    store, fitness, members = MemoryStore(seed=3), make_fitness(tmp_path, kind=Held), []
    Held.held, Held.go_on = 2, threading.Event()
    rng, n_made = random.Random(4), 0

    def generate():
        nonlocal n_made
        if n_made >= 2 and len(members) < 2:
            return None
        n_made += 1
        if n_made <= 2:
            return MaxIndividual(SPACE.sample(rng=rng))
        worst = min(members[:2], key=lambda member: member.fitness)
        if n_made == 3:
            return Proposal(MaxIndividual(worst), parents=(worst,))
        return Proposal(MaxIndividual(members[0]), parents=(), removed=(worst,) if n_made == 4 else ())

    def update(individual):
        members.append(individual)
        if individual.evaluation.id == 4:
            (worst,) = [row.evaluation.id for row in store if not row.alive]
            assert [job.id for job in store.pending() if job.parent == worst] == [2]
            assert weights_file(tmp_path, worst).exists()
            Held.go_on.set()

    toolbox = make_strategy_toolbox(Pairs(rng), fitness)
    toolbox.register("generate", generate)
    toolbox.register("update", update)
    logger = "deap_nas.training.weights.inheritance"
    with ThreadPoolExecutor(2) as executor, caplog.at_level(logging.DEBUG, logger=logger):
        eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=6, store=store, rng=rng)
    (worst,) = [row.evaluation.id for row in store if not row.alive]
    assert not weights_file(tmp_path, worst).exists()
    (found,) = [text for text in caplog.messages if "/2.safetensors" in text]
    n_taken, n_tensors = re.search(r"(\d+) of (\d+) tensors inherited", found).groups()
    assert n_taken == n_tensors


def test_a_try_that_comes_after_the_parent_was_forgotten_leaves_the_weights_of_the_one_that_had_them(tmp_path):
    genes = SPACE.sample(rng=random.Random(1))
    parent, child = Job(0, genes, 5), Job(1, genes, 6, parent=0)
    fitness = make_fitness(tmp_path)
    fitness.evaluate_job(parent)
    fitness.evaluate_job(child)
    before = weights_file(tmp_path, 1).read_bytes()
    fitness.forget([0])
    fitness.evaluate_job(child)
    assert weights_file(tmp_path, 1).read_bytes() == before
    weights_file(tmp_path, 1).unlink()
    fitness.evaluate_job(child)
    assert weights_file(tmp_path, 1).read_bytes() != before


def test_an_evaluation_looks_at_its_own_file_and_its_parents_however_many_there_are(tmp_path, monkeypatch):
    fitness, genes = make_fitness(tmp_path), SPACE.sample(rng=random.Random(1))
    fitness.evaluate_job(Job(0, genes, 5))
    read, reader = [], weights.read_tensors

    def refused(*arguments, **options):
        raise AssertionError("a look at the whole folder")

    monkeypatch.setattr(weights, "read_tensors", lambda path: read.append(path) or reader(path))
    for owner, names in ((os, ("scandir", "listdir")), (Path, ("glob", "iterdir"))):
        for name in names:
            monkeypatch.setattr(owner, name, refused)
    fitness.evaluate_job(Job(1, genes, 6, parent=0))
    fitness.forget([0])
    assert read == [weights_file(tmp_path, 0)]
    assert not weights_file(tmp_path, 0).exists()


def test_weights_are_forgotten_by_their_number_be_they_few_or_many_there_or_not(tmp_path):
    source = ParentWeights(tmp_path)
    for dead in ([0, 7, 2], range(0, 1000, 2)):
        for number in range(20):
            weights_file(tmp_path, number).touch()
        (tmp_path / "2 (copy).safetensors").touch()
        source.forget(dead)
        assert {path.stem for path in tmp_path.iterdir()} == {"2 (copy)", *map(str, set(range(20)) - set(dead))}


def test_weights_that_cannot_be_removed_are_a_clear_error(tmp_path):
    weights_file(tmp_path, 3).mkdir()
    with pytest.raises(StorageError, match=r"3\.safetensors cannot be removed: Is a directory; allow it, and resume"):
        ParentWeights(tmp_path).forget([3])


def test_a_fitness_is_told_to_forget_where_its_weights_come_from_a_source_that_keeps_them(tmp_path):
    fitness = make_fitness(tmp_path)
    assert fitness.forget == fitness.weights.forget
    for source in (FreshWeights(), Hoard(tmp_path)):
        assert make_fitness(None, weights=source).forget is None


def test_reuse_is_refused_where_weights_are_inherited(tmp_path):
    store, toolbox = MemoryStore(seed=3), make_toolbox(make_fitness(tmp_path), rng=random.Random(1), space=SPACE)
    with SerialExecutor() as executor, pytest.raises(SettingsError, match="reuse needs a fitness that equal networks"):
        eaAsync(toolbox.population(2), toolbox, executor, n_evaluations=4, store=store, reuse=sum)
    assert store.n_submitted == 0
    assert make_fitness(None).reusable


if __name__ == "__main__":
    main(*sys.argv[1:])
