"""The lowered form of every search space: a directed acyclic graph of operations, and its passes.

A graph describes one cell, or all of a network between its stem and its head, and knows no shapes; a network template
gives it those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from deap_nas.errors import NotViableError
from deap_nas.graph.operations import Effect, OperationValue, effect_of

__all__ = [
    "JOINS",
    "MERGES",
    "RESIZE",
    "USUAL_CHANNELS",
    "Graph",
    "Lowered",
    "Lowers",
    "Node",
    "graphs_of",
    "living",
    "prune",
    "simplify",
    "split_pools",
    "viable_graph",
    "viable_graphs",
]

#: Channels of a cell whose place in a network is not known.
USUAL_CHANNELS = 64
#: Operations that take several values: concatenation along the channels, and the sum.
MERGES = ("concat", "add")
#: The operation that gives its first input the shape of its second one: height and width by the nearest neighbour,
#: channels by leaving the last ones out, or by adding zeros.
RESIZE = "resize"
#: What takes several values and has no weights.
JOINS = (*MERGES, RESIZE)


class Node(NamedTuple):
    """One value of a graph and how it is computed."""

    #: A registered operation or an :class:`OperationValue`, one of :data:`JOINS`, or ``"input"``.
    operation: str | OperationValue
    #: Indices of the values it takes; all are smaller than its own.
    inputs: tuple[int, ...] = ()
    #: Index of the value whose channel count the operation takes as its width; 0, the cell's input, gives the
    #: constant C of Liu 2018, section 2.3.
    width_of: int = 0
    #: Indices of the genes it came from, outermost first, or other numbers that stand for its place in the genotype. It
    #: names the module, so each operation of a graph needs a path of its own; what joins values has none.
    path: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; the first is the input, or the first ones are."""

    nodes: tuple[Node, ...]
    #: Index of the output, or None when no path leads to it from the input.
    output: int | None
    #: Inputs; a cell of Liu 2018 has one.
    n_inputs: int = 1
    #: Numbers that stand for the weights of the classifier after the graph, where the genotype says which they are: it
    #: may have others where nothing else is changed.
    head: tuple[int, ...] = ()


#: What a genotype stands for: one graph, or one for each kind of cell where a template stacks several kinds.
Lowered = Graph | tuple[Graph, ...]


class Lowers(Protocol):
    """Anything that lowers genotypes: every search space."""

    def lower(self, genotype: Any) -> Lowered:
        """Graph of the genotype, or graphs."""
        ...


def graphs_of(lowered: Lowered) -> tuple[Graph, ...]:
    """What a genotype stands for, always as a tuple."""
    return (lowered,) if isinstance(lowered, Graph) else lowered


def living(graph: Graph) -> list[int]:
    """Indices of the nodes that the output depends on, and of all inputs, in order."""
    nodes, output, n_inputs = graph.nodes, graph.output or 0, graph.n_inputs
    is_needed = [True] * n_inputs + [False] * (output + 1 - n_inputs)
    is_needed[output] = True
    for index in range(output, n_inputs - 1, -1):
        if is_needed[index]:
            _, inputs, width_of, _ = nodes[index]
            is_needed[width_of] = True
            for i in inputs:
                is_needed[i] = True
    return [index for index, needed in enumerate(is_needed) if needed]


def prune(graph: Graph) -> Graph:
    """Drop the nodes that the output does not depend on. Keeps what is computed, and the order of the nodes."""
    nodes, output = graph.nodes, graph.output
    if output is None:
        return Graph(nodes[: graph.n_inputs], None, graph.n_inputs, graph.head)
    kept = living(graph)
    if len(kept) == len(nodes):
        return graph
    place = {old: new for new, old in enumerate(kept)}
    left = [nodes[index] for index in kept]
    moved = [Node(n[0], tuple([place[i] for i in n[1]]), place[n[2]], n[3]) for n in left]
    return Graph(tuple(moved), place[output], graph.n_inputs, graph.head)


def simplify(graph: Graph, *, channels: tuple[int, ...] = (USUAL_CHANNELS,)) -> Graph:
    """Prune, drop identities, flatten nested merges and compute equal values once.

    Keeps what is computed, up to the order in which an addition sums, every weight with its path, and the order of
    the nodes. The weights of two nodes are never the same, so only nodes without weights can have equal values.

    Args:
        graph: the graph of a cell.
        channels: those of the input of each cell in the network, which decide what its operations are.
    """
    n_inputs = graph.n_inputs
    if graph.output is None:
        return Graph(graph.nodes[:n_inputs], None, n_inputs, graph.head)
    effects = _effects(graph, channels)
    nodes = list(graph.nodes[:n_inputs])
    place = list(range(max(n_inputs, graph.output + 1)))  # old index -> new index
    known: dict[tuple[str | OperationValue, tuple[int, ...], tuple[int, ...]], int] = {}
    for index in living(graph)[n_inputs:]:
        operation, inputs, width_of, path = graph.nodes[index]
        effect = effects[index]
        if operation in MERGES:
            inputs = _flatten(operation, [place[i] for i in inputs], nodes)
            is_nothing = len(inputs) == 1
        elif operation == RESIZE:
            inputs = tuple([place[i] for i in inputs])
            is_nothing = inputs[0] == inputs[1]
        else:
            inputs = (place[inputs[0]],)
            is_nothing = not any(effect.layers)
        if is_nothing:
            place[index] = inputs[0]
            continue
        new = len(nodes)
        value = (operation, inputs, effects[width_of].channels)
        place[index] = known.setdefault(value, new) if effect.is_shareable else new
        if place[index] == new:
            nodes.append(Node(operation, inputs, place[width_of], path))
    return prune(Graph(tuple(nodes), place[graph.output], n_inputs, graph.head))


def _effects(graph: Graph, channels: tuple[int, ...]) -> list[Effect]:
    """What each node does on which the output depends, in cells whose input has these channels."""
    effects = [Effect((), channels, is_shareable=True, is_by_channel=False)] * len(graph.nodes)
    for index in living(graph)[graph.n_inputs :]:
        operation, inputs, width_of, _ = graph.nodes[index]
        if operation in JOINS:
            effects[index] = _joined(operation, tuple([effects[i].channels for i in inputs]))
        else:
            effects[index] = effect_of(operation, effects[inputs[0]].channels, effects[width_of].channels)
    return effects


@lru_cache(maxsize=65_536)
def _joined(operation: str, inputs: tuple[tuple[int, ...], ...]) -> Effect:
    if operation != "concat":  # of the values that are added, or that one is resized to
        return Effect((), inputs[-1], is_shareable=True, is_by_channel=False)
    return Effect((), tuple(map(sum, zip(*inputs, strict=True))), is_shareable=True, is_by_channel=True)


def _flatten(merge: str | OperationValue, inputs: Sequence[int], nodes: Sequence[Node]) -> tuple[int, ...]:
    """Replace inputs that are the same merge by their own inputs."""
    flat: list[int] = []
    for index in inputs:
        node = nodes[index]
        if node[0] == merge:
            flat.extend(node[1])
        else:
            flat.append(index)
    return tuple(flat)


def split_pools(graph: Graph, *, channels: tuple[int, ...] = (USUAL_CHANNELS,)) -> Graph:
    """Pool the parts of concatenations that nothing else takes, instead of the concatenations, and simplify.

    Keeps what is computed and every weight with its path. Such a concatenation need not be made, and a part that is
    pooled in several of them is pooled once; its node has the path of the first. A pool that takes the width of another
    value than the input stays.

    Args:
        graph: simplified.
        channels: see :func:`simplify`.
    """
    effects, n_inputs = _effects(graph, channels), graph.n_inputs
    is_whole = _taken_whole(graph, effects)
    nodes = list(graph.nodes[:n_inputs])
    widths = [channels] * n_inputs  # of the new nodes
    place = list(range(n_inputs))  # old index -> new index
    for (operation, inputs, width_of, path), effect in zip(graph.nodes[n_inputs:], effects[n_inputs:], strict=True):
        sources = [place[i] for i in inputs]
        is_split = nodes[sources[0]].operation == "concat" and not is_whole[inputs[0]] and not width_of
        parts = nodes[sources[0]].inputs if is_split else ()
        if operation in JOINS:
            node = Node(operation, tuple(sources) if operation == RESIZE else _flatten(operation, sources, nodes))
        elif parts and all(effect_of(operation, widths[part], channels).layers == effect.layers for part in parts):
            first = len(nodes)
            nodes.extend([Node(operation, (part,), 0, path) for part in parts])
            widths.extend([widths[part] for part in parts])
            node = Node("concat", tuple(range(first, len(nodes))))
        else:
            node = Node(operation, (sources[0],), place[width_of], path)
        place.append(len(nodes))
        nodes.append(node)
        widths.append(effect.channels)
    output = None if graph.output is None else place[graph.output]
    return simplify(Graph(tuple(nodes), output, n_inputs, graph.head), channels=channels)


def _taken_whole(graph: Graph, effects: Sequence[Effect]) -> list[bool]:
    """For each node, whether its value is wanted in one piece: others than pools and concatenations take it."""
    is_whole = [False] * len(graph.nodes)
    for node, effect in zip(graph.nodes[graph.n_inputs :], effects[graph.n_inputs :], strict=True):
        if not effect.is_by_channel:
            for i in node.inputs:
                is_whole[i] = True
    return is_whole


def viable_graph(space: Lowers, genotype: Any, *, channels: tuple[int, ...] = (USUAL_CHANNELS,)) -> Graph:
    """Simplified graph of a genotype that stands for one graph, whose output is reachable.

    Args:
        space: the search space.
        genotype: of one individual.
        channels: see :func:`simplify`.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
    """
    (graph,) = viable_graphs(space, genotype)
    return simplify(graph, channels=channels)


def viable_graphs(space: Lowers, genotype: Any) -> tuple[Graph, ...]:
    """What a genotype stands for, where it is a network.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to an output.
    """
    graphs = graphs_of(space.lower(genotype))
    for graph in graphs:
        if graph.output is None:
            raise NotViableError("the genotype has no path from its input to its output, so it is no network")
    return graphs
