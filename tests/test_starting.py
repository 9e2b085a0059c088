"""What a search is started with, and runs that are started again."""

import random
from collections import deque

import numpy as np
import pytest
from deap import base, tools

from deap_nas import Genotype, eaAsync, eaAsyncGenerateUpdate
from deap_nas.errors import SettingsError
from deap_nas.executors import SerialExecutor
from deap_nas.operators.ranking import RankedPopulation
from deap_nas.store import HDF5Store, MemoryStore, resume_population
from tests.toolboxes import SPACE, MaxIndividual, evaluated, gene_sum, make_toolbox

N_EVALUATIONS = 20


def statistics():
    made = tools.Statistics(lambda individual: individual.fitness.values[0])
    made.register("max", max)
    return made


def search(population, store=None, *, evaluate=gene_sum, n_evaluations=N_EVALUATIONS, **settings):
    rng = random.Random(2)
    settings = {"n_evaluations": n_evaluations, "store": store, "rng": rng, **settings}
    return eaAsync(population, make_toolbox(evaluate, rng=rng), SerialExecutor(), **settings)


def first_population(n=5, *, seed=1):
    return make_toolbox(rng=random.Random(seed)).population(n)


def never(genotype):
    raise AssertionError("evaluated")


@pytest.mark.parametrize("stats", [None, statistics(), tools.MultiStatistics(fitness=statistics())])
def test_a_finished_run_that_is_started_again_has_a_logbook_that_prints_and_ends_as_the_run_did(stats):
    if isinstance(stats, tools.MultiStatistics):
        stats.register("max", max)
    store = MemoryStore(seed=3)
    _, whole = search(first_population(), store, stats=stats)
    population = resume_population(store, MaxIndividual, rng=random.Random())
    _, logbook = search(population, store, stats=stats, evaluate=never)
    assert len(logbook) == 1
    assert dict(logbook[-1]) == dict(whole[-1]) | {"nevals": 0}
    for name, chapter in whole.chapters.items():
        assert logbook.chapters[name].select("max") == chapter.select("max")[-1:]
    assert "nevals" in str(logbook)
    assert "nevals" in logbook.stream


def test_a_fresh_population_with_the_store_of_a_run_is_refused_and_the_store_stays_as_it_is(tmp_path):
    path = tmp_path / "run.h5"
    with HDF5Store.create(path, space=SPACE, settings={}, seed=3) as store:
        search(first_population(), store)
    with HDF5Store.resume(path) as store:
        for n_evaluations in (N_EVALUATIONS, N_EVALUATIONS + 10):
            with pytest.raises(SettingsError, match=rf"{path} holds a run of 20 .*resume_population\(store, Indiv"):
                search(first_population(), store, evaluate=never, n_evaluations=n_evaluations)
        assert (store.n_submitted, store.n_evaluated) == (20, 20)
        population = resume_population(store, MaxIndividual, rng=random.Random())
        assert len(search([*population, *first_population()], store, n_evaluations=30)[0]) == 30  # they may join a run


def test_a_population_of_another_run_is_no_part_of_a_stores_run():
    others, _ = search(first_population(seed=7))
    store = MemoryStore(seed=3)
    search(first_population(), store)
    with pytest.raises(SettingsError, match="the store holds a run of 20 evaluations, and nobody"):
        search(others, store, n_evaluations=30, evaluate=never)


def test_a_run_of_which_nothing_has_ended_goes_on_with_its_pending_members():
    def interrupted(genotype):
        raise KeyboardInterrupt

    store = MemoryStore(seed=3)
    with pytest.raises(KeyboardInterrupt):
        search(first_population(), store, evaluate=interrupted)
    population = resume_population(store, MaxIndividual, rng=random.Random())
    assert len(search(population, store)[0]) == N_EVALUATIONS


def test_with_nothing_to_do_the_callers_list_stays():
    def interrupted_late(genotype, calls=[]):  # noqa: B006 - counts the calls
        calls.append(genotype)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return gene_sum(genotype)

    store = MemoryStore(seed=3)
    population = first_population()
    with pytest.raises(KeyboardInterrupt):
        search(population, store, evaluate=interrupted_late)
    before = list(population)
    assert [member.fitness.valid for member in before] == [True] * 3 + [False] * 2
    search(population, store, evaluate=never, n_evaluations=3)
    assert all(one is other for one, other in zip(before, population, strict=True))


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (tuple, "tuple"),
        (deque, "deque"),
        (iter, "list_iterator"),
        (np.array, "ndarray"),
        (RankedPopulation, "RankedPopulation"),
    ],
)
def test_a_population_that_cannot_grow_is_refused_before_anything_is_evaluated(wrap, name):
    population = wrap(evaluated(MaxIndividual, 1.0, 2.0, genes=[1] * SPACE.n_genes))
    with pytest.raises(SettingsError, match=rf"must be a list, .*, found {name}: pass list\(population\)"):
        search(population, evaluate=never)


def test_members_without_a_fitness_are_refused_with_the_class_they_need():
    with pytest.raises(SettingsError, match=r"needs a fitness, found \[1, 2\]: make them of a class from"):
        search([Genotype([1, 2])], evaluate=never)
    with pytest.raises(SettingsError, match="needs a fitness, found 1"):
        search(MaxIndividual([1, 2]), evaluate=never)


def test_the_same_individual_twice_is_refused():
    individual = first_population(1)[0]
    with pytest.raises(SettingsError, match="holds an individual more than once"):
        search([individual] * 3, evaluate=never)


@pytest.mark.parametrize(("cxpb", "name"), [(0.0, "select"), (0.0, "mutate"), (0.5, "mate")])
def test_a_toolbox_that_lacks_an_operator_is_refused_before_the_first_population_is_evaluated(cxpb, name):
    toolbox = make_toolbox(never, rng=random.Random(2))
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.unregister(name)
    settings = {"executor": SerialExecutor(), "cxpb": cxpb, "rng": random.Random(2)}
    with pytest.raises(SettingsError, match=rf"the toolbox has no {name}: toolbox.register\('{name}'"):
        eaAsync(first_population(), toolbox, n_evaluations=6, **settings)
    toolbox.register("evaluate", gene_sum)
    assert len(eaAsync(first_population(), toolbox, n_evaluations=5, **settings)[0]) == 5  # nobody has offspring


@pytest.mark.parametrize("name", ["generate", "update", "evaluate"])
def test_a_toolbox_that_lacks_a_part_of_a_strategy_is_refused_before_anything_is_generated(name):
    toolbox = base.Toolbox()
    for part in {"generate", "update", "evaluate"} - {name}:
        toolbox.register(part, never, None)
    with pytest.raises(SettingsError, match=rf"the toolbox has no {name}: toolbox.register\('{name}'"):
        eaAsyncGenerateUpdate(toolbox, SerialExecutor(), n_evaluations=6)
