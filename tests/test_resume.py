"""Runs that are interrupted and go on from their store, and populations that are used again without one."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from deap import tools

from deap_nas import Status, eaAsync, killUnselected, selTournamentCrowded
from deap_nas.evaluation import derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.store import MemoryStore, resume_population
from tests.toolboxes import (
    SPACE,
    MaxIndividual,
    PairIndividual,
    SeedFitness,
    gene_sum,
    gene_sum_and_zeros,
    make_toolbox,
    troubled,
)

N_EVALUATIONS = 25


class Interrupted:
    """A fitness that stands for Ctrl-C at one of its calls."""

    def __init__(self, evaluate, at):
        self._evaluate = evaluate
        self._left = at

    def __call__(self, genotype):
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._evaluate(genotype)


def begin(store, evaluate, **settings):
    """Start the run that all tests here compare; gives its population and generator."""
    rng = random.Random(1)
    toolbox = make_toolbox(evaluate, rng=rng)
    population = toolbox.population(6)
    with SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=N_EVALUATIONS, store=store, rng=rng, retries=0, **settings)
    return population, rng


def go_on(store, evaluate, *, n_evaluations=N_EVALUATIONS, **settings):
    """Go on as a new process would, which knows the store only."""
    rng = random.Random("another process")
    population = resume_population(store, MaxIndividual, rng=rng)
    toolbox = make_toolbox(evaluate, rng=rng)
    with SerialExecutor() as executor:
        eaAsync(population, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng, retries=0, **settings)
    return population, rng


def rows(store):
    """The store's records but for the text of errors, whose traceback also shows the caller."""
    return [replace(record, evaluation=replace(record.evaluation, error="")) for record in store.records()]


def keep_six(members):
    """Remove the oldest beyond six."""
    return members[:-6]


def keep_best(members):
    """Remove the worst beyond four."""
    return sorted(members, key=lambda member: member.fitness)[:-4]


@pytest.mark.parametrize("survival", [None, keep_six, keep_best])
@pytest.mark.parametrize("evaluate", [gene_sum, troubled])
@pytest.mark.parametrize("at", range(N_EVALUATIONS))
def test_an_interrupted_run_gives_the_same_rows_as_an_uninterrupted_one(evaluate, at, survival):
    whole, parts = MemoryStore(seed=3), MemoryStore(seed=3)
    expected, expected_rng = begin(whole, evaluate, survival=survival)
    with pytest.raises(KeyboardInterrupt):
        begin(parts, Interrupted(evaluate, at), survival=survival)
    assert parts.n_evaluated == at
    population, rng = go_on(parts, evaluate, survival=survival)
    assert rows(parts) == rows(whole)
    assert population == expected
    assert [ind.fitness.values for ind in population] == [ind.fitness.values for ind in expected]
    assert rng.getstate() == expected_rng.getstate()


def test_a_run_may_be_interrupted_again_and_again():
    whole, parts = MemoryStore(seed=3), MemoryStore(seed=3)
    begin(whole, gene_sum)
    with pytest.raises(KeyboardInterrupt):
        begin(parts, Interrupted(gene_sum, 4))
    for _ in range(6):
        with pytest.raises(KeyboardInterrupt):
            go_on(parts, Interrupted(gene_sum, 3))
    go_on(parts, gene_sum)
    assert parts.records() == whole.records()


def test_an_interrupt_between_evaluations_loses_nothing():
    whole, parts = MemoryStore(seed=3), MemoryStore(seed=3)
    begin(whole, gene_sum)
    seen = []

    def observe(individual, n_running):
        seen.append(individual)
        if len(seen) == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(parts, gene_sum, observer=observe)
    assert parts.n_evaluated == 11
    go_on(parts, gene_sum)
    assert parts.records() == whole.records()


@pytest.mark.parametrize("at", [0, 2, 6, 9, 20])
def test_with_several_workers_pending_jobs_are_evaluated_with_their_ids_and_seeds(at):
    store, seen = MemoryStore(seed=3), []
    rng = random.Random(1)
    toolbox = make_toolbox(SeedFitness(), rng=rng)

    def observe(individual, n_running):
        seen.append(individual)
        if len(seen) == at:
            raise KeyboardInterrupt

    def interrupted_run(executor):
        if at == 0:
            raise KeyboardInterrupt
        population = toolbox.population(6)
        eaAsync(population, toolbox, executor, n_evaluations=N_EVALUATIONS, store=store, rng=rng, observer=observe)

    with ThreadPoolExecutor(4) as executor, pytest.raises(KeyboardInterrupt):
        interrupted_run(executor)
    pending = {job.id: job for job in store.pending()}
    assert len(pending) == store.n_submitted - at
    population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(6)
    with ThreadPoolExecutor(4) as executor:
        eaAsync(population, toolbox, executor, n_evaluations=N_EVALUATIONS, store=store, rng=rng)
    records = {record.evaluation.id: record for record in store.records()}
    assert sorted(records) == list(range(N_EVALUATIONS))
    assert store.pending() == []
    for number, record in records.items():
        assert record.evaluation.scores == (float(derive_seed(3, number)),)
    for number, job in pending.items():
        assert records[number].genes == tuple(job.genes)
        assert records[number].evaluation.parent == job.parent


def test_a_finished_run_evaluates_nothing_more_and_goes_on_when_asked_for_more():
    store = MemoryStore(seed=3)
    begin(store, gene_sum)
    before = store.records()
    population, _ = go_on(store, Interrupted(gene_sum, 0))
    assert store.records() == before
    assert len(population) == N_EVALUATIONS
    population, _ = go_on(store, gene_sum, n_evaluations=N_EVALUATIONS + 5)
    assert len(population) == store.n_evaluated == N_EVALUATIONS + 5
    assert store.records()[:N_EVALUATIONS] == before


def test_a_longer_run_begins_with_the_rows_of_the_shorter_one():
    short, long = MemoryStore(seed=3), MemoryStore(seed=3)
    begin(short, gene_sum)
    go_on(short, gene_sum, n_evaluations=40)
    rng = random.Random(1)
    toolbox = make_toolbox(gene_sum, rng=rng)
    with SerialExecutor() as executor:
        eaAsync(toolbox.population(6), toolbox, executor, n_evaluations=40, store=long, rng=rng)
    assert long.records() == short.records()


def test_a_store_that_holds_nothing_resumes_nobody_and_leaves_the_generator_alone():
    rng = random.Random(4)
    state = rng.getstate()
    assert resume_population(MemoryStore(), MaxIndividual, rng=rng) == []
    assert rng.getstate() == state


def test_a_resumed_population_is_the_living_and_then_the_pending():
    store = MemoryStore(seed=3)
    with pytest.raises(KeyboardInterrupt):
        begin(store, Interrupted(gene_sum, 3))
    store.kill([1])
    population = resume_population(store, MaxIndividual, rng=random.Random(5))
    assert {type(individual) for individual in population} == {MaxIndividual}
    assert [individual.fitness.valid for individual in population] == [True, True, False, False, False]
    assert [individual.evaluation.id for individual in population[:2]] == [0, 2]
    assert [individual.job.id for individual in population[2:]] == [3, 4, 5]
    assert [individual.fitness.values for individual in population[:2]] == list(map(gene_sum, population[:2]))


def test_a_failed_evaluation_is_resumed_with_its_fitness():
    store = MemoryStore(seed=3)
    begin(store, troubled)
    failed = [
        individual
        for individual in resume_population(store, MaxIndividual, rng=random.Random(6))
        if individual.evaluation.status is not Status.OK
    ]
    assert failed
    assert {individual.fitness.values for individual in failed} == {(-1e100,)}


def test_the_logbook_of_a_resumed_run_counts_what_was_left():
    store = MemoryStore(seed=3)
    with pytest.raises(KeyboardInterrupt):
        begin(store, Interrupted(gene_sum, 10))
    rng = random.Random(7)
    population = resume_population(store, MaxIndividual, rng=rng)
    with SerialExecutor() as executor:
        _, logbook = eaAsync(
            population, make_toolbox(rng=rng), executor, n_evaluations=N_EVALUATIONS, store=store, rng=rng
        )
    assert sum(row["nevals"] for row in logbook) == N_EVALUATIONS - 10


def test_changed_clones_of_a_finished_runs_members_are_evaluated_as_they_now_are():
    population, rng = begin(MemoryStore(), gene_sum)
    toolbox = make_toolbox(rng=rng)
    clones = [toolbox.clone(individual) for individual in population]
    for clone in clones:
        clone[:] = [0] * SPACE.n_genes
        del clone.fitness.values
    with SerialExecutor() as executor:
        eaAsync(clones, toolbox, executor, n_evaluations=len(clones), rng=rng)
    assert all(clone == [0] * SPACE.n_genes and clone.fitness.values == (0.0,) for clone in clones)
    assert [clone.evaluation.id for clone in clones] == list(range(len(clones)))


def test_an_interrupted_population_starts_anew_without_its_store():
    rng = random.Random(8)
    toolbox = make_toolbox(Interrupted(gene_sum, 2), rng=rng)
    population = toolbox.population(6)
    with SerialExecutor() as executor:
        with pytest.raises(KeyboardInterrupt):
            eaAsync(population, toolbox, executor, n_evaluations=10, rng=rng)
        toolbox.register("evaluate", gene_sum)
        eaAsync(population, toolbox, executor, n_evaluations=10, rng=rng)
    assert len(population) == 2 + 10
    assert sorted(individual.evaluation.id for individual in population[2:]) == list(range(10))
    assert all(individual.fitness.values == gene_sum(individual) for individual in population)


def test_an_interrupted_population_goes_on_with_its_store():
    rng, store = random.Random(9), MemoryStore()
    toolbox = make_toolbox(Interrupted(gene_sum, 2), rng=rng)
    population = toolbox.population(6)
    with SerialExecutor() as executor:
        with pytest.raises(KeyboardInterrupt):
            eaAsync(population, toolbox, executor, n_evaluations=10, store=store, rng=rng)
        toolbox.register("evaluate", gene_sum)
        eaAsync(population, toolbox, executor, n_evaluations=10, store=store, rng=rng)
    assert len(population) == store.n_evaluated == 10
    assert [individual.evaluation.id for individual in population] == list(range(10))


@pytest.mark.parametrize("at", range(12, 60, 7))
def test_an_interrupted_nsga2_gives_the_same_rows_as_an_uninterrupted_one(at):
    def search(store, evaluate):
        rng = random.Random(1)
        toolbox = make_toolbox(evaluate, rng=rng, icls=PairIndividual)
        toolbox.register("select", selTournamentCrowded, rng=rng)
        rule = partial(killUnselected, size=10, select=tools.selNSGA2)
        population = resume_population(store, PairIndividual, rng=rng) or toolbox.population(10)
        with SerialExecutor() as executor:
            eaAsync(population, toolbox, executor, n_evaluations=60, store=store, rng=rng, survival=rule)

    whole, parts = MemoryStore(seed=3), MemoryStore(seed=3)
    search(whole, gene_sum_and_zeros)
    with pytest.raises(KeyboardInterrupt):
        search(parts, Interrupted(gene_sum_and_zeros, at))
    assert parts.n_evaluated == at
    search(parts, gene_sum_and_zeros)
    assert rows(parts) == rows(whole)
    assert sum(record.alive for record in parts.records()) == 10


class FullDisk(MemoryStore):
    """Fails to write one evaluation."""

    def append(self, genes, evaluation):
        if evaluation.id == 4:
            raise OSError("no space left on device")
        super().append(genes, evaluation)


def test_an_evaluation_that_cannot_be_recorded_leaves_its_individual_to_be_evaluated_again():
    rng = random.Random(1)
    toolbox = make_toolbox(gene_sum, rng=rng)
    population = toolbox.population(6)
    with SerialExecutor() as executor, pytest.raises(OSError, match="no space left"):
        eaAsync(population, toolbox, executor, n_evaluations=20, store=FullDisk(seed=1), rng=rng)
    assert len(population) == 6
    assert [individual.fitness.valid for individual in population] == [True] * 4 + [False] * 2
