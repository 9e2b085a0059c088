"""Reuse of the fitness of the same network, and crossover: the loop's switches that the paper leaves off."""

import random
from functools import partial

import pytest
from deap import tools

from deap_nas import Status, canonical_key, cxMotif, eaAsync
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Evaluation
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, MemoryStore, resume_population
from tests.toolboxes import SPACE, MaxIndividual, make_toolbox

KEY = partial(canonical_key, SPACE)


class CountingFitness:
    """Gives each call another value, and fails now and then."""

    def __init__(self):
        self.genotypes = []

    def __call__(self, genotype):
        self.genotypes.append(genotype)
        if len(self.genotypes) % 7 == 0:
            raise ZeroDivisionError
        return (float(len(self.genotypes)),)


def search(store, *, fitness, population=8, n_evaluations=80, **settings):
    rng = random.Random(2)
    toolbox = make_toolbox(fitness, rng=rng)
    with SerialExecutor() as executor:
        start = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(population)
        return eaAsync(start, toolbox, executor, n_evaluations=n_evaluations, store=store, rng=rng, **settings)


def test_without_reuse_every_genotype_is_evaluated():
    fitness, store = CountingFitness(), MemoryStore()
    population, logbook = search(store, fitness=fitness)
    assert len(fitness.genotypes) == 80
    assert all(individual.evaluation.reused == -1 for individual in population)
    assert "reused" not in logbook.header


def test_the_same_network_takes_the_fitness_of_the_first_that_succeeded():
    fitness, store = CountingFitness(), MemoryStore()
    population, _ = search(store, fitness=fitness, reuse=KEY)
    assert len(population) == 80
    assert 0 < len(fitness.genotypes) < 80
    originals = {}
    for individual in population:
        found, key = individual.evaluation, KEY(individual)
        if found.reused >= 0:
            original = originals[key]
            assert (found.reused, found.values) == (original.id, original.values)
            assert (found.status, found.worker, found.host, found.threads) == (Status.OK, -1, "", 0)
        else:
            assert key not in originals
            if found.status is Status.OK:
                originals[key] = found
    assert len(originals) + sum(i.evaluation.status is Status.FAILED for i in population) == len(fitness.genotypes)


class WorkingFitness(CountingFitness):
    """Also tells how much work each call was."""

    def evaluate(self, genotype, *, seed):
        return Evaluation(self(genotype), compute=1000.0)


def test_a_fitness_that_is_taken_was_no_work():
    fitness, store = WorkingFitness(), MemoryStore()
    search(store, fitness=fitness, reuse=KEY)
    found = [(record.evaluation.reused >= 0, record.evaluation.compute) for record in store]
    assert set(found) >= {(True, 0.0), (False, 1000.0)}
    n_worked = sum(compute == 1000 for _, compute in found)
    n_failed = sum(record.evaluation.status is Status.FAILED for record in store)
    assert n_worked == len(fitness.genotypes) - n_failed


def test_the_logbook_counts_what_was_reused_apart():
    _, logbook = search(MemoryStore(), fitness=CountingFitness(), reuse=KEY, stats=tools.Statistics(len))
    assert logbook.header[:4] == ["gen", "nevals", "reused", "failed"]
    assert [row["nevals"] + row["reused"] for row in logbook] == [8] * 10
    assert sum(logbook.select("reused")) > 0


def test_a_file_keeps_what_was_reused_and_a_resumed_run_goes_on_reusing(tmp_path):
    whole, halves = tmp_path / "whole.h5", tmp_path / "halves.h5"
    with HDF5Store.create(whole, space=SPACE, settings={}, seed=3) as store:
        search(store, fitness=lambda genotype: (float(sum(genotype)),), reuse=KEY)
        expected = store.records()
        assert store.column("reused").max() >= 0
    with HDF5Store.create(halves, space=SPACE, settings={}, seed=3) as store:
        search(store, fitness=lambda genotype: (float(sum(genotype)),), reuse=KEY, n_evaluations=31)
    with HDF5Store.resume(halves) as store:
        search(store, fitness=lambda genotype: (float(sum(genotype)),), reuse=KEY)
        found = store.records()
    assert [(record.genes, record.evaluation) for record in found] == [(r.genes, r.evaluation) for r in expected]


def test_a_run_of_one_network_trains_it_once_and_ends():
    fitness = CountingFitness()
    population, _ = search(MemoryStore(), fitness=fitness, reuse=lambda genes: 0, n_evaluations=50)
    assert (len(population), len(fitness.genotypes)) == (50, 1)


def test_crossover_happens_as_often_as_asked_and_never_touches_the_parents():
    mates = []

    def mate(one, other):
        mates.append((one, other))
        return cxMotif(one, other, SPACE, rng=rng)

    rng = random.Random(4)
    toolbox = make_toolbox(rng=rng)
    toolbox.register("mate", mate)
    genes = {}

    def observe(individual, n_running):
        genes[id(individual)] = list(individual)

    with SerialExecutor() as executor:
        population, _ = eaAsync(
            toolbox.population(10), toolbox, executor, n_evaluations=410, rng=rng, cxpb=0.5, observer=observe
        )
    assert 160 < len(mates) < 240
    assert all(list(individual) == genes[id(individual)] for individual in population)
    assert {type(one) for pair in mates for one in pair} == {MaxIndividual}


@pytest.mark.parametrize("cxpb", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_its_range_is_refused(cxpb):
    with pytest.raises(SettingsError, match="cxpb must lie in"):
        search(MemoryStore(), fitness=CountingFitness(), cxpb=cxpb)


def test_a_fitter_evaluation_of_the_same_genotype_replaces_the_one_in_the_hall_of_fame():
    hall, fitness = tools.HallOfFame(3), CountingFitness()
    rng = random.Random(1)
    toolbox = make_toolbox(fitness, rng=rng)
    toolbox.register("mutate", lambda individual: (individual,))  # so all are equal to one of two
    population = [MaxIndividual([0] * SPACE.n_genes), MaxIndividual([1] * SPACE.n_genes)]
    with SerialExecutor() as executor:
        population, _ = eaAsync(population, toolbox, executor, n_evaluations=40, halloffame=hall, rng=rng)
    best = {tuple(genes): max(i.fitness.values for i in population if i == genes) for genes in population}
    assert {tuple(member): member.fitness.values for member in hall} == best
