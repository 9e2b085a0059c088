"""Searches by a strategy of one's own: generate, update, a state, several parents, members that leave."""

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deap import base, tools

from deap_nas import eaAsyncGenerateUpdate
from deap_nas.errors import SettingsError
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.report import in_words, summarise
from deap_nas.store import HDF5Store, MemoryStore, find_problems, resume_population
from deap_nas.strategies import END, Proposal
from tests.launch import ROOT, command, environment
from tests.toolboxes import SPACE, MaxIndividual, gene_sum, raises_error


class Pairs:
    """Real 2017's step on genes: of a pair the worse is removed, and the better has a child. It counts its steps."""

    def __init__(self, rng, size=6):
        self.rng = rng
        self.size = size
        self.members = []
        self.n_steps = 0
        self.n_made = 0

    def generate(self):
        if self.n_made < self.size:
            self.n_made += 1
            return MaxIndividual(SPACE.sample(rng=self.rng))
        if len(self.members) < 2:
            return None
        self.n_steps += 1
        worse, better = sorted(self.rng.sample(self.members, 2), key=lambda member: member.fitness)
        child = MaxIndividual(better)
        child[self.rng.randrange(len(child))] = self.n_steps % 3
        return Proposal(child, parents=(better, worse), removed=(worse,))

    def update(self, individual):
        assert individual.fitness.valid
        self.members.append(individual)

    def remove(self, individuals):
        gone = {individual.evaluation.id for individual in individuals}
        self.members = [member for member in self.members if member.evaluation.id not in gone]

    def getstate(self):
        return {"n_steps": self.n_steps, "n_made": self.n_made}

    def setstate(self, state):
        self.n_steps, self.n_made = state["n_steps"], state["n_made"]


def make_toolbox(strategy, evaluate=gene_sum):
    toolbox = base.Toolbox()
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    toolbox.register("evaluate", evaluate)
    return toolbox


def search(path, n_evaluations, observer=None):
    """Start the search, or go on with it, with one worker."""
    rng = random.Random(4)
    toolbox = make_toolbox(Pairs(rng))
    exists = Path(path).exists()
    store = HDF5Store.resume(path) if exists else HDF5Store.create(path, space=SPACE, settings={}, seed=2)
    with store, SerialExecutor() as executor:
        population = resume_population(store, MaxIndividual, rng=rng)
        return eaAsyncGenerateUpdate(
            toolbox, executor, n_evaluations=n_evaluations, store=store, population=population, rng=rng,
            observer=observer,
        )  # fmt: skip


def rows(path):
    with HDF5Store.read(path) as store:
        names = ("id", "parent", "genes", "fitness", "alive", "status")
        links = {table: store.column(name, table=table).tolist() for table, name in (("removals", "removed"),)}
        return {name: store.column(name).tolist() for name in names}, links, store.mates(), store.strategy_state()


def test_a_proposal_has_its_parents_and_removes_whom_it_names(tmp_path):
    population, logbook = search(tmp_path / "run.h5", 30)
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert find_problems(store, everything=True) == []
        removed, mates = store.column("removed", table="removals"), store.mates()
        assert len(removed) == 24 == len(set(removed.tolist()))
        assert store.column("alive").sum() == 6 == len(population)
        assert sorted(mates) == list(range(6, 30))
        assert [mates[number][0] for number in range(6, 30)] == removed.tolist()  # the worse of each pair
        assert not store.column("alive")[removed].any()
        assert "\nsurvival    by the strategy\n" in in_words(summarise(store))
    assert {individual.evaluation.id for individual in population}.isdisjoint(removed.tolist())
    assert sum(logbook.select("nevals")) == 30


def test_a_resumed_search_ends_as_one_that_was_not_interrupted(tmp_path):
    search(tmp_path / "whole.h5", 40)
    for n_evaluations in (3, 6, 7, 20, 40):
        search(tmp_path / "parts.h5", n_evaluations)
    assert rows(tmp_path / "parts.h5") == rows(tmp_path / "whole.h5")


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    path, rng = tmp_path / "run.h5", random.Random(3)
    for _ in range(3):
        options = {"env": environment(), "cwd": ROOT, "stdout": subprocess.PIPE}
        with subprocess.Popen(command("-m", "tests.test_generate_update", path), **options) as process:
            for _ in range(rng.randrange(10, 60)):
                process.stdout.readline()
            process.kill()
            process.communicate()
    with HDF5Store.read(path) as store:
        n_done = store.n_evaluated
    search(path, n_done + 15)
    search(tmp_path / "whole.h5", n_done + 15)
    assert rows(path) == rows(tmp_path / "whole.h5")
    with HDF5Store.read(path) as store:
        assert find_problems(store) == []


def test_a_strategy_that_waits_is_asked_again_when_an_evaluation_has_ended():
    strategy, best = Pairs(random.Random(1), size=2), tools.HallOfFame(1)
    with ProcessExecutor(3) as executor:
        population, _ = eaAsyncGenerateUpdate(
            make_toolbox(strategy), executor, n_evaluations=12, halloffame=best, rng=strategy.rng, period=4
        )
    assert strategy.n_made == 2
    assert best[0].fitness.values[0] >= max(individual.fitness.values[0] for individual in population)


def test_a_strategy_that_waits_for_nothing_is_told():
    toolbox = make_toolbox(Pairs(random.Random(1), size=1))
    with SerialExecutor() as executor, pytest.raises(SettingsError, match="the strategy waits though nothing"):
        eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=5, store=MemoryStore())


@pytest.mark.parametrize("n_workers", [1, 3])
def test_a_strategy_ends_the_search_once_those_that_go_on_have_ended(n_workers):
    left = [MaxIndividual(SPACE.sample(rng=random.Random(seed))) for seed in range(7)]
    members, ends = [], []

    def generate():
        if left:
            return left.pop()
        ends.append(len(members))
        return END

    toolbox = base.Toolbox()
    toolbox.register("generate", generate)
    toolbox.register("update", members.append)
    toolbox.register("evaluate", gene_sum)
    store = MemoryStore()
    with ThreadPoolExecutor(n_workers) as executor:
        population, logbook = eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=50, store=store, period=4)
    assert len(population) == len(members) == store.n_evaluated == store.n_submitted == 7
    assert len(ends) == 1  # it is not asked again
    assert 7 - n_workers <= ends[0] <= 7
    assert [row["nevals"] for row in logbook] == [4, 3]


def test_functions_are_a_strategy_too():
    members, rng = [], random.Random(2)
    toolbox = base.Toolbox()
    toolbox.register("generate", lambda: MaxIndividual(SPACE.sample(rng=rng)))
    toolbox.register("update", members.append)
    toolbox.register("evaluate", gene_sum)
    store = MemoryStore()
    with SerialExecutor() as executor:
        population, _ = eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=9, store=store)
    assert population == members
    assert store.strategy_state() is None


def test_a_fitness_that_always_fails_ends_the_search_after_a_period():
    toolbox, store = make_toolbox(Pairs(random.Random(1)), raises_error), MemoryStore()
    with SerialExecutor() as executor, pytest.raises(SettingsError, match="failed for the same reason"):
        eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=50, store=store, period=10)
    assert store.n_evaluated == 10


if __name__ == "__main__":
    search(sys.argv[1], 100_000, lambda individual, _: print(individual.evaluation.id, flush=True))
