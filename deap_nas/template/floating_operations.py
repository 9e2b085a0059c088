"""The floating-point operations of training and validating a genotype's network, without building it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from deap_nas.graph import (
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

__all__ = ["Compute", "compute", "compute_of"]


@dataclass(frozen=True)
class Compute:
    """Floating-point operations that a network takes for one image (Real 2017, section 3.5).

    ``N`` images seen in training and ``M`` in validation take ``training * N + validation * M`` of them.
    """

    #: Forward and backward pass in training: F_t of the paper.
    training: int
    #: Forward pass in evaluation mode: F_v of the paper.
    validation: int


def compute(space: Lowers, genotype: Any, template: Template) -> Compute:
    """Floating-point operations of a genotype's network for one image, without building it.

    As in Real 2017, section 3.5 <https://arxiv.org/abs/1703.01041>, each kind of operation counts for so many; an
    element is a number of the value that it gives, or of that which global pooling takes:

    - convolution: forward 2 for each weight at each position of the output; backward the same for the gradient of the
      weights, and the same for that of the input;
    - linear layer: forward 2 for each weight and 1 for each bias; backward the same, and 2 for each weight for the
      gradient of the input;
    - batch normalisation: forward 8 an element, the mean 1, the variance 3, normalising 2, scale and shift 2, and in
      evaluation mode 2, all as one scale and one shift; backward 5 an element, 2 to normalise again and 3 for the sums
      that are the gradients of scale and shift, and 4 for the gradient of the input;
    - ReLU: 1 an element, backward 1;
    - gate: 1 an element; backward 2 for the gradient of its number, and 1 for that of the input;
    - max pooling: the places of the window less 1 an element, backward 1;
    - average pooling: the places of the window an element, backward the same;
    - global pooling: 1 an element, backward 1 a channel;
    - sum: 1 an element for each value but one, backward none; concatenation and resizing: none;
    - a value that several operations take: backward 1 an element for each of these but one, to add up the gradients;
    - a layer from outside the package: its ``flops``, backward twice that.

    No gradient is counted of the image, nor of what is made of it without parameters, since none is computed. What is
    dead or done twice counts as little as it is computed. Left out are loss, weight decay and momentum, which are no
    part of the network, and, as in the paper, input, output and whatever is done to the images before.

    Args:
        space: the search space.
        genotype: of one individual.
        template: the fixed part of the network; for ``training`` with the size of the images in training, which may be
            crops.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
        SettingsError: values of different shapes are added, or values of different sizes are concatenated, or
            operations share a path; or the template wants other graphs.
    """
    return compute_of(expand(lean(viable_graphs(space, genotype), template), template))


def compute_of(steps: Sequence[Step]) -> Compute:
    """Floating-point operations of a network of these steps, all of which are computed; see :func:`compute`."""
    trained = trained_steps(steps)
    takers = Counter([index for step in trained.values() for index in step.sources])
    has_gradient = [False]  # the image
    training = validation = 0
    for number, step in enumerate(steps, start=1):
        is_trained = number in trained
        before = any(has_gradient[index] for index in step.sources)
        if step.merge:
            forward = (len(step.inputs) - 1) * prod(step.shape) if step.merge == "add" else 0
            training += forward
            validation += forward
        else:
            work = _work_of(step.chain.layers, step.input_shape, before)
            training += work.forward + (work.backward if is_trained else 0)
            validation += work.evaluation
        has_gradient.append(before or step.chain.n_parameters > 0)
        if has_gradient[number] and takers[number] > 1:
            training += (takers[number] - 1) * prod(step.shape)
    return Compute(training, validation)


class _Chained(NamedTuple):
    """Floating-point operations of layers that follow one another."""

    forward: int
    backward: int
    evaluation: int


@lru_cache(maxsize=16_384)
def _work_of(layers: tuple[Layer, ...], shape: Shape, has_gradient: bool) -> _Chained:
    """Work of layers on an input of this shape, with respect to which the loss has a gradient, or has none."""
    forward = backward = evaluation = 0
    for layer in layers:
        output = layer.output_shape(shape)
        work = _WORK.get(type(layer), _of_outside)(layer, shape, output)
        forward += work.forward
        evaluation += work.forward if work.evaluation is None else work.evaluation
        backward += work.of_parameters + (work.of_input if has_gradient else 0)
        has_gradient = has_gradient or layer.n_parameters > 0
        shape = output
    return _Chained(forward, backward, evaluation)


class _Work(NamedTuple):
    """Floating-point operations of a layer."""

    #: Forward, in training.
    forward: int
    #: For the gradient of its input.
    of_input: int
    #: For the gradients of its parameters.
    of_parameters: int = 0
    #: Forward, in evaluation mode; None for the same as in training.
    evaluation: int | None = None


def _of_convolution(layer: Layer, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - one signature for all layers
    flops = layer.flops(shape)
    return _Work(flops, flops, flops)


def _of_linear(layer: Layer, shape: Shape, output: Shape) -> _Work:
    flops, n_biases = layer.flops(shape), prod(output)
    return _Work(flops + n_biases, flops, flops + n_biases)


def _of_batch_norm(layer: Layer, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - as above
    n_elements = prod(shape)
    return _Work(8 * n_elements, 4 * n_elements, 5 * n_elements, 2 * n_elements)


def _of_relu(layer: Layer, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - as above
    return _Work(prod(shape), prod(shape))


def _of_gate(layer: Layer, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - as above
    return _Work(prod(shape), prod(shape), 2 * prod(shape))


def _of_max_pool(layer: Any, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - as above
    return _Work((prod(pair(layer.kernel_size)) - 1) * prod(output), prod(output))


def _of_avg_pool(layer: Any, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - as above
    n_sums = prod(pair(layer.kernel_size)) * prod(output)
    return _Work(n_sums, n_sums)


def _of_global_pool(layer: Layer, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - as above
    return _Work(prod(shape), prod(output))


def _of_outside(layer: Layer, shape: Shape, output: Shape) -> _Work:  # noqa: ARG001 - as above
    """Of a layer from outside the package; whether its work is for parameters or for the input is not known."""
    flops = layer.flops(shape)
    return _Work(flops, 0, 2 * flops) if layer.n_parameters else _Work(flops, 2 * flops)


#: What each layer counts for, as :func:`compute` says.
_WORK: Mapping[type[Layer], Callable[[Any, Shape, Shape], _Work]] = {
    Conv2d: _of_convolution,
    Linear: _of_linear,
    BatchNorm2d: _of_batch_norm,
    ReLU: _of_relu,
    Gate: _of_gate,
    MaxPool2d: _of_max_pool,
    AvgPool2d: _of_avg_pool,
    GlobalAvgPool2d: _of_global_pool,
}
