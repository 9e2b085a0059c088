"""A template and a cell's graph become a flat list of steps with concrete channels and shapes.

The cost model and the assembly both read what is laid out here, so they cannot disagree. All cells of a template are
laid out together, in one walk along the cell's nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from deap_nas.errors import SettingsError
from deap_nas.graph import (
    MERGES,
    GlobalAvgPool2d,
    Graph,
    Layer,
    Linear,
    Node,
    Shape,
    conv_bn_relu,
    layers_of,
    separable_conv,
)
from deap_nas.template.template import NetworkTemplate

__all__ = ["Chain", "Layout", "Step", "expand", "lay_out"]


class Chain(NamedTuple):
    """Layers one after the other, on an input of a known shape."""

    layers: tuple[Layer, ...]
    n_parameters: int
    flops: int
    shape: Shape


class Step(NamedTuple):
    """One value of the whole network: a merge of earlier values, or a chain of layers on one of them."""

    #: The part of the network it belongs to, then the genes it came from.
    path: tuple[str | int, ...]
    #: ``"concat"``, ``"add"``, or empty for a chain of layers.
    merge: str
    #: Indices of the values it takes: 0 is the image, i + 1 the result of step i.
    inputs: tuple[int, ...]
    #: Layers in order, with what they cost; none for a merge.
    chain: Chain
    #: Shape of the first input.
    input_shape: Shape
    #: Shape of the result.
    shape: Shape

    @property
    def name(self) -> str:
        """Name of the step's module, unique in its network; merges have none."""
        return "" if self.merge else "_".join(map(str, self.path))


def expand(cell: Graph, template: NetworkTemplate) -> tuple[Step, ...]:
    """Repeat the cell inside the template; the last step gives the logits.

    Raises:
        SettingsError: the cell adds values of different shapes, or concatenates values of different sizes; or its
            operations share a path, unless they are equal and without parameters.
    """
    layout = lay_out(cell, template)
    _check_paths(cell, layout.values)
    steps = _Steps((template.image_channels, template.image_size, template.image_size))
    for position, chain in enumerate(layout.frame.stem, start=1):
        steps.add_chain(f"stem{position}", chain)
    for number, (name, convolution) in enumerate(zip(_cell_names(template), layout.frame.convolutions, strict=True)):
        steps.add_cell(name, cell, [value.chains[number] for value in layout.values])
        steps.add_chain(f"{name}_conv", convolution)
    steps.add_chain("head", layout.frame.head)
    return tuple(steps.done)


def _cell_names(template: NetworkTemplate) -> list[str]:
    counts = enumerate(template.groups, start=1)
    return [f"group{group}_cell{number}" for group, n_cells in counts for number in range(1, n_cells + 1)]


def _check_paths(cell: Graph, values: Sequence[_Value]) -> None:
    """Check that no operation would get the module of another."""
    known: dict[tuple[int, ...], _Value] = {}
    for node, value in zip(cell.nodes[1:], values[1:], strict=True):
        if node.operation in MERGES:
            continue
        other = known.get(node.path)
        if other and (value.n_parameters or _layers(value) != _layers(other)):
            raise SettingsError(
                f"several operations of the cell have the path {node.path}, which names their weights; "
                f"give each Node a path of its own"
            )
        known[node.path] = value


def _layers(value: _Value) -> list[tuple[Layer, ...]]:
    return [chain.layers for chain in value.chains]


class _Steps:
    """Steps in the making; each part of the network takes the value that the one before it gave."""

    def __init__(self, image: Shape) -> None:
        self.done: list[Step] = []
        self._shapes = [image]
        self._value = 0

    def add_chain(self, name: str, chain: Chain) -> None:
        self._value = self._add((name,), "", (self._value,), chain)

    def add_cell(self, name: str, cell: Graph, chains: Sequence[Chain]) -> None:
        values = [self._value]
        for node, chain in zip(cell.nodes[1:], chains[1:], strict=True):
            merge = node.operation if node.operation in MERGES else ""
            values.append(self._add((name, *node.path), merge, tuple([values[i] for i in node.inputs]), chain))
        self._value = values[cell.output or 0]

    def _add(self, path: tuple[str | int, ...], merge: str, inputs: tuple[int, ...], chain: Chain) -> int:
        self.done.append(Step(path, merge, inputs, chain, self._shapes[inputs[0]], chain.shape))
        self._shapes.append(chain.shape)
        return len(self.done)


@dataclass(frozen=True, eq=False)
class _Shapes:
    """A value's shape in each of a template's cells; equal ones are one object, so that it is quick to look up."""

    of_cells: tuple[Shape, ...]


_shapes = lru_cache(maxsize=16_384)(_Shapes)


class _Value(NamedTuple):
    """A value of the cell in each of a template's cells, and what it costs in all of them."""

    shapes: _Shapes
    chains: tuple[Chain, ...]
    n_parameters: int
    flops: int


class _Frame(NamedTuple):
    """The network around its cells, and what it costs."""

    stem: tuple[Chain, ...]
    #: What the cells take.
    inputs: _Shapes
    #: What follows each cell.
    convolutions: tuple[Chain, ...]
    head: Chain
    n_parameters: int
    flops: int


class Layout(NamedTuple):
    """A network before it is written down as steps."""

    #: One for each node that was laid out.
    values: Sequence[_Value]
    frame: _Frame


def lay_out(cell: Graph, template: NetworkTemplate, *, among: Sequence[int] | None = None) -> Layout:
    """Layers and shapes of everything in a network.

    Args:
        cell: the cell.
        template: the network around it.
        among: indices of the nodes to lay out, in order, with the input and the output and whatever they depend on;
            by default all.

    Raises:
        SettingsError: the cell adds values of different shapes, or concatenates values of different sizes.
    """
    among = range(len(cell.nodes)) if among is None else among
    inputs = _frame(template, None).inputs  # as they are where the cells keep the size of their input
    while True:
        values = _values(cell.nodes, among, inputs)
        frame = _frame(template, values[cell.output or 0].shapes)
        if frame.inputs is inputs:
            return Layout([values[index] for index in among], frame)
        inputs = frame.inputs


def _values(nodes: Sequence[Node], among: Sequence[int], inputs: _Shapes) -> list[_Value]:
    """Value of each node; those that are not among the ones to lay out have the input's."""
    values = [_value(tuple([Chain((), 0, 0, shape) for shape in inputs.of_cells]))] * len(nodes)
    shapes = [inputs] * len(nodes)
    for index in among[1:]:
        operation, sources, width_of, _ = nodes[index]
        if operation in MERGES:
            value = _merged(operation, tuple([shapes[i] for i in sources]))
        else:
            value = _operation(operation, shapes[sources[0]], shapes[width_of])
        values[index] = value
        shapes[index] = value[0]
    return values


def _value(chains: tuple[Chain, ...]) -> _Value:
    shapes = _shapes(tuple([chain.shape for chain in chains]))
    return _Value(shapes, chains, sum([chain.n_parameters for chain in chains]), sum([chain.flops for chain in chains]))


@lru_cache(maxsize=16_384)
def _operation(operation: str, inputs: _Shapes, widths: _Shapes) -> _Value:
    of_cells = zip(inputs.of_cells, widths.of_cells, strict=True)
    return _value(tuple([_measured(layers_of(operation, shape[0], width[0]), shape) for shape, width in of_cells]))


@lru_cache(maxsize=16_384)
def _merged(operation: str, inputs: tuple[_Shapes, ...]) -> _Value:
    of_cells = zip(*[shapes.of_cells for shapes in inputs], strict=True)
    return _value(tuple([Chain((), 0, 0, _merged_shape(operation, shapes)) for shapes in of_cells]))


def _merged_shape(operation: str, shapes: tuple[Shape, ...]) -> Shape:
    channels, height, width = shapes[0]
    if operation == "concat":
        channels = sum(shape[0] for shape in shapes)
        if any(shape[1:] != (height, width) for shape in shapes):
            raise SettingsError(
                f"values of different height or width cannot be concatenated: {list(shapes)}; the operations of a cell "
                f"must keep the size of their input (stride 1)"
            )
    elif any(shape != shapes[0] for shape in shapes):
        raise SettingsError(f"values of different shapes cannot be added: {list(shapes)}; merge them by 'concat'")
    return channels, height, width


@lru_cache(maxsize=256)
def _frame(template: NetworkTemplate, outputs: _Shapes | None) -> _Frame:
    """Lay out what is around cells whose outputs have these shapes; by default those of their inputs."""
    shape = (template.image_channels, template.image_size, template.image_size)
    stem: list[Chain] = []
    for channels, stride in template.stem:
        stem.append(_measured(conv_bn_relu(shape[0], channels, 3, stride=stride), shape))
        shape = stem[-1].shape
    inputs: list[Shape] = []
    convolutions: list[Chain] = []
    for stride in _strides(template):
        output = outputs.of_cells[len(inputs)] if outputs else shape
        inputs.append(shape)
        convolutions.append(_measured(separable_conv(output[0], stride * shape[0], 3, stride=stride), output))
        shape = convolutions[-1].shape
    head = _measured((GlobalAvgPool2d(), Linear(shape[0], template.n_classes)), shape)
    total = _value((*stem, *convolutions, head))
    return _Frame(tuple(stem), _shapes(tuple(inputs)), tuple(convolutions), head, total.n_parameters, total.flops)


def _strides(template: NetworkTemplate) -> list[int]:
    """Stride of the convolution after each cell."""
    strides = [stride for n_cells in template.groups for stride in (*[1] * (n_cells - 1), 2)]
    return [*strides[:-1], template.last_stride]


def _measured(layers: tuple[Layer, ...], shape: Shape) -> Chain:
    n_parameters = flops = 0
    for layer in layers:
        n_parameters += layer.n_parameters
        flops += layer.flops(shape)
        shape = layer.output_shape(shape)
    return Chain(layers, n_parameters, flops, shape)
