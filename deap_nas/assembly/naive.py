"""The network as the equations of the paper read, for comparison: of results in tests, of speed in benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from deap_nas.assembly.claims import check_layers
from deap_nas.assembly.modules import build_layer
from deap_nas.template import Step

__all__ = ["NaiveNetwork"]


class NaiveNetwork(nn.Module):
    """A module for each edge and a tensor for each node, nothing shared, freed or left out.

    Args:
        steps: what to compute, in order; the last step's value is the output.

    Raises:
        SettingsError: a layer from outside the package is wrong about itself.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        """See the class."""
        super().__init__()
        self.steps = tuple(steps)
        chains = {step.name: map(build_layer, step.chain.layers) for step in self.steps if not step.merge}
        check_layers(self.steps)
        self.layers = nn.ModuleDict({name: nn.Sequential(*layers) for name, layers in chains.items()})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the logits, (batch, n_classes), of images, (batch, channels, height, width)."""
        values = [images]
        for step in self.steps:
            inputs = [values[i] for i in step.inputs]
            if step.merge == "concat":
                values.append(torch.cat(inputs, dim=1))
            elif step.merge == "add":
                values.append(torch.stack(inputs).sum(dim=0))
            elif step.merge == "resize":
                values.append(_in_shape_of(*inputs))
            else:
                values.append(self.layers[step.name](inputs[0]))
        return values[-1]


def _in_shape_of(value: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """The value at the nearest place for each place of the pattern, in its channels, zero where the value has none."""
    _, channels, height, width = pattern.shape
    rows = torch.arange(height) * value.shape[2] // height
    columns = torch.arange(width) * value.shape[3] // width
    taken = value[:, :channels][:, :, rows][:, :, :, columns]
    zeros = taken.new_zeros(len(value), channels - taken.shape[1], height, width)
    return torch.cat([taken, zeros], dim=1)
