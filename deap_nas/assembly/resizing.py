"""A value in the shape of another one, where two of unequal shape meet."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["resized"]


def resized(value: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """Give a value the shape of another one.

    Row i of the result is row floor(i * height / new height) of the value, and likewise its columns; the last channels
    are left out, or zeros are added behind them.

    Args:
        value: (batch, channels, height, width).
        pattern: one of the wanted channels, height and width; its numbers do not matter.
    """
    missing = pattern.shape[1] - value.shape[1]
    if missing < 0:
        value = value[:, : pattern.shape[1]]
    if value.shape[2:] != pattern.shape[2:]:
        value = _nearest(value, pattern.shape[2], pattern.shape[3])
    return nn.functional.pad(value, (0, 0, 0, 0, 0, missing)) if missing > 0 else value


def _nearest(value: torch.Tensor, height: int, width: int) -> torch.Tensor:
    if torch.compiler.is_compiling():  # runtimes of ONNX round places in ways of their own
        rows, columns = _places(value.shape[2], height), _places(value.shape[3], width)
        return value.index_select(2, rows.to(value.device)).index_select(3, columns.to(value.device))
    scales = _scale(value.shape[2], height), _scale(value.shape[3], width)
    nearest: torch.Tensor = torch.ops.aten.upsample_nearest2d(value, [height, width], *scales)
    return nearest


def _places(length: int, new_length: int) -> torch.Tensor:
    return torch.tensor([i * length // new_length for i in range(new_length)])


def _scale(length: int, new_length: int) -> float:
    """How many places one becomes, a little less: by the quotient, PyTorch's float32 may end just below a place."""
    return new_length / (length + 0.5 / new_length)
