"""Devices by name; nothing here imports torch before a device is chosen."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from deap_nas.errors import SettingsError

if TYPE_CHECKING:
    import torch

__all__ = ["check_device", "choose_device", "use_threads"]

#: Devices that torch knows and this package has a use for.
_NAMES = re.compile(r"auto|cpu|mps|(cuda|xpu)(:(0|[1-9][0-9]*))?")


def check_device(name: str) -> None:
    """Check the name of a device, whether or not it is there.

    Raises:
        SettingsError: no device has that name.
    """
    if not _NAMES.fullmatch(name):
        raise SettingsError(f"device must be one of auto, cpu, cuda, cuda:N, mps, xpu and xpu:N, found {name!r}")


def choose_device(name: str) -> torch.device:
    """Give the device of that name; under ``torchrun``, ``auto`` and ``cuda`` are this process's own GPU.

    Raises:
        SettingsError: no device has that name, or it is not there.
    """
    import torch

    check_device(name)
    found = name
    if name == "auto":
        found = "cuda" if torch.cuda.is_available() else "cpu"
    if found == "cuda" and os.environ.get("LOCAL_RANK"):
        found = f"cuda:{os.environ['LOCAL_RANK']}"
    device = torch.device(found)
    n_devices = _count(device.type)
    if (device.index or 0) >= n_devices:
        raise SettingsError(
            f"device {found!r} is not there: PyTorch finds {n_devices} of its kind; try 'auto' or 'cpu'"
        )
    return device


def use_threads(n_threads: int) -> None:
    """Let torch compute with so many CPU threads from here on, as if ``OMP_NUM_THREADS`` had said so from the start.

    Raises:
        SettingsError: ``n_threads`` is less than 1.
    """
    import torch

    if n_threads < 1:
        raise SettingsError(f"the number of threads must be at least 1, found {n_threads}")
    torch.set_num_threads(n_threads)


def _count(kind: str) -> int:
    """Devices of a kind that torch can use here."""
    import torch

    if kind == "mps":
        return int(torch.backends.mps.is_available())
    counts = {"cuda": torch.cuda.device_count, "xpu": torch.xpu.device_count}
    return counts[kind]() if kind in counts else 1
