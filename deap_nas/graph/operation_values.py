"""Operations whose channels, windows and strides a genotype chooses, as values."""

from __future__ import annotations

from dataclasses import dataclass

from deap_nas.graph.layers import AvgPool2d, Layer, MaxPool2d, Size, pair
from deap_nas.graph.operations import OperationValue, conv_bn_relu, separable_conv

__all__ = ["Convolution", "Pooling", "SeparableConvolution"]


@dataclass(frozen=True)
class Convolution(OperationValue):
    """Convolution, batch normalisation, ReLU."""

    #: Channels of its output.
    channels: int
    #: Height and width of its window, odd, or one number for both.
    kernel_size: Size
    #: Of its height and width, likewise.
    stride: Size = 1

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:  # noqa: ARG002 - it has its own
        """See :meth:`OperationValue.layers`."""
        return conv_bn_relu(in_channels, self.channels, self.kernel_size, stride=self.stride)

    @property
    def label(self) -> str:
        """Such as ``"conv_3x3_32"``, with ``"_by2"`` for a stride of 2."""
        return f"conv_{_times(self.kernel_size)}_{self.channels}{_by(self.stride)}"


@dataclass(frozen=True)
class SeparableConvolution(OperationValue):
    """Depthwise, then pointwise convolution, then one batch normalisation and ReLU; the first has the stride."""

    #: Channels of its output.
    channels: int
    #: Height and width of its window, odd, or one number for both.
    kernel_size: Size
    #: Of its height and width, likewise.
    stride: Size = 1

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:  # noqa: ARG002 - it has its own
        """See :meth:`OperationValue.layers`."""
        return separable_conv(in_channels, self.channels, self.kernel_size, stride=self.stride)

    @property
    def label(self) -> str:
        """Such as ``"separable_conv_3x3_32"``, with ``"_by2"`` for a stride of 2."""
        return f"separable_conv_{_times(self.kernel_size)}_{self.channels}{_by(self.stride)}"


@dataclass(frozen=True)
class Pooling(OperationValue):
    """Max or average pooling, which keeps the channels."""

    #: ``"max"`` or ``"avg"``.
    kind: str
    #: Height and width of its window, odd, or one number for both.
    kernel_size: Size
    #: Of its height and width, likewise.
    stride: Size = 1

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:  # noqa: ARG002 - it keeps them
        """See :meth:`OperationValue.layers`."""
        return ({"max": MaxPool2d, "avg": AvgPool2d}[self.kind](self.kernel_size, self.stride),)

    @property
    def label(self) -> str:
        """Such as ``"max_pool_3x3"``, with ``"_by2"`` for a stride of 2."""
        return f"{self.kind}_pool_{_times(self.kernel_size)}{_by(self.stride)}"


def _times(size: Size) -> str:
    return "x".join(map(str, pair(size)))


def _by(stride: Size) -> str:
    rows, columns = pair(stride)
    if rows == columns:
        return "" if rows == 1 else f"_by{rows}"
    return f"_by{rows}x{columns}"
