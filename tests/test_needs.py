"""Which evaluations a fitness is told to forget: in both loops, by their stores alone, and once each."""

import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter

import pytest
from deap import tools

from deap_nas import eaAsync, eaAsyncGenerateUpdate, killLoser, killOldest, killUnselected
from deap_nas.evaluation import Evaluation, Guard, Job, Status
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import Genotype
from deap_nas.needs import Needs
from deap_nas.store import MemoryStore, resume_population
from tests.test_generate_update import Pairs
from tests.test_generate_update import make_toolbox as make_strategy_toolbox
from tests.toolboxes import MaxIndividual, MinIndividual, make_toolbox

SIZE = 6


def needed(store, sign=1):
    """Ids that are needed: all that is known of it, looked up in the whole store."""
    records = store.records()
    pending = store.pending()
    needed = {record.evaluation.id for record in records if record.alive}
    needed |= {parent for job in pending for parent in (job.parent, *job.mates)}
    succeeded = [record.evaluation for record in records if record.evaluation.status is Status.OK]
    return needed | ({max(succeeded, key=lambda one: sign * one.values[0]).id} if succeeded else set())


class Keeping:
    """A fitness that keeps something of each evaluation; some of them fail, and it may be another at each try."""

    def __init__(self, store, sign=1):
        self.store = store
        self.sign = sign
        self.forgotten = []

    def __call__(self, individual):
        return (float(sum(individual)),)

    def evaluate_job(self, job):
        if sum(job.genes) % 5 == 4:
            return Evaluation(status=Status.FAILED, error="of the test")
        return Evaluation(self(job.genes))

    def forget(self, ids):
        assert needed(self.store, self.sign).isdisjoint(ids)
        self.forgotten += ids

    def check(self, *earlier):
        """All that is not needed was forgotten, each once."""
        forgotten = [*self.forgotten, *(number for fitness in earlier for number in fitness.forgotten)]
        records = {record.evaluation.id for record in self.store}
        assert len(self.forgotten) == len(set(self.forgotten))
        assert set(forgotten) == records - needed(self.store, self.sign)


RULES = {
    "oldest": partial(killOldest, size=SIZE),
    "loser": partial(killLoser, size=SIZE, seed=2),
    "worst": partial(killUnselected, size=SIZE, select=tools.selBest),
    "best": partial(killUnselected, size=SIZE, select=tools.selWorst),
}


def cross(one, other):
    one[2:], other[2:] = other[2:], one[2:]
    return one, other


def search(store, fitness, survival, *, n_evaluations=60, icls=MaxIndividual, executor=None, observer=None, cxpb=0.3):
    rng = random.Random(5)
    toolbox = make_toolbox(fitness, rng=rng, icls=icls)
    toolbox.register("mate", cross)
    population = resume_population(store, icls, rng=rng) or toolbox.population(SIZE)
    with executor or SerialExecutor() as workers:
        eaAsync(
            population, toolbox, workers, n_evaluations=n_evaluations, store=store, survival=RULES[survival], rng=rng,
            observer=observer, cxpb=cxpb,
        )  # fmt: skip


@pytest.mark.parametrize("survival", RULES)
@pytest.mark.parametrize("icls", [MaxIndividual, MinIndividual])
@pytest.mark.parametrize("n_workers", [1, 4])
def test_all_that_nobody_needs_is_forgotten_and_nothing_else(survival, icls, n_workers):
    store = MemoryStore(seed=1)
    fitness = Keeping(store, sign=1 if icls is MaxIndividual else -1)
    executor = SerialExecutor() if n_workers == 1 else ThreadPoolExecutor(n_workers)
    search(store, fitness, survival, icls=icls, executor=executor)
    fitness.check()
    assert len(fitness.forgotten) >= 60 - SIZE - 1


@pytest.mark.parametrize("n_workers", [1, 4])
def test_those_whom_a_strategy_removes_are_forgotten_when_their_last_child_has_ended(n_workers):
    store, strategy = MemoryStore(seed=1), Pairs(random.Random(4), size=SIZE)
    fitness = Keeping(store)
    with ThreadPoolExecutor(n_workers) as executor:
        toolbox = make_strategy_toolbox(strategy, fitness)
        eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=60, store=store, rng=strategy.rng)
    fitness.check()
    assert len(fitness.forgotten) >= 60 - SIZE - 1


class StoppedError(Exception):
    pass


def stop_after(number):
    def observer(individual, n_running):
        nonlocal number
        number -= 1
        if not number:
            raise StoppedError

    return observer


@pytest.mark.parametrize("n_done", [1, SIZE, 20, 45])
@pytest.mark.parametrize("n_workers", [1, 3])
def test_a_run_that_goes_on_is_told_once_of_all_that_was_not_needed_before(n_done, n_workers):
    store = MemoryStore(seed=1)
    first, second = Keeping(store), Keeping(store)
    with pytest.raises(StoppedError):
        search(store, first, "best", executor=ThreadPoolExecutor(n_workers), observer=stop_after(n_done))
    before = set(first.forgotten)
    search(store, second, "best", executor=ThreadPoolExecutor(n_workers))
    assert before <= set(second.forgotten)
    second.check()


def test_the_best_stays_when_it_is_removed_until_a_better_one_comes():
    store, forgotten = MemoryStore(), []
    needs = Needs(forgotten.extend, store, (1.0,))
    for number, value in enumerate((0.5, 0.5, 0.4)):
        needs.submitted([Job(number, Genotype([1]), 0)])
        needs.recorded(Evaluation((value,), id=number), (1.0,))
    needs.removed([0, 1, 2])
    assert forgotten == [1, 2]  # of equally fit ones the first is the best
    needs.submitted([Job(3, Genotype([1]), 0), Job(4, Genotype([1]), 0)])
    needs.recorded(Evaluation((9.0,), status=Status.FAILED, id=3), (1.0,))
    assert forgotten == [1, 2]
    needs.recorded(Evaluation((0.6,), id=4), (1.0,))
    assert forgotten == [1, 2, 0]


def test_a_parent_that_was_removed_stays_until_all_its_children_have_ended_and_so_does_a_mate():
    forgotten = []
    needs = Needs(forgotten.extend, MemoryStore(), (1.0,))
    for number, value in enumerate((0.9, 0.1, 0.2)):
        needs.submitted([Job(number, Genotype([1]), 0)])
        needs.recorded(Evaluation((value,), id=number), (1.0,))
    children = [Job(3, Genotype([1]), 0, 1), Job(4, Genotype([1]), 0, 1), Job(5, Genotype([1]), 0, 1, mates=(2, 1))]
    needs.submitted(children)
    needs.removed([1, 2])
    for job in children:
        assert forgotten == []
        needs.recorded(Evaluation((0.3,), id=job.id, parent=1), (1.0,))
    assert forgotten == [1, 2]


class CountingStore(MemoryStore):
    """Counts how often it is read."""

    def __init__(self):
        super().__init__(seed=1)
        self.n_reads = 0

    def __iter__(self):
        self.n_reads += 1
        return super().__iter__()

    def pending(self):
        self.n_reads += 1
        return super().pending()


class Trusting(Keeping):
    """Does not look at the store."""

    def forget(self, ids):
        self.forgotten += ids


def test_the_store_is_read_at_the_start_only_and_less_often_for_a_fitness_that_keeps_nothing():
    def n_reads(n_evaluations, forgets):
        store = CountingStore()
        fitness = Trusting(store)
        if not forgets:
            fitness.forget = None
        search(store, fitness, "loser", n_evaluations=n_evaluations, cxpb=0)
        return store.n_reads

    assert n_reads(10, forgets=True) == n_reads(80, forgets=True) > n_reads(80, forgets=False)


@pytest.mark.parametrize("wrap", [partial, partial(Guard, worst_values=(0.0,))])
@pytest.mark.parametrize("name", ["forget", "reusable"])
def test_a_guard_and_a_partial_pass_on_what_the_fitness_says(wrap, name):
    fitness = Keeping(None)
    fitness.reusable = False
    said = attrgetter(name)
    assert said(AdaptedFitness(wrap(fitness))) == getattr(fitness, name)
    plain = said(AdaptedFitness(wrap(sum)))
    assert plain is (None if name == "forget" else True)
