"""The passes on graphs of whole networks: what they compute stays, by an independent reading."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deap_nas.graph import (
    MERGES,
    RESIZE,
    Convolution,
    Graph,
    Node,
    Pooling,
    living,
    prune,
    simplify,
    split_pools,
    viable_graph,
    viable_graphs,
)
from tests.graph_readings import has_weights, is_pool, reading
from tests.graphs import GRAPHS, cell_pairs, cells, whole_graphs

graphs = st.one_of(
    whole_graphs(),
    whole_graphs(odd_widths=True),
    whole_graphs(n_inputs=2),
    cells(is_reduction=False),
    cells(is_reduction=True),
)
INPUT = Node("input")
HALVES = Convolution(4, 3, 2)
#: Each half of a concatenation is pooled alone, which a window of 5 does as well as one of 3.
POOLED = Graph((INPUT, Node(RESIZE, (0, 0)), Node("concat", (0, 1)), Node("max_pool_5x5", (2,), 0, (3,))), 3)


@given(graphs)
@example(POOLED)
def test_passes_keep_what_is_computed(graph):
    expected = reading(graph)
    assert reading(prune(graph)) == expected
    assert reading(simplify(graph)) == expected
    assert reading(split_pools(simplify(graph))) == expected


@given(graphs)
def test_passes_are_idempotent(graph):
    simple = simplify(graph)
    assert prune(prune(graph)) == prune(graph)
    assert simplify(simple) == simple == simplify(prune(graph))
    split = split_pools(simple)
    assert simplify(split) == split == split_pools(split)


@given(graphs)
def test_passes_keep_the_inputs_and_end_with_the_output(graph):
    for result in (prune(graph), simplify(graph), split_pools(simplify(graph))):
        assert result.n_inputs == graph.n_inputs
        assert result.nodes[: graph.n_inputs] == graph.nodes[: graph.n_inputs]
        assert max(result.n_inputs - 1, result.output) == len(result.nodes) - 1
        assert all(i < n for n, node in enumerate(result.nodes) for i in node.inputs)


@given(graphs)
def test_prune_keeps_what_the_output_depends_on_and_no_more(graph):
    assert len(prune(graph).nodes) == len(living(graph))
    assert living(prune(graph)) == list(range(len(prune(graph).nodes)))


@given(graphs)
def test_weights_stay_in_the_same_order_but_for_those_that_gave_a_width_to_what_has_none(graph):
    pruned, simple = prune(graph), simplify(graph)
    left = [node.path for node in simple.nodes if has_weights(node)]
    before = [node.path for node in pruned.nodes if has_weights(node)]
    if not any(node.width_of and not has_weights(node) for node in pruned.nodes):
        assert left == before
    assert left == [path for path in before if path in left]
    assert [node.path for node in split_pools(simple).nodes if has_weights(node)] == left


@given(graphs)
def test_a_pool_of_a_concatenation_is_left_only_where_that_is_wanted_in_one_piece_or_a_width_counts(graph):
    split = split_pools(simplify(graph))
    whole = {
        i for node in split.nodes if node.operation != "concat" and not is_pool(node.operation) for i in node.inputs
    }
    for node in split.nodes[split.n_inputs :]:
        if is_pool(node.operation) and split.nodes[node.inputs[0]].operation == "concat":
            assert node.inputs[0] in whole or node.width_of


@given(graphs)
def test_a_simplified_graph_has_nothing_to_simplify(graph):
    simple = simplify(graph)
    seen = set()
    for node in simple.nodes[simple.n_inputs :]:
        assert node.operation != "identity"
        assert node.operation != RESIZE or node.inputs[0] != node.inputs[1]
        if node.operation in MERGES:
            assert all(simple.nodes[i].operation != node.operation for i in node.inputs)
        if node.operation in (*MERGES, RESIZE):
            assert (node.operation, node.inputs) not in seen
            seen.add((node.operation, node.inputs))


@given(cell_pairs)
def test_viable_graphs_are_all_those_of_the_genotype_as_they_are(pair):
    assert viable_graphs(GRAPHS, pair) == pair
    assert viable_graphs(GRAPHS, pair[0]) == pair[:1]
    assert viable_graph(GRAPHS, pair[0]) == simplify(pair[0])


def test_strided_pools_of_a_concatenation_are_pools_of_its_parts():
    pool = Pooling("max", (3, 1), 2)
    graph = Graph((INPUT, Node(HALVES, (0,), path=(1,)), Node(HALVES, (0,), path=(2,)), Node("concat", (1, 2))), 4)
    graph = Graph((*graph.nodes, Node(pool, (3,), path=(4,))), 4)
    parts = (Node(pool, (1,), path=(4,)), Node(pool, (2,), path=(4,)))
    assert split_pools(graph).nodes == (*graph.nodes[:3], *parts, Node("concat", (3, 4)))


@pytest.mark.parametrize("inputs", [(3, 0), (0, 3)])
def test_a_concatenation_that_is_resized_or_resized_to_stays_whole(inputs):
    nodes = (INPUT, Node(HALVES, (0,), path=(1,)), Node(HALVES, (0,), path=(2,)), Node("concat", (1, 2)))
    nodes += (Node(Pooling("max", 3), (3,), path=(4,)), Node(RESIZE, inputs), Node("concat", (4, 5)))
    split = split_pools(Graph(nodes, 6))
    assert Node(Pooling("max", 3), (3,), path=(4,)) in split.nodes
    assert Node(RESIZE, inputs) in split.nodes


def test_a_resized_value_is_not_flattened_into_a_merge():
    nodes = (INPUT, Node(HALVES, (0,), path=(1,)), Node("add", (0, 0)), Node(RESIZE, (2, 1)), Node("add", (1, 3)))
    assert simplify(Graph(nodes, 4)) == Graph(nodes, 4)


def test_a_value_resized_to_itself_is_itself_and_equal_resizings_are_one():
    nodes = (INPUT, Node(HALVES, (0,), path=(1,)), Node("identity", (1,), path=(2,)), Node(RESIZE, (1, 2)))
    assert simplify(Graph((*nodes, Node("add", (1, 3))), 4)).nodes[-1] == Node("add", (1, 1))
    twice = (*nodes[:2], Node(RESIZE, (0, 1)), Node(RESIZE, (0, 1)), Node("add", (2, 3)))
    assert simplify(Graph(twice, 4)).nodes == (*twice[:3], Node("add", (2, 2)))


def test_equal_pools_of_values_are_one_and_others_are_not():
    def pools(first, second):
        nodes = (INPUT, Node(first, (0,), path=(1,)), Node(second, (0,), path=(2,)), Node("concat", (1, 2)))
        return len(simplify(Graph(nodes, 3)).nodes)

    assert pools(Pooling("max", 3, 2), Pooling("max", (3, 3), (2, 2))) == 3
    for other in (Pooling("avg", 3, 2), Pooling("max", 5, 2), Pooling("max", 3, (2, 1))):
        assert pools(Pooling("max", 3, 2), other) == 4


def test_a_pool_that_takes_a_width_of_its_own_keeps_who_gives_it():
    nodes = (INPUT, Node(HALVES, (0,), path=(1,)), Node("concat", (0, 0)))
    graph = Graph((*nodes, Node("max_pool_3x3", (2,), width_of=1, path=(3,))), 3)
    assert split_pools(graph) == graph


@pytest.mark.parametrize("n_inputs", [2, 3])
@pytest.mark.parametrize("number", [0, 1])
def test_inputs_that_nobody_takes_stay(n_inputs, number):
    graph = Graph((INPUT,) * n_inputs, number, n_inputs)
    for result in (prune(graph), simplify(graph), split_pools(graph)):
        assert result == graph
    assert prune(Graph((*graph.nodes, Node("conv_1x1", (1,))), None, n_inputs)) == Graph(graph.nodes, None, n_inputs)
