"""The fixed network around the cell, its expansion into steps, and the cost of the result.

A template and a cell's graph expand to a flat list of steps with concrete channels and shapes. The cost model and
the assembly both read that list, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, Self

from deap_nas.errors import SettingsError
from deap_nas.graph import (
    MERGES,
    GlobalAvgPool2d,
    Graph,
    Layer,
    Linear,
    Lowers,
    Node,
    Shape,
    check_viable,
    conv_bn_relu,
    layers_of,
    prune,
    separable_conv,
    simplify,
)

__all__ = ["Chain", "Cost", "NetworkTemplate", "Step", "cost", "expand"]


@dataclass(frozen=True)
class NetworkTemplate:
    """Stem, groups of cells with a separable convolution after each cell, global pooling, linear layer.

    Liu 2018, section 4.1 and figure 2. Each group but the last ends with a convolution of stride 2 to twice the
    channels; all the others keep size and channels. Another field than the constructors take is changed with
    ``dataclasses.replace``.
    """

    #: Classes; the network gives one logit for each.
    n_classes: int
    #: Channels of the input image.
    image_channels: int
    #: Height and width of the input image in pixels, for counting FLOPs; the network takes any size.
    image_size: int
    #: (channels, stride) of each 3x3 convolution before the first cell; the last one's channels are c0.
    stem: tuple[tuple[int, int], ...]
    #: Cells in each group.
    groups: tuple[int, ...]
    #: Stride of the convolution after the last cell; 2 also doubles the channels, as after the other groups.
    last_stride: int = 1

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            SettingsError: a count is not a positive integer.
        """
        counts = {
            "n_classes": (self.n_classes,),
            "image_channels": (self.image_channels,),
            "image_size": (self.image_size,),
            "stem": tuple(number for pair in self.stem for number in pair),
            "groups": tuple(self.groups),
        }
        for name, numbers in counts.items():
            if not numbers or any(not isinstance(number, int) or number < 1 for number in numbers):
                raise SettingsError(f"{name} must hold integers of at least 1, found {getattr(self, name)!r}")

        if self.last_stride not in (1, 2):
            raise SettingsError(f"last_stride must be 1 or 2, found {self.last_stride!r}")

    @classmethod
    def small_cifar(
        cls, n_classes: int = 10, channels: int = 16, *, image_channels: int = 3, image_size: int = 32, n_cells: int = 1
    ) -> Self:
        """Model of the search: 3 groups of one cell, c0 = 16 (Liu 2018, section 4.1)."""
        return cls(n_classes, image_channels, image_size, ((channels, 1),), (n_cells,) * 3)

    @classmethod
    def large_cifar(
        cls, n_classes: int = 10, channels: int = 64, *, image_channels: int = 3, image_size: int = 32, n_cells: int = 2
    ) -> Self:
        """Model of the evaluation on CIFAR: 3 groups of two cells, c0 = 64 (Liu 2018, section 4.1)."""
        return cls(n_classes, image_channels, image_size, ((channels, 1),), (n_cells,) * 3)

    @classmethod
    def imagenet(
        cls,
        n_classes: int = 1000,
        channels: int = 64,
        *,
        image_channels: int = 3,
        image_size: int = 299,
        n_cells: int = 2,
    ) -> Self:
        """Model of ImageNet: two convolutions of stride 2, then 1, 2, 2 and 2 cells (Liu 2018, section 4.1)."""
        stem = ((max(1, channels // 2), 2), (channels, 2))
        return cls(n_classes, image_channels, image_size, stem, (1, n_cells, n_cells, n_cells))

    def for_images(self, *, n_classes: int, image_channels: int, image_size: int) -> Self:
        """The same template for other images."""
        return replace(self, n_classes=n_classes, image_channels=image_channels, image_size=image_size)

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON can hold them."""
        return {
            "n_classes": self.n_classes,
            "image_channels": self.image_channels,
            "image_size": self.image_size,
            "stem": [list(pair) for pair in self.stem],
            "groups": list(self.groups),
            "last_stride": self.last_stride,
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote."""
        stem = tuple((int(channels), int(stride)) for channels, stride in fields["stem"])
        return cls(
            n_classes=int(fields["n_classes"]),
            image_channels=int(fields["image_channels"]),
            image_size=int(fields["image_size"]),
            stem=stem,
            groups=tuple(map(int, fields["groups"])),
            last_stride=int(fields["last_stride"]),
        )


@dataclass(frozen=True)
class Cost:
    """What a network costs."""

    #: Trainable parameters.
    n_parameters: int
    #: Multiply-adds of convolutions and linear layers for one image, times two.
    flops: int


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


class Chain(NamedTuple):
    """Layers one after the other, on an input of a known shape."""

    layers: tuple[Layer, ...]
    n_parameters: int
    flops: int
    shape: Shape


def cost(space: Lowers, genes: Sequence[int], template: NetworkTemplate) -> Cost:
    """Parameters and FLOPs of a genotype's network, without building it.

    Args:
        space: the search space.
        genes: the genes of one individual.
        template: the network around the cell.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the cell's input to its output.
    """
    graph = space.lower(genes)
    check_viable(graph)
    chains = [chain for part in _parts(prune(graph), template) for chain in part.chains if chain.layers]
    if any(chain.flops and not chain.n_parameters for chain in chains):  # which are computed once where they are equal
        chains = [chain for part in _parts(simplify(graph), template) for chain in part.chains]
    return Cost(sum([chain.n_parameters for chain in chains]), sum([chain.flops for chain in chains]))


def expand(cell: Graph, template: NetworkTemplate) -> tuple[Step, ...]:
    """Repeat the cell inside the template; the last step gives the logits.

    Raises:
        SettingsError: the cell adds values of different shapes, or concatenates values of different sizes.
    """
    steps: list[Step] = []
    value = 0
    shape = (template.image_channels, template.image_size, template.image_size)
    for part in _parts(cell, template):
        values = [value]
        for node, chain in zip(part.nodes, part.chains, strict=True):
            merge = node.operation if node.operation in MERGES else ""
            sources = tuple([values[i] for i in node.inputs])
            input_shape = steps[sources[0] - 1].shape if sources[0] else shape
            steps.append(Step((part.name, *node.path), merge, sources, chain, input_shape, chain.shape))
            values.append(len(steps))
        value = values[part.output]
    return tuple(steps)


class _Part(NamedTuple):
    """A cell, or a chain of layers between cells, as the nodes of a graph after its input."""

    name: str
    nodes: Sequence[Node]
    chains: Sequence[Chain]
    output: int


def _parts(cell: Graph, template: NetworkTemplate) -> Iterator[_Part]:
    shape = (template.image_channels, template.image_size, template.image_size)
    for position, (channels, stride) in enumerate(template.stem, start=1):
        chain = _convolution(shape, channels, stride, False)
        yield _Part(f"stem{position}", _ALONE, (chain,), 1)
        shape = chain.shape
    output = cell.output or 0
    for group, n_cells in enumerate(template.groups, start=1):
        for number in range(1, n_cells + 1):
            name = f"group{group}_cell{number}"
            channels = shape[0]
            chains = _cell_chains(cell.nodes, shape)
            yield _Part(name, cell.nodes[1:], chains[1:], output)
            is_last_group = group == len(template.groups)
            stride = 1 if number < n_cells else template.last_stride if is_last_group else 2
            chain = _convolution(chains[output].shape, channels * stride, stride, True)
            yield _Part(f"{name}_conv", _ALONE, (chain,), 1)
            shape = chain.shape
    yield _Part("head", _ALONE, (_head(shape, template.n_classes),), 1)


_ALONE = (Node("", (0,)),)


def _cell_chains(nodes: Sequence[Node], shape: Shape) -> list[Chain]:
    """Layers of each node of a cell, the input's included, for an input of some shape."""
    chains = [Chain((), 0, 0, shape)]
    for operation, inputs, width_of, _ in nodes[1:]:
        if operation in MERGES:
            chains.append(_merged(operation, tuple([chains[i].shape for i in inputs])))
        else:
            chains.append(_operation(operation, chains[inputs[0]].shape, chains[width_of].shape[0]))
    return chains


@lru_cache(maxsize=65_536)
def _merged(operation: str, shapes: tuple[Shape, ...]) -> Chain:
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
    return Chain((), 0, 0, (channels, height, width))


@lru_cache(maxsize=65_536)
def _operation(operation: str, shape: Shape, width: int) -> Chain:
    return _measured(layers_of(operation, shape[0], width), shape)


@lru_cache(maxsize=4096)
def _convolution(shape: Shape, channels: int, stride: int, is_separable: bool) -> Chain:
    layers = separable_conv if is_separable else conv_bn_relu
    return _measured(layers(shape[0], channels, 3, stride=stride), shape)


@lru_cache(maxsize=4096)
def _head(shape: Shape, n_classes: int) -> Chain:
    return _measured((GlobalAvgPool2d(), Linear(shape[0], n_classes)), shape)


def _measured(layers: tuple[Layer, ...], shape: Shape) -> Chain:
    n_parameters = flops = 0
    for layer in layers:
        n_parameters += layer.n_parameters
        flops += layer.flops(shape)
        shape = layer.output_shape(shape)
    return Chain(layers, n_parameters, flops, shape)
