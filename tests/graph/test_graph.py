import pytest
from hypothesis import given

from deap_nas import FlatSpace
from deap_nas.errors import GenotypeError, NotViableError
from deap_nas.graph import (
    MERGES,
    Graph,
    MaxPool2d,
    Node,
    operations,
    prune,
    register_operation,
    simplify,
    split_pools,
    viable_graph,
)
from tests.networks import POOLS, WEIGHTED, Values, read_genes, read_graph
from tests.strategies import spaces_and_genes


def weights(graph):
    """(path, operation, channels in, channels out) of every node with weights."""
    values, found = Values(), set()
    for number, node in enumerate(graph.nodes[1:], start=1):
        if node.operation in WEIGHTED:
            before = values.channels[read_graph(Graph(graph.nodes, node.inputs[0]), values)]
            after = values.channels[read_graph(Graph(graph.nodes, number), values)]
            found.add((node.path, node.operation, before, after))
    return found


@given(spaces_and_genes())
def test_lowering_prune_and_simplify_keep_what_the_genes_say_is_computed(case):
    space, genes = case
    values = Values()
    graph = space.lower(genes)
    expected = read_genes(space, genes, values)
    assert read_graph(graph, values) == expected
    assert read_graph(prune(graph), values) == expected
    assert read_graph(simplify(graph), values) == expected


@given(spaces_and_genes())
def test_prune_and_simplify_are_idempotent(case):
    space, genes = case
    graph = space.lower(genes)
    assert prune(prune(graph)) == prune(graph)
    assert simplify(simplify(graph)) == simplify(graph)
    assert simplify(prune(graph)) == simplify(graph)


@given(spaces_and_genes())
def test_simplify_keeps_every_living_weight_with_its_path(case):
    space, genes = case
    graph = space.lower(genes)
    assert weights(simplify(graph)) == weights(prune(graph))


@given(spaces_and_genes())
def test_every_node_comes_after_its_inputs_and_each_pass_ends_with_the_output(case):
    space, genes = case
    graph = space.lower(genes)
    for result in (graph, prune(graph), simplify(graph)):
        assert result.nodes[0] == Node("input")
        assert all(i < index for index, node in enumerate(result.nodes) for i in (*node.inputs, node.width_of) if index)
    for result in (prune(graph), simplify(graph)):
        assert result.output in (None, len(result.nodes) - 1)
        assert (result.output is None) == (graph.output is None)


@given(spaces_and_genes())
def test_a_simplified_graph_has_no_identities_and_no_merge_inside_the_same_merge(case):
    space, genes = case
    graph = simplify(space.lower(genes))
    for node in graph.nodes[1:]:
        assert node.operation != "identity"
        if node.operation in MERGES:
            assert len(node.inputs) > 1
            assert all(graph.nodes[i].operation != node.operation for i in node.inputs)


@given(spaces_and_genes())
def test_paths_name_the_genes_that_the_node_came_from(case):
    space, genes = case
    for node in space.lower(genes).nodes[1:]:
        assert (node.path == ()) == (node.operation in MERGES)
        levels = [space.place(gene).level for gene in node.path]
        assert levels == list(range(space.n_levels, space.n_levels - len(levels), -1))
        assert all(genes[gene] > 0 for gene in node.path)


def test_simplify_asks_no_operation_that_the_output_does_not_need_for_its_layers():
    dead = Graph((Node("input"), Node("not registered", (0,)), Node("max_pool_3x3", (0,))), 2)
    assert simplify(dead).nodes == (Node("input"), Node("max_pool_3x3", (0,)))


def test_prune_drops_what_the_output_does_not_need():
    dead = Graph((Node("input"), Node("conv_1x1", (0,)), Node("max_pool_3x3", (0,)), Node("conv_3x3", (1,))), 2)
    assert prune(dead) == Graph((Node("input"), Node("max_pool_3x3", (0,))), 1)


def test_prune_keeps_the_value_that_sets_a_width():
    graph = Graph((Node("input"), Node("max_pool_3x3", (0,)), Node("conv_1x1", (0,), width_of=1)), 2)
    assert prune(graph) == graph


def test_prune_of_an_unreachable_output_leaves_the_input():
    assert prune(Graph((Node("input"), Node("conv_1x1", (0,))), None)) == Graph((Node("input"),), None)


def test_simplify_shares_equal_pools_but_not_equal_convolutions():
    pools = Graph((Node("input"), Node("max_pool_3x3", (0,)), Node("max_pool_3x3", (0,)), Node("add", (1, 2))), 3)
    assert simplify(pools).nodes == (Node("input"), Node("max_pool_3x3", (0,)), Node("add", (1, 1)))
    convs = Graph((Node("input"), Node("conv_1x1", (0,)), Node("conv_1x1", (0,)), Node("add", (1, 2))), 3)
    assert simplify(convs) == convs


@pytest.mark.parametrize("merge", MERGES)
def test_simplify_computes_equal_merges_once(merge):
    start = (Node("input"), Node("conv_1x1", (0,)), Node(merge, (0, 1)))
    convs = [Node("conv_3x3", (2,), path=(5,)), Node("conv_3x3", (2,), path=(6,)), Node("concat", (3, 4))]
    twice = (*start, Node(merge, (0, 1)), convs[0], convs[1]._replace(inputs=(3,)), Node("concat", (4, 5)))
    assert simplify(Graph(twice, 6)) == Graph((*start, *convs), 5)


def test_simplify_keeps_both_inputs_of_a_merge_of_a_value_with_itself():
    graph = Graph((Node("input"), Node("identity", (0,)), Node("concat", (0, 1))), 2)
    assert simplify(graph) == Graph((Node("input"), Node("concat", (0, 0))), 1)


def test_simplify_flattens_a_merge_through_identities_but_not_a_different_merge():
    def nested(inner):
        return Graph(
            (
                Node("input"),
                Node("conv_1x1", (0,)),
                Node(inner, (0, 1)),
                Node("identity", (2,)),
                Node("concat", (3, 1)),
            ),
            4,
        )

    assert simplify(nested("concat")).nodes[-1] == Node("concat", (0, 1, 1))
    assert simplify(nested("add")).nodes[-2:] == (Node("add", (0, 1)), Node("concat", (2, 1)))


def test_simplify_of_a_cell_of_identities_is_the_input():
    graph = Graph((Node("input"), Node("identity", (0,)), Node("identity", (1,))), 2)
    assert simplify(graph) == Graph((Node("input"),), 0)


def split_reading(graph, numbers):
    """What a graph computes, with pools of concatenations as concatenations of pools, as numbers of values.

    ``numbers`` holds that of each value so far, by its operation and inputs; written out, values would be endless.
    """
    values = []
    for node in graph.nodes:
        inputs = [values[i] for i in node.inputs]

        def number(*taken, name=node.operation):
            return numbers.setdefault((name, *taken), len(numbers))

        if node.operation == "concat":
            values.append([part for parts in inputs for part in parts])
        elif node.operation in POOLS:
            values.append([number(part) for part in inputs[0]])
        else:
            width = tuple(values[node.width_of]) if node.width_of else ()
            values.append([number(node.path, width, *map(tuple, inputs))])
    return None if graph.output is None else values[graph.output]


@given(spaces_and_genes())
def test_split_pools_keeps_what_is_computed_and_every_weight_in_the_same_order(case):
    space, genes = case
    graph = simplify(space.lower(genes))
    split = split_pools(graph)
    numbers = {}
    assert split_reading(split, numbers) == split_reading(graph, numbers)
    weighted = [[node.path for node in g.nodes[1:] if node.operation in WEIGHTED] for g in (graph, split)]
    assert weighted[0] == weighted[1]
    assert simplify(split) == split == split_pools(split)


@given(spaces_and_genes())
def test_a_pool_is_left_on_a_concatenation_only_where_that_is_wanted_in_one_piece(case):
    space, genes = case
    graph = split_pools(simplify(space.lower(genes)))
    is_pool = [node.operation in POOLS for node in graph.nodes]
    whole = {i for n, pools in zip(graph.nodes, is_pool, strict=True) if not pools for i in n.inputs}
    for node, pools in zip(graph.nodes, is_pool, strict=True):
        if pools and graph.nodes[node.inputs[0]].operation == "concat":
            assert node.inputs[0] in whole


def test_split_pools_leaves_the_pool_of_a_concatenation_that_a_convolution_takes_too():
    start = (Node("input"), Node("conv_1x1", (0,)), Node("concat", (0, 1)))
    both = Graph((*start, Node("max_pool_3x3", (2,)), Node("conv_3x3", (2,)), Node("concat", (3, 4))), 5)
    assert split_pools(both) == both


def test_split_pools_keeps_the_value_that_sets_a_width():
    graph = Graph(
        (Node("input"), Node("concat", (0, 0)), Node("max_pool_3x3", (1,)), Node("conv_1x1", (0,), width_of=2)), 3
    )
    pooled = (Node("max_pool_3x3", (0,)), Node("concat", (1, 1)))
    assert split_pools(graph) == Graph((Node("input"), *pooled, Node("conv_1x1", (0,), width_of=2)), 3)


def test_split_pools_pools_a_part_of_two_concatenations_once():
    start = (Node("input"), Node("conv_1x1", (0,)), Node("concat", (0, 1)), Node("concat", (0, 0, 1)))
    pools = (Node("max_pool_3x3", (2,), path=(7,)), Node("max_pool_3x3", (3,), path=(8,)))
    split = split_pools(Graph((*start, *pools, Node("concat", (4, 5))), 6))
    parts = (Node("max_pool_3x3", (0,), path=(7,)), Node("max_pool_3x3", (1,), path=(7,)))
    assert split.nodes == (*start[:2], *parts, Node("concat", (2, 3, 2, 2, 3)))


def test_pools_are_the_same_value_only_for_the_same_width():
    start = (Node("input"), Node("concat", (0, 0)), Node("max_pool_3x3", (0,), width_of=1))
    assert simplify(Graph((*start, Node("max_pool_3x3", (0,), 1), Node("concat", (2, 3))), 4)).nodes[-1].inputs == (
        2,
        2,
    )
    assert simplify(Graph((*start, Node("max_pool_3x3", (0,)), Node("concat", (2, 3))), 4)).nodes[-1].inputs == (2, 3)


def test_split_pools_leaves_a_pool_whose_window_depends_on_the_channels(monkeypatch):
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))
    register_operation("pool_as_wide_for_this_test")(lambda i, channels: (MaxPool2d(2 * i + 1),))
    nodes = (Node("input"), Node("conv_1x1", (0,)), Node("concat", (0, 1)), Node("pool_as_wide_for_this_test", (2,)))
    assert split_pools(Graph(nodes, 3)) == Graph(nodes, 3)


def test_viable_graph_is_the_simplified_graph():
    space = FlatSpace(nodes=3)
    assert viable_graph(space, [6, 1, 0]) == simplify(space.lower([6, 1, 0]))


def test_viable_graph_refuses_a_genotype_without_a_path():
    with pytest.raises(NotViableError, match="no path from its input to its output"):
        viable_graph(FlatSpace(nodes=3), [1, 0, 0])


def test_viable_graph_refuses_genes_of_another_space():
    with pytest.raises(GenotypeError):
        viable_graph(FlatSpace(nodes=3), [1, 0])
