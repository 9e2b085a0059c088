"""Average pooling that is quick to train on a CPU, and keeps nothing for the backward pass."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import nn

from deap_nas.graph import Size, pair

__all__ = ["ConvolvedAvgPool2d", "GlobalAvgPool2d"]

#: Height and width.
_Pair = tuple[int, int]


class ConvolvedAvgPool2d(nn.AvgPool2d):
    """Average pooling with stride 1 that keeps the size and does not count the padding.

    While it trains on a CPU it is a depthwise convolution by ones, whose sums are divided by how many values each has;
    forward and backward this takes less time than PyTorch's pooling. Otherwise it is that pooling.

    Args:
        kernel_size: height and width of the window, odd, or one number for both.
    """

    def __init__(self, kernel_size: Size) -> None:
        """See the class."""
        height, width = self._size = pair(kernel_size)
        super().__init__(kernel_size, stride=1, padding=(height // 2, width // 2), count_include_pad=False)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Pool a value, (batch, channels, height, width)."""
        trains_on_cpu = torch.is_grad_enabled() and value.device.type == "cpu"
        if not trains_on_cpu or torch.compiler.is_compiling():
            return super().forward(value)
        pooled: torch.Tensor = _Average.apply(value, self._size)
        return pooled


class GlobalAvgPool2d(nn.Module):
    """The mean of each channel, (batch, channels, 1, 1).

    It is ``nn.AdaptiveAvgPool2d(1)`` to the bit; of channels-last values ``torch.vmap`` has no rule for that.
    """

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Pool a value, (batch, channels, height, width)."""
        return value.mean(dim=(2, 3), keepdim=True)


class _Average(torch.autograd.Function):
    """Sums over windows, then weights; its transpose is the weights, then the same sums, and needs no value kept."""

    @staticmethod
    def forward(value: torch.Tensor, size: _Pair) -> torch.Tensor:
        sums = _sums(value, size)
        return sums.mul_(_weights(*value.shape[2:], size, sums.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, _Pair], output: torch.Tensor) -> None:  # noqa: ARG004 - PyTorch
        ctx.size = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _sums(gradient * _weights(*gradient.shape[2:], ctx.size, gradient.dtype), ctx.size), None

    @staticmethod
    def vmap(info: Any, dims: tuple[int, None], values: torch.Tensor, size: _Pair) -> tuple[torch.Tensor, int]:
        return _apart(_Average.apply(_as_channels(values, dims[0]), size), info.batch_size), 1


def _as_channels(values: torch.Tensor, dim: int) -> torch.Tensor:
    """Put the values of several networks side by side: pooling treats each channel alone."""
    return values.movedim(dim, 1).flatten(1, 2)


def _apart(value: torch.Tensor, n_networks: int) -> torch.Tensor:
    """Undo :func:`_as_channels`, to (batch, networks, channels, height, width)."""
    return value.view(len(value), n_networks, -1, *value.shape[2:])


def _sums(value: torch.Tensor, size: _Pair) -> torch.Tensor:
    channels, padding = value.shape[1], (size[0] // 2, size[1] // 2)
    return nn.functional.conv2d(value, value.new_ones(channels, 1, *size), padding=padding, groups=channels)


@lru_cache(maxsize=256)
def _weights(height: int, width: int, size: _Pair, dtype: torch.dtype) -> torch.Tensor:
    """What each sum is multiplied with, (height, width): one over the number of values in its window."""
    rows, columns = _counts(height, size[0]), _counts(width, size[1])
    return torch.tensor([[1 / (row * column) for column in columns] for row in rows], dtype=dtype)


def _counts(length: int, size: int) -> list[int]:
    """How many of the ``size`` places around each of ``length`` places are inside."""
    half = size // 2
    return [min(i + half, length - 1) - max(i - half, 0) + 1 for i in range(length)]
