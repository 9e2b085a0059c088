"""Operations whose channels, windows and strides a genotype chooses, as values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from deap_nas.errors import SettingsError
from deap_nas.graph.graph import USUAL_CHANNELS
from deap_nas.graph.layers import AvgPool2d, BatchNorm2d, Conv2d, Gate, Layer, MaxPool2d, ReLU, Size, pair
from deap_nas.graph.operations import OperationValue, conv_bn_relu, layers_of, separable_conv

__all__ = ["BatchNormReLU", "Convolution", "Gated", "Pooling", "ScaledConvolution", "SeparableConvolution", "Strided"]

_POOLS: dict[str, type[MaxPool2d | AvgPool2d]] = {"max": MaxPool2d, "avg": AvgPool2d}
#: Layers that may have a stride.
_WINDOWS = (Conv2d, MaxPool2d, AvgPool2d)
#: Channels that a convolution gives at most, whatever its factor.
_MOST_CHANNELS = 2**16


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


@dataclass(frozen=True)
class ScaledConvolution(OperationValue):
    """Convolution alone, without bias, whose channels are those of its input times a factor (Real 2017, section 3.2).

    Its weights are drawn as He 2015 <https://arxiv.org/abs/1502.01852> does, for a sum of several values.
    """

    #: Channels of its output for each of its input; rounded, and at least 1.
    factor: float
    #: Height and width of its window, odd, or one number for both.
    kernel_size: Size
    #: Of its height and width, likewise.
    stride: Size = 1
    #: Values that its output is one of, all of them added.
    n_added: int = 1

    def __post_init__(self) -> None:
        """Check the fields, and give equal windows and strides one form.

        Raises:
            SettingsError: the factor is not positive, a count is not a positive integer, or a window is not odd.
        """
        if not 0 < self.factor < math.inf or not _is_count(self.n_added):
            raise SettingsError(f"factor and n_added must be positive, found {self.factor!r} and {self.n_added!r}")
        _settle_sizes(self)

    def channels(self, in_channels: int) -> int:
        """Channels of its output: 1 to 65,536."""
        return min(max(1, round(self.factor * in_channels)), _MOST_CHANNELS)

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:  # noqa: ARG002 - it has its own
        """See :meth:`OperationValue.layers`."""
        variance = 2 / self.n_added
        return (Conv2d(in_channels, self.channels(in_channels), self.kernel_size, self.stride, variance=variance),)

    @property
    def label(self) -> str:
        """Such as ``"conv_3x3_times1.5"``, with ``"_by2"`` for a stride of 2."""
        return f"conv_{_times(self.kernel_size)}_times{self.factor:.3g}{_by(self.stride)}"

    @property
    def weights_label(self) -> str:
        """The same for all, so what stands at its place takes over its weights where they have the same shape."""
        return "conv"


@dataclass(frozen=True)
class BatchNormReLU(OperationValue):
    """Batch normalisation, then ReLU, without a convolution."""

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:  # noqa: ARG002 - it has its own
        """See :meth:`OperationValue.layers`."""
        return BatchNorm2d(in_channels), ReLU()

    @property
    def label(self) -> str:
        """See :attr:`OperationValue.label`."""
        return "bn_relu"


@dataclass(frozen=True)
class Gated(OperationValue):
    """A value times one number that is learnt, and that is 0 at first: what adds it is at first as if it did not."""

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:  # noqa: ARG002 - it has none of its own
        """See :meth:`OperationValue.layers`."""
        return (Gate(),)

    @property
    def label(self) -> str:
        """See :attr:`OperationValue.label`."""
        return "gate"


@dataclass(frozen=True)
class Strided(OperationValue):
    """A registered operation that divides height and width by a stride.

    Its first convolution or pooling with a window of several pixels gets the stride, or else the first of one pixel. An
    operation that has none, such as ``"identity"``, follows a 1x1 convolution with that stride, to the channels that
    its node takes as its width, with batch normalisation and ReLU.
    """

    #: Of the operation.
    name: str
    #: Of its height and width, or one number for both.
    stride: Size = 2

    def __post_init__(self) -> None:
        """Check the stride, and give equal ones one form.

        Raises:
            SettingsError: it is not a positive integer, or two of them, or it is 1.
        """
        _settle(self, "stride")
        if self.stride == 1:
            raise SettingsError(f"a stride must be larger than 1: take the operation {self.name!r} itself")

    def layers(self, in_channels: int, channels: int) -> tuple[Layer, ...]:
        """See :meth:`OperationValue.layers`.

        Raises:
            UnknownNameError: no operation has that name.
        """
        layers = layers_of(self.name, in_channels, channels)
        windows = {place: layer for place, layer in enumerate(layers) if isinstance(layer, _WINDOWS)}
        if windows:
            place = next((place for place in windows if pair(windows[place].kernel_size) != (1, 1)), min(windows))
            return *layers[:place], replace(windows[place], stride=self.stride), *layers[place + 1 :]
        before = conv_bn_relu(in_channels, channels, 1, stride=self.stride)
        return *before, *layers_of(self.name, channels, channels)

    @property
    def label(self) -> str:
        """Such as ``"conv_3x3_by2"``."""
        return self.name + _by(self.stride)

    @property
    def weights_label(self) -> str:
        """The operation's name, whose weights have the same shapes, unless a 1x1 convolution was put before it."""
        return self.name if _has_window(self.name) else self.label


@lru_cache(maxsize=1024)
def _has_window(name: str) -> bool:
    return any(isinstance(layer, _WINDOWS) for layer in layers_of(name, USUAL_CHANNELS, USUAL_CHANNELS))


def _is_count(number: object) -> bool:
    return isinstance(number, int) and number >= 1


def _settle_sizes(operation: Convolution | ScaledConvolution | SeparableConvolution | Pooling) -> None:
    """Check window and stride; one number stands for both where height and width are equal.

    Raises:
        SettingsError: they are not positive integers, or a window is not odd.
    """
    _settle(operation, "kernel_size", is_odd=True)
    _settle(operation, "stride")


def _settle(operation: OperationValue, name: str, *, is_odd: bool = False) -> None:
    size = getattr(operation, name)
    sizes = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(sizes) != 2 or not all(_is_count(each) and (each % 2 or not is_odd) for each in sizes):
        wanted = "an odd integer" if is_odd else "an integer"
        raise SettingsError(f"{name} must be {wanted} of at least 1, or two of them, found {size!r}")
    object.__setattr__(operation, name, sizes[0] if sizes[0] == sizes[1] else sizes)


def _times(size: Size) -> str:
    return "x".join(map(str, pair(size)))


def _by(stride: Size) -> str:
    rows, columns = pair(stride)
    if rows == columns:
        return "" if rows == 1 else f"_by{rows}"
    return f"_by{rows}x{columns}"
