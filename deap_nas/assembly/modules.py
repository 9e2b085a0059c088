"""Layers to modules, one by one."""

from __future__ import annotations

import math
from functools import lru_cache, singledispatch
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from deap_nas.assembly import pooling
from deap_nas.assembly.pointwise import PointwiseConv2d
from deap_nas.graph import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Gate,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Size,
    pair,
)

__all__ = ["build_layer", "copy_layer"]


@singledispatch
def build_layer(layer: Layer) -> nn.Module:
    """Make the module of a layer; a layer from outside the package makes its own."""
    return layer.build()


@build_layer.register
def _conv(layer: Conv2d) -> nn.Module:
    module = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        stride=layer.stride,
        padding=_padding(layer.kernel_size, layer.dilation),
        dilation=layer.dilation,
        groups=layer.groups,
        bias=False,
    )
    if layer.variance is not None:
        nn.init.normal_(module.weight, std=_deviation(layer.variance, module.weight.shape))
    return module


def _deviation(variance: float, shape: torch.Size) -> float:
    """Standard deviation of the weights of an output that has a variance with inputs of variance 1."""
    return math.sqrt(variance / shape[1:].numel())


@build_layer.register
def _batch_norm(layer: BatchNorm2d) -> nn.Module:
    return nn.BatchNorm2d(layer.channels)


@build_layer.register
def _relu(layer: ReLU) -> nn.Module:  # noqa: ARG001 - the type chooses the function
    return nn.ReLU()


@build_layer.register
def _gate(layer: Gate) -> nn.Module:  # noqa: ARG001 - the type chooses the function
    return _Gate()


class _Gate(nn.Module):
    """Multiplies by a weight, (1,), that is 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value * self.weight


@build_layer.register
def _max_pool(layer: MaxPool2d) -> nn.Module:
    return nn.MaxPool2d(layer.kernel_size, stride=layer.stride, padding=_padding(layer.kernel_size))


@build_layer.register
def _avg_pool(layer: AvgPool2d) -> nn.Module:
    padding = _padding(layer.kernel_size)
    return nn.AvgPool2d(layer.kernel_size, stride=layer.stride, padding=padding, count_include_pad=False)


@build_layer.register
def _global_avg_pool(layer: GlobalAvgPool2d) -> nn.Module:  # noqa: ARG001 - the type chooses the function
    return pooling.GlobalAvgPool2d()


@build_layer.register
def _linear(layer: Linear) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(layer.in_features, layer.out_features))


def _padding(kernel_size: Size, dilation: int = 1) -> Size:
    """What keeps the size where the stride is 1."""
    rows, columns = (dilation * (length // 2) for length in pair(kernel_size))
    return rows if rows == columns else (rows, columns)


def copy_layer(layer: Conv2d | BatchNorm2d) -> nn.Conv2d | nn.BatchNorm2d:
    """Make the module of a layer by copying one of an equal layer, which is quicker than its constructor.

    Its parameters are new ones, drawn as the constructor draws them.
    """
    prototype = _prototype(layer)
    module = prototype.kind.__new__(prototype.kind)
    vars(module).update(prototype.values)
    vars(module).update({name: container.copy() for name, container in prototype.containers})
    if isinstance(module, nn.BatchNorm2d):
        _reset(module, prototype.shape)
    else:
        module._parameters["weight"] = nn.Parameter(_drawn(prototype))
    return module


def _drawn(prototype: _Prototype) -> torch.Tensor:
    weight = torch.empty(prototype.shape)
    if prototype.deviation is not None:
        return weight.normal_(0, prototype.deviation)
    return weight.uniform_(-prototype.bound, prototype.bound)


def _reset(module: nn.BatchNorm2d, shape: torch.Size) -> None:
    module._parameters.update(weight=nn.Parameter(torch.ones(shape)), bias=nn.Parameter(torch.zeros(shape)))
    module._buffers.update(running_mean=torch.zeros(shape), running_var=torch.ones(shape))
    module._buffers["num_batches_tracked"] = torch.zeros((), dtype=torch.long)


class _Prototype(NamedTuple):
    """What the modules of equal layers have in common."""

    kind: type[nn.Conv2d | nn.BatchNorm2d]
    #: Shape of the weight.
    shape: torch.Size
    #: Most that a weight of a convolution is at first, as PyTorch has it.
    bound: float
    #: Standard deviation of those of a convolution that are drawn from a normal distribution; None for others.
    deviation: float | None
    #: Attributes that they share.
    values: dict[str, Any]
    #: Attributes of which each has its own.
    containers: list[tuple[str, Any]]


@lru_cache(maxsize=4096)
def _prototype(layer: Conv2d | BatchNorm2d) -> _Prototype:
    with torch.device("meta"):
        if isinstance(layer, Conv2d) and (*pair(layer.kernel_size), layer.groups) == (1, 1, 1):
            module: nn.Conv2d | nn.BatchNorm2d = PointwiseConv2d(
                layer.in_channels, layer.out_channels, stride=layer.stride
            )
        else:
            module = cast("nn.Conv2d | nn.BatchNorm2d", build_layer(layer))
    values = {name: value for name, value in vars(module).items() if not isinstance(value, dict | set)}
    containers = [(name, value) for name, value in vars(module).items() if isinstance(value, dict | set)]
    shape = module.weight.shape
    bound = math.sqrt(3) * (nn.init.calculate_gain("leaky_relu", math.sqrt(5)) / math.sqrt(shape[1:].numel()))
    variance = layer.variance if isinstance(layer, Conv2d) else None
    deviation = None if variance is None else _deviation(variance, shape)
    return _Prototype(type(module), shape, bound, deviation, values, containers)
