"""Canonical keys: one string for all genotypes that are the same network.

Two simplified graphs are the same network when a renumbering of nodes, and of the inputs of merges, turns one into
the other. Each node is coloured by a hash of everything below it and above it. Where all colours differ, they say of
each node what it is and who takes it, so the colours alone are the graph, and the key is their digest. Copies of a node
that take the same values and go to the same nodes may share a colour. Otherwise colours are split further by what
surrounds the nodes (Weisfeiler and Leman), what is still alike is told apart by singling out one node and colouring
again, and the key is a digest of the graph written down in the order of its colours.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b

from deap_nas.graph.graph import MERGES, Graph, Lowers, Node, simplify
from deap_nas.graph.operations import layers_of

__all__ = ["canonical_key", "graph_key"]


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
    graph, any_order = _normal(graph)
    if graph.output is None:
        return _digest(b"not viable")
    cell = _Cell(graph, any_order)
    colours = cell.colours()
    if all(len(cell.candidates(colours, tie)) == 1 for tie in _ties(colours)):
        return _digest(array("q", sorted(colours)).tobytes())
    colours = cell.refined(colours)
    while ties := _ties(colours):
        tie = min(ties)
        choices = [cell.refined(_single_out(colours, node)) for node in cell.candidates(colours, tie)]
        colours = min(choices, key=cell.written_down)
    return _digest(cell.written_down(colours).encode())


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _normal(graph: Graph) -> tuple[Graph, bool]:
    """Simplify as far as the key reaches; whether the order in which merges take their inputs is without meaning.

    A graph that both concatenates and adds may add channels in different orders, so there the order counts.
    """
    if len({node[0] for node in graph.nodes}.intersection(MERGES)) > 1:
        graph = simplify(graph)  # perhaps only one of them is left
    any_order = len({node[0] for node in graph.nodes}.intersection(MERGES)) < 2
    return simplify(graph, any_order=any_order), any_order


def _widths(nodes: Sequence[Node]) -> list[int]:
    """Width of each node's operation in a cell of 8 channels."""
    if not any(node[2] for node in nodes):
        return [8] * len(nodes)
    channels = [8]
    for operation, inputs, width_of, _ in nodes[1:]:
        if operation == "concat":
            channels.append(sum([channels[i] for i in inputs]))
        elif operation == "add":
            channels.append(channels[inputs[0]])
        else:
            channels.append(_output_channels(operation, channels[inputs[0]], channels[width_of]))
    return [channels[node[2]] for node in nodes]


@cache
def _output_channels(operation: str, in_channels: int, width: int) -> int:
    shape = (in_channels, 1, 1)
    for layer in layers_of(operation, in_channels, width):
        shape = layer.output_shape(shape)
    return shape[0]


@cache
def _code(operation: str) -> int:
    """Number of an operation, the same in every process."""
    return int.from_bytes(blake2b(operation.encode(), digest_size=7).digest(), "big")


class _Cell:
    """A graph whose nodes are to be coloured.

    Args:
        graph: simplified, so its last node is its output.
        any_order: the order in which merges take their inputs is without meaning.
    """

    def __init__(self, graph: Graph, any_order: bool) -> None:
        self._nodes = graph.nodes
        self._any_order = any_order
        self._widths = _widths(graph.nodes)

    def colours(self) -> list[int]:
        """Colour each node by everything below it and everything above it, in two passes.

        A hash of 64 bits is enough: that two networks of a search share all their colours by accident is less likely
        than an error of the machine. That of a tuple of integers is the same in every process.
        """
        below: list[int] = []
        for (operation, inputs, _, _), width in zip(self._nodes, self._widths, strict=True):
            values = [below[i] for i in inputs]
            if self._any_order:
                values.sort()
            below.append(hash((_code(operation), width, *values)))
        seen_from: list[list[int]] = [[] for _ in below]
        for index in range(len(below) - 1, -1, -1):
            above = seen_from[index]
            above.sort()
            below[index] = colour = hash((below[index], *above))
            for position, source in enumerate(self._nodes[index][1]):
                seen_from[source].append(colour if self._any_order else hash((colour, position)))
        return below

    def refined(self, colours: Sequence[int]) -> list[int]:
        """Split colours by the colours of inputs and consumers until nothing splits any more; ranks from 0."""
        n_colours = 0
        while len(set(colours)) > n_colours:
            n_colours = len(set(colours))
            consumers: list[list[tuple[int, int]]] = [[] for _ in colours]
            for index, node in enumerate(self._nodes):
                for position, source in enumerate(node.inputs):
                    consumers[source].append((colours[index], 0 if self._any_order else position))
            around = [
                (colour, self._inputs(node, colours), tuple(sorted(above)))
                for colour, node, above in zip(colours, self._nodes, consumers, strict=True)
            ]
            ranks = {key: rank for rank, key in enumerate(sorted(set(around)))}
            colours = [ranks[key] for key in around]
        return list(colours)

    def candidates(self, colours: Sequence[int], tie: int) -> list[int]:
        """Nodes of the tied colour worth singling out: one suffices where they are plain twins."""
        tied = [index for index, colour in enumerate(colours) if colour == tie]
        surroundings = {(self._nodes[index].inputs, self._consumers(index)) for index in tied}
        return tied[:1] if self._any_order and len(surroundings) == 1 else tied

    def written_down(self, colours: Sequence[int]) -> str:
        """The whole graph as text, each node under its colour; complete once every colour is one node's own."""
        lines = sorted(
            (colour, node.operation, width, self._inputs(node, colours))
            for colour, node, width in zip(colours, self._nodes, self._widths, strict=True)
        )
        return repr((lines, colours[-1]))

    def _inputs(self, node: Node, colours: Sequence[int]) -> tuple[int, ...]:
        values = [colours[i] for i in node.inputs]
        return tuple(sorted(values) if self._any_order else values)

    def _consumers(self, index: int) -> tuple[tuple[int, int], ...]:
        return tuple((i, node.inputs.count(index)) for i, node in enumerate(self._nodes) if index in node.inputs)


def _ties(colours: Sequence[int]) -> list[int]:
    """Colours that several nodes share."""
    if len(set(colours)) == len(colours):
        return []
    return [colour for colour, count in Counter(colours).items() if count > 1]


def _single_out(colours: Sequence[int], node: int) -> list[int]:
    """Give one node a colour of its own, just before the nodes it was tied with."""
    return [2 * colour + (colour == colours[node] and index != node) for index, colour in enumerate(colours)]
