"""The lowered form of every search space: a directed acyclic graph of named operations, and its passes.

A graph describes one cell and knows no channel counts; a network template gives it those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from deap_nas.errors import NotViableError
from deap_nas.graph.operations import is_by_channel, is_identity, is_shareable

__all__ = [
    "MERGES",
    "Graph",
    "Lowers",
    "Node",
    "check_viable",
    "living",
    "prune",
    "simplify",
    "split_pools",
    "viable_graph",
]

#: Operations that take several values: concatenation along the channels, and the sum.
MERGES = ("concat", "add")


class Node(NamedTuple):
    """One value of a graph and how it is computed."""

    #: A registered operation, one of :data:`MERGES`, or ``"input"``.
    operation: str
    #: Indices of the values it takes; all are smaller than its own.
    inputs: tuple[int, ...] = ()
    #: Index of the value whose channel count the operation takes as its width; 0, the cell's input, gives the
    #: constant C of Liu 2018, section 2.3.
    width_of: int = 0
    #: Indices of the genes it came from, outermost first; names its weights. Merges have none.
    path: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; node 0 is the input."""

    nodes: tuple[Node, ...]
    #: Index of the output, or None when no path leads to it from the input.
    output: int | None


class Lowers(Protocol):
    """Anything that lowers genes to a graph: every search space."""

    def lower(self, genes: Sequence[int]) -> Graph:
        """Graph of the genes' cell."""
        ...


def living(graph: Graph) -> list[int]:
    """Indices of the nodes that the output depends on, the input's included, in order."""
    nodes, output = graph.nodes, graph.output or 0
    is_needed = [False] * (output + 1)
    is_needed[0] = is_needed[output] = True
    for index in range(output, 0, -1):
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
        return Graph(nodes[:1], None)
    kept = living(graph)
    if len(kept) == len(nodes):
        return graph
    place = {old: new for new, old in enumerate(kept)}
    left = [nodes[index] for index in kept]
    return Graph(tuple([Node(n[0], tuple([place[i] for i in n[1]]), place[n[2]], n[3]) for n in left]), place[output])


def simplify(graph: Graph) -> Graph:
    """Prune, drop identities, flatten nested merges and compute equal values once.

    Keeps what is computed, up to the order in which an addition sums, every weight with its path, and the order of
    the nodes. The weights of two nodes are never the same, so only nodes without weights can have equal values.
    """
    if graph.output is None:
        return Graph(graph.nodes[:1], None)
    nodes = [graph.nodes[0]]
    place = [0] * (graph.output + 1)  # old index -> new index
    known: dict[tuple[str, tuple[int, ...]], int] = {}
    for index in living(graph)[1:]:
        operation, inputs, width_of, path = graph.nodes[index]
        if operation in MERGES:
            inputs = _flatten(operation, [place[i] for i in inputs], nodes)
            is_nothing, is_shared = len(inputs) == 1, True
        else:
            inputs = (place[inputs[0]],)
            is_nothing, is_shared = is_identity(operation), is_shareable(operation)
        if is_nothing:
            place[index] = inputs[0]
            continue
        place[index] = new = known.setdefault((operation, inputs), len(nodes)) if is_shared else len(nodes)
        if new == len(nodes):
            nodes.append(Node(operation, inputs, place[width_of], path))
    return prune(Graph(tuple(nodes), place[graph.output]))


def _flatten(merge: str, inputs: Sequence[int], nodes: Sequence[Node]) -> tuple[int, ...]:
    """Replace inputs that are the same merge by their own inputs."""
    flat: list[int] = []
    for index in inputs:
        node = nodes[index]
        if node[0] == merge:
            flat.extend(node[1])
        else:
            flat.append(index)
    return tuple(flat)


def split_pools(graph: Graph) -> Graph:
    """Pool the parts of concatenations that nothing else takes, instead of the concatenations, and simplify.

    Keeps what is computed and every weight with its path. Such a concatenation need not be made, and a part that is
    pooled in several of them is pooled once; its node has the path of the first.

    Args:
        graph: simplified.
    """
    is_whole = _taken_whole(graph)
    nodes = [graph.nodes[0]]
    place = [0]  # old index -> new index
    for operation, inputs, width_of, path in graph.nodes[1:]:
        sources = [place[i] for i in inputs]
        if operation in MERGES:
            node = Node(operation, _flatten(operation, sources, nodes))
        elif nodes[sources[0]].operation == "concat" and is_by_channel(operation) and not is_whole[inputs[0]]:
            first = len(nodes)
            nodes.extend([Node(operation, (part,), 0, path) for part in nodes[sources[0]].inputs])
            node = Node("concat", tuple(range(first, len(nodes))))
        else:
            node = Node(operation, (sources[0],), place[width_of], path)
        place.append(len(nodes))
        nodes.append(node)
    return simplify(Graph(tuple(nodes), None if graph.output is None else place[graph.output]))


def _taken_whole(graph: Graph) -> list[bool]:
    """For each node, whether its value is wanted in one piece: others than pools and concatenations take it."""
    is_whole = [False] * len(graph.nodes)
    for operation, inputs, _, _ in graph.nodes[1:]:
        if operation == "add" or (operation != "concat" and not is_by_channel(operation)):
            for i in inputs:
                is_whole[i] = True
    return is_whole


def viable_graph(space: Lowers, genes: Sequence[int]) -> Graph:
    """Simplified graph of the genes, whose output is reachable.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the input to the output.
    """
    graph = space.lower(genes)
    check_viable(graph)
    return simplify(graph)


def check_viable(graph: Graph) -> None:
    """Check that a path leads from the graph's input to its output.

    Raises:
        NotViableError: none does.
    """
    if graph.output is None:
        raise NotViableError("the genotype has no path from its input to its output, so it is no network")
