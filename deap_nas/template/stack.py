"""The template of two kinds of cells: normal ones, and ones that halve the size (Zoph 2018, figure 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

from deap_nas.errors import SettingsError
from deap_nas.graph import GlobalAvgPool2d, Graph, Linear, ReLU, Shape, conv_bn_relu, relu_conv_bn
from deap_nas.template.steps import Chain, StepWriter, measured
from deap_nas.template.template import Layout, Template, check_counts, check_n_cells, register_template
from deap_nas.template.value_shapes import Value, shapes_at, total, values_of

__all__ = ["CellStack"]

#: Pixels of the smallest map on which strides of 2 and 3 differ, by far.
_TELLING_SIZE = 8


@register_template("stack")
@dataclass(frozen=True)
class CellStack(Template):
    """A stem, stages of normal cells with a reduction cell between two of them, global pooling, a linear layer.

    A genotype has two graphs, the normal and the reduction cell, of two inputs each: what the two cells before have
    given (Zoph 2018 <https://arxiv.org/abs/1707.07012>, figure 2). Each input passes a 1x1 convolution to the
    channels of the cell first, with stride 2 if it is the larger one, unless the cell does not take it. The operations
    of a reduction cell halve the size themselves; with each of them the channels double.

    With ``relu_first`` the stem has no ReLU, the 1x1 convolutions have it before them, and another one stands before
    the global pooling, as in Zoph 2018, whose operations begin with a ReLU; without, it follows each convolution.
    """

    #: Classes; the network gives one logit for each.
    n_classes: int = 10
    #: Channels of the input image.
    image_channels: int = 3
    #: Height and width of the input image in pixels, for counting FLOPs; the network takes any size.
    image_size: int = 32
    #: Channels of the first cells.
    channels: int = 16
    #: Normal cells in each stage.
    n_normal: int = 2
    #: Reduction cells, each between two stages; 0 for one stage.
    n_reductions: int = 2
    #: Channels of the 3x3 convolution before the cells, in multiples of ``channels``.
    stem_multiplier: int = 3
    #: Whether ReLU comes before convolutions, not after their normalisation.
    relu_first: bool = False

    #: The normal and the reduction cell.
    n_graphs: ClassVar[int] = 2

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            SettingsError: a count is not a positive integer, there are too many cells, or ``relu_first`` is neither
                true nor false.
        """
        check_counts(n_classes=self.n_classes, image_channels=self.image_channels, image_size=self.image_size)
        check_counts(channels=self.channels, n_normal=self.n_normal, stem_multiplier=self.stem_multiplier)
        if not isinstance(self.n_reductions, int) or self.n_reductions < 0:
            raise SettingsError(f"n_reductions must be an integer of at least 0, found {self.n_reductions!r}")
        if type(self.relu_first) is not bool:
            raise SettingsError(f"relu_first must be True or False, found {self.relu_first!r}")
        check_n_cells((self.n_reductions + 1) * self.n_normal + self.n_reductions)

    def channels_of(self, number: int) -> tuple[int, ...]:
        """See :meth:`Template.channels_of`."""
        stages = range(self.n_reductions + 1) if number == 0 else range(1, max(2, self.n_reductions + 1))
        return tuple(self.channels * 2**stage for stage in stages)

    def with_channels(self, channels: int) -> Self:
        """See :meth:`Template.with_channels`."""
        return replace(self, channels=channels)

    def with_cells(self, n_cells: int) -> Self:
        """See :meth:`Template.with_cells`: so many normal cells in each stage."""
        return replace(self, n_normal=n_cells)

    def lay_out(self, graphs: Sequence[Graph], *, among: Sequence[Sequence[int]] | None = None) -> Layout:
        """See :meth:`Template.lay_out`."""
        telling = max(self.image_size, _TELLING_SIZE * 2**self.n_reductions)
        strides = None
        if telling > self.image_size:  # which of two small maps is the larger one is seen on larger images
            strides = [cell.strides for cell in self._cells(graphs, replace(self, image_size=telling)._stem(), None)]
        stem = self._stem()
        cells = self._cells(graphs, stem, strides, among=among)
        first = (ReLU(),) if self.relu_first else ()
        output = cells[-1].output
        head = measured((*first, GlobalAvgPool2d(), Linear(output[0], self.n_classes)), output)
        taken = _taken(cells)
        used = [cell for number, cell in enumerate(cells) if taken[number]]
        inputs = [cell.inputs[place] for cell in used for place in cell.reads]
        whole = total((stem, *inputs, head))
        counted = [value for cell in used for value in cell.counted]
        return Layout(
            tuple((cell.graph, cell.counted) for cell in used),
            whole.n_parameters + sum([value.n_parameters for value in counted]),
            whole.flops + sum([value.flops for value in counted]),
            partial(_write, cells, taken, stem, head),
        )

    def _stem(self) -> Chain:
        layers = conv_bn_relu(self.image_channels, self.stem_multiplier * self.channels, 3)
        if self.relu_first:
            layers = layers[:-1]
        return measured(layers, (self.image_channels, self.image_size, self.image_size))

    def _cells(
        self,
        graphs: Sequence[Graph],
        stem: Chain,
        strides: Sequence[tuple[int, int]] | None,
        *,
        among: Sequence[Sequence[int]] | None = None,
    ) -> list[_Cell]:
        """Lay out all cells, with given strides in front of them or those that make sizes equal."""
        cells: list[_Cell] = []
        outputs = (stem.shape, stem.shape)  # of the two cells before
        for position, (number, channels) in enumerate(self._places()):
            needed = None if among is None else among[number]
            given = strides[position] if strides else (2 if outputs[0][1:] != outputs[1][1:] else 1, 1)
            inputs = [_input(self.relu_first, channels, *each) for each in zip(outputs, given, strict=True)]
            cells.append(_cell(graphs[number], inputs, outputs, given, needed))
            outputs = (outputs[1], cells[-1].output)
        return cells

    def _places(self) -> Iterator[tuple[int, int]]:
        """For each cell, whether it is a reduction, and its channels."""
        for stage in range(self.n_reductions + 1):
            channels = self.channels * 2**stage
            if stage:
                yield 1, channels
            yield from [(0, channels)] * self.n_normal

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Template.to_dict`."""
        fields = {"kind": "stack", **asdict(self)}
        if not self.relu_first:  # as files made before there was any have it
            del fields["relu_first"]
        return fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote, but for its kind.

        Raises:
            TypeError: a field is unknown.
            SettingsError: a field is out of its range.
        """
        return cls(**fields)


class _Cell(NamedTuple):
    """A cell at its place."""

    graph: Graph
    #: Of what its two inputs pass first.
    strides: tuple[int, int]
    #: What its two inputs pass first.
    inputs: tuple[Chain, ...]
    values: Sequence[Value]
    #: Those of the values that matter.
    counted: Sequence[Value]
    #: Which of its two inputs it takes.
    reads: Sequence[int]

    @property
    def output(self) -> Shape:
        """Shape of its output."""
        return self.values[self.graph.output or 0].chains[0].shape


def _input(relu_first: bool, channels: int, shape: Shape, stride: int) -> Chain:
    """Bring what a cell before has given to the channels of another one."""
    layers = relu_conv_bn if relu_first else conv_bn_relu
    return measured(layers(shape[0], channels, 1, stride=stride), shape)


def _cell(
    graph: Graph,
    inputs: Sequence[Chain],
    outputs: tuple[Shape, Shape],
    strides: tuple[int, int],
    among: Sequence[int] | None,
) -> _Cell:
    """Lay a cell out behind two others."""
    if inputs[0].shape != inputs[1].shape:
        raise SettingsError(
            f"the two cells before have given {outputs[0]} and {outputs[1]}: a cell keeps the size of its inputs, or "
            f"halves it"
        )
    values = values_of(graph, [shapes_at((chain.shape,)) for chain in inputs], among=among)
    counted = values if among is None else [values[index] for index in among]
    return _Cell(graph, strides, tuple(inputs), values, counted, _reads(graph, among))


def _reads(graph: Graph, among: Sequence[int] | None) -> list[int]:
    """Which inputs of a graph its other nodes take, or its output is; a width does not need their numbers."""
    nodes = graph.nodes if among is None else [graph.nodes[index] for index in among]
    taken = {graph.output or 0}.union(*[node.inputs for node in nodes[graph.n_inputs :]])
    return [place for place in range(graph.n_inputs) if place in taken]


def _taken(cells: Sequence[_Cell]) -> list[bool]:
    """Whether the network's output depends on each cell: those behind it may take none but the one before it."""
    taken = {len(cells) - 1}
    for number in range(len(cells) - 1, -1, -1):
        if number in taken:
            taken.update([number - 2 + place for place in cells[number].reads])
    return [number in taken for number in range(len(cells))]


def _write(cells: Sequence[_Cell], taken: Sequence[bool], stem: Chain, head: Chain, steps: StepWriter) -> int:
    first = steps.add_chain("stem1", stem, 0)
    outputs = [first, first]
    for number, cell in enumerate(cells, start=1):
        outputs.append(_write_cell(f"cell{number}", cell, outputs[-2:], steps) if taken[number - 1] else 0)
    return steps.add_chain("head", head, outputs[-1])


def _write_cell(name: str, cell: _Cell, outputs: Sequence[int], steps: StepWriter) -> int:
    inputs = [0, 0]
    for place in cell.reads:
        inputs[place] = steps.add_chain(f"{name}_input{place + 1}", cell.inputs[place], outputs[place])
    return steps.add_graph(name, cell.graph, [value.chains[0] for value in cell.values], inputs)
