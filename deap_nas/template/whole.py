"""The template of genotypes that are whole networks: chains, DNA, the macro space of Perez-Rua 2018."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from deap_nas.errors import SettingsError
from deap_nas.graph import GlobalAvgPool2d, Graph, Linear, Shape, conv_bn_relu
from deap_nas.template.steps import Chain, StepWriter, measured
from deap_nas.template.template import Layout, Template, check_counts, register_template
from deap_nas.template.value_shapes import Value, shapes_at, total, values_of

__all__ = ["WholeNetwork"]


@register_template("whole")
@dataclass(frozen=True)
class WholeNetwork(Template):
    """A stem, if there is one, the graph of the genotype, global average pooling, a linear layer.

    Channels and strides are the graph's own business. Another field is changed with ``dataclasses.replace``.
    """

    #: Classes; the network gives one logit for each.
    n_classes: int = 10
    #: Channels of the input image.
    image_channels: int = 3
    #: Height and width of the input image in pixels, for counting FLOPs; the network takes any size.
    image_size: int = 32
    #: (channels, stride) of each 3x3 convolution before the graph; there may be none.
    stem: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Check the fields, and make tuples of lists.

        Raises:
            SettingsError: a count is not a positive integer, or the stem does not hold pairs.
        """
        try:
            object.__setattr__(self, "stem", tuple((channels, stride) for channels, stride in self.stem))
        except (TypeError, ValueError):
            raise SettingsError(f"stem must hold pairs of channels and stride, found {self.stem!r}") from None
        check_counts(n_classes=self.n_classes, image_channels=self.image_channels, image_size=self.image_size)
        for pair in self.stem:
            check_counts(stem=pair)

    def channels_of(self, number: int) -> tuple[int, ...]:  # noqa: ARG002 - there is one graph
        """See :meth:`Template.channels_of`."""
        return (self.stem[-1][0] if self.stem else self.image_channels,)

    @property
    def has_width(self) -> bool:
        """See :attr:`Template.has_width`: with a stem."""
        return bool(self.stem)

    def with_channels(self, channels: int) -> Self:
        """See :meth:`Template.with_channels`.

        Raises:
            SettingsError: there is no stem, so the genotype decides all channels.
        """
        if not self.has_width:
            raise SettingsError("a whole network without a stem has the channels that its genotype says: give none")
        return replace(self, stem=(*self.stem[:-1], (channels, self.stem[-1][1])))

    def lay_out(self, graphs: Sequence[Graph], *, among: Sequence[Sequence[int]] | None = None) -> Layout:
        """See :meth:`Template.lay_out`."""
        (graph,) = graphs
        needed = None if among is None else among[0]
        stem = self._stem()
        shape = stem[-1].shape if stem else self._image
        values = values_of(graph, (shapes_at((shape,)),), among=needed)
        output = values[graph.output or 0].chains[0].shape
        head = measured((GlobalAvgPool2d(), Linear(output[0], self.n_classes)), output)
        counted = values if needed is None else [values[index] for index in needed]
        around = total((*stem, head))
        return Layout(
            ((graph, counted),),
            around.n_parameters + sum([value.n_parameters for value in counted]),
            around.flops + sum([value.flops for value in counted]),
            partial(_write, graph, values, stem, head),
        )

    @property
    def _image(self) -> Shape:
        return self.image_channels, self.image_size, self.image_size

    def _stem(self) -> list[Chain]:
        shape, stem = self._image, []
        for channels, stride in self.stem:
            stem.append(measured(conv_bn_relu(shape[0], channels, 3, stride=stride), shape))
            shape = stem[-1].shape
        return stem

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Template.to_dict`."""
        return {
            "kind": "whole",
            "n_classes": self.n_classes,
            "image_channels": self.image_channels,
            "image_size": self.image_size,
            "stem": [list(pair) for pair in self.stem],
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote, but for its kind.

        Raises:
            TypeError: a field is unknown.
            SettingsError: a field is out of its range.
        """
        return cls(**fields)


def _write(graph: Graph, values: Sequence[Value], stem: Sequence[Chain], head: Chain, steps: StepWriter) -> int:
    value = 0
    for position, chain in enumerate(stem, start=1):
        value = steps.add_chain(f"stem{position}", chain, value)
    value = steps.add_graph("graph", graph, [each.chains[0] for each in values], (value,))
    return steps.add_chain("head", head, value, path=graph.head)
