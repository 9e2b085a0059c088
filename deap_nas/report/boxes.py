"""A network as boxes and the lines between them: what its steps are in words, without a plotting library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from deap_nas.graph import RESIZE, Layer, Shape, operation_names
from deap_nas.graph.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Size,
    pair,
)
from deap_nas.report.styles import numbers_of
from deap_nas.template import Step

__all__ = ["Box", "Line", "boxes_of"]

_NORMS: dict[type[Layer], str] = {BatchNorm2d: "BN", ReLU: "ReLU"}
_POOLS: dict[type[Layer], str] = {MaxPool2d: "max_pool", AvgPool2d: "avg_pool"}


@dataclass(frozen=True)
class Line:
    """One line of a box."""

    text: str
    #: Trainable parameters; none are not shown.
    n_parameters: int = 0
    #: Operation whose colour it has, such as ``"conv_3x3"``; empty for none.
    kind: str = ""


@dataclass(frozen=True)
class Box:
    """One value of a network, after steps that nothing branches off from."""

    lines: tuple[Line, ...]
    #: Boxes that it takes, each with a number smaller than its own.
    inputs: tuple[int, ...]
    #: Of its value, where that differs from what it takes; else None.
    shape: Shape | None
    #: ``"add"``, ``"concat"`` or ``"resize"``; empty for layers.
    join: str = ""
    #: Which of its inputs gives no more than a shape, and is drawn since nothing else takes it; else None.
    pattern: int | None = None

    @property
    def kind(self) -> str:
        """Operation whose colour it has; empty for none."""
        return next((line.kind for line in self.lines if line.kind), "")


def boxes_of(steps: Sequence[Step]) -> list[Box]:
    """Read a network as boxes: the image, then its steps in order.

    Normalisation and ReLU after a step that nothing else takes share its box. A resize has no line from the value whose
    shape it gives, unless nothing else would lead on from there. What leads nowhere has no box.

    Args:
        steps: of a network, such as ``plan_network(space, genotype, template).steps``.
    """
    n_takers = Counter(i for step in steps for i in _taken(step))
    boxes = [Box((Line("image"),), (), steps[0].input_shape)]
    box_of = [0]  # of each value
    for step in steps:
        lines = tuple(_lines_of(step))
        source = box_of[step.inputs[0]]
        if source and _is_norm(step) and n_takers[step.inputs[0]] == 1:
            boxes[source] = replace(boxes[source], lines=boxes[source].lines + lines)
            box_of.append(source)
            continue
        inputs = [box_of[i] for i in _taken(step)]
        pattern = None
        if step.merge == RESIZE and not n_takers[step.inputs[1]]:
            pattern = len(inputs)
            inputs.append(box_of[step.inputs[1]])
        box_of.append(len(boxes))
        boxes.append(Box(lines, tuple(inputs), _told_shape(step), step.merge, pattern))
    return _leading_on(boxes)


def _leading_on(boxes: Sequence[Box]) -> list[Box]:
    """The boxes from which lines lead to the last one; others are of values whose channels alone are asked for."""
    leads = [False] * (len(boxes) - 1) + [True]
    for number in range(len(boxes) - 1, -1, -1):
        for source in boxes[number].inputs if leads[number] else ():
            leads[source] = True
    place = list(accumulate(leads, initial=0))  # among those that are left
    left = (box for box, is_left in zip(boxes, leads, strict=True) if is_left)
    return [replace(box, inputs=tuple(place[source] for source in box.inputs)) for box in left]


def _told_shape(step: Step) -> Shape | None:
    """Shape that its box tells: that of a resize is where it leads, that of a linear layer in its words."""
    is_told = step.merge == RESIZE or (step.chain.layers and isinstance(step.chain.layers[-1], Linear))
    return None if is_told or step.shape == step.input_shape else step.shape


def _taken(step: Step) -> tuple[int, ...]:
    """Values that a step makes its own of; of the pattern of a resize it takes no more than the shape."""
    return step.inputs[:1] if step.merge == RESIZE else step.inputs


def _is_norm(step: Step) -> bool:
    layers = step.chain.layers
    return not step.merge and bool(layers) and all(type(layer) in _NORMS for layer in layers)


def _lines_of(step: Step) -> Iterator[Line]:
    if step.merge:
        yield Line(step.merge)
        return
    kind, _, stride = numbers_of(step.operation)
    is_known = bool(re.search(r"_\d+x\d+$", kind)) or step.operation in operation_names()
    if step.operation and (is_known or not _are_known(step.chain.layers)):
        by = f", /{stride}" if stride else _by_of(step.chain.layers)
        yield Line(_words(kind) + by, step.chain.n_parameters, kind)
    else:
        yield from _lines_of_layers(step.chain.layers)


def _are_known(layers: Sequence[Layer]) -> bool:
    return bool(layers) and all(type(layer) in (*_NORMS, *_POOLS, Conv2d, GlobalAvgPool2d, Linear) for layer in layers)


def _lines_of_layers(layers: Sequence[Layer]) -> list[Line]:
    """Layers in words: a convolution with the normalisation and the ReLU after it is one line, as an operation is."""
    lines: list[Line] = []
    follows = None
    for layer in layers:
        n_parameters, is_norm = layer.n_parameters, type(layer) in _NORMS
        if is_norm and follows is not None:
            text = lines[-1].text + (f" + {_NORMS[type(layer)]}" if follows == "norm" else "")
            lines[-1] = replace(lines[-1], text=text, n_parameters=lines[-1].n_parameters + n_parameters)
        else:
            lines.append(replace(_line_of(layer), n_parameters=n_parameters))
            follows = "norm" if is_norm else "convolution" if isinstance(layer, Conv2d) else None
    return lines


def _line_of(layer: Layer) -> Line:
    if isinstance(layer, Conv2d):
        is_depthwise = 1 < layer.groups == layer.in_channels
        return _with_window("depthwise_conv" if is_depthwise else "conv", layer.kernel_size, layer.stride)
    if isinstance(layer, MaxPool2d | AvgPool2d):
        return _with_window(_POOLS[type(layer)], layer.kernel_size, layer.stride)
    if type(layer) in _NORMS:
        return Line(_NORMS[type(layer)])
    if isinstance(layer, GlobalAvgPool2d):
        return Line("global average pool")
    if isinstance(layer, Linear):
        return Line(f"linear to {layer.out_features}")
    return Line(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(layer).__name__).lower())


def _with_window(name: str, kernel_size: Size, stride: Size) -> Line:
    kind = f"{name}_{_times(kernel_size)}"
    return Line(_words(kind) + _by(stride), kind=kind)


def _by_of(layers: Sequence[Layer]) -> str:
    """Stride of an operation whose label tells none."""
    strides = (_by(layer.stride) for layer in layers if isinstance(layer, Conv2d | MaxPool2d | AvgPool2d))
    return next(filter(None, strides), "")


def _by(stride: Size) -> str:
    rows, columns = pair(stride)
    return "" if rows == columns == 1 else f", /{rows}" if rows == columns else f", /{rows}x{columns}"


def _times(size: Size) -> str:
    return "x".join(map(str, pair(size)))


def _words(kind: str) -> str:
    return kind.replace("_", " ")
