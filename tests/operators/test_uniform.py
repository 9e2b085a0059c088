import random
from collections import Counter
from types import SimpleNamespace

import pytest
from deap import base, tools
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deap_nas import (
    FlatSpace,
    Genotype,
    NetworkTemplate,
    canonical_key,
    cost,
    cxChain,
    cxMotif,
    eaAsync,
    initChain,
    initDiversified,
    initTrivial,
    initUniform,
    median_cost,
    mutAlterLayer,
    mutChain,
    mutEdge,
    mutGene,
    mutInsertLayer,
    mutRemoveLayer,
)
from deap_nas.errors import SettingsError
from deap_nas.executors import SerialExecutor
from deap_nas.testing import SpaceContract
from tests.chain import Chain
from tests.strategies import seeds, spaces
from tests.toolboxes import MaxIndividual, gene_sum

CHAIN = Chain()
TEMPLATE = NetworkTemplate.small_cifar()
#: Bounds that are not 0, one gene with a single value.
BOUNDS = SimpleNamespace(low=[-1, 3, 0, 2], up=[1, 4, 4, 2])


class TestChain(SpaceContract):
    def make_space(self):
        return Chain()


@given(spaces(), seeds)
def test_what_is_made_and_mutated_is_legal_in_any_space_of_ints(space, seed):
    rng = random.Random(seed)
    individual = initUniform(MaxIndividual, space, rng=rng)
    assert type(individual) is MaxIndividual
    for _ in range(5):
        assert mutGene(individual, space, rng=rng)[0] is individual
        space.validate(individual)


def assert_equally_often(counts, values):
    assert set(counts) == set(values)
    assert len(values) == 1 or chisquare([counts[value] for value in values]).pvalue > 1e-3


def test_an_individual_has_each_value_of_a_gene_equally_often():
    rng = random.Random(1)
    made = [initUniform(list, BOUNDS, rng=rng) for _ in range(3000)]
    for column, low, up in zip(zip(*made, strict=True), BOUNDS.low, BOUNDS.up, strict=True):
        assert_equally_often(Counter(column), range(low, up + 1))


def test_a_mutation_draws_gene_and_value_uniformly_and_may_change_nothing():
    rng, before = random.Random(2), [99, 99, 99, 99]  # a value that no gene has, so that every draw shows
    drawn = []
    for _ in range(6000):
        (after,) = mutGene(list(before), BOUNDS, rng=rng)
        drawn += [(gene, value) for gene, value in enumerate(after) if value != 99]
    assert len(drawn) == 6000
    assert_equally_often(Counter(gene for gene, _ in drawn), range(4))
    for gene, (low, up) in enumerate(zip(BOUNDS.low, BOUNDS.up, strict=True)):
        assert_equally_often(Counter(value for place, value in drawn if place == gene), range(low, up + 1))
    assert any(mutGene([0, 3, 0, 2], BOUNDS, rng=rng)[0] == [0, 3, 0, 2] for _ in range(100))


def test_a_mutation_that_must_change_draws_uniformly_among_the_other_values():
    rng, before = random.Random(3), [0, 4, 0, 2]
    changes = Counter()
    for _ in range(6000):
        (after,) = mutGene(list(before), BOUNDS, must_change=True, rng=rng)
        (gene,) = [gene for gene in range(4) if after[gene] != before[gene]]
        changes[gene, after[gene]] += 1
    genes = Counter()
    for (gene, _), count in changes.items():
        genes[gene] += count
    assert_equally_often(genes, [0, 1, 2])
    assert_equally_often(Counter({value: changes[0, value] for value in (-1, 1)}), [-1, 1])
    assert_equally_often(Counter({value: changes[2, value] for value in range(1, 5)}), range(1, 5))


@pytest.mark.parametrize("must_change", [False, True])
def test_without_a_gene_to_draw_a_mutation_says_so(must_change):
    bounds = SimpleNamespace(low=[1], up=[1]) if must_change else SimpleNamespace(low=[], up=[])
    with pytest.raises(SettingsError, match="mutGene finds no gene to"):
        mutGene([1], bounds, must_change=must_change)


@given(st.integers(0, 2**32))
def test_the_same_generator_draws_the_same(seed):
    made = [initUniform(list, CHAIN, rng=random.Random(seed)) for _ in range(2)]
    assert made[0] == made[1]


class Graphs:
    """A space whose genotypes are no lists."""


@pytest.mark.parametrize(
    ("operate", "instead"),
    [
        (lambda space: initTrivial(Genotype, space), "take initUniform"),
        (lambda space: initDiversified(Genotype, space), "take initUniform"),
        (lambda space: mutEdge(Genotype([0] * 6), space), "take mutGene"),
        (lambda space: cxMotif(Genotype([0] * 6), Genotype([1] * 6), space), "take DEAP's cxTwoPoint or cxUniform"),
    ],
    ids=["initTrivial", "initDiversified", "mutEdge", "cxMotif"],
)
def test_an_operator_on_motifs_says_what_to_take_for_a_space_that_has_none(operate, instead):
    with pytest.raises(SettingsError, match=rf"is for genotypes of motifs.* Chain has none: {instead}"):
        operate(CHAIN)


@pytest.mark.parametrize(
    ("operate", "instead"),
    [
        (lambda space: initChain(Genotype, space), "initUniform"),
        (lambda space: mutInsertLayer(Genotype([0] * 8), space), "mutGene"),
        (lambda space: mutRemoveLayer(Genotype([0] * 8), space), "mutGene"),
        (lambda space: mutAlterLayer(Genotype([0] * 8), space), "mutGene"),
        (lambda space: mutChain(Genotype([0] * 8), space), "mutGene"),
        (lambda space: cxChain(Genotype([0] * 8), Genotype([1] * 8), space), "DEAP's cxTwoPoint or cxUniform"),
    ],
    ids=["initChain", "mutInsertLayer", "mutRemoveLayer", "mutAlterLayer", "mutChain", "cxChain"],
)
def test_an_operator_on_chains_of_layers_says_what_to_take_for_a_space_that_has_none(operate, instead):
    with pytest.raises(SettingsError, match=rf"is for chains of layers.* FlatSpace has none: take {instead}"):
        operate(FlatSpace(nodes=4))


@pytest.mark.parametrize("operate", [lambda space: initUniform(list, space), lambda space: mutGene([0], space)])
def test_an_operator_on_bounds_says_that_a_space_has_none(operate):
    with pytest.raises(SettingsError, match=r"space of lists of ints, with low and up.* Graphs has none"):
        operate(Graphs())


def test_an_error_of_the_generator_is_not_blamed_on_the_space():
    with pytest.raises(AttributeError, match="randint"):
        mutEdge([0] * 6, FlatSpace(nodes=4), rng=object())


def test_the_median_cost_of_a_space_without_motifs_is_that_of_uniform_genotypes():
    found = median_cost(CHAIN, TEMPLATE, n_samples=11, rng=random.Random(4))
    rng = random.Random(4)
    sizes = sorted(cost(CHAIN, initUniform(Genotype, CHAIN, rng=rng), TEMPLATE).n_parameters for _ in range(11))
    assert found.n_parameters == sizes[5]


def test_a_search_over_a_space_of_ones_own_runs():
    rng, toolbox = random.Random(5), base.Toolbox()
    toolbox.register("individual", initUniform, MaxIndividual, CHAIN, rng=rng)
    toolbox.register("mutate", mutGene, space=CHAIN, must_change=True, rng=rng)
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("select", tools.selTournament, tournsize=3)
    toolbox.register("evaluate", gene_sum)
    first = tools.initRepeat(list, toolbox.individual, 6)
    with SerialExecutor() as executor:
        population, _ = eaAsync(first, toolbox, executor, n_evaluations=60, rng=rng)
    assert max(member.fitness.values[0] for member in population) > max(map(sum, population[:6]))
    assert len({canonical_key(CHAIN, member) for member in population}) > 10
