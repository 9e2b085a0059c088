"""Genotypes of a normal and a reduction cell: NASNet's, AmoebaNet's and those of DARTS."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import CellSpace, CellStack, Genotype, MicroSpace, canonical_key, cost
from deap_nas.errors import GenotypeError, SettingsError, UnknownNameError
from deap_nas.graph import DARTS_OPERATIONS, JOINS, Node, graphs_of, viable_graphs
from deap_nas.search_space import space_from_dict
from deap_nas.template.value_shapes import shapes_at, values_of
from tests.cells import AMOEBANET, DARTS, NASNET, cell_spaces, n_parameters_by_hand, spaces_and_cells
from tests.strategies import genes_of, seeds

#: Two blocks a cell; operation 0 is the identity.
SMALL = CellSpace(blocks=2, operations=("identity", "conv_3x3", "max_pool_3x3"))


def test_genes_are_two_inputs_and_two_operations_a_block():
    assert NASNET.n_genes == 40
    assert NASNET.up == 2 * [gene for n in (2, 3, 4, 5, 6) for gene in (n - 1, 12, n - 1, 12)]
    assert NASNET.low == [0] * 40
    assert SMALL.up == 2 * [1, 2, 1, 2, 2, 2, 2, 2]


def test_there_are_as_many_cells_as_liu_2019_counts():
    """Of nodes whose two inputs are different ones, (k + 1) k / 2 pairs for node k, with seven operations each."""
    n_cells = math.prod(up + 1 for up in DARTS.up[: DARTS.n_genes // 2])
    ordered = 2**DARTS.blocks  # two operands, each of which may come first
    assert n_cells == ordered * math.prod((k + 1) * k // 2 * 7**2 for k in (1, 2, 3, 4))
    assert n_cells / ordered == pytest.approx(1e9, rel=0.05)


def test_the_cells_are_lowered_as_two_graphs_of_two_inputs():
    genotype = [0, 1, 1, 0, 2, 2, 0, 1, *[1, 0, 0, 1, 1, 2, 1, 1]]
    normal, reduction = SMALL.lower(genotype)
    assert normal.nodes == (
        *[Node("input")] * 2,
        Node("conv_3x3", (0,), 0, (1, 0)),
        Node("identity", (1,), 0, (1, 1)),
        Node("add", (2, 3)),
        Node("max_pool_3x3", (4,), 0, (2, 0)),
        Node("conv_3x3", (0,), 0, (2, 1)),
        Node("add", (5, 6)),
    )
    assert (normal.output, normal.n_inputs) == (7, 2)
    labels = [getattr(node.operation, "label", node.operation) for node in reduction.nodes[2:]]
    assert labels == [
        "identity_by2", "conv_3x3_by2", "add", "max_pool_3x3_by2", "conv_3x3_by2", "add", "concat",
    ]  # fmt: skip
    assert reduction.nodes[-1] == Node("concat", (4, 7))
    assert reduction.output == 8


def test_the_output_is_unused_blocks_all_blocks_or_the_values_that_are_named():
    chained = [0, 1, 1, 1, 2, 1, 1, 1] * 2  # block 2 reads block 1
    outputs = {}
    for output in ("unused", "all", [[0, 2, 3], [1]]):
        space = CellSpace(blocks=2, operations=SMALL.operations, output=output)
        outputs[str(output)] = [graph.nodes[graph.output] for graph in space.lower(chained)]
    assert outputs["unused"] == [Node("add", (5, 6))] * 2
    assert outputs["all"] == [Node("concat", (4, 7))] * 2
    assert outputs["[[0, 2, 3], [1]]"][0] == Node("concat", (0, 4, 7))
    (reduced,) = outputs["[[0, 2, 3], [1]]"][1:]
    assert (reduced.operation.label, reduced.inputs, reduced.path) == ("identity_by2", (1,), (0, 2))


@given(spaces_and_cells(), st.integers(1, 40))
def test_a_reduction_cell_halves_everything_and_a_normal_one_keeps_it(case, size):
    space, genotype = case
    for graph, expected in zip(space.lower(genotype), (size, -(-size // 2)), strict=True):
        values = values_of(graph, [shapes_at(((8, size, size),))] * 2)
        assert {value.shapes.of_places[0][1:] for value in values[2:]} <= {(expected, expected)}
        output = graph.nodes[graph.output]
        n_parts = len(output.inputs) if output.operation == "concat" else 1
        assert values[graph.output].shapes.of_places[0][0] == 8 * n_parts


@given(spaces_and_cells())
def test_every_genotype_is_a_network_that_reads_no_value_before_it_is_there(case):
    space, genotype = case
    assert len(viable_graphs(space, genotype)) == 2
    for blocks in space.cells_of(genotype):
        for number, pair in enumerate(blocks):
            assert all(0 <= operand.source < 2 + number for operand in pair)
            assert not space.distinct_inputs or pair[0].source != pair[1].source
    assert cost(space, genotype, space.default_template(image_size=8)).n_parameters > 0


@given(cell_spaces(), st.data())
def test_inputs_and_their_genes_are_one_to_one(space, data):
    genotype = data.draw(genes_of(space))
    for block in range(2 * space.blocks):
        pair = space.inputs_of(genotype, block)
        assert space.input_genes(*pair) == (genotype[4 * block], genotype[4 * block + 2])


@given(spaces_and_cells())
def test_a_network_of_cells_has_the_parameters_that_the_papers_layers_have(case):
    space, genotype = case
    graphs = space.lower(genotype)
    outputs = [graph.nodes[graph.output] for graph in graphs]
    if isinstance(space.output, tuple):  # some blocks may be dead
        return
    numbers = [[block + 1 for block in _given(blocks, space.output)] for blocks in space.cells_of(genotype)]
    assert [len(each) for each in numbers] == [
        len(node.inputs) if node.operation == "concat" else 1 for node in outputs
    ]
    expected = n_parameters_by_hand(space.cells_of(genotype), numbers, channels=8, n_normal=2)
    found = cost(space, genotype, CellStack(channels=8, n_normal=2, relu_first=True)).n_parameters
    unread = {0, 1} - {operand.source for operand in sum(space.cells_of(genotype)[0], ())}
    if unread:  # then whole cells may be dead
        assert found <= expected
    else:
        assert found == expected


def _given(blocks, rule):
    read = {operand.source - 1 for block in blocks for operand in block}
    return [block for block in range(1, len(blocks) + 1) if rule == "all" or block not in read]


def test_templates_are_those_of_real_2018():
    assert NASNET.default_template() == CellStack(channels=24, n_normal=3, relu_first=True)
    assert NASNET.evaluation_template() == CellStack(channels=36, n_normal=6, relu_first=True)


@pytest.mark.parametrize(
    ("space", "genes", "message"),
    [
        (NASNET, [0] * 39, "expected 40 genes, four for each of 5 blocks of two cells, found 39"),
        (NASNET, [2] + [0] * 39, r"gene 0 \(normal cell, block 1, input 1\) must be an integer in 0..1, found 2"),
        (NASNET, [0, 13] + [0] * 38, r"gene 1 \(normal cell, block 1, operation 1\) must be .* 0..12, found 13"),
        (NASNET, [0] * 38 + [6, 0], r"gene 38 \(reduction cell, block 5, input 2\) must be .* 0..5, found 6"),
        (NASNET, [0] * 20 + [-1] + [0] * 19, r"gene 20 \(reduction cell, block 1, input 1\) .* found -1"),
        (DARTS, [0, 0, 1] + [0] * 29, r"gene 2 \(normal cell, block 1, input 2\) must be an integer in 0..0, found 1"),
        (DARTS, [True] + [0] * 31, "must be an integer in 0..1, found True"),
        (DARTS, [1.0] + [0] * 31, "must be an integer in 0..1, found 1.0"),
    ],
)
def test_genotypes_of_another_space_are_refused_in_words(space, genes, message):
    for method in (space.validate, space.lower, space.describe, space.motifs_of, space.cells_of):
        with pytest.raises(GenotypeError, match=message):
            method(genes)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        *[("blocks", value, SettingsError) for value in (0, -1, 257, True, 2.0, "3", None)],
        *[("operations", value, SettingsError) for value in ((), "identity", ("identity",) * 2, None, (1,))],
        ("operations", ("conv_1x1", "of_nobody"), UnknownNameError),
        *[
            ("output", value, SettingsError)
            for value in (
                "none", None, 3, [[2]], [[2], [7]], [[2], []], [[3, 2], [2]], [[2, 2], [2]], [[-1], [2]], [[True], [2]],
                [[2], "2"], [[2], [2], [2]], {"normal": [2]},
            )
        ],
        *[("distinct_inputs", value, SettingsError) for value in (1, "yes", None)],
        ("layers", 3, TypeError),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(field, value, error):
    with pytest.raises(error):
        space_from_dict({"kind": "cells", field: value})


def test_what_a_description_lacks_takes_its_default():
    assert space_from_dict({"kind": "cells"}) == NASNET
    assert space_from_dict({"kind": "cells", "output": [[2], [2, 3]]}) == CellSpace(output=((2,), (2, 3)))


@given(st.sampled_from((NASNET, DARTS)), st.lists(st.integers(-1, 13) | st.booleans() | st.none(), max_size=41))
def test_rows_of_strangers_are_a_genotype_or_refused(space, row):
    try:
        genotype = space.decode(row)
        space.validate(genotype)
    except GenotypeError:
        return
    assert viable_graphs(space, genotype)


@given(spaces_and_cells(), st.data())
def test_operands_that_change_places_are_the_same_network(case, data):
    space, genotype = case
    block = data.draw(st.integers(0, 2 * space.blocks - 1))
    swapped = Genotype(genotype)
    one, other = space.inputs_of(genotype, block)
    first, second = space.input_genes(other, one)
    swapped[4 * block : 4 * block + 4] = [first, genotype[4 * block + 3], second, genotype[4 * block + 1]]
    space.validate(swapped)
    assert canonical_key(space, swapped) == canonical_key(space, genotype)


def test_the_two_cells_are_not_interchangeable():
    half = [0, 1, 1, 0, 2, 2, 0, 1]
    other = [1, 1, 1, 2, 0, 0, 1, 1]
    assert canonical_key(SMALL, half + other) != canonical_key(SMALL, other + half)
    assert canonical_key(SMALL, half + half) != canonical_key(SMALL, half + other)


@given(cell_spaces())
def test_tokens_of_operations_and_of_inputs_are_different_and_fill_the_vocabulary(space):
    tokens = [
        {offset + value for value in range(up + 1)} for offset, up in zip(space.token_offsets, space.up, strict=True)
    ]
    operations, inputs = set().union(*tokens[1::2]), set().union(*tokens[::2])
    assert operations == set(range(len(space.operations)))
    assert operations.isdisjoint(inputs)
    assert operations | inputs == set(range(space.n_tokens))
    assert np.array_equal(space.token_offsets[: len(tokens) // 2], space.token_offsets[len(tokens) // 2 :])
    if space.distinct_inputs:  # counted otherwise
        assert set().union(*tokens[::4]).isdisjoint(set().union(*tokens[2::4]))


def test_cells_are_told_in_words_block_by_block():
    assert SMALL.describe([0, 1, 1, 0, 2, 2, 0, 1, *[1, 0, 0, 1, 1, 2, 1, 1]]).splitlines() == [
        "normal cell",
        "  block 1: conv_3x3 of cell -2 + identity of cell -1",
        "  block 2: max_pool_3x3 of block 1 + conv_3x3 of cell -2",
        "  output: block 2",
        "reduction cell",
        "  block 1: identity of cell -1 + conv_3x3 of cell -2",
        "  block 2: max_pool_3x3 of cell -1 + conv_3x3 of cell -1",
        "  output: block 1, block 2",
    ]


def test_changes_are_told_operand_by_operand():
    parent = [0, 1, 1, 0, 2, 2, 0, 1, *[1, 0, 0, 1, 1, 2, 1, 1]]
    child = [0, 1, 1, 0, 2, 2, 1, 1, *[1, 0, 0, 2, 1, 2, 1, 1]]
    assert SMALL.changes(parent, child) == [
        "normal cell, block 2: conv_3x3 of cell -1, was conv_3x3 of cell -2",
        "reduction cell, block 1: max_pool_3x3 of cell -2, was conv_3x3 of cell -2",
    ]


@given(cell_spaces(), seeds)
def test_changes_are_told_where_genotypes_differ(space, seed):
    rng = random.Random(seed)
    one, other = space.sample(rng=rng), space.sample(rng=rng)
    assert bool(space.changes(one, other)) == (one != other)


def test_cells_are_read_as_motifs_of_cells_blocks_and_output():
    normal, reduction = SMALL.motifs_of([0, 1, 1, 0, 2, 2, 0, 1, *[1, 0, 0, 1, 1, 2, 1, 1]])
    assert (normal.name, reduction.name) == ("normal cell", "reduction cell")
    assert normal.node_names == reduction.node_names == ("c-2", "c-1", "1", "2", "out")
    assert [(edge.predecessor, edge.successor, edge.label) for edge in normal.edges] == [
        (1, 3, "conv_3x3"), (2, 3, "identity"), (3, 4, "max_pool_3x3"), (1, 4, "conv_3x3"), (4, 5, "concat"),
    ]  # fmt: skip
    assert [(edge.predecessor, edge.successor) for edge in reduction.edges[-2:]] == [(3, 5), (4, 5)]
    assert all(edge.used for edge in (*normal.edges, *reduction.edges))


def test_blocks_that_the_output_leaves_out_are_dead_unless_others_read_them():
    space = CellSpace(blocks=3, operations=DARTS_OPERATIONS, output=((3,), (2, 4)))
    genotype = [0, 3, 1, 3, 2, 0, 0, 0, 1, 3, 1, 4] * 2
    normal, reduction = space.motifs_of(genotype)
    assert [edge.used for edge in normal.edges] == [True] * 4 + [False] * 2 + [True]
    assert [edge.used for edge in reduction.edges] == [True] * 2 + [False] * 2 + [True] * 2 + [True] * 2
    living = cost(space, genotype, CellStack(channels=8)).n_parameters
    genotype[9] = 0  # a pooling in the dead block of the normal cell
    assert cost(space, genotype, CellStack(channels=8)).n_parameters == living


def test_operations_that_are_not_registered_can_be_read_and_told():
    space = space_from_dict({"kind": "cells", "operations": ["conv_3x3", "of_nobody"]}, unknown_operations=True)
    genotype = space.sample(rng=random.Random(1))
    assert "of_nobody" in space.describe(genotype)
    assert any(edge.label == "of_nobody" for edge in space.motifs_of(genotype)[0].edges)
    with pytest.raises(UnknownNameError, match="of_nobody"):
        cost(space, genotype, space.default_template())


def test_paths_are_places_and_not_what_stands_there():
    for space in (NASNET, AMOEBANET, MicroSpace()):
        one, other = (space.sample(rng=random.Random(seed)) for seed in (1, 2))
        for first, second in zip(graphs_of(space.lower(one)), graphs_of(space.lower(other)), strict=True):
            paths = [
                {node.path for node in graph.nodes if node.operation not in (*JOINS, "input") and len(node.path) == 2}
                for graph in (first, second)
            ]
            assert {path for path in paths[0] if path[1] < 2} == {path for path in paths[1] if path[1] < 2}
