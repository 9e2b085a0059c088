"""The lowered form of every search space: a directed acyclic graph of named operations, and its passes.

A graph describes one cell and knows no channel counts; a network template gives it those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from deap_nas.errors import NotViableError
from deap_nas.graph.operations import is_identity, is_shareable

__all__ = ["MERGES", "Graph", "Lowers", "Node", "prune", "simplify", "viable_graph"]

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


def prune(graph: Graph) -> Graph:
    """Drop the nodes that the output does not depend on. Keeps what is computed."""
    if graph.output is None:
        return Graph(graph.nodes[:1], None)
    needed = {0, graph.output}
    for index in range(len(graph.nodes) - 1, 0, -1):
        if index in needed:
            needed.update(graph.nodes[index].inputs, (graph.nodes[index].width_of,))
    place = {old: new for new, old in enumerate(sorted(needed))}
    nodes = tuple(
        Node(node.operation, tuple(place[i] for i in node.inputs), place[node.width_of], node.path)
        for index, node in enumerate(graph.nodes)
        if index in needed
    )
    return Graph(nodes, place[graph.output])


def simplify(graph: Graph) -> Graph:
    """Prune, drop identities, flatten nested merges and compute equal values once.

    Keeps what is computed, up to the order in which an addition sums, and every weight with its path.
    """
    nodes: list[Node] = []
    place: list[int] = []  # old index -> new index
    known: dict[tuple[str, tuple[int, ...]], int] = {}
    for node in prune(graph).nodes:
        inputs = tuple(place[i] for i in node.inputs)
        if node.operation in MERGES:
            inputs = _flatten(node.operation, inputs, nodes)
            if len(inputs) == 1:
                place.append(inputs[0])
                continue
        elif node.operation != "input" and is_identity(node.operation):
            place.append(inputs[0])
            continue
        shareable = node.operation in MERGES or node.operation == "input" or is_shareable(node.operation)
        key = (node.operation, inputs)
        if shareable and key in known:
            place.append(known[key])
            continue
        known[key] = len(nodes)
        place.append(len(nodes))
        nodes.append(Node(node.operation, inputs, place[node.width_of], node.path))
    return prune(Graph(tuple(nodes), None if graph.output is None else place[-1]))


def _flatten(merge: str, inputs: tuple[int, ...], nodes: Sequence[Node]) -> tuple[int, ...]:
    """Replace inputs that are the same merge by their own inputs."""
    flat: list[int] = []
    for index in inputs:
        flat.extend(nodes[index].inputs if nodes[index].operation == merge else (index,))
    return tuple(flat)


def viable_graph(space: Lowers, genes: Sequence[int]) -> Graph:
    """Simplified graph of the genes, whose output is reachable.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the input to the output.
    """
    graph = simplify(space.lower(genes))
    if graph.output is None:
        raise NotViableError("the genotype has no path from its input to its output, so it is no network")
    return graph
