"""The operations of cells: those of NASNet, AmoebaNet and DARTS, in their order of ReLU, convolution, normalisation.

NASNet is Zoph 2018 <https://arxiv.org/abs/1707.07012>, AmoebaNet Real 2018 <https://arxiv.org/abs/1802.01548>, DARTS
Liu 2019 <https://arxiv.org/abs/1806.09055>.
"""

from __future__ import annotations

from itertools import chain

from deap_nas.graph.layers import BatchNorm2d, Conv2d, Layer, MaxPool2d, ReLU, Size
from deap_nas.graph.operations import register_operation

__all__ = ["AMOEBANET_OPERATIONS", "DARTS_OPERATIONS", "NASNET_OPERATIONS", "relu_conv_bn"]

#: The thirteen operations of Zoph 2018, section 3, in the order of their gene values from 0.
NASNET_OPERATIONS = (
    "identity",
    "bottleneck_conv_1x3_3x1",
    "bottleneck_conv_1x7_7x1",
    "bottleneck_dilated_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "relu_conv_1x1",
    "bottleneck_conv_3x3",
    "stacked_separable_conv_3x3",
    "stacked_separable_conv_5x5",
    "stacked_separable_conv_7x7",
)
#: The eight operations of Real 2018, "Methods details", likewise.
AMOEBANET_OPERATIONS = (
    "identity",
    "stacked_separable_conv_3x3",
    "stacked_separable_conv_5x5",
    "stacked_separable_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dilated_separable_conv_3x3",
    "bottleneck_conv_1x7_7x1",
)
#: The seven operations of Liu 2019, section 3.1, of which a cell is made; the eighth, zero, is for the search alone.
DARTS_OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "identity",
    "stacked_separable_conv_3x3",
    "stacked_separable_conv_5x5",
    "dilated_separable_conv_3x3",
    "dilated_separable_conv_5x5",
)


def relu_conv_bn(
    in_channels: int, channels: int, kernel_size: Size, *, stride: Size = 1, dilation: int = 1
) -> tuple[Layer, ...]:
    """ReLU, convolution, batch normalisation: the order of Zoph 2018."""
    return ReLU(), Conv2d(in_channels, channels, kernel_size, stride, dilation=dilation), BatchNorm2d(channels)


def _relu_separable_conv(in_channels: int, channels: int, kernel_size: int, dilation: int = 1) -> tuple[Layer, ...]:
    depthwise = Conv2d(in_channels, in_channels, kernel_size, groups=in_channels, dilation=dilation)
    return ReLU(), depthwise, Conv2d(in_channels, channels, 1), BatchNorm2d(channels)


def _stacked_separable_conv(in_channels: int, channels: int, kernel_size: int) -> tuple[Layer, ...]:
    """Twice, as Zoph 2018 applies it."""
    first = _relu_separable_conv(in_channels, channels, kernel_size)
    return *first, *_relu_separable_conv(channels, channels, kernel_size)


def _bottleneck_conv(
    in_channels: int, channels: int, *windows: Size, share: float = 1 / 4, dilation: int = 1
) -> tuple[Layer, ...]:
    """Convolutions on a share of the channels, between two 1x1 convolutions, as the released AmoebaNet has them."""
    narrow = max(1, int(share * channels))
    within = [relu_conv_bn(narrow, narrow, window, dilation=dilation) for window in windows]
    first, last = relu_conv_bn(in_channels, narrow, 1), relu_conv_bn(narrow, channels, 1)
    return *first, *chain.from_iterable(within), *last


@register_operation("relu_conv_1x1")
def _relu_conv_1x1(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return relu_conv_bn(in_channels, channels, 1)


@register_operation("stacked_separable_conv_3x3")
def _stacked_separable_conv_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _stacked_separable_conv(in_channels, channels, 3)


@register_operation("stacked_separable_conv_5x5")
def _stacked_separable_conv_5x5(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _stacked_separable_conv(in_channels, channels, 5)


@register_operation("stacked_separable_conv_7x7")
def _stacked_separable_conv_7x7(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _stacked_separable_conv(in_channels, channels, 7)


@register_operation("dilated_separable_conv_3x3")
def _dilated_separable_conv_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _relu_separable_conv(in_channels, channels, 3, dilation=2)


@register_operation("dilated_separable_conv_5x5")
def _dilated_separable_conv_5x5(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _relu_separable_conv(in_channels, channels, 5, dilation=2)


@register_operation("bottleneck_conv_3x3")
def _bottleneck_conv_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _bottleneck_conv(in_channels, channels, 3)


@register_operation("bottleneck_dilated_conv_3x3")
def _bottleneck_dilated_conv_3x3(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _bottleneck_conv(in_channels, channels, 3, dilation=2)


@register_operation("bottleneck_conv_1x3_3x1")
def _bottleneck_conv_1x3_3x1(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _bottleneck_conv(in_channels, channels, (1, 3), (3, 1), share=3 / 8)


@register_operation("bottleneck_conv_1x7_7x1")
def _bottleneck_conv_1x7_7x1(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return _bottleneck_conv(in_channels, channels, (1, 7), (7, 1))


@register_operation("max_pool_5x5")
def _max_pool_5x5(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return (MaxPool2d(5),)


@register_operation("max_pool_7x7")
def _max_pool_7x7(in_channels: int, channels: int) -> tuple[Layer, ...]:
    return (MaxPool2d(7),)
