"""From genes to a torch module: the steps of a network, each with its modules, run in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from deap_nas.assembly.claims import check_layers, is_outside
from deap_nas.assembly.modules import build_layer, copy_layer
from deap_nas.assembly.naive import NaiveNetwork
from deap_nas.assembly.pooling import ConvolvedAvgPool2d
from deap_nas.assembly.resizing import resized
from deap_nas.graph import AvgPool2d, BatchNorm2d, Conv2d, Layer, Lowers, MaxPool2d, ReLU, pair
from deap_nas.template import Plan, Step, Template, plan_network

__all__ = ["Network", "assemble", "build_network", "weight_names"]


def build_network(space: Lowers, genotype: Any, template: Template, *, naive: bool = False) -> nn.Module:
    """Assemble a genotype's network inside a template (Liu 2018, equation 1 and figure 2).

    Its parameters are named after the genes they came from, and number exactly ``deap_nas.cost(...).n_parameters``.

    Args:
        space: the search space.
        genotype: of one individual.
        template: the fixed part of the network.
        naive: assemble a module for each edge and concatenate at each node, as the equations read, with all dead parts
            and in PyTorch's default memory format. It computes the same, with parameters of the same names besides
            those of dead parts, and is there to compare with.

    Returns:
        A module from (batch, image_channels, height, width) to (batch, n_classes) logits, for any height and width,
        in the channels-last memory format unless ``naive``.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
        SettingsError: values of different shapes are added, or values of different sizes are concatenated; operations
            share a path; the template wants other graphs; or a layer from outside the package, built for the first time
            in this process, is wrong about its parameters, its output's shape or its FLOPs.
    """
    return assemble(plan_network(space, genotype, template), naive=naive)


def assemble(plan: Plan, *, naive: bool = False) -> nn.Module:
    """Build a network that has been planned; see :func:`build_network`."""
    return NaiveNetwork(plan.naive_steps) if naive else Network(plan.steps)


def weight_names(network: nn.Module) -> dict[str, tuple[str, torch.Tensor]]:
    """Names by which weights are known in other networks: the place of an operation, and the operation.

    So an operation that has taken the place of another one is not given its weights.

    Args:
        network: what :func:`build_network` gives.

    Returns:
        By the keys of ``network.state_dict()``, the name and the tensor.
    """
    steps = cast("Sequence[Step]", network.steps)
    operations = {step.name: step.operation for step in steps}
    named = {}
    for key, value in network.state_dict().items():
        layers, step, rest = key.split(".", 2)
        operation = operations[step]
        named[key] = (f"{layers}.{step}:{operation}.{rest}" if operation else key, value)
    return named


class Network(nn.Module):
    """A network as a flat list of steps, in the channels-last memory format.

    Steps of one name share their modules: the parts of a concatenation that one pool was split into.

    Args:
        steps: what to compute, in order; the last step's value is the output.

    Raises:
        SettingsError: a layer from outside the package is wrong about itself.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        """See the class."""
        super().__init__()
        self.steps = tuple(steps)
        build = _Builder()
        chains = {step.name: step.chain for step in self.steps if not step.merge}
        self.layers = nn.ModuleDict({name: build.chain(chain.layers) for name, chain in chains.items()})
        if build.has_outside:
            check_layers(self.steps)
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
            return _sum(inputs)
        if step.merge == "resize":
            return resized(*inputs)
        value: torch.Tensor = self.layers[step.name](inputs[0])
        return value


def _sum(values: Sequence[torch.Tensor]) -> torch.Tensor:
    total = values[0] + values[1]
    for value in values[2:]:
        total += value  # in place: nobody else has seen it
    return total


class _Builder:
    """Makes the modules of one network; those without parameters once."""

    def __init__(self) -> None:
        self._shared: dict[Layer, nn.Module] = {}
        self._relu_in_place = nn.ReLU(inplace=True)
        #: Whether a layer from outside the package was among those it made.
        self.has_outside = False

    def chain(self, layers: Sequence[Layer]) -> nn.Sequential:
        """Make layers that follow one another."""
        before = (None, *layers)
        return nn.Sequential(*(self._module(layer, previous) for layer, previous in zip(layers, before, strict=False)))

    def _module(self, layer: Layer, previous: Layer | None) -> nn.Module:
        if isinstance(layer, ReLU):
            # Nobody else sees what comes out of a batch normalisation.
            return self._relu_in_place if isinstance(previous, BatchNorm2d) else nn.ReLU()
        if isinstance(layer, MaxPool2d | AvgPool2d):
            if layer not in self._shared:
                is_convolved = isinstance(layer, AvgPool2d) and pair(layer.stride) == (1, 1)
                self._shared[layer] = ConvolvedAvgPool2d(layer.kernel_size) if is_convolved else build_layer(layer)
            return self._shared[layer]
        if not isinstance(layer, BatchNorm2d | Conv2d):
            self.has_outside = self.has_outside or is_outside(layer)
            return build_layer(layer).to(memory_format=torch.channels_last)
        module = copy_layer(layer)
        if isinstance(layer, Conv2d):
            module.weight.data = module.weight.data.to(memory_format=torch.channels_last)
        return module


def _last_uses(steps: Sequence[Step]) -> list[tuple[int, ...]]:
    """For each step the values that no later step takes, so that an evaluation can free them."""
    last: dict[int, int] = {}
    for number, step in enumerate(steps):
        last.update(dict.fromkeys(step.inputs, number))
    unneeded: list[tuple[int, ...]] = [()] * len(steps)
    for index, number in last.items():
        unneeded[number] += (index,)
    return unneeded
