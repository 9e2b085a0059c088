"""Layers from outside the package: an honest one, and one for each thing that a layer can be wrong about."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from deap_nas.graph import Layer


@dataclass(frozen=True)
class Dilated(Layer):
    """A depthwise 3x3 convolution with gaps, as it is."""

    channels: int

    @property
    def n_parameters(self):
        return 9 * self.channels

    def output_shape(self, shape):
        return shape

    def flops(self, shape):
        return 18 * self.channels * shape[1] * shape[2]

    def build(self):
        return nn.Conv2d(self.channels, self.channels, 3, padding=2, dilation=2, groups=self.channels, bias=False)


class WithBias(Dilated):
    """Has a bias that it does not count."""

    def build(self):
        return nn.Conv2d(self.channels, self.channels, 3, padding=2, dilation=2, groups=self.channels)


class Shrinking(Dilated):
    """Lacks the padding."""

    def build(self):
        return nn.Conv2d(self.channels, self.channels, 3, groups=self.channels, bias=False)

    def flops(self, shape):
        return 18 * self.channels * (shape[1] - 2) * (shape[2] - 2)


class Free(Dilated):
    """Says that it takes no work."""

    def flops(self, shape):
        return 0


class Busy(Dilated):
    """Says that it takes twice its work."""

    def flops(self, shape):
        return 2 * super().flops(shape)


class ByChannel(Dilated):
    """Works channel by channel, but with weights of its own for each."""

    by_channel: ClassVar[bool] = True


class OfItsOwn(Dilated):
    """Is a module that calls a function of PyTorch."""

    def build(self):
        return _Convolution(self.channels)


class OfItsOwnAndFree(OfItsOwn):
    """Says that this takes no work."""

    def flops(self, shape):
        return 0


class OfUnseenWork(Dilated):
    """Does its work by means that nothing counts."""

    def build(self):
        return _Shifted(self.channels)


class ForOtherDevices(Dilated):
    """Does not run on a CPU."""

    def build(self):
        return _Broken(self.channels)


class _Convolution(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 1, 3, 3))

    def forward(self, images):
        return nn.functional.conv2d(images, self.weight, padding=2, dilation=2, groups=len(self.weight))


class _Shifted(_Convolution):
    def forward(self, images):
        shifted = [images.roll((i, j), (2, 3)) for i in range(3) for j in range(3)]
        return sum(shift * self.weight[:, 0, k // 3, k % 3, None, None] for k, shift in enumerate(shifted))


class _Broken(_Convolution):
    def forward(self, images):
        raise RuntimeError("no kernel for the CPU")


@dataclass(frozen=True)
class SiLU(Layer):
    """Without weights."""

    inplace: bool = False

    @property
    def n_parameters(self):
        return 0

    def output_shape(self, shape):
        return shape

    def flops(self, shape):
        return 0

    def build(self):
        return nn.SiLU(self.inplace)
