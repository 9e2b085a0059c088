"""The template of Liu 2018: one cell, repeated in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple, Self

from deap_nas.errors import SettingsError
from deap_nas.graph import GlobalAvgPool2d, Graph, Linear, Shape, conv_bn_relu, separable_conv
from deap_nas.template.steps import Chain, StepWriter, measured
from deap_nas.template.template import Layout, Template, check_counts, check_n_cells, register_template
from deap_nas.template.value_shapes import Shapes, Value, shapes_at, total, values_of

__all__ = ["NetworkTemplate"]


@register_template("cells")
@dataclass(frozen=True)
class NetworkTemplate(Template):
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
        """Check the fields, and make tuples of lists.

        Raises:
            SettingsError: a count is not a positive integer, the stem does not hold pairs, or there are too many cells.
        """
        try:
            object.__setattr__(self, "stem", tuple((channels, stride) for channels, stride in self.stem))
            object.__setattr__(self, "groups", tuple(self.groups))
        except (TypeError, ValueError):
            raise SettingsError(
                f"stem must hold pairs of channels and stride, and groups numbers of cells; found {self.stem!r} and "
                f"{self.groups!r}"
            ) from None
        numbers = tuple(number for pair in self.stem for number in pair)
        check_counts(n_classes=self.n_classes, image_channels=self.image_channels, image_size=self.image_size)
        check_counts(stem=numbers, groups=self.groups)
        check_n_cells(sum(self.groups))
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

    @property
    def cell_channels(self) -> tuple[int, ...]:
        """Channels that the cells of each group take."""
        return tuple(self.stem[-1][0] * 2**group for group in range(len(self.groups)))

    def channels_of(self, number: int) -> tuple[int, ...]:  # noqa: ARG002 - there is one graph
        """See :meth:`Template.channels_of`."""
        return self.cell_channels

    def with_channels(self, channels: int) -> Self:
        """See :meth:`Template.with_channels`."""
        return replace(self, stem=(*self.stem[:-1], (channels, self.stem[-1][1])))

    def lay_out(self, graphs: Sequence[Graph], *, among: Sequence[Sequence[int]] | None = None) -> Layout:
        """See :meth:`Template.lay_out`."""
        (cell,) = graphs
        needed = None if among is None else among[0]
        inputs = _frame(self, None).inputs  # as they are where the cells keep the size of their input
        while True:
            values = values_of(cell, (inputs,), among=needed)
            frame = _frame(self, values[cell.output or 0].shapes)
            if frame.inputs is inputs:
                break
            inputs = frame.inputs
        counted = values if needed is None else [values[index] for index in needed]
        return Layout(
            ((cell, counted),),
            frame.n_parameters + sum([value.n_parameters for value in counted]),
            frame.flops + sum([value.flops for value in counted]),
            partial(_write, self, cell, values, frame),
        )

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
        """Read what :meth:`to_dict` wrote.

        Raises:
            TypeError: a field is missing or unknown.
            SettingsError: a field is out of its range.
        """
        return cls(**fields)


class _Frame(NamedTuple):
    """The network around its cells, and what it costs."""

    stem: tuple[Chain, ...]
    #: What the cells take.
    inputs: Shapes
    #: What follows each cell.
    convolutions: tuple[Chain, ...]
    head: Chain
    n_parameters: int
    flops: int


@lru_cache(maxsize=256)
def _frame(template: NetworkTemplate, outputs: Shapes | None) -> _Frame:
    """Lay out what is around cells whose outputs have these shapes; by default those of their inputs."""
    shape = (template.image_channels, template.image_size, template.image_size)
    stem: list[Chain] = []
    for channels, stride in template.stem:
        stem.append(measured(conv_bn_relu(shape[0], channels, 3, stride=stride), shape))
        shape = stem[-1].shape
    inputs: list[Shape] = []
    convolutions: list[Chain] = []
    for stride in _strides(template):
        output = outputs.of_places[len(inputs)] if outputs else shape
        inputs.append(shape)
        convolutions.append(measured(separable_conv(output[0], stride * shape[0], 3, stride=stride), output))
        shape = convolutions[-1].shape
    head = measured((GlobalAvgPool2d(), Linear(shape[0], template.n_classes)), shape)
    whole = total((*stem, *convolutions, head))
    return _Frame(tuple(stem), shapes_at(tuple(inputs)), tuple(convolutions), head, whole.n_parameters, whole.flops)


def _strides(template: NetworkTemplate) -> list[int]:
    """Stride of the convolution after each cell."""
    strides = [stride for n_cells in template.groups for stride in (*[1] * (n_cells - 1), 2)]
    return [*strides[:-1], template.last_stride]


def _write(template: NetworkTemplate, cell: Graph, values: Sequence[Value], frame: _Frame, steps: StepWriter) -> int:
    value = 0
    for position, chain in enumerate(frame.stem, start=1):
        value = steps.add_chain(f"stem{position}", chain, value)
    for number, (name, convolution) in enumerate(zip(_cell_names(template), frame.convolutions, strict=True)):
        value = steps.add_graph(name, cell, [each.chains[number] for each in values], (value,))
        value = steps.add_chain(f"{name}_conv", convolution, value)
    return steps.add_chain("head", frame.head, value)


def _cell_names(template: NetworkTemplate) -> list[str]:
    counts = enumerate(template.groups, start=1)
    return [f"group{group}_cell{number}" for group, n_cells in counts for number in range(1, n_cells + 1)]
