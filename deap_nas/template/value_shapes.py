"""The values of a graph at the shapes that its inputs have: what each node's layers are there, and what they cost.

A graph may stand at several places of a network, as the cell of Liu 2018 does. All of them are looked at together, in
one walk along the nodes, since most nodes are the same in many genotypes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from deap_nas.errors import SettingsError
from deap_nas.graph import JOINS, RESIZE, Graph, Layer, OperationValue, Shape, layers_of
from deap_nas.template.steps import Chain, measured

__all__ = ["Shapes", "Value", "check_paths", "shapes_at", "total", "values_of"]


@dataclass(frozen=True, eq=False)
class Shapes:
    """A value's shape at each place of its graph; equal ones are one object, so that it is quick to look up."""

    of_places: tuple[Shape, ...]


#: Gives the one object for some shapes.
shapes_at = lru_cache(maxsize=16_384)(Shapes)


class Value(NamedTuple):
    """A value of a graph at each of its places, and what it costs at all of them."""

    shapes: Shapes
    chains: tuple[Chain, ...]
    n_parameters: int
    flops: int
    #: Whether simplified graphs may cost less: they do work without weights once where it is the same, and need no
    #: value whose width went to what is left out.
    may_be_saved: bool = False


def values_of(graph: Graph, inputs: Sequence[Shapes], *, among: Sequence[int] | None = None) -> list[Value]:
    """Value of each node.

    Args:
        graph: the graph.
        inputs: shapes of its inputs.
        among: indices of the nodes to look at, in order, with the inputs and the output and whatever they depend on;
            by default all. The others have the value of the first input.

    Raises:
        SettingsError: values of different shapes are added, or values of different sizes are concatenated.
    """
    n_inputs, nodes = graph.n_inputs, graph.nodes
    if len(inputs) != n_inputs:
        raise SettingsError(f"the template has {len(inputs)} inputs for a graph of {n_inputs}: they do not fit")
    first = [_given(shapes) for shapes in inputs]
    values = [*first, *[first[0]] * (len(nodes) - n_inputs)]
    shapes = [value[0] for value in values]
    for index in range(n_inputs, len(nodes)) if among is None else among[n_inputs:]:
        operation, sources, width_of, _ = nodes[index]
        if operation in JOINS:
            value = _joined(operation, tuple([shapes[i] for i in sources]))
        else:
            value = _operation(operation, shapes[sources[0]], shapes[width_of], width_of > 0)
            if width_of and n_inputs > 1:  # of an input, perhaps, which then need not be there
                value = value._replace(may_be_saved=True)
        values[index] = value
        shapes[index] = value[0]
    return values


def total(chains: tuple[Chain, ...]) -> Value:
    """A value that these chains give at its places, or several chains as one."""
    shapes = shapes_at(tuple([chain.shape for chain in chains]))
    return Value(shapes, chains, sum([chain.n_parameters for chain in chains]), sum([chain.flops for chain in chains]))


@lru_cache(maxsize=16_384)
def _given(shapes: Shapes) -> Value:
    """The value of an input."""
    return total(tuple([Chain((), 0, 0, shape) for shape in shapes.of_places]))


@lru_cache(maxsize=16_384)
def _operation(operation: str | OperationValue, inputs: Shapes, widths: Shapes, has_width: bool) -> Value:
    places = zip(inputs.of_places, widths.of_places, strict=True)
    value = total(tuple([measured(layers_of(operation, shape[0], width[0]), shape) for shape, width in places]))
    return value._replace(may_be_saved=not value.n_parameters and (value.flops > 0 or has_width))


@lru_cache(maxsize=16_384)
def _joined(operation: str, inputs: tuple[Shapes, ...]) -> Value:
    places = zip(*[shapes.of_places for shapes in inputs], strict=True)
    return total(tuple([Chain((), 0, 0, _joined_shape(operation, shapes)) for shapes in places]))


def _joined_shape(operation: str, shapes: tuple[Shape, ...]) -> Shape:
    channels, height, width = shapes[0]
    if operation == RESIZE:
        return shapes[1]
    if operation == "concat":
        channels = sum(shape[0] for shape in shapes)
        if any(shape[1:] != (height, width) for shape in shapes):
            raise SettingsError(
                f"values of different height or width cannot be concatenated: {list(shapes)}; the operations of a cell "
                f"must keep the size of their input (stride 1), or their values be resized"
            )
    elif any(shape != shapes[0] for shape in shapes):
        raise SettingsError(
            f"values of different shapes cannot be added: {list(shapes)}; merge them by 'concat', or resize them"
        )
    return channels, height, width


def check_paths(graph: Graph, values: Sequence[Value]) -> None:
    """Check that no operation would get the module of another.

    Raises:
        SettingsError: operations share a path, and are not equal ones without parameters.
    """
    known: dict[tuple[int, ...], Value] = {}
    for node, value in zip(graph.nodes[graph.n_inputs :], values[graph.n_inputs :], strict=True):
        if node.operation in JOINS:
            continue
        other = known.get(node.path)
        if other and (value.n_parameters or _layers(value) != _layers(other)):
            raise SettingsError(
                f"several operations of the cell have the path {node.path}, which names their weights; "
                f"give each Node a path of its own"
            )
        known[node.path] = value


def _layers(value: Value) -> list[tuple[Layer, ...]]:
    return [chain.layers for chain in value.chains]
