"""DEAP's algorithms and companions on our individuals."""

import random

import pytest
from deap import algorithms, tools
from hypothesis import given, settings

from deap_nas import NetworkTemplate, eaAsync
from deap_nas.evaluation import Guard
from deap_nas.executors import SerialExecutor
from deap_nas.training import AccuracyFitness, Recipe
from tests.strategies import seeds
from tests.toolboxes import MaxIndividual
from tests.with_deap import loops
from tests.with_deap.loops import (
    SPACE,
    SizeIndividual,
    TradeIndividual,
    make_statistics,
    make_toolbox,
    size_fitness,
    trade_fitness,
)


@pytest.fixture(autouse=True)
def seeded():
    loops.seeded(1)


def assert_evaluated(population, icls, fitness):
    """Everybody is legal, of the class, and has the fitness of these very genes."""
    for individual in population:
        SPACE.validate(individual)
        assert type(individual) is icls
        assert individual.fitness.values == fitness(individual)


def assert_nobody_dominates(population):
    """No member dominates another."""
    assert not any(one.fitness.dominates(other.fitness) for one in population for other in population)


@pytest.mark.parametrize("loop", [loops.simple, loops.plus, loops.comma, loops.generate_update])
def test_a_loop_of_one_objective_improves_and_keeps_its_companions(loop):
    hall, statistics = tools.HallOfFame(3), make_statistics()
    population, logbook = loop(make_toolbox(), halloffame=hall, stats=statistics)
    assert_evaluated([*population, *hall], SizeIndividual, size_fitness)
    assert len({tuple(individual) for individual in hall}) == 3
    minima, medians = logbook.chapters["fitness"].select("min", "median")
    assert hall[0].fitness.values == (min(minima),)
    assert medians[-1] < medians[0]
    assert logbook.chapters["ones"].select("mean")[-1] == sum(i.count(1) for i in population) / len(population)


@settings(max_examples=15)
@given(seeds)
def test_plus_selection_never_loses_its_best(seed):
    loops.seeded(seed)
    _, logbook = loops.plus(make_toolbox(), stats=make_statistics())
    minima = logbook.chapters["fitness"].select("min")
    assert minima == sorted(minima, reverse=True)


def test_nsga2_spreads_over_a_front():
    population = loops.nsga2(make_toolbox(TradeIndividual, trade_fitness))
    assert_evaluated(population, TradeIndividual, trade_fitness)
    front = tools.ParetoFront()
    front.update(population)
    assert_nobody_dominates(front)
    assert len({individual.fitness.values for individual in front}) > 5


@pytest.mark.parametrize("select", ["NSGA-III", "SPEA2", "NSGA-III with memory"])
def test_selection_by_dominance_keeps_the_first_front(select):
    toolbox = make_toolbox(TradeIndividual, trade_fitness)
    points = tools.uniform_reference_points(nobj=2, p=6)
    if select == "SPEA2":
        toolbox.register("select", tools.selSPEA2)
    elif select == "NSGA-III":
        toolbox.register("select", tools.selNSGA3, ref_points=points)
    else:
        toolbox.register("select", tools.selNSGA3WithMemory(points))
    population = loops.vary_and_select(toolbox)
    assert len(population) == 20
    assert_evaluated(population, TradeIndividual, trade_fitness)
    first = tools.sortNondominated(population, 20, first_front_only=True)[0]
    assert len({individual.fitness.values for individual in first}) > 3


def test_islands_exchange_their_best_in_a_ring():
    first, second, third = demes = loops.islands(make_toolbox())  # it ends with a migration
    for deme in demes:
        assert len(deme) == 10
        assert_evaluated(deme, SizeIndividual, size_fitness)
    for origin, destination in ((first, second), (second, third), (third, first)):
        assert any(one is other for one in origin for other in destination)


def test_the_history_knows_the_parents_of_everybody():
    toolbox, history = make_toolbox(), tools.History()
    toolbox.decorate("mate", history.decorator)
    toolbox.decorate("mutate", history.decorator)
    population = toolbox.population(8)
    history.update(population)
    population, _ = algorithms.eaMuPlusLambda(population, toolbox, 8, 16, 0.5, 0.5, 5, verbose=False)
    tree = history.genealogy_tree
    assert {len(parents) for parents in tree.values()} == {0, 1, 2}
    for individual in population:
        assert history.genealogy_history[individual.history_index] == individual
    for index, parents in tree.items():
        assert all(parent < index for parent in parents)
        if len(parents) == 1:
            ancestor, child = history.genealogy_history[parents[0]], history.genealogy_history[index]
            assert sum(a != b for a, b in zip(ancestor, child, strict=True)) <= 1
    assert set(history.getGenealogy(population[0])) <= set(tree)


def test_the_history_agrees_with_the_parents_of_the_asynchronous_loop():
    toolbox, history = make_toolbox(), tools.History()
    toolbox.decorate("mutate", history.decorator)
    population = toolbox.population(5)
    history.update(population)
    with SerialExecutor() as executor:
        population, _ = eaAsync(population, toolbox, executor, n_evaluations=30)
    by_id = {individual.evaluation.id: individual for individual in population}
    for individual in population[5:]:
        parent = by_id[individual.evaluation.parent]
        assert history.genealogy_tree[individual.history_index] == (parent.history_index,)


def test_a_population_goes_from_deaps_loop_to_ours_and_back():
    toolbox = make_toolbox()
    population, _ = loops.simple(toolbox)
    with SerialExecutor() as executor:
        population, _ = eaAsync(population, toolbox, executor, n_evaluations=20)
        assert len(population) == 40
        assert [individual.evaluation.id for individual in population[20:]] == list(range(20))
        population, _ = algorithms.eaSimple(population, toolbox, 0.5, 0.5, 2, verbose=False)
        population, _ = eaAsync(population, toolbox, executor, n_evaluations=10)
    assert_evaluated(population, SizeIndividual, size_fitness)
    assert [individual.evaluation.id for individual in population[40:]] == list(range(10))
    assert not any(hasattr(individual, "evaluation") for individual in population[:40])


def test_networks_for_digits_evolve_in_deaps_simplest_loop():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    fitness = AccuracyFitness(
        SPACE,
        dataset="digits",
        template=NetworkTemplate.small_cifar(channels=2),
        recipe=Recipe(steps=2, batch_size=16),
        repeats=1,
        device="cpu",
    )
    toolbox = make_toolbox(MaxIndividual, Guard(fitness, worst_values=fitness.worst_values))
    with SerialExecutor() as executor:
        toolbox.register("map", executor.map)
        population, logbook = algorithms.eaSimple(toolbox.population(4), toolbox, 0.5, 0.5, 1, verbose=False)
    assert logbook.select("nevals")[0] == 4
    assert all(0 < individual.fitness.values[0] <= 1 for individual in population)
    assert population[0].fitness.values == fitness(population[0])


def test_the_same_seed_gives_the_same_run_with_random_alone():
    runs = []
    for seed in (5, 5, 6):
        random.seed(seed)
        runs.append(loops.described(loops.simple(make_toolbox())[0]))
    assert runs[0] == runs[1] != runs[2]
