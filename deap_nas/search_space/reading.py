"""Genotypes for people: small graphs whose edges have labels, in words and as drawings read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from deap_nas.graph import MERGES, Graph, Node, label_of, living

__all__ = ["Edge", "Motif", "in_words", "motif_of_graph"]


class Edge(NamedTuple):
    """One labelled edge of a motif; in Liu 2018, one gene."""

    #: Node the edge leaves, from 1.
    predecessor: int
    #: Node it enters, larger than the predecessor.
    successor: int
    #: What lies on it: ``"none"``, an operation, or ``"motif K"`` of the level below.
    label: str
    #: Whether the network uses it.
    used: bool


@dataclass(frozen=True)
class Motif:
    """One small graph of a genotype, for reading and drawing."""

    #: Name, such as ``"level 2, motif 3"``.
    name: str
    level: int
    n_nodes: int
    #: In Liu 2018 one edge a gene, in gene order.
    edges: tuple[Edge, ...]
    #: What a drawing writes into the nodes, in order, each a few letters; by default their numbers.
    node_names: tuple[str, ...] = ()

    @property
    def used(self) -> bool:
        """Whether the network uses any edge of the motif."""
        return any(edge.used for edge in self.edges)


def in_words(motifs: Sequence[Motif]) -> str:
    """Say what motifs are, edge by edge."""
    return "\n".join(map(_motif_in_words, motifs))


def _motif_in_words(motif: Motif) -> str:
    lines = [motif.name if motif.used else f"{motif.name} (unused)"]
    for edge in motif.edges:
        if edge.label != "none":
            dead = "" if edge.used or not motif.used else "  (dead)"
            lines.append(f"  {edge.predecessor} -> {edge.successor}  {edge.label}{dead}")
    return "\n".join(lines if len(lines) > 1 else [*lines, "  no edges"])


def motif_of_graph(graph: Graph, *, name: str, level: int = 2) -> Motif:
    """Read a graph as a motif: its values are the nodes, its operations the edges between them.

    An operation whose value goes nowhere but into a merge is an edge that enters the merge itself.

    Args:
        graph: of any number of inputs, which are the first nodes.
        name: of the motif.
        level: of the motif.
    """
    used = set(living(graph)) if graph.output is not None else set()
    on_edges = _on_edges(graph)
    shown = [index for index in range(len(graph.nodes)) if index not in on_edges]
    number = {index: place for place, index in enumerate(shown, start=1)}
    edges = [
        Edge(number[source], number[index], label, is_used)
        for index in shown[graph.n_inputs :]
        for source, label, is_used in _incoming(graph, index, on_edges, used)
    ]
    return Motif(name, level, len(shown), tuple(edges))


def _on_edges(graph: Graph) -> frozenset[int]:
    """Nodes that are drawn as edges: operations that one merge takes, once, and nothing else, alone on their way."""
    n_takers = Counter(i for node in graph.nodes for i in node.inputs)
    n_takers.update(node.width_of for node in graph.nodes if node.width_of)
    found: set[int] = set()
    for node in graph.nodes[graph.n_inputs :]:
        if node.operation not in MERGES:
            continue
        ways = {i for i in node.inputs if graph.nodes[i].operation in MERGES or i < graph.n_inputs}
        for i in node.inputs:
            source = graph.nodes[i]
            is_operation = i >= graph.n_inputs and source.operation not in MERGES
            if is_operation and n_takers[i] == 1 and i != graph.output and source.inputs[0] not in ways:
                ways.add(source.inputs[0])
                found.add(i)
    return frozenset(found)


def _incoming(graph: Graph, index: int, on_edges: frozenset[int], used: set[int]) -> Iterator[tuple[int, str, bool]]:
    """Edges that enter a node: where each comes from, its label, whether it is used."""
    node = graph.nodes[index]
    if node.operation not in MERGES:
        yield node.inputs[0], _label(node), index in used
        return
    for source in node.inputs:
        if source in on_edges:
            operation = graph.nodes[source]
            yield operation.inputs[0], _label(operation), source in used
        else:
            yield source, "identity", index in used


def _label(node: Node) -> str:
    return label_of(node.operation)
