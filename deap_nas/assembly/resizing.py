"""A value in the shape of another one, where two of unequal shape meet."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["resized"]


def resized(value: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """Give a value the shape of another one.

    Height and width are resized by the nearest neighbour; the last channels are left out, or zeros are added behind
    them.

    Args:
        value: (batch, channels, height, width).
        pattern: one of the wanted channels, height and width; its numbers do not matter.
    """
    if value.shape[2:] != pattern.shape[2:]:
        value = nn.functional.interpolate(value, size=pattern.shape[2:], mode="nearest")
    missing = pattern.shape[1] - value.shape[1]
    if missing > 0:
        return nn.functional.pad(value, (0, 0, 0, 0, 0, missing))
    return value[:, : pattern.shape[1]] if missing else value
