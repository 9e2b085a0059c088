"""Keys of whole networks and of cells of two inputs: equal for the same network, different for others."""

import os
import random
import subprocess
import sys
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import canonical_key
from deap_nas.graph import (
    RESIZE,
    Convolution,
    Graph,
    Node,
    Pooling,
    SeparableConvolution,
    graph_key,
    prune,
    simplify,
    split_pools,
)
from tests.graph_readings import brute_force_form, has_weights
from tests.graphs import GRAPHS, Drawing, cell_pairs, cells, operation_values, renumberings, whole_graphs

graphs = st.one_of(whole_graphs(), whole_graphs(n_inputs=2), cells(is_reduction=True))
INPUT = Node("input")


@given(graphs)
def test_graphs_keep_their_key_through_the_passes(graph):
    assert graph_key(graph) == graph_key(prune(graph)) == graph_key(simplify(graph))


@given(graphs, st.data())
def test_the_order_of_nodes_and_of_what_is_added_does_not_change_the_key(graph, data):
    changed = data.draw(renumberings(graph))
    assert brute_force_form(changed) == brute_force_form(graph)
    assert graph_key(changed) == graph_key(graph)


@given(graphs, st.data())
def test_dead_nodes_and_identities_do_not_change_the_key(graph, data):
    drawing = Drawing(data.draw, graph.n_inputs)
    drawing.nodes, drawing.forms = list(graph.nodes), [(0, 0, 0, 0)] * len(graph.nodes)
    drawing.add(data.draw(operation_values), (drawing.value(),), None, path=(len(graph.nodes),))
    output = drawing.add("identity", (graph.output,), None, path=(len(graph.nodes) + 1,))
    drawing.add(RESIZE, (output, 0), None)
    assert graph_key(drawing.graph(output)) == graph_key(graph)


@given(graphs, st.data())
def test_an_identity_between_two_nodes_does_not_change_the_key(graph, data):
    at = data.draw(st.integers(graph.n_inputs, len(graph.nodes)))
    source = data.draw(st.integers(0, at - 1))
    identity = Node("identity", (source,), path=(1000,))

    def moved(i):
        """Index of a value behind the identity; those after it take the identity in place of what it takes."""
        return at if i == source else i + (i >= at)

    behind = [
        node._replace(inputs=tuple(map(moved, node.inputs)), width_of=node.width_of and moved(node.width_of))
        for node in graph.nodes[at:]
    ]
    output = graph.output + 1 if graph.output >= at else graph.output
    changed = Graph((*graph.nodes[:at], identity, *behind), output, graph.n_inputs)
    assert graph_key(changed) == graph_key(graph)


@given(graphs, operation_values, st.data())
def test_another_operation_of_a_living_node_gives_another_key(graph, operation, data):
    graph = simplify(graph)
    chosen = [n for n, node in enumerate(graph.nodes) if has_weights(node) and node.operation != operation]
    if not chosen or isinstance(operation, Pooling):
        return
    number = data.draw(st.sampled_from(chosen))
    changed = list(graph.nodes)
    changed[number] = changed[number]._replace(operation=operation, width_of=0)
    assert graph_key(Graph(tuple(changed), graph.output, graph.n_inputs)) != graph_key(graph)


@given(graphs, st.data())
def test_a_rewired_node_changes_the_key_exactly_when_the_network_is_another(graph, data):
    graph = simplify(graph)
    if len(graph.nodes) <= graph.n_inputs:
        return
    number = data.draw(st.integers(graph.n_inputs, len(graph.nodes) - 1))
    node = graph.nodes[number]
    place, source = data.draw(st.integers(0, len(node.inputs) - 1)), data.draw(st.integers(0, number - 1))
    inputs = (*node.inputs[:place], source, *node.inputs[place + 1 :])
    nodes = (*graph.nodes[:number], node._replace(inputs=inputs), *graph.nodes[number + 1 :])
    changed = Graph(nodes, graph.output, graph.n_inputs)
    same = brute_force_form(changed) == brute_force_form(graph)
    assert (graph_key(changed) == graph_key(graph)) == same


CHOICES = [
    *((operation, 1) for operation in (Convolution(64, 3, 2), Pooling("max", 3, 2))),
    *((join, 2) for join in ("add", "concat", RESIZE)),
]


def node_choices(number):
    """Every node that may stand at a place."""
    for operation, n_sources in CHOICES:
        for inputs in product(range(number), repeat=n_sources):
            yield Node(operation, inputs, path=() if isinstance(operation, str) else (number,))


def assert_keys_agree_with_brute_force(found):
    pairs = {(graph_key(graph), brute_force_form(graph)) for graph in found}
    keys, forms = {key for key, _ in pairs}, {form for _, form in pairs}
    assert len(keys) == len(pairs), "different networks share a key"
    assert len(forms) == len(pairs), "one network has several keys"
    assert len(forms) > 10


def test_all_graphs_of_three_nodes_have_equal_keys_exactly_when_they_are_isomorphic():
    nodes = product(*map(node_choices, (1, 2, 3)))
    assert_keys_agree_with_brute_force(Graph((INPUT, *each), 3) for each in nodes)


@pytest.mark.parametrize(("n_inputs", "n_nodes"), [(1, 5), (2, 3), (2, 5), (3, 4)])
def test_many_graphs_have_equal_keys_exactly_when_they_are_isomorphic(n_inputs, n_nodes):
    rng = random.Random(1)
    choices = [list(node_choices(number)) for number in range(n_inputs, n_inputs + n_nodes)]
    found = [Graph((INPUT,) * n_inputs + tuple(map(rng.choice, choices)), rng.choice((-1, -2))) for _ in range(4000)]
    found = [Graph(graph.nodes, len(graph.nodes) + graph.output, n_inputs) for graph in found]
    assert_keys_agree_with_brute_force(found)


OPERATIONS = [
    Convolution(8, 3),
    Convolution(9, 3),
    Convolution(8, 5),
    Convolution(8, (3, 5)),
    Convolution(8, (5, 3)),
    Convolution(8, 3, 2),
    Convolution(8, 3, (2, 1)),
    Convolution(8, 3, (1, 2)),
    SeparableConvolution(8, 3),
    SeparableConvolution(8, 3, 2),
    Pooling("max", 3),
    Pooling("avg", 3),
    Pooling("max", 3, 2),
    Pooling("max", (1, 3), 2),
    "conv_3x3",
]


def test_every_field_of_an_operation_is_in_the_key():
    keys = {graph_key(Graph((INPUT, Node(operation, (0,))), 1)) for operation in OPERATIONS}
    assert len(keys) == len(OPERATIONS)


def test_one_number_for_height_and_width_is_that_number_twice():
    for one, two in (
        (Convolution(8, 3, 2), Convolution(8, (3, 3), [2, 2])),
        (Pooling("max", 5), Pooling("max", (5, 5))),
    ):
        assert one == two
        assert graph_key(Graph((INPUT, Node(one, (0,))), 1)) == graph_key(Graph((INPUT, Node(two, (0,))), 1))


def test_the_direction_of_a_resizing_is_in_the_key():
    start = (INPUT, Node(Convolution(8, 3, 2), (0,), path=(1,)), Node(Convolution(8, 5), (0,), path=(2,)))
    keys = {graph_key(Graph((*start, Node(RESIZE, inputs)), 3)) for inputs in permutations(range(3), 2)}
    assert len(keys) == 6


@pytest.mark.parametrize("merge", ["add", "concat", RESIZE])
def test_which_input_of_two_is_taken_is_in_the_key(merge):
    def graph(first, second):
        nodes = (INPUT, INPUT, Node(Convolution(8, 3), (first,), path=(1,)), Node(merge, (2, second)))
        return Graph(nodes, 3, 2)

    assert len({graph_key(graph(*inputs)) for inputs in product((0, 1), repeat=2)}) == 4
    assert graph_key(Graph((INPUT, INPUT), 0, 2)) != graph_key(Graph((INPUT, INPUT), 1, 2))


def twins(first, second, channels):
    """Two alike convolutions of each of two inputs that meet in pairs: colours alone do not tell them apart."""
    a, b = (Node(Convolution(channels, 3), (number,)) for number in (first, second))
    nodes = (INPUT, INPUT, a, a, b, b, Node(RESIZE, (2, 4)), Node(RESIZE, (3, 5)), Node("add", (6, 7)))
    return Graph(tuple(node._replace(path=(n,)) for n, node in enumerate(nodes)), 8, 2)


def test_inputs_are_told_apart_where_others_are_singled_out():
    """Values in the order of their colours may by chance be the same in both graphs, as with 869 channels."""
    for channels in range(850, 900):
        assert graph_key(twins(0, 1, channels)) != graph_key(twins(1, 0, channels))


def test_an_addition_beside_a_concatenation_minds_no_order():
    start = (INPUT, Node(Convolution(8, 3), (0,), path=(1,)), Node(Convolution(8, 5), (0,), path=(2,)))
    keys = {graph_key(Graph((*start, Node("add", inputs), Node("concat", (3, 0))), 4)) for inputs in ((1, 2), (2, 1))}
    assert len(keys) == 1


def test_the_order_of_concatenated_values_counts_where_a_resizing_leaves_some_out():
    start = (INPUT, Node(Convolution(8, 3), (0,), path=(1,)), Node(Convolution(8, 5), (0,), path=(2,)))
    keys = {graph_key(Graph((*start, Node("concat", inputs), Node(RESIZE, (3, 1))), 4)) for inputs in ((1, 2), (2, 1))}
    assert len(keys) == 2


@given(cell_pairs, cells(is_reduction=True))
def test_both_cells_are_in_the_key_in_their_order(pair, other):
    key = canonical_key(GRAPHS, pair)
    assert (canonical_key(GRAPHS, pair[::-1]) == key) == (graph_key(pair[0]) == graph_key(pair[1]))
    assert (canonical_key(GRAPHS, (pair[0], other)) == key) == (graph_key(pair[1]) == graph_key(other))
    assert canonical_key(GRAPHS, pair[0]) == graph_key(pair[0])


def test_cells_of_which_one_is_no_network_share_the_key_of_what_is_none():
    nothing = Graph((INPUT, INPUT), None, 2)
    whole = Graph((INPUT, INPUT), 0, 2)
    keys = {canonical_key(GRAPHS, each) for each in (nothing, (nothing, whole), (whole, nothing), (nothing, nothing))}
    assert len(keys) == 1
    assert keys.isdisjoint({canonical_key(GRAPHS, (whole, whole))})


GRAPH = """Graph((Node("input"), Node("input"), Node(Convolution(7, (3, 5), 2), (0,), path=(2,)),
    Node(RESIZE, (1, 2)), Node(Pooling("avg", 3), (3,), path=(4,)), Node("concat", (4, 2)), Node("add", (2, 3))),
    6, 2)"""


def test_the_key_is_the_same_in_every_process():
    key = graph_key(eval(GRAPH))
    script = f"from deap_nas.graph import *; print(graph_key({GRAPH}))"
    path = os.pathsep.join(filter(None, sys.path))
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
        output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment).stdout
        assert output.decode().strip() == key


@given(graphs, st.data())
def test_split_pools_need_not_keep_the_key_but_keep_it_through_renumbering(graph, data):
    split = split_pools(simplify(graph))
    assert graph_key(data.draw(renumberings(split))) == graph_key(split)
