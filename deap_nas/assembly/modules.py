"""Layers to modules, one by one."""

from __future__ import annotations

from functools import singledispatch

from torch import nn

from deap_nas.graph import AvgPool2d, BatchNorm2d, Conv2d, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU

__all__ = ["build_layer"]


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
