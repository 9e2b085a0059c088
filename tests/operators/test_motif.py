import copy
import random
from collections import Counter

import pytest
from deap import base, tools
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deap_nas import (
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    canonical_key,
    cxMotif,
    initDiversified,
    initTrivial,
    mutEdge,
)
from deap_nas.errors import SettingsError
from deap_nas.graph import PAPER_OPERATIONS, Graph, Node, simplify
from tests.networks import gene_numbers, reorder_motifs
from tests.strategies import genes_of, hierarchical_spaces, seeds, spaces, spaces_and_genes
from tests.toolboxes import MaxIndividual

UNEVEN = HierarchicalSpace(motifs=(3, 2, 1), nodes=(4, 3, 5), operations=PAPER_OPERATIONS[:4])


@pytest.fixture(scope="module")
def draws():
    """((level, motif, successor, predecessor), label) of 40000 mutations."""
    rng, places = random.Random(1), {index: place for place, index in gene_numbers(UNEVEN).items()}
    found = []
    for _ in range(40_000):
        genes = [-1] * UNEVEN.n_genes  # no label, so that every draw shows
        mutEdge(genes, UNEVEN, rng=rng)
        ((index, label),) = [(index, gene) for index, gene in enumerate(genes) if gene != -1]
        found.append((places[index], label))
    return found


def assert_uniform(observed, domain):
    """Chi-square test of the observations against equal shares of the domain."""
    counts = Counter(observed)
    assert set(counts) <= set(domain)
    if len(domain) > 1:
        assert chisquare([counts[value] for value in domain]).pvalue > 1e-3


def test_mutation_draws_the_level_uniformly(draws):
    assert_uniform([place[0] for place, _ in draws], [2, 3, 4])


@pytest.mark.parametrize(("level", "n_motifs"), [(2, 3), (3, 2), (4, 1)])
def test_mutation_draws_the_motif_uniformly_within_its_level(draws, level, n_motifs):
    assert_uniform([place[1] for place, _ in draws if place[0] == level], range(1, n_motifs + 1))


@pytest.mark.parametrize(("level", "n_nodes"), [(2, 4), (3, 3), (4, 5)])
def test_mutation_draws_the_successor_uniformly_within_its_motif(draws, level, n_nodes):
    for motif in range(1, UNEVEN.motifs[level - 2] + 1):
        assert_uniform([place[2] for place, _ in draws if place[:2] == (level, motif)], range(2, n_nodes + 1))


@pytest.mark.parametrize(("level", "successor"), [(2, 2), (2, 3), (2, 4), (3, 3), (4, 2), (4, 3), (4, 4), (4, 5)])
def test_mutation_draws_the_predecessor_uniformly_below_its_successor(draws, level, successor):
    predecessors = [place[3] for place, _ in draws if (place[0], place[2]) == (level, successor)]
    assert_uniform(predecessors, range(1, successor))


@pytest.mark.parametrize(("level", "n_labels"), [(2, 5), (3, 4), (4, 3)])
def test_mutation_draws_the_label_uniformly_none_included(draws, level, n_labels):
    assert_uniform([label for place, label in draws if place[0] == level], range(n_labels))


def test_mutation_draws_everything_independently(draws):
    expected = {}
    for place, index in gene_numbers(UNEVEN).items():
        level, _, successor, _ = place
        share = 1 / 3 / UNEVEN.motifs[level - 2] / (UNEVEN.nodes[level - 2] - 1) / (successor - 1)
        expected |= {(place, label): share / (UNEVEN.up[index] + 1) for label in range(UNEVEN.up[index] + 1)}
    counts = Counter(draws)
    assert chisquare([counts[key] for key in expected], [p * len(draws) for p in expected.values()]).pvalue > 1e-3


def test_mutation_of_a_flat_genotype_draws_nodes_and_not_genes_uniformly():
    space, rng = FlatSpace(nodes=5), random.Random(2)
    counts = Counter()
    for _ in range(10_000):
        genes = [-1] * space.n_genes
        mutEdge(genes, space, rng=rng)
        counts[next(index for index, gene in enumerate(genes) if gene != -1)] += 1
    expected = [10_000 / 4 / (successor - 1) for successor in range(2, 6) for _ in range(1, successor)]
    assert chisquare([counts[index] for index in range(10)], expected).pvalue > 1e-3


@given(spaces_and_genes(), seeds)
def test_mutation_changes_at_most_one_gene_in_place_and_stays_legal(case, seed):
    space, genes = case
    individual = MaxIndividual(genes)
    result = mutEdge(individual, space, rng=random.Random(seed))
    assert isinstance(result, tuple)
    assert result[0] is individual
    assert sum(a != b for a, b in zip(genes, individual, strict=True)) <= 1
    space.validate(individual)


def test_mutation_may_keep_the_current_label():
    space, rng = FlatSpace(nodes=2, operations=("identity",)), random.Random(3)
    kept = sum(mutEdge([1], space, rng=rng)[0] == [1] for _ in range(1000))
    assert 400 < kept < 600


@given(spaces(with_identity=True), st.integers(0, 40), seeds)
def test_a_diversified_individual_is_legal_and_of_its_class(space, n_mutations, seed):
    individual = initDiversified(MaxIndividual, space, n_mutations=n_mutations, rng=random.Random(seed))
    assert type(individual) is MaxIndividual
    assert not individual.fitness.valid
    space.validate(individual)


@given(spaces(with_identity=True), seeds)
def test_diversifying_is_repeated_mutation_of_the_trivial_individual(space, seed):
    individual = initTrivial(Genotype, space)
    rng = random.Random(seed)
    for _ in range(20):
        mutEdge(individual, space, rng=rng)
    assert initDiversified(Genotype, space, n_mutations=20, rng=random.Random(seed)) == individual


def test_many_mutations_forget_the_trivial_individual():
    space, rng = FlatSpace(nodes=4), random.Random(4)
    individuals = [initDiversified(Genotype, space, n_mutations=150, rng=rng) for _ in range(1400)]
    for gene in range(space.n_genes):
        assert_uniform([individual[gene] for individual in individuals], range(7))


def test_the_papers_number_of_mutations_is_the_default():
    space = HierarchicalSpace()
    by_default = initDiversified(Genotype, space, rng=random.Random(5))
    assert by_default == initDiversified(Genotype, space, n_mutations=1000, rng=random.Random(5))


def test_operators_draw_from_the_global_generator_by_default():
    space = HierarchicalSpace()
    random.seed(6)
    first = initDiversified(Genotype, space, n_mutations=50)
    random.seed(6)
    assert initDiversified(Genotype, space, n_mutations=50) == first


@given(spaces(with_identity=True))
def test_the_trivial_individual_is_a_chain_in_every_motif(space):
    genes = initTrivial(Genotype, space)
    space.validate(genes)
    identity = space.operations.index("identity") + 1
    for (level, _, successor, predecessor), index in gene_numbers(space).items():
        on_the_chain = (identity if level == 2 else 1) if predecessor == successor - 1 else 0
        assert genes[index] == on_the_chain
    assert initDiversified(Genotype, space, n_mutations=0) == genes


@given(hierarchical_spaces(with_identity=True))
def test_the_trivial_network_is_a_chain_of_projections_or_the_input_alone(space):
    graph = simplify(space.lower(initTrivial(Genotype, space)))
    assert {node.operation for node in graph.nodes[1:]} <= {"conv_1x1"}
    assert all(node.inputs == (index - 1,) for index, node in enumerate(graph.nodes) if index)
    if not space.projected_levels or space.n_levels == 2:
        assert graph == Graph((Node("input"),), 0)


@given(hierarchical_spaces(with_identity=True), st.data())
def test_the_trivial_network_is_the_same_for_every_choice_of_motifs(space, data):
    genes = initTrivial(Genotype, space)
    level = data.draw(st.integers(2, space.n_levels))
    order = data.draw(st.permutations(range(1, space.motifs[level - 2] + 1)))
    assert canonical_key(space, reorder_motifs(space, genes, level, order)) == canonical_key(space, genes)


@pytest.mark.parametrize("init", [initTrivial, initDiversified])
def test_a_space_without_identity_has_no_trivial_individual(init):
    with pytest.raises(SettingsError, match="needs the operation 'identity'"):
        init(Genotype, FlatSpace(operations=("conv_1x1",)))


def test_a_negative_number_of_mutations_is_refused():
    with pytest.raises(SettingsError, match="n_mutations must be at least 0, found -1"):
        initDiversified(Genotype, FlatSpace(), n_mutations=-1)


@st.composite
def parents(draw):
    """A space and two individuals of it."""
    space, genes = draw(spaces_and_genes())
    return space, MaxIndividual(genes), MaxIndividual(draw(genes_of(space)))


@given(parents(), seeds)
def test_crossover_swaps_whole_motifs_in_place(case, seed):
    space, first, second = case
    before = list(first), list(second)
    children = cxMotif(first, second, space, rng=random.Random(seed))
    assert isinstance(children, tuple)
    assert children[0] is first
    assert children[1] is second
    for level, motif in {place[:2] for place in gene_numbers(space)}:
        where = space.motif_genes(level, motif)
        kept = (before[0][where], before[1][where])
        assert (first[where], second[where]) in (kept, kept[::-1])
    space.validate(first)
    space.validate(second)


@given(parents(), seeds)
def test_crossover_conserves_the_genes_at_each_place(case, seed):
    space, first, second = case
    before = [sorted(pair) for pair in zip(first, second, strict=True)]
    cxMotif(first, second, space, rng=random.Random(seed))
    assert [sorted(pair) for pair in zip(first, second, strict=True)] == before


def test_crossover_swaps_each_motif_with_probability_one_half_and_independently():
    rng = random.Random(7)
    motifs = sorted({place[:2] for place in gene_numbers(UNEVEN)})
    swaps = Counter()
    for _ in range(6400):
        first, second = [0] * UNEVEN.n_genes, [1] * UNEVEN.n_genes
        cxMotif(first, second, UNEVEN, rng=rng)
        swaps[tuple(first[UNEVEN.motif_genes(*motif).start] for motif in motifs)] += 1
    assert len(swaps) == 2 ** len(motifs)
    assert chisquare(list(swaps.values())).pvalue > 1e-3


@given(parents(), seeds, st.sampled_from([tools.cxOnePoint, tools.cxTwoPoint, tools.cxUniform]))
def test_deaps_crossovers_keep_individuals_legal(case, seed, mate):
    space, first, second = case
    random.seed(seed)
    if space.n_genes > 1:
        mate(first, second, **({"indpb": 0.5} if mate is tools.cxUniform else {}))
    space.validate(first)
    space.validate(second)
    assert type(first) is MaxIndividual


@given(parents(), seeds)
def test_deaps_mutation_with_the_spaces_bounds_keeps_individuals_legal(case, seed):
    space, individual, _ = case
    random.seed(seed)
    assert tools.mutUniformInt(individual, low=space.low, up=space.up, indpb=0.5) == (individual,)
    space.validate(individual)


@given(parents(), seeds)
def test_operators_work_registered_in_a_toolbox_on_clones(case, seed):
    space, first, second = case
    rng = random.Random(seed)
    toolbox = base.Toolbox()
    toolbox.register("mate", cxMotif, space=space, rng=rng)
    toolbox.register("mutate", mutEdge, space=space, rng=rng)
    before = copy.deepcopy(first), copy.deepcopy(second)
    one, two = toolbox.mate(toolbox.clone(first), toolbox.clone(second))
    (three,) = toolbox.mutate(toolbox.clone(one))
    assert (first, second) == before
    assert {type(child) for child in (one, two, three)} == {MaxIndividual}


def test_mutation_that_must_change_draws_each_other_label_alike():
    rng = random.Random(0)
    space = FlatSpace(nodes=2)
    labels = Counter()
    for _ in range(6000):
        (individual,) = mutEdge(Genotype([2]), space, must_change=True, rng=rng)
        labels[individual[0]] += 1
    assert set(labels) == {0, 1, 3, 4, 5, 6}
    assert chisquare(list(labels.values())).pvalue > 1e-3
