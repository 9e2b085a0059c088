"""Genotypes that grow level by level: the macro and the micro space of Perez-Rua 2018."""

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
from deap import base, tools
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deap_nas import (
    CellStack,
    Genotype,
    MacroSpace,
    MicroSpace,
    WholeNetwork,
    canonical_key,
    cost,
    eaAsync,
    initUniform,
    killOldest,
    mutGene,
    selTournamentFraction,
)
from deap_nas.errors import GenotypeError, SettingsError, UnknownNameError
from deap_nas.executors import SerialExecutor
from deap_nas.graph import JOINS, MERGES, Node, graphs_of, viable_graphs
from deap_nas.search_space import GrowingSpace, space_from_dict
from deap_nas.store import HDF5Store, find_problems
from deap_nas.template.value_shapes import shapes_at, values_of
from deap_nas.testing import SpaceContract
from tests.growing import SPACES, genotypes, growing_spaces, spaces_and_genotypes
from tests.strategies import seeds
from tests.toolboxes import MaxIndividual, gene_sum

MACRO, MICRO = MacroSpace(), MicroSpace()
EIGHT = (*MICRO.operations, "separable_conv_3x3")


class TestMacroSpace(SpaceContract):
    def make_space(self):
        return MacroSpace()


class TestMicroSpace(SpaceContract):
    def make_space(self):
        return MicroSpace(blocks=4, operations=EIGHT)


def test_there_are_as_many_genotypes_as_the_paper_counts():
    assert MACRO.n_genotypes() == 6**12 * 2**66 == MACRO.n_genotypes(12)
    assert 1.6e29 < MACRO.n_genotypes() < 1.61e29
    assert MICRO.n_genotypes() == math.prod((7 * n) ** 2 for n in (2, 3, 4, 5, 6)) == 146_435_169_081_600
    assert MicroSpace(operations=EIGHT).n_genotypes() == 556_627_761_561_600
    assert [MACRO.n_genotypes(level) for level in (1, 2, 3)] == [6, 6**2 * 2, 6**3 * 2**3]
    assert [MICRO.n_genotypes(level) for level in (1, 2)] == [14**2, 14**2 * 21**2]


def test_levels_have_as_many_options_as_the_paper_says():
    assert MACRO.options(12).shape == (12_288, 12)
    assert MicroSpace(operations=EIGHT).options(5).shape == (2304, 4)
    assert MACRO.options(1).tolist() == [[0], [1], [2], [3], [4], [5]]
    assert len(MICRO.options(1)) == 196


@pytest.mark.parametrize(
    "space", [MacroSpace(layers=3, operations=("conv_1x1", "identity")), MicroSpace(blocks=2, operations=("conv_1x1",))]
)
def test_the_options_of_all_levels_are_all_genotypes_each_once(space):
    made = [()]
    for level in range(1, space.n_levels + 1):
        made = [(*genes, *row) for genes in made for row in space.options(level).tolist()]
        for genes in made:
            space.validate(genes)
        assert len(set(made)) == len(made) == space.n_genotypes(level)
    assert made == sorted(made)
    drawn = {tuple(space.sample(rng=random.Random(seed))) for seed in range(30 * len(made))}
    assert drawn == set(made)


@given(growing_spaces(), seeds)
def test_levels_are_contiguous_runs_of_genes(space, seed):
    rng, stop = random.Random(seed), 0
    for level in range(1, space.n_levels + 1):
        where = space.genes_of(level)
        assert where.start == stop
        stop = where.stop
        options = space.options(level)
        assert options.dtype == space.row_dtype
        assert options.shape == (math.prod(up + 1 for up in space.up[where]), where.stop - where.start)
        genotype = space.sample_level(level, rng=rng)
        space.validate(genotype)
        assert (type(genotype), len(genotype), space.level_of(genotype)) == (Genotype, stop, level)
        assert len(space.words_of(genotype)) == level
        genotype[where] = rng.choice(options).tolist()
        space.validate(genotype)
        assert space.decode(space.encode(genotype)) == genotype
    assert len(space.low) == len(space.up) == len(space.token_offsets) == stop
    assert len(space.sample(rng=rng)) == stop


@given(growing_spaces())
def test_tokens_of_operations_and_of_inputs_are_different_and_fill_the_vocabulary(space):
    is_operation = np.array([gene.meaning.startswith("operation") for gene in space._genes()])
    tokens = [
        {offset + value for value in range(up + 1)} for offset, up in zip(space.token_offsets, space.up, strict=True)
    ]
    operations, inputs = (set().union(*itertools.compress(tokens, chosen)) for chosen in (is_operation, ~is_operation))
    assert operations == set(range(len(space.operations)))
    assert operations.isdisjoint(inputs)
    assert operations | inputs == set(range(space.n_tokens))
    assert space.token_offsets.ndim == 1


def test_the_vocabulary_is_operations_and_bits_or_operations_and_inputs():
    assert MACRO.n_tokens == 6 + 2
    assert MICRO.n_tokens == 7 + 6
    assert MACRO.token_offsets[:6].tolist() == [0, 0, 6, 0, 6, 6]
    assert MICRO.token_offsets.tolist() == [7, 0] * 10


def test_a_sample_is_any_genotype_of_its_length_equally_often():
    space, rng = MicroSpace(blocks=2, operations=("conv_1x1", "identity")), random.Random(1)
    counts = Counter(tuple(space.sample_level(1, rng=rng)) for _ in range(4000))
    assert len(counts) == space.n_genotypes(1) == 16
    assert chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("level", [0, 13, -1, True, 1.0, "1", None])
def test_levels_that_are_not_there_are_refused(level):
    for method in (MACRO.options, MACRO.genes_of, MACRO.sample_level):
        with pytest.raises(SettingsError, match="there are layers 1 to 12, found"):
            method(level)
    if level is not None:
        with pytest.raises(SettingsError, match="there are layers 1 to 12, found"):
            MACRO.n_genotypes(level)


def test_more_options_than_fit_into_an_array_are_refused():
    space = MacroSpace(layers=40)
    assert space.n_genotypes(40) == 6**40 * 2**780
    with pytest.raises(SettingsError, match=r"layer 40 has 3.3e\+12 options, and up to 16777216 can be listed"):
        space.options(40)


@pytest.mark.parametrize(
    ("kind", "field", "value", "error"),
    [
        *[("macro", "layers", value, SettingsError) for value in (0, -1, 257, True, 2.0, "3", None)],
        *[("micro", "blocks", value, SettingsError) for value in (0, 257, 10**30)],
        *[
            ("micro", "operations", value, SettingsError)
            for value in ((), "identity", ("identity",) * 2, 7, None, (1,), [["conv_1x1"]], {"conv_1x1": 1})
        ],
        ("macro", "operations", ("conv_1x1", "of_nobody"), UnknownNameError),
        ("macro", "operations", ("input",), UnknownNameError),
        ("macro", "blocks", 3, TypeError),
    ],
)
def test_settings_out_of_range_are_refused(kind, field, value, error):
    with pytest.raises(error):
        space_from_dict({"kind": kind, field: value})


def test_what_a_description_lacks_takes_its_default():
    assert space_from_dict({"kind": "macro"}) == MACRO
    assert space_from_dict({"kind": "micro"}) == MICRO
    assert space_from_dict({"kind": "micro", "blocks": 2}) == MicroSpace(blocks=2) != MICRO


@pytest.mark.parametrize(
    ("space", "genes", "message"),
    [
        (MACRO, [], "expected the genes of 1 to 12 layers, such as 1 for 1, found 0 genes"),
        (MACRO, [0, 0], "expected the genes of 1 to 12 layers, such as 1 for 1 or 3 for 2, found 2 genes"),
        (MACRO, [0] * 77, "such as 66 for 11 or 78 for 12, found 77 genes"),
        (MACRO, [0] * 79, "such as 78 for 12, found 79 genes"),
        (MICRO, [0] * 21, "expected the genes of 1 to 5 blocks, such as 20 for 5, found 21 genes"),
        (MACRO, [6], r"gene 0 \(layer 1, operation\) must be an integer in 0..5, found 6"),
        (MACRO, [0, 0, 2], r"gene 2 \(layer 2, whether it reads layer 1\) must be an integer in 0..1, found 2"),
        (MACRO, [0, 0, 1, 0, 1, -1], r"gene 5 \(layer 3, whether it reads layer 2\) must be .* 0..1, found -1"),
        (MICRO, [2, 0, 0, 0], r"gene 0 \(block 1, input 1\) must be an integer in 0..1, found 2"),
        (MICRO, [0, 0, 0, 7], r"gene 3 \(block 1, operation 2\) must be an integer in 0..6, found 7"),
        (MICRO, [0, 0, 0, 0, 2, 0, 3, 0], r"gene 6 \(block 2, input 2\) must be an integer in 0..2, found 3"),
        (MICRO, [0, 1.0, 0, 0], r"gene 1 \(block 1, operation 1\) must be an integer in 0..6, found 1.0"),
        (MICRO, [0, True, 0, 0], "must be an integer in 0..6, found True"),
        (MICRO, [0, "1", 0, 0], "must be an integer in 0..6, found '1'"),
        (MICRO, [10**40, 0, 0, 0], "must be an integer in 0..1, found 1000"),
    ],
)
def test_genotypes_of_another_space_are_refused_in_words(space, genes, message):
    for method in (space.validate, space.lower, space.describe, space.motifs_of, space.words_of):
        with pytest.raises(GenotypeError, match=message):
            method(genes)
    with pytest.raises(GenotypeError):
        space.changes(genes, genes)


@given(st.sampled_from(SPACES), st.lists(st.integers(-2, 9) | st.booleans() | st.none() | st.floats(), max_size=90))
def test_rows_of_strangers_are_a_genotype_or_refused(space, row):
    try:
        genotype = space.decode(row)
        space.validate(genotype)
    except GenotypeError:
        return
    assert viable_graphs(space, genotype)


def operations_of(graph):
    return [(node.path, getattr(node.operation, "weights_label", node.operation)) for node in graph.nodes if node.path]


@given(growing_spaces(max_levels=6), st.data())
def test_paths_do_not_depend_on_what_is_read(space, data):
    """They are layer, or block, and a number; two genotypes of the same operations have the same paths."""
    level = data.draw(st.integers(1, space.n_levels))
    one, other = (data.draw(genotypes(space, level)) for _ in range(2))
    for place, gene in enumerate(itertools.islice(space._genes(), len(one))):
        if gene.meaning.startswith("operation"):
            other[place] = one[place]
    for first, second in zip(graphs_of(space.lower(one)), graphs_of(space.lower(other)), strict=True):
        found = [[path for path, _ in operations_of(graph)] for graph in (first, second)]
        inner = [{path for path in paths if len(path) == 2 and path[1] < 2} for paths in found]
        assert inner[0] == inner[1] == {(number, part) for number in range(1, level + 1) for part in (0, 1)}
        rest = set(itertools.chain(*found)) - inner[0]
        assert rest <= {(0,), *((number, 2) for number in range(1, level + 1))}


@given(growing_spaces(max_levels=6), st.data())
def test_the_paths_of_a_genotype_stay_when_it_grows(space, data):
    genotype = data.draw(genotypes(space, space.n_levels))
    whole = [dict(operations_of(graph)) for graph in graphs_of(space.lower(genotype))]
    for level in range(1, space.n_levels):
        part = graphs_of(space.lower(genotype[: space.genes_of(level).stop]))
        for graph, known in zip(part, whole, strict=True):
            for path, label in operations_of(graph):
                assert known.get(path, label) == label
                assert path in known or path[1:] == (2,)


def test_a_layer_reads_the_sum_of_those_that_are_chosen_or_the_layer_before():
    graph = MACRO.lower([2, 0, 0, 3, 1, 1, 4, 1, 0, 1])
    assert graph.nodes == (
        Node("input"),
        Node("conv_1x1", (0,), 0, (1, 0)),
        Node("conv_3x3", (1,), 0, (1, 1)),
        Node("conv_1x1", (2,), 0, (2, 0)),
        Node("max_pool_3x3", (3,), 0, (2, 1)),
        Node("add", (2, 4)),
        Node("conv_1x1", (5,), 0, (3, 0)),
        Node("conv_5x5", (6,), 0, (3, 1)),
        Node("add", (2, 7)),
        Node("conv_1x1", (8,), 0, (4, 0)),
        Node("depthwise_conv_3x3", (9,), 0, (4, 1)),
    )
    assert graph.output == 10


def test_a_cell_adds_two_operations_a_block_and_projects_the_blocks_that_nobody_reads():
    normal, reduction = MICRO.lower([0, 2, 1, 6, 0, 4, 2, 6, 1, 0, 1, 0])
    labels = [getattr(node.operation, "label", node.operation) for node in reduction.nodes]
    assert labels == [
        "input", "input", "conv_3x3_by2", "identity_by2", "add", "depthwise_conv_3x3_by2", "identity", "add",
        "max_pool_3x3_by2", "max_pool_3x3_by2", "add", "conv_1x1_times1", "conv_1x1_times1", "add", "bn_relu",
    ]  # fmt: skip
    inputs = [(), (), (0,), (1,), (2, 3), (0,), (4,), (5, 6), (1,), (1,), (8, 9), (7,), (10,), (11, 12), (13,)]
    paths = {2: (1, 0), 3: (1, 1), 5: (2, 0), 6: (2, 1), 8: (3, 0), 9: (3, 1), 11: (2, 2), 12: (3, 2), 14: (0,)}
    for graph in (normal, reduction):
        assert [node.inputs for node in graph.nodes] == inputs
        assert {index: node.path for index, node in enumerate(graph.nodes) if node.path} == paths
        assert (graph.output, graph.n_inputs) == (14, 2)
    assert [node.operation.n_added for node in normal.nodes[11:13]] == [
        2,
        2,
    ]  # drawn as one convolution of both would be
    plain = [label.removesuffix("_by2") for label in labels]
    assert [getattr(node.operation, "label", node.operation) for node in normal.nodes] == plain


@given(spaces_and_genotypes(st.just("micro")), st.integers(1, 70))
def test_a_reduction_cell_halves_everything_in_it_and_a_normal_one_keeps_it(case, size):
    space, genotype = case
    for graph, expected in zip(space.lower(genotype), (size, -(-size // 2)), strict=True):
        values = values_of(graph, [shapes_at(((8, size, size),))] * 2)
        assert {value.shapes.of_places for value in values[2:]} == {((8, expected, expected),)}


@given(spaces_and_genotypes(), st.integers(1, 40))
def test_every_genotype_fits_into_its_template_whatever_the_size_of_the_images(case, size):
    space, genotype = case
    template = space.default_template(n_classes=3, image_size=size)
    assert cost(space, genotype, template).n_parameters > 0


def test_templates_are_those_of_the_papers_search():
    assert MACRO.default_template() == WholeNetwork(stem=((24, 1),))
    assert MICRO.default_template() == CellStack(channels=24, n_normal=2)


def test_a_layer_that_reads_none_is_the_network_of_one_that_reads_the_layer_before():
    none, before, first = ([2, 3, 1, 2, *bits] for bits in ((0, 0), (0, 1), (1, 0)))
    assert canonical_key(MACRO, none) == canonical_key(MACRO, before) != canonical_key(MACRO, first)


def test_what_a_dead_layer_does_is_the_same_network():
    keys = {canonical_key(MACRO, [2, operation, bit, 2, 1, 0]) for operation in range(6) for bit in (0, 1)}
    assert keys == {canonical_key(MACRO, [2, 0, 0, 2, 1, 0])} != {canonical_key(MACRO, [2, 0, 0, 2, 0, 1])}


@given(spaces_and_genotypes(st.just("micro")), st.data())
def test_operands_that_change_places_are_the_same_network(case, data):
    space, genotype = case
    block = data.draw(st.integers(0, len(genotype) // 4 - 1))
    swapped = Genotype(genotype)
    swapped[4 * block : 4 * block + 4] = [
        *genotype[4 * block + 2 : 4 * block + 4],
        *genotype[4 * block : 4 * block + 2],
    ]
    assert canonical_key(space, swapped) == canonical_key(space, genotype)
    template = CellStack(channels=8)
    assert cost(space, swapped, template) == cost(space, genotype, template)


def test_cells_of_one_block_are_as_many_networks_as_pairs_of_operands():
    for operations in (MICRO.operations, EIGHT):
        space = MicroSpace(blocks=1, operations=operations)
        keys = {canonical_key(space, genes) for genes in space.options(1).tolist()}
        n_operands = 2 * len(operations)
        assert len(keys) == n_operands * (n_operands + 1) // 2


def nested(genotype):
    """The output of a cell as nested operands, whose order and that of unused blocks do not count."""
    values, read = ["cell -2", "cell -1"], set()
    for start in range(0, len(genotype), 4):
        one, first, other, second = genotype[start : start + 4]
        values.append(repr(sorted([(first, values[one]), (second, values[other])])))
        read.update((one, other))
    return repr(sorted(value for index, value in enumerate(values) if index > 1 and index not in read))


def test_cells_of_two_blocks_have_equal_keys_where_they_are_the_same_network():
    space = MicroSpace(blocks=2, operations=("conv_3x3", "max_pool_3x3"))
    rows = [one + other for one in space.options(1).tolist() for other in space.options(2).tolist()]
    pairs = {(canonical_key(space, genes), nested(genes)) for genes in rows}
    assert len(rows) == space.n_genotypes() == 576
    assert len(pairs) == len({key for key, _ in pairs}) == len({form for _, form in pairs}) == 55 + 110


def test_networks_are_told_in_words_layer_by_layer():
    assert MACRO.describe([2, 0, 0, 3, 1, 1, 4, 1, 0, 1]).splitlines() == [
        "layer 1: conv_3x3 of the stem",
        "layer 2: max_pool_3x3 of the layer before",
        "layer 3: conv_5x5 of layers 1 + 2",
        "layer 4: depthwise_conv_3x3 of layers 1 + 3",
    ]
    assert MACRO.describe([2, 0, 1, 3, 1, 0]).splitlines()[1:] == [
        "layer 2: max_pool_3x3 of layer 1  (dead)",
        "layer 3: conv_5x5 of layer 1",
    ]


def test_cells_are_told_in_words_block_by_block():
    assert MICRO.describe([0, 2, 1, 6, 0, 4, 2, 6, 1, 0, 1, 0]).splitlines() == [
        "block 1: conv_3x3 of cell -2 + identity of cell -1",
        "block 2: depthwise_conv_3x3 of cell -2 + identity of block 1",
        "block 3: max_pool_3x3 of cell -1 + max_pool_3x3 of cell -1",
        "output: 1x1 convolution of blocks 2 + 3",
    ]
    assert MICRO.describe([0, 2, 1, 6]).splitlines()[-1] == "output: 1x1 convolution of block 1"


@given(st.sampled_from(SPACES), st.data())
def test_words_differ_where_genes_do(space, data):
    one, other = (data.draw(genotypes(space)) for _ in range(2))
    assert (space.words_of(one) == space.words_of(other)) == (one == other)
    assert bool(space.changes(one, other)) == (one != other)


def test_changes_are_told_level_by_level():
    assert MACRO.changes([2, 0, 0], [2, 1, 1, 3, 0, 0]) == [
        "layer 2: avg_pool_3x3 of layer 1, was max_pool_3x3 of the layer before",
        "layer 3 added: conv_5x5 of the layer before",
    ]
    assert MICRO.changes([0, 0, 1, 2, 2, 3, 0, 6], [0, 0, 1, 1]) == [
        "block 1: max_pool_3x3 of cell -2 + avg_pool_3x3 of cell -1, was max_pool_3x3 of cell -2 + conv_3x3 of cell -1",
        "block 2 removed: conv_5x5 of block 1 + identity of cell -2",
    ]


def test_a_cell_is_read_as_a_motif_of_cells_blocks_and_output():
    (motif,) = MICRO.motifs_of([0, 2, 1, 6, 0, 4, 2, 6, 1, 0, 1, 0])
    assert motif.node_names == ("c-2", "c-1", "1", "2", "3", "out")
    assert [(edge.predecessor, edge.successor, edge.label) for edge in motif.edges] == [
        (1, 3, "conv_3x3"), (2, 3, "identity"), (1, 4, "depthwise_conv_3x3"), (3, 4, "identity"),
        (2, 5, "max_pool_3x3"), (2, 5, "max_pool_3x3"), (4, 6, "conv_1x1"), (5, 6, "conv_1x1"),
    ]  # fmt: skip
    assert motif.n_nodes == 6


@pytest.mark.parametrize("kind", ["macro", "micro"])
def test_operations_that_are_not_registered_can_be_read_and_told(kind):
    fields = {"kind": kind, "operations": ["conv_3x3", "of_nobody"]}
    space = space_from_dict(fields, unknown_operations=True)
    genotype = space.sample(rng=random.Random(1))
    assert "of_nobody" in space.describe(genotype)
    assert any(edge.label == "of_nobody" for edge in space.motifs_of(genotype)[0].edges)
    assert any(node.operation == "of_nobody" for node in graphs_of(space.lower(genotype))[0].nodes)
    with pytest.raises(UnknownNameError, match="of_nobody"):
        cost(space, genotype, space.default_template())


@given(spaces_and_genotypes(), st.booleans(), seeds)
def test_mutations_are_legal_and_keep_the_number_of_levels(case, must_change, seed):
    space, genotype = case
    assume(any(space.up[: len(genotype)]))
    rng, individual = random.Random(seed), MaxIndividual(genotype)
    mutGene(individual, space, must_change=must_change, rng=rng)
    space.validate(individual)
    assert len(individual) == len(genotype)
    n_changed = sum(one != other for one, other in zip(individual, genotype, strict=True))
    assert n_changed == 1 if must_change else n_changed <= 1


def test_every_gene_of_a_short_genotype_is_mutated():
    rng, changed = random.Random(1), set()
    for _ in range(200):
        (mutant,) = mutGene([2, 0, 0, 3, 1, 1], MACRO, must_change=True, rng=rng)
        changed.update(place for place in range(6) if mutant[place] != [2, 0, 0, 3, 1, 1][place])
    assert changed == set(range(6))


@given(st.sampled_from(SPACES), seeds)
def test_crossing_genotypes_of_different_lengths_is_legal(space, seed):
    random.seed(seed)  # from which DEAP's own crossover draws
    rng = random.Random(seed)
    pair = [space.sample_level(rng.randint(1, space.n_levels), rng=rng) for _ in range(2)]
    lengths = list(map(len, pair))
    if min(lengths) > 1:
        tools.cxTwoPoint(*pair)
    for genotype in pair:
        space.validate(genotype)
    assert list(map(len, pair)) == lengths


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.level_name)
def test_a_search_over_genotypes_of_different_lengths_is_recorded(space, tmp_path):
    rng, toolbox = random.Random(5), base.Toolbox()
    toolbox.register("select", selTournamentFraction, fraction=0.4, rng=rng)
    toolbox.register("mutate", mutGene, space=space, rng=rng)
    toolbox.register("evaluate", gene_sum)
    levels = range(1, space.n_levels + 1)
    first = [MaxIndividual(space.sample_level(level, rng=rng)) for level in levels]
    first.append(initUniform(MaxIndividual, space, rng=rng))
    with (
        HDF5Store.create(tmp_path / "run.h5", space=space, settings={}, seed=1) as store,
        SerialExecutor() as executor,
    ):
        eaAsync(
            first, toolbox, executor, n_evaluations=30, store=store, rng=rng, survival=lambda m: killOldest(m, size=9)
        )
    with HDF5Store.read(tmp_path / "run.h5") as store:
        assert store.space == space
        assert isinstance(store.space, GrowingSpace)
        assert find_problems(store, everything=True) == []
        found = [space.level_of(record.genes) for record in store]
        assert found[: len(levels) + 1] == [*levels, space.n_levels]
        assert len(found) == 30


def test_each_operation_but_joins_has_a_path():
    for space in SPACES:
        for graph in graphs_of(space.lower(space.sample(rng=random.Random(2)))):
            assert all(node.path for node in graph.nodes[graph.n_inputs :] if node.operation not in JOINS)
            assert not any(node.path for node in graph.nodes if node.operation in MERGES)
