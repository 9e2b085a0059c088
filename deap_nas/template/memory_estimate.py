"""The memory that the training of a genotype's network takes, without building it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from deap_nas.errors import SettingsError
from deap_nas.graph import (
    RESIZE,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Gate,
    GlobalAvgPool2d,
    Layer,
    Linear,
    Lowers,
    MaxPool2d,
    ReLU,
    Shape,
    pair,
    viable_graphs,
)
from deap_nas.template.expansion import expand, lean
from deap_nas.template.steps import Step, trained_steps
from deap_nas.template.template import Template

__all__ = ["TrainingMemory", "memory_of", "training_memory"]

#: Bytes of a number in float32, in which networks are trained, and of a label.
_NUMBER, _LABEL = 4, 8


@dataclass(frozen=True)
class TrainingMemory:
    """What the training of a network holds in memory at the turn from forward to backward pass, in bytes."""

    #: Everything that the backward pass needs: of each value one copy, the batch of images included.
    activations: int
    #: Weights, their gradients and momentum, and the running statistics of batch normalisations.
    parameters: int

    @property
    def total(self) -> int:
        """Both."""
        return self.activations + self.parameters


def training_memory(
    space: Lowers, genotype: Any, template: Template, *, batch_size: int, device: str = "cpu"
) -> TrainingMemory:
    """Estimate the bytes that training a genotype's network takes, in float32, by gradient descent with momentum.

    On a CPU the activations are what PyTorch is seen to keep, to the byte, for operations of the layers that are here;
    of a layer from outside its input and its output are counted. For other devices PyTorch's own average pooling is
    counted, which keeps more. Left out are gradients of values, the working space of convolutions and whatever an
    allocator holds, so a training takes more than this.

    Args:
        space: the search space.
        genotype: of one individual.
        template: the fixed part of the network, with the size of the images in training.
        batch_size: images in a batch.
        device: kind of the device, as torch names it.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
        SettingsError: ``batch_size`` is not positive, or values of different shapes are added, or values of different
            sizes are concatenated, or operations share a path.
    """
    steps = expand(lean(viable_graphs(space, genotype), template), template)
    return memory_of(steps, n_classes=template.n_classes, batch_size=batch_size, device=device)


def memory_of(steps: Sequence[Step], *, n_classes: int, batch_size: int, device: str = "cpu") -> TrainingMemory:
    """Estimate for a network of these steps; see :func:`training_memory`.

    Raises:
        SettingsError: ``batch_size`` is not positive.
    """
    if batch_size < 1:
        raise SettingsError(f"batch_size must be at least 1, found {batch_size}")
    trained = trained_steps(steps)
    loss = _NUMBER * n_classes + _LABEL  # the logarithms of the probabilities, and the label
    kept = sum(_kept(steps, trained, device).values()) + loss
    n_parameters = sum(step.chain.n_parameters for step in steps)
    return TrainingMemory(
        activations=batch_size * kept + _statistics(trained.values()) + _NUMBER,  # the last is the sum of weights
        parameters=3 * _NUMBER * n_parameters + _statistics(steps),
    )


def _statistics(steps: Iterable[Step]) -> int:
    """Bytes of a mean and a variance for each channel of each batch normalisation."""
    layers = (layer for step in steps for layer in step.chain.layers)
    return _NUMBER * sum(2 * layer.channels for layer in layers if isinstance(layer, BatchNorm2d))


class _Needs(NamedTuple):
    """What the backward pass of a layer needs of one image."""

    input: bool = True
    output: bool = True
    #: Bytes for each number of the output, besides.
    places: int = 0


#: As networks are built for a CPU; a layer from outside may need all it sees.
_NEEDS: dict[type[Layer], _Needs] = {
    Conv2d: _Needs(output=False),
    BatchNorm2d: _Needs(output=False),
    ReLU: _Needs(input=False),
    Gate: _Needs(output=False),
    MaxPool2d: _Needs(output=False, places=8),
    AvgPool2d: _Needs(input=False, output=False),
    GlobalAvgPool2d: _Needs(input=False, output=False),
    Linear: _Needs(output=False),
}
#: Where PyTorch's own average pooling is used.
_NEEDS_OF_POOLING = _Needs(output=False)


def _need(layer: Layer, device: str) -> _Needs:
    if isinstance(layer, AvgPool2d) and (device != "cpu" or pair(layer.stride) != (1, 1)):
        return _NEEDS_OF_POOLING
    return _NEEDS.get(type(layer), _Needs())


class _Stored(NamedTuple):
    """Where a value lies in memory."""

    #: Of the tensor that holds its numbers, as a whole or as a part.
    name: tuple[int | str, ...]
    #: Of one image.
    n_bytes: int
    #: Whether the loss has a gradient with respect to it.
    has_gradient: bool


def _stored(name: tuple[int | str, ...], shape: Shape, *, has_gradient: bool = True) -> _Stored:
    return _Stored(name, _NUMBER * prod(shape), has_gradient)


def _kept(steps: Sequence[Step], trained: Mapping[int, Step], device: str) -> dict[tuple[int | str, ...], int]:
    """Name and bytes of all that the backward pass needs of one image."""
    kept: dict[tuple[int | str, ...], int] = {}
    values = {0: _stored((0,), steps[0].input_shape, has_gradient=False)}
    for number, step in trained.items():
        inputs = [values[i] for i in step.sources]
        if not step.merge:
            values[number] = _chained(number, step, inputs[0], device, kept)
        elif step.merge == RESIZE and _is_part(step.shape, step.input_shape):
            values[number] = inputs[0]
        else:
            values[number] = _stored((number,), step.shape, has_gradient=any(each.has_gradient for each in inputs))
    return kept


def _is_part(shape: Shape, whole: Shape) -> bool:
    """Whether a value of one shape, resized to another one, is a view of itself."""
    return shape[0] <= whole[0] and shape[1:] == whole[1:]


def _chained(number: int, step: Step, value: _Stored, device: str, kept: dict[tuple[int | str, ...], int]) -> _Stored:
    """Add what the layers of a step need; gives what comes out of them."""
    shape = step.input_shape
    for position, layer in enumerate(step.chain.layers):
        need = _need(layer, device)
        before, has_gradient = value, value.has_gradient or layer.n_parameters > 0
        shape = layer.output_shape(shape)
        value = _stored((number, position), shape, has_gradient=has_gradient)
        if not has_gradient:
            continue
        if need.input:
            kept[before.name] = before.n_bytes
        if need.output:
            kept[value.name] = value.n_bytes
        if need.places:
            kept[*value.name, "places"] = need.places * prod(shape)
    return value
