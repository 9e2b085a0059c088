"""A network as a flat list of steps, each a chain of layers or a join of earlier values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deap_nas.graph import JOINS, RESIZE, Graph, Layer, OperationValue, Shape

__all__ = ["Chain", "Step", "StepWriter", "measured", "trained_steps"]


class Chain(NamedTuple):
    """Layers one after the other, on an input of a known shape."""

    layers: tuple[Layer, ...]
    n_parameters: int
    flops: int
    shape: Shape


class Step(NamedTuple):
    """One value of the whole network: a join of earlier values, or a chain of layers on one of them."""

    #: The part of the network it belongs to, then the genes it came from.
    path: tuple[str | int, ...]
    #: ``"concat"``, ``"add"``, ``"resize"``, or empty for a chain of layers.
    merge: str
    #: Indices of the values it takes: 0 is the image, i + 1 the result of step i.
    inputs: tuple[int, ...]
    #: Layers in order, with what they cost; none for a join.
    chain: Chain
    #: Shape of the first input.
    input_shape: Shape
    #: Shape of the result.
    shape: Shape
    #: Name of the operation, or what its weights are called by; empty for a join, and for what the template adds.
    operation: str = ""

    @property
    def name(self) -> str:
        """Name of the step's module, unique in its network; joins have none."""
        return "" if self.merge else "_".join(map(str, self.path))

    @property
    def sources(self) -> tuple[int, ...]:
        """Indices of the values whose numbers it takes; of the second input of a resize only the shape matters."""
        return self.inputs[:1] if self.merge == RESIZE else self.inputs


def measured(layers: tuple[Layer, ...], shape: Shape) -> Chain:
    """Chain of layers on an input of this shape."""
    n_parameters = flops = 0
    for layer in layers:
        n_parameters += layer.n_parameters
        flops += layer.flops(shape)
        shape = layer.output_shape(shape)
    return Chain(layers, n_parameters, flops, shape)


def trained_steps(steps: Sequence[Step]) -> dict[int, Step]:
    """The steps, by the indices of their values, from which the logits get numbers; others may get a shape."""
    reaches = {len(steps)}
    for number in range(len(steps), 0, -1):
        if number in reaches:
            reaches.update(steps[number - 1].sources)
    return {number: step for number, step in enumerate(steps, start=1) if number in reaches}


class StepWriter:
    """Steps in the making; values are known by their indices, of which 0 is the image.

    Args:
        image: shape of the image.
    """

    def __init__(self, image: Shape) -> None:
        """See the class."""
        self.done: list[Step] = []
        self._shapes = [image]

    def add_chain(self, name: str, chain: Chain, value: int, *, path: tuple[int, ...] = ()) -> int:
        """Add layers of the template on a value, under a name, and a path if there is one; gives the result's index."""
        return self._add((name, *path), "", (value,), chain, "")

    def add_graph(self, name: str, graph: Graph, chains: Sequence[Chain], inputs: Sequence[int]) -> int:
        """Add a graph on some values, with the chain of each of its nodes; gives the index of its output."""
        values = list(inputs)
        for node, chain in zip(graph.nodes[graph.n_inputs :], chains[graph.n_inputs :], strict=True):
            join, label = _kind(node.operation)
            values.append(self._add((name, *node.path), join, tuple([values[i] for i in node.inputs]), chain, label))
        return values[graph.output or 0]

    def _add(
        self, path: tuple[str | int, ...], merge: str, inputs: tuple[int, ...], chain: Chain, operation: str
    ) -> int:
        self.done.append(Step(path, merge, inputs, chain, self._shapes[inputs[0]], chain.shape, operation))
        self._shapes.append(chain.shape)
        return len(self.done)


def _kind(operation: str | OperationValue) -> tuple[str, str]:
    """Which join a node is, and which operation."""
    if isinstance(operation, str):
        return (operation, "") if operation in JOINS else ("", operation)
    return "", operation.weights_label
