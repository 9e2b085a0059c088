import random
import statistics

import pytest
from deap import base, tools
from hypothesis import given, settings
from hypothesis import strategies as st

from deap_nas import (
    CostLimit,
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    NetworkTemplate,
    cost,
    cxMotif,
    eaAsync,
    initDiversified,
    initTrivial,
    median_cost,
    mutEdge,
)
from deap_nas.errors import NotViableError, SettingsError
from deap_nas.executors import SerialExecutor
from tests.toolboxes import MaxIndividual, gene_sum

TEMPLATE = NetworkTemplate.small_cifar()
SPACES = {
    "hierarchical": HierarchicalSpace(),
    "flat": FlatSpace(),
    "cell of NAS-Bench-201": FlatSpace(
        nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"), merge="add"
    ),
}


def size(space, genes):
    """(parameters, FLOPs); (0, 0) for no network."""
    try:
        found = cost(space, genes, TEMPLATE)
    except NotViableError:
        return 0, 0
    return found.n_parameters, found.flops


def make_limited_toolbox(space, rng, **limits):
    limit = CostLimit(space, TEMPLATE, **limits)
    toolbox = base.Toolbox()
    toolbox.register("individual", initDiversified, MaxIndividual, space, n_mutations=50, rng=rng)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("mutate", mutEdge, space=space, rng=rng)
    toolbox.register("mate", cxMotif, space=space, rng=rng)
    for alias in ("individual", "mutate", "mate"):
        toolbox.decorate(alias, limit)
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    return toolbox


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("which", ["max_parameters", "max_flops"])
def test_every_individual_an_operator_gives_keeps_within_the_limit(space, which):
    rng = random.Random(5)
    toolbox = make_limited_toolbox(space, rng)
    column = ("max_parameters", "max_flops").index(which)
    largest = int(statistics.median(size(space, toolbox.individual())[column] for _ in range(40)))
    toolbox = make_limited_toolbox(space, rng, **{which: largest})
    population = toolbox.population(n=20)
    for _ in range(15):
        for individual in population:
            toolbox.mutate(individual)
        for one, other in zip(population[::2], population[1::2], strict=True):
            toolbox.mate(one, other)
        assert all(size(space, individual)[column] <= largest for individual in population)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(0, 2**32))
def test_permits_says_what_cost_says(largest, seed):
    space = SPACES["flat"]
    genes = initDiversified(Genotype, space, n_mutations=20, rng=random.Random(seed))
    n_parameters, flops = size(space, genes)
    if largest:
        assert CostLimit(space, TEMPLATE, max_parameters=largest).permits(genes) == (0 < n_parameters <= largest)
        assert CostLimit(space, TEMPLATE, max_flops=largest).permits(genes) == (0 < flops <= largest)
    assert CostLimit(space, TEMPLATE).permits(genes)


def test_a_genotype_that_is_no_network_is_permitted_only_without_a_limit():
    space = SPACES["flat"]
    assert CostLimit(space, TEMPLATE).permits([0] * space.n_genes)
    assert not CostLimit(space, TEMPLATE, max_parameters=10**9).permits([0] * space.n_genes)


def test_a_limit_too_low_for_any_network_is_told_by_the_initialisation():
    toolbox = make_limited_toolbox(SPACES["hierarchical"], random.Random(1), max_parameters=10, n_tries=30)
    with pytest.raises(SettingsError, match="30 tries of initDiversified gave nothing"):
        toolbox.individual()


def test_individuals_of_any_sequence_are_restored_between_tries_given_by_name_as_well():
    space, rng = SPACES["flat"], random.Random(2)
    mutate = CostLimit(space, TEMPLATE, max_parameters=200_000)(mutEdge)
    for _ in range(30):
        individual = list(initTrivial(Genotype, space))
        before = list(individual)
        mutate(individual=individual, space=space, rng=rng)
        assert sum(a != b for a, b in zip(individual, before, strict=True)) <= 1


def test_a_limit_that_nothing_meets_ends_with_an_error_after_so_many_tries():
    calls = []

    def grow(individual):
        calls.append(list(individual))
        individual[0] = 1
        return (individual,)

    space = SPACES["flat"]
    parent = initTrivial(MaxIndividual, space)
    genes = list(parent)
    limited = CostLimit(space, TEMPLATE, max_parameters=10, max_flops=7, n_tries=25)(grow)
    with pytest.raises(SettingsError, match=r"25 tries of grow .* max_parameters=10 and max_flops=7: raise the limit"):
        limited(parent)
    assert calls == [genes] * 25  # each try starts from the genes that were given
    assert parent == genes


@pytest.mark.parametrize("name", ["max_parameters", "max_flops", "n_tries"])
def test_a_limit_that_is_not_positive_is_refused(name):
    with pytest.raises(SettingsError, match=f"{name} must be at least 1, found 0"):
        CostLimit(SPACES["flat"], TEMPLATE, **{name: 0})


def test_the_search_keeps_within_the_limit():
    space, rng = SPACES["flat"], random.Random(1)
    limit = median_cost(SPACES["hierarchical"], TEMPLATE, n_samples=30, rng=rng).n_parameters
    toolbox = make_limited_toolbox(space, rng, max_parameters=limit)
    toolbox.register("select", tools.selTournament, tournsize=2)
    toolbox.register("evaluate", gene_sum)
    with SerialExecutor() as executor:
        population, _ = eaAsync(toolbox.population(n=6), toolbox, executor, n_evaluations=25, rng=rng, cxpb=0.3)
    assert max(size(space, individual)[0] for individual in population) <= limit


def test_median_cost_is_the_median_of_what_the_networks_cost():
    space = SPACES["hierarchical"]
    found = median_cost(space, TEMPLATE, n_samples=21, n_mutations=60, rng=random.Random(4))
    rng = random.Random(4)
    sizes = [size(space, initDiversified(Genotype, space, n_mutations=60, rng=rng)) for _ in range(21)]
    viable = [pair for pair in sizes if pair[0]]
    assert found.n_parameters == statistics.median_low(pair[0] for pair in viable)
    assert found.flops == statistics.median_low(pair[1] for pair in viable)


def test_a_median_of_nothing_is_refused():
    with pytest.raises(SettingsError, match="none of 0 random genotypes is a network"):
        median_cost(SPACES["flat"], TEMPLATE, n_samples=0)
