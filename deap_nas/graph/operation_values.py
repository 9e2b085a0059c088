"""Operations whose channels, windows and strides a genotype chooses, as values."""

from __future__ import annotations

from dataclasses import dataclass

from deap_nas.errors import SettingsError
from deap_nas.graph.layers import AvgPool2d, Layer, MaxPool2d, Size, pair
from deap_nas.graph.operations import OperationValue, conv_bn_relu, separable_conv

__all__ = ["Convolution", "Pooling", "SeparableConvolution"]

_POOLS: dict[str, type[MaxPool2d | AvgPool2d]] = {"max": MaxPool2d, "avg": AvgPool2d}


@dataclass(frozen=True)
class Convolution(OperationValue):
    """Convolution, batch normalisation, ReLU."""

    #: Channels of its output.
    channels: int
    #: Height and width of its window, odd, or one number for both.
    kernel_size: Size
    #: Of its height and width, likewise.
    stride: Size = 1

    def __post_init__(self) -> None:
        """Check the fields, and give equal windows and strides one form.

        Raises:
            SettingsError: a count is not a positive integer, or a window is not odd.
        """
        if not _is_count(self.channels):
            raise SettingsError(f"channels must be an integer of at least 1, found {self.channels!r}")
        _settle_sizes(self)

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

    def __post_init__(self) -> None:
        """Check the fields, and give equal windows and strides one form.

        Raises:
            SettingsError: a count is not a positive integer, or a window is not odd.
        """
        if not _is_count(self.channels):
            raise SettingsError(f"channels must be an integer of at least 1, found {self.channels!r}")
        _settle_sizes(self)

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

    def __post_init__(self) -> None:
        """Check the fields, and give equal windows and strides one form.

        Raises:
            SettingsError: the kind is unknown, a count is not a positive integer, or a window is not odd.
        """
        if self.kind not in _POOLS:
            raise SettingsError(f"kind must be one of {', '.join(_POOLS)}, found {self.kind!r}")
        _settle_sizes(self)

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:  # noqa: ARG002 - it keeps them
        """See :meth:`OperationValue.layers`."""
        return (_POOLS[self.kind](self.kernel_size, self.stride),)

    @property
    def label(self) -> str:
        """Such as ``"max_pool_3x3"``, with ``"_by2"`` for a stride of 2."""
        return f"{self.kind}_pool_{_times(self.kernel_size)}{_by(self.stride)}"


def _is_count(number: object) -> bool:
    return isinstance(number, int) and number >= 1


def _settle_sizes(operation: Convolution | SeparableConvolution | Pooling) -> None:
    """Check window and stride; one number stands for both where height and width are equal.

    Raises:
        SettingsError: they are not positive integers, or a window is not odd.
    """
    for name, step, wanted in (("kernel_size", 2, "odd integer"), ("stride", 1, "integer")):
        size = getattr(operation, name)
        sizes = tuple(size) if isinstance(size, tuple | list) else (size, size)
        if len(sizes) != 2 or not all(_is_count(each) and (each - 1) % step == 0 for each in sizes):
            raise SettingsError(f"{name} must be an {wanted} of at least 1, or two of them, found {size!r}")
        object.__setattr__(operation, name, sizes[0] if sizes[0] == sizes[1] else sizes)


def _times(size: Size) -> str:
    return "x".join(map(str, pair(size)))


def _by(stride: Size) -> str:
    rows, columns = pair(stride)
    if rows == columns:
        return "" if rows == 1 else f"_by{rows}"
    return f"_by{rows}x{columns}"
