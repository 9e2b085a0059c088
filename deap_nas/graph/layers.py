"""Layers: what an operation is made of, as plain values that know their shapes, parameters and FLOPs.

Nothing here may import torch; :mod:`deap_nas.assembly` turns layers into modules. A layer of your own is a subclass
of :class:`Layer` itself whose ``build`` method returns its ``torch.nn.Module``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, ClassVar

from deap_nas.errors import SettingsError

if TYPE_CHECKING:
    import torch

__all__ = [
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "Gate",
    "GlobalAvgPool2d",
    "Layer",
    "Linear",
    "MaxPool2d",
    "ReLU",
    "Shape",
    "Size",
    "pair",
]

#: (channels, height, width) of one image's feature map.
Shape = tuple[int, int, int]
#: Of a window or a stride: height and width, or one number for both.
Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """Height and width of a window or a stride."""
    return (size, size) if isinstance(size, int) else size


def _strided(shape: Shape, stride: Size) -> tuple[int, int]:
    """Height and width after a layer that keeps the size but for its stride: divided by it, rounded up."""
    rows, columns = pair(stride)
    return -(-shape[1] // rows), -(-shape[2] // columns)


class Layer(ABC):
    """One layer; subclasses are frozen dataclasses, so equal layers are interchangeable."""

    #: Whether each channel of the output is the same function, without weights, of that channel of the input.
    by_channel: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Check that a layer from outside derives from none of the package, as which it would be built.

        Raises:
            SettingsError: it does.
        """
        super().__init_subclass__()
        for base in cls.__bases__:
            if base.__module__ == __name__ and is_dataclass(base):
                raise SettingsError(
                    f"{cls.__name__} derives from {base.__name__}, as which it would be built: derive it from Layer"
                )

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Trainable parameters."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Shape of the output for an input of ``shape``."""

    @abstractmethod
    def flops(self, shape: Shape) -> int:
        """Multiply-adds times two for one image of ``shape``; only convolutions and linear layers count."""

    def build(self) -> torch.nn.Module:
        """Make the module. Only layers from outside the package define this."""
        raise NotImplementedError(f"{type(self).__name__} has no module: define its build() method")


class _Free(Layer):
    """A layer without parameters or counted work that keeps the shape."""

    @property
    def n_parameters(self) -> int:
        return 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def flops(self, shape: Shape) -> int:
        return 0


@dataclass(frozen=True)
class Conv2d(Layer):
    """Convolution without bias, padded so that stride 1 keeps the size; height and width of ``kernel_size`` are odd."""

    in_channels: int
    out_channels: int
    kernel_size: Size
    stride: Size = 1
    groups: int = 1
    #: Variance of the weights at first, times the inputs of an output, of a normal distribution, as 2 in He 2015
    #: <https://arxiv.org/abs/1502.01852>; None for PyTorch's own uniform distribution.
    variance: float | None = None
    #: Pixels from a place of the window to the next; 1 for a window without gaps.
    dilation: int = 1

    @property
    def n_parameters(self) -> int:
        """Weights; there is no bias."""
        height, width = pair(self.kernel_size)
        return self.out_channels * (self.in_channels // self.groups) * height * width

    def output_shape(self, shape: Shape) -> Shape:
        """Height and width are divided by the stride, rounded up."""
        return self.out_channels, *_strided(shape, self.stride)

    def flops(self, shape: Shape) -> int:
        """Twice the weights at each output position."""
        _, height, width = self.output_shape(shape)
        return 2 * self.n_parameters * height * width


@dataclass(frozen=True)
class BatchNorm2d(_Free):
    """Batch normalisation with a scale and a shift for each channel."""

    channels: int

    @property
    def n_parameters(self) -> int:
        """Scale and shift."""
        return 2 * self.channels


@dataclass(frozen=True)
class ReLU(_Free):
    """Rectified linear unit."""


@dataclass(frozen=True)
class Gate(_Free):
    """Multiplication of everything by one number that is learnt, 0 at first."""

    @property
    def n_parameters(self) -> int:
        """The number."""
        return 1


@dataclass(frozen=True)
class MaxPool2d(_Free):
    """Max pooling, padded so that stride 1 keeps the size; height and width of ``kernel_size`` are odd."""

    by_channel = True

    kernel_size: Size
    stride: Size = 1

    def output_shape(self, shape: Shape) -> Shape:
        """Height and width are divided by the stride, rounded up."""
        return shape[0], *_strided(shape, self.stride)


@dataclass(frozen=True)
class AvgPool2d(_Free):
    """Average pooling, padded as :class:`MaxPool2d` is; the padding does not count."""

    by_channel = True

    kernel_size: Size
    stride: Size = 1

    def output_shape(self, shape: Shape) -> Shape:
        """Height and width are divided by the stride, rounded up."""
        return shape[0], *_strided(shape, self.stride)


@dataclass(frozen=True)
class GlobalAvgPool2d(_Free):
    """Mean over height and width; the output is (channels, 1, 1)."""

    def output_shape(self, shape: Shape) -> Shape:
        """One value a channel."""
        return shape[0], 1, 1


@dataclass(frozen=True)
class Linear(Layer):
    """Linear layer with bias on the flattened input."""

    in_features: int
    out_features: int

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return (self.in_features + 1) * self.out_features

    def output_shape(self, shape: Shape) -> Shape:
        """One value a feature."""
        return self.out_features, 1, 1

    def flops(self, shape: Shape) -> int:
        """Twice the weights."""
        return 2 * self.in_features * self.out_features
