"""From genes to a torch module: the steps of a network, each with its modules, run in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from deap_nas.assembly.modules import build_layer
from deap_nas.assembly.naive import NaiveNetwork
from deap_nas.graph import Layer, Lowers, viable_graph
from deap_nas.template import NetworkTemplate, Step, expand

__all__ = ["Network", "build_network"]


def build_network(space: Lowers, genes: Sequence[int], template: NetworkTemplate, *, naive: bool = False) -> nn.Module:
    """Assemble a genotype's network inside a template (Liu 2018, equation 1 and figure 2).

    Its parameters are named after the genes they came from, and number exactly ``deap_nas.cost(...).n_parameters``.

    Args:
        space: the search space.
        genes: the genes of one individual.
        template: the network around the cell.
        naive: assemble a module for each edge and concatenate at each node, as the equations read, with all dead parts
            and in PyTorch's default memory format. It computes the same, with parameters of the same names besides
            those of dead parts, and is there to compare with.

    Returns:
        A module from (batch, image_channels, height, width) to (batch, n_classes) logits, for any height and width,
        in the channels-last memory format.

    Raises:
        GenotypeError: the genes do not belong to the space.
        NotViableError: no path leads from the cell's input to its output.
    """
    graph = viable_graph(space, genes)
    if naive:
        return NaiveNetwork(expand(space.lower(genes), template))
    network = Network(expand(graph, template))
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
