"""Devices by name; nothing here imports torch before a device is chosen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from deap_nas.errors import SettingsError

if TYPE_CHECKING:
    import torch

__all__ = ["check_device", "choose_device"]

#: Kinds of devices that torch knows and this package has a use for.
_DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")


def check_device(name: str) -> None:
    """Check the name of a device, whether or not it is there.

    Raises:
        SettingsError: no device has that name.
    """
    if name.partition(":")[0] not in _DEVICES:
        raise SettingsError(f"device must be one of {', '.join(_DEVICES)}, with ':N' for the N-th, found {name!r}")


def choose_device(name: str) -> torch.device:
    """Give the device of that name; under ``torchrun``, ``auto`` and ``cuda`` are this process's own GPU.

    Raises:
        SettingsError: a GPU was asked for, and there is none.
    """
    import torch

    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SettingsError(f"device {name!r} was asked for, but PyTorch finds no GPU here: try 'cpu' or 'auto'")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    return torch.device(name)
