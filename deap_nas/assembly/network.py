"""From genes to a torch module: the steps of a network, each with its modules, run in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from itertools import pairwise

import torch
from torch import nn

from deap_nas.graph import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool2d,
    Layer,
    Linear,
    Lowers,
    MaxPool2d,
    ReLU,
    viable_graph,
)
from deap_nas.template import NetworkTemplate, Step, expand

__all__ = ["Network", "build_layer", "build_network"]


def build_network(space: Lowers, genes: Sequence[int], template: NetworkTemplate) -> nn.Module:
    """Assemble a genotype's network inside a template (Liu 2018, equation 1 and figure 2).

    Its parameters are named after the genes they came from, and number exactly ``deap_nas.cost(...).n_parameters``.

    Args:
        space: the search space.
        genes: the genes of one individual.
        template: the network around the cell.

    Returns:
        A module from (batch, image_channels, height, width) to (batch, n_classes) logits, for any height and width,
        in the channels-last memory format.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the cell's input to its output.
    """
    network = Network(expand(viable_graph(space, genes), template))
    return network.to(memory_format=torch.channels_last)


class Network(nn.Module):
    """A network as a flat list of steps.

    Args:
        steps: what to compute, in order; the last step's value is the output.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        """See the class."""
        super().__init__()
        self.steps = tuple(steps)
        self.layers = nn.ModuleDict({step.name: _chain(step.chain.layers) for step in self.steps if not step.merge})
        self._unneeded_after = _last_uses(self.steps)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the logits, (batch, n_classes), of images, (batch, channels, height, width)."""
        values: list[torch.Tensor | None] = [images]
        for number, step in enumerate(self.steps):
            inputs = [value for value in (values[i] for i in step.inputs) if value is not None]
            values.append(self._value(step, inputs))
            for index in self._unneeded_after[number]:
                values[index] = None
        output = values[-1]
        if output is None:
            raise RuntimeError("a network needs at least one step")
        return output

    def _value(self, step: Step, inputs: list[torch.Tensor]) -> torch.Tensor:
        if step.merge == "concat":
            return torch.cat(inputs, dim=1)
        if step.merge == "add":
            return torch.stack(inputs).sum(dim=0)
        value: torch.Tensor = self.layers[step.name](inputs[0])
        return value


def _chain(layers: Sequence[Layer]) -> nn.Sequential:
    modules = [build_layer(layer) for layer in layers]
    for before, module in pairwise(modules):
        if isinstance(before, nn.BatchNorm2d) and isinstance(module, nn.ReLU):
            module.inplace = True  # nobody else sees the value in between
    return nn.Sequential(*modules)


def _last_uses(steps: Sequence[Step]) -> list[list[int]]:
    """For each step the values that no later step takes, so that an evaluation can free them."""
    last: dict[int, int] = {}
    for number, step in enumerate(steps):
        last.update(dict.fromkeys(step.inputs, number))
    unneeded: list[list[int]] = [[] for _ in steps]
    for index, number in last.items():
        unneeded[number].append(index)
    return unneeded


@singledispatch
def build_layer(layer: Layer) -> nn.Module:
    """Make the module of a layer; a layer from outside the package makes its own."""
    return layer.build()


@build_layer.register
def _conv(layer: Conv2d) -> nn.Module:
    return nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.kernel_size // 2,
        groups=layer.groups,
        bias=False,
    )


@build_layer.register
def _batch_norm(layer: BatchNorm2d) -> nn.Module:
    return nn.BatchNorm2d(layer.channels)


@build_layer.register
def _relu(layer: ReLU) -> nn.Module:  # noqa: ARG001 - the type chooses the function
    return nn.ReLU()


@build_layer.register
def _max_pool(layer: MaxPool2d) -> nn.Module:
    return nn.MaxPool2d(layer.kernel_size, stride=1, padding=layer.kernel_size // 2)


@build_layer.register
def _avg_pool(layer: AvgPool2d) -> nn.Module:
    return nn.AvgPool2d(layer.kernel_size, stride=1, padding=layer.kernel_size // 2, count_include_pad=False)


@build_layer.register
def _global_avg_pool(layer: GlobalAvgPool2d) -> nn.Module:  # noqa: ARG001 - the type chooses the function
    return nn.AdaptiveAvgPool2d(1)


@build_layer.register
def _linear(layer: Linear) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(layer.in_features, layer.out_features))
