"""1x1 convolution that is quick to train on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from deap_nas.graph import Size, pair

__all__ = ["PointwiseConv2d"]


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution without bias.

    While it trains on a CPU its backward pass is two products of matrices, which is quicker where the values
    are large. Otherwise it is PyTorch's convolution, whose own backward pass was seen to write beyond its memory with a
    stride of 2 and one channel (PyTorch 2.14 on a CPU, float32).

    Args:
        in_channels: of what it takes.
        out_channels: of what it gives.
        stride: of height and width, or one number for both.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: Size = 1) -> None:
        """See the class."""
        super().__init__(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Convolve a value, (batch, in_channels, height, width)."""
        trains_on_cpu = torch.is_grad_enabled() and value.device.type == "cpu"
        if not trains_on_cpu or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return super().forward(value)
        rows, columns = pair(self.stride)  # type: ignore[arg-type]  # PyTorch has a tuple of any length
        taken = value if (rows, columns) == (1, 1) else value[:, :, ::rows, ::columns]
        convolved: torch.Tensor = _Product.apply(taken, self.weight)
        return convolved


class _Product(torch.autograd.Function):
    """The convolution, whose backward pass sees pixels as rows: (batch * height * width, channels)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(value, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, torch.Tensor], output: torch.Tensor) -> None:  # noqa: ARG004 - PyTorch
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        value, weight = ctx.saved_tensors
        rows = gradient.movedim(1, -1).flatten(0, -2)
        of_weight = rows.t() @ value.movedim(1, -1).flatten(0, -2)
        of_weight = of_weight[:, None, None, :].movedim(-1, 1)  # with the strides of weights that are channels-last
        if not ctx.needs_input_grad[0]:
            return None, of_weight
        of_value = (rows @ weight.flatten(1)).unflatten(0, (len(value), *value.shape[2:])).movedim(-1, 1)
        return of_value, of_weight
