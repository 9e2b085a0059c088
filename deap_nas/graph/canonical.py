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
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import Any

from deap_nas.graph.graph import MERGES, RESIZE, USUAL_CHANNELS, Graph, Lowers, Node, graphs_of, simplify
from deap_nas.graph.operations import OperationValue, effect_of

__all__ = ["canonical_key", "graph_key"]


def canonical_key(space: Lowers, genotype: Any) -> str:
    """Key of the genotype's network: 32 hexadecimal digits.

    Equal for genotypes that are the same network (dead parts, unused motifs, identities, the order of nodes),
    different for others. All genotypes without a path from input to output share one key. Operations are taken as what
    they are in a cell of 64 channels.

    It is a key of the graph that ``space.lower`` gives. Where the genes of a space of your own say more than that graph
    does, such as channels or the number of cells, equal keys are no equal networks: do not reuse fitness by it alone.

    Args:
        space: the search space.
        genotype: of one individual.

    Raises:
        GenotypeError: the genotype does not belong to the space.
    """
    keys = list(map(graph_key, graphs_of(space.lower(genotype))))
    if len(keys) == 1:
        return keys[0]
    return _NOT_VIABLE if _NOT_VIABLE in keys else _digest(repr(keys).encode())


def graph_key(graph: Graph) -> str:
    """Key of a graph; see :func:`canonical_key`."""
    if graph.output is None:
        return _NOT_VIABLE
    has_order = _has_order(graph)
    if has_order:
        graph = simplify(graph)  # perhaps only one of them is left
        has_order = _has_order(graph)
    cell = _Cell(graph, any_order=not has_order)
    colours = cell.colours()
    if all(len(cell.candidates(colours, tie)) == 1 for tie in _ties(colours)):
        return _digest(array("q", sorted(colours.values())).tobytes())
    colours = cell.refined(colours)
    while ties := _ties(colours):
        tie = min(ties)
        choices = [cell.refined(_single_out(colours, value)) for value in cell.candidates(colours, tie)]
        colours = min(choices, key=cell.written_down)
    return _digest(cell.written_down(colours).encode())


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


#: Key of all that is no network.
_NOT_VIABLE = _digest(b"not viable")


def _has_order(graph: Graph) -> bool:
    """Whether the order counts in which values are concatenated: that of channels does where these are told apart.

    An addition tells them apart by their places, and a resizing leaves the last ones out.
    """
    found = set(map(itemgetter(0), graph.nodes))
    return "concat" in found and not found.isdisjoint(("add", RESIZE))


@lru_cache(maxsize=65_536)
def _traits(operation: str | OperationValue, in_channels: int, width: int) -> tuple[int, float, bool, bool, int]:
    """Number of an operation, its width, whether it is an identity and whether shareable, and its output's channels."""
    effect = effect_of(operation, (in_channels,), (width,))
    return _number(operation), _eighths(width), not any(effect.layers), effect.is_shareable, effect.channels[0]


def _eighths(width: int) -> float:
    """A width in eighths of the cell's, as an integer where it is one: keys are made of it."""
    eighths, rest = divmod(8 * width, USUAL_CHANNELS)
    return 8 * width / USUAL_CHANNELS if rest else eighths


@lru_cache(maxsize=65_536)
def _number(operation: str | OperationValue) -> int:
    """Number of an operation, the same in every process."""
    return int.from_bytes(blake2b(_name(operation).encode(), digest_size=7).digest(), "big")


#: A node of a simplified graph: its operation, the indices of the values that it takes, the channels that it takes as
#: its width in eighths of the cell's, and the index of the value that has them.
_Value = tuple[str | OperationValue, tuple[int, ...], float, int]
#: What decides whether a value without weights is one that is there: operation, inputs, width.
_Known = dict[tuple[str | OperationValue, tuple[int, ...], float], int]


class _Cell:
    """The values of a cell, each once, and their colours.

    It simplifies the graph as :func:`~deap_nas.graph.simplify` does, but makes no graph of it.

    Args:
        graph: with an output.
        any_order: the order in which values are concatenated is without meaning, as that of an addition always is.
    """

    def __init__(self, graph: Graph, *, any_order: bool) -> None:
        self._any_order = any_order
        n_inputs = graph.n_inputs
        #: The number in the width tells the inputs apart.
        self._values: list[_Value] = [("input", (), 8 + i, 0) for i in range(n_inputs)]
        self._channels = [USUAL_CHANNELS] * n_inputs
        #: Colour of each value by everything below it.
        self._below = [hash((_number("input"), 8 + i)) for i in range(n_inputs)]
        place = self._walk(graph.nodes, n_inputs)
        self._output = place[graph.output or 0]

    def _walk(self, nodes: Sequence[Node], n_inputs: int) -> list[int]:
        """Add the values of all nodes; gives the index of each node's value."""
        values, channels, below = self._values, self._channels, self._below
        place = list(range(n_inputs))
        known: _Known = {}
        for operation, inputs, width_of, _ in nodes[n_inputs:]:
            if operation in MERGES:
                place.append(self._merge(operation, inputs, place, known))
                continue
            if operation == RESIZE:
                place.append(self._resize(place[inputs[0]], place[inputs[1]], known))
                continue
            source, wide = place[inputs[0]], place[width_of]
            number, width, is_nothing, is_shared, n_channels = _traits(operation, channels[source], channels[wide])
            if is_nothing:
                place.append(source)
                continue
            sources = (source,)
            new = len(values)
            index = known.setdefault((operation, sources, width), new) if is_shared else new
            place.append(index)
            if index == new:
                values.append((operation, sources, width, wide))
                channels.append(n_channels)
                below.append(hash((number, width, below[source])))
        return place

    def _resize(self, value: int, pattern: int, known: _Known) -> int:
        """Add a value resized to the shape of another one; gives its index."""
        if value == pattern:
            return value
        index = known.setdefault((RESIZE, (value, pattern), 8), len(self._values))
        if index == len(self._values):
            self._values.append((RESIZE, (value, pattern), 8, 0))
            self._channels.append(self._channels[pattern])
            self._below.append(hash((_number(RESIZE), self._below[value], self._below[pattern])))
        return index

    def _merge(self, merge: str | OperationValue, inputs: Sequence[int], place: list[int], known: _Known) -> int:
        """Add the value of a merge; gives its index."""
        values, channels = self._values, self._channels
        flat: list[int] = []
        n_channels = 0
        for i in inputs:
            source = place[i]
            n_channels += channels[source]
            value = values[source]
            if value[0] == merge:
                flat += value[1]
            else:
                flat.append(source)
        if len(flat) == 1:
            return flat[0]
        is_free = self._any_order or merge == "add"
        if is_free:
            flat.sort()
        sources = tuple(flat)
        index = known.setdefault((merge, sources, 8), len(values))
        if index == len(values):
            values.append((merge, sources, 8, 0))
            channels.append(n_channels if merge == "concat" else channels[flat[0]])
            colours = [self._below[i] for i in flat]
            if is_free:
                colours.sort()
            self._below.append(hash((_number(merge), 8, *colours)))
        return index

    def colours(self) -> dict[int, int]:
        """Colour each value that the output depends on by everything below it and everything above it.

        A hash of 64 bits is enough: that two networks of a search share all their colours by accident is less likely
        than an error of the machine. That of a tuple of integers is the same in every process.
        """
        colours: dict[int, int] = {}
        seen_from: list[list[int] | None] = [None] * (self._output + 1)  # None where nothing depends on the value
        seen_from[0], seen_from[self._output] = [], []
        any_order, values, below = self._any_order, self._values, self._below
        for index in range(self._output, -1, -1):
            above = seen_from[index]
            if above is None:
                continue
            colour = hash((below[index], above[0])) if len(above) == 1 else hash((below[index], *sorted(above)))
            colours[index] = colour
            operation, inputs, _, width_of = values[index]
            if width_of and seen_from[width_of] is None:
                seen_from[width_of] = []
            is_free = (any_order and operation != RESIZE) or operation == "add"
            for position, source in enumerate(inputs):
                seen = colour if is_free else hash((colour, position))
                others = seen_from[source]
                if others is None:
                    seen_from[source] = [seen]
                else:
                    others.append(seen)
        return colours

    def refined(self, colours: Mapping[int, int]) -> dict[int, int]:
        """Split colours by the colours of inputs and consumers until nothing splits any more; ranks from 0."""
        n_colours = 0
        while len(set(colours.values())) > n_colours:
            n_colours = len(set(colours.values()))
            consumers: dict[int, list[tuple[int, int]]] = {index: [] for index in colours}
            for index, colour in colours.items():
                is_free = self._is_free(index)
                for position, source in enumerate(self._values[index][1]):
                    consumers[source].append((colour, 0 if is_free else position))
            around = {
                index: (colour, self._inputs(index, colours), tuple(sorted(consumers[index])))
                for index, colour in colours.items()
            }
            ranks = {key: rank for rank, key in enumerate(sorted(set(around.values())))}
            colours = {index: ranks[key] for index, key in around.items()}
        return dict(colours)

    def candidates(self, colours: Mapping[int, int], tie: int) -> list[int]:
        """Values of the tied colour worth singling out: one suffices where they are plain twins."""
        tied = [index for index, colour in colours.items() if colour == tie]
        surroundings = {(self._values[index][1], self._consumers(index, colours)) for index in tied}
        return tied[:1] if self._any_order and len(surroundings) == 1 else tied

    def written_down(self, colours: Mapping[int, int]) -> str:
        """The whole graph as text, each value under its colour; complete once every colour is one value's own."""
        lines = sorted(
            (colour, _name(self._values[index][0]), self._values[index][2], self._inputs(index, colours))
            for index, colour in colours.items()
        )
        return repr((lines, colours[self._output]))

    def _is_free(self, index: int) -> bool:
        """Whether the order of a value's inputs is without meaning."""
        operation = self._values[index][0]
        return (self._any_order and operation != RESIZE) or operation == "add"

    def _inputs(self, index: int, colours: Mapping[int, int]) -> tuple[int, ...]:
        values = [colours[i] for i in self._values[index][1]]
        return tuple(sorted(values) if self._is_free(index) else values)

    def _consumers(self, index: int, colours: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
        inputs_of = ((i, self._values[i][1]) for i in colours)
        return tuple((i, inputs.count(index)) for i, inputs in inputs_of if index in inputs)


def _name(operation: str | OperationValue) -> str:
    return operation if isinstance(operation, str) else repr(operation)


def _ties(colours: Mapping[int, int]) -> list[int]:
    """Colours that several values share."""
    if len(set(colours.values())) == len(colours):
        return []
    return [colour for colour, count in Counter(colours.values()).items() if count > 1]


def _single_out(colours: Mapping[int, int], value: int) -> dict[int, int]:
    """Give one value a colour of its own, just before the values it was tied with."""
    return {index: 2 * colour + (colour == colours[value] and index != value) for index, colour in colours.items()}
