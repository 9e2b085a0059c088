"""Canonical keys: one string for all genotypes that are the same network.

Two simplified graphs are the same network when a renumbering of nodes, and of the inputs of merges, turns one into
the other. The key is a digest of the graph written down in a numbering that does not depend on the one it came in:
nodes are coloured by their operation, its width and what surrounds them until the colours no longer split (Weisfeiler
and Leman), and what is still alike is told apart by singling out one node and colouring again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from deap_nas.graph.graph import MERGES, Graph, Lowers, simplify
from deap_nas.graph.operations import layers_of

__all__ = ["canonical_key", "graph_key"]

_MASK = 2**64 - 1


def canonical_key(space: Lowers, genes: Sequence[int]) -> str:
    """Key of the genotype's network: 32 hexadecimal digits.

    Equal for genotypes that are the same network (dead parts, unused motifs, identities, the order of nodes),
    different for others. All genotypes without a path from input to output share one key.

    Args:
        space: the search space.
        genes: the genes of one individual.

    Raises:
        GenotypeError: the genes do not belong to the space.
    """
    return graph_key(space.lower(genes))


def graph_key(graph: Graph) -> str:
    """Key of a graph; see :func:`canonical_key`."""
    graph = _normal(graph)
    if graph.output is None:
        return _digest("not viable")
    colours = _initial_colours(graph)
    if len(set(colours)) < len(colours):
        colours = _refine(graph, colours)
    while (tie := _first_tie(colours)) is not None:
        choices = [_refine(graph, _single_out(colours, node)) for node in _candidates(graph, colours, tie)]
        colours = min(choices, key=lambda choice: _written_down(graph, choice))
    return _digest(_written_down(graph, colours))


def _digest(text: str) -> str:
    from hashlib import blake2b  # brings OpenSSL along, which idle ranks do without

    return blake2b(text.encode(), digest_size=16).hexdigest()


def _commutes(graph: Graph) -> bool:
    """Whether the order in which merges take their inputs is without meaning.

    A graph that both concatenates and adds may add channels in different orders, so there the order counts.
    """
    return len({node.operation for node in graph.nodes} & set(MERGES)) < 2


def _normal(graph: Graph) -> Graph:
    """Simplify as far as the key reaches: merges that differ only in the order of their inputs are one value."""
    graph = simplify(graph)
    while _commutes(graph):
        merges = [tuple(sorted(node.inputs)) for node in graph.nodes if node.operation in MERGES]
        if len(set(merges)) == len(merges):
            break
        nodes = tuple(node._replace(inputs=tuple(sorted(node.inputs))) for node in graph.nodes)
        graph = simplify(Graph(nodes, graph.output))
    return graph


def _channels(graph: Graph) -> list[int]:
    """Channels of each value in a cell of 8 channels; equal ones are the same width to an operation."""
    channels = [8]
    for node in graph.nodes[1:]:
        incoming = [channels[i] for i in node.inputs]
        if node.operation in MERGES:
            channels.append(sum(incoming) if node.operation == "concat" else incoming[0])
        else:
            channels.append(_output_channels(node.operation, incoming[0], channels[node.width_of]))
    return channels


@cache
def _output_channels(operation: str, in_channels: int, width: int) -> int:
    shape = (in_channels, 1, 1)
    for layer in layers_of(operation, in_channels, width):
        shape = layer.output_shape(shape)
    return shape[0]


def _initial_colours(graph: Graph) -> list[int]:
    """Colour each node by everything below it and everything above it, in two passes.

    What remains alike is rare: copies of one another, and the accidents of a 64-bit hash, which cost time only.
    """
    ordered = not _commutes(graph)
    widths = _channels(graph)
    below: list[int] = []
    for node in graph.nodes:
        inputs = _arranged([below[i] for i in node.inputs], ordered)
        below.append(_mixed((_code(node.operation), widths[node.width_of], *inputs)))
    seen_from: list[list[int]] = [[] for _ in below]
    above = [0] * len(below)
    for index in range(len(below) - 1, -1, -1):
        above[index] = _mixed((below[index], *sorted(seen_from[index])))
        for position, source in enumerate(graph.nodes[index].inputs):
            seen_from[source].append(_mixed((above[index], position)) if ordered else above[index])
    return above


def _mixed(numbers: Iterable[int]) -> int:
    """Hash of integers, the same in every process and version of Python."""
    value = 0x9E3779B97F4A7C15
    for number in numbers:
        value = ((value ^ (number & _MASK)) * 0xD6E8FEB86659FD93) & _MASK
        value ^= value >> 32
    return value


@cache
def _code(operation: str) -> int:
    from hashlib import blake2b

    return int.from_bytes(blake2b(operation.encode(), digest_size=8).digest(), "big")


def _refine(graph: Graph, colours: list[int]) -> list[int]:
    """Split colours by the colours of inputs and consumers until nothing splits any more."""
    ordered = not _commutes(graph)
    n_colours = len(set(colours))
    while True:
        consumers: list[list[tuple[int, int]]] = [[] for _ in colours]
        for index, node in enumerate(graph.nodes):
            for position, source in enumerate(node.inputs):
                consumers[source].append((colours[index], position if ordered else 0))
        around = [
            (colours[index], _arranged((colours[i] for i in node.inputs), ordered), tuple(sorted(above)))
            for index, (node, above) in enumerate(zip(graph.nodes, consumers, strict=True))
        ]
        ranks = {key: rank for rank, key in enumerate(sorted(set(around)))}
        if len(ranks) == n_colours:
            return colours
        colours = [ranks[key] for key in around]
        n_colours = len(ranks)


def _arranged(values: Iterable[int], ordered: bool) -> tuple[int, ...]:
    return tuple(values) if ordered else tuple(sorted(values))


def _first_tie(colours: Sequence[int]) -> int | None:
    """Smallest colour that several nodes share."""
    shared = [colour for colour, count in Counter(colours).items() if count > 1]
    return min(shared, default=None)


def _candidates(graph: Graph, colours: Sequence[int], tie: int) -> list[int]:
    """Nodes of the tied colour worth singling out: one suffices where they are plain twins."""
    nodes = [index for index, colour in enumerate(colours) if colour == tie]
    consumers = {
        node: sorted((i, n.inputs.count(node)) for i, n in enumerate(graph.nodes) if node in n.inputs) for node in nodes
    }
    first = nodes[0]
    twins = _commutes(graph) and all(
        graph.nodes[node].inputs == graph.nodes[first].inputs and consumers[node] == consumers[first] for node in nodes
    )
    return nodes[:1] if twins else nodes


def _single_out(colours: Sequence[int], node: int) -> list[int]:
    """Give one node a colour of its own, just before the nodes it was tied with."""
    return [2 * colour + (colour == colours[node] and index != node) for index, colour in enumerate(colours)]


def _written_down(graph: Graph, colours: Sequence[int]) -> str:
    """The whole graph as text, each node under its colour; complete once every colour is one node's own."""
    ordered = not _commutes(graph)
    widths = _channels(graph)
    lines = sorted(
        (colours[index], node.operation, widths[node.width_of], _arranged((colours[i] for i in node.inputs), ordered))
        for index, node in enumerate(graph.nodes)
    )
    return repr((lines, colours[-1]))  # a pruned graph ends with its output
