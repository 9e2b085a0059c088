"""The processes that train one network together, as ``torchrun`` starts them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from deap_nas.errors import SettingsError

__all__ = ["ALONE", "Ranks", "join_ranks"]

#: The longest time that ranks wait for each other: the first one evaluates alone.
_PATIENCE = timedelta(hours=2)
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ranks:
    """Where and with whom this process trains a network."""

    #: Number of this process, from 0.
    rank: int = 0
    #: Processes that train the network together.
    size: int = 1
    #: Device of this process.
    device: torch.device = _CPU
    #: Over which the processes talk of what lies in the memory of the host; None for that of the training.
    host_group: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def share(self, batch_size: int) -> slice:
        """The part of a batch that belongs to this process.

        Raises:
            SettingsError: the batch cannot be divided evenly into parts of at least two images.
        """
        n_images, rest = divmod(batch_size, self.size)
        if rest or n_images < 2:
            raise SettingsError(
                f"batch_size must be a multiple of the {self.size} processes, with two images for each; "
                f"found {batch_size}: change one of them"
            )
        return slice(self.rank * n_images, (self.rank + 1) * n_images)

    def average(self, values: torch.Tensor) -> None:
        """Replace values by their mean over the processes."""
        if self.size > 1:
            distributed.all_reduce(values)
            values /= self.size

    def spread(self, numbers: Sequence[float]) -> list[float]:
        """Give every process the numbers of the first one."""
        if self.size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        distributed.broadcast(values, src=0)
        return [float(value) for value in values]

    def any(self, flag: bool) -> bool:
        """Tell whether the flag of any process is set, without waiting for a device."""
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag))
        distributed.all_reduce(flags, distributed.ReduceOp.MAX, group=self.host_group)
        return bool(flags)

    def check_folder(self, folder: Path, found: float) -> None:
        """Check that all processes see one folder, by a number that each has found there.

        Raises:
            SettingsError: the first process has found another one.
        """
        if self.spread([found]) != [found]:
            raise SettingsError(f"{folder} must be one folder that all processes see; choose one on a shared disk")

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()


#: A process that trains by itself.
ALONE = Ranks()


def join_ranks(device: torch.device) -> Ranks:
    """Meet the other processes that ``torchrun`` has started; without it this process is alone.

    Args:
        device: where this process trains: GPUs meet over NCCL, other devices over Gloo.
    """
    if not os.environ.get("RANK") or not os.environ.get("WORLD_SIZE"):
        return Ranks(device=device)
    if not distributed.is_initialized():
        backend = "gloo"
        if device.type == "cuda":
            backend = "nccl"
            torch.cuda.set_device(device)  # NCCL takes the current one
        distributed.init_process_group(backend, timeout=_PATIENCE)
        atexit.register(distributed.destroy_process_group)
    # NCCL carries nothing that lies in the host's memory
    host_group = distributed.new_group(backend="gloo", timeout=_PATIENCE) if device.type == "cuda" else None
    return Ranks(distributed.get_rank(), distributed.get_world_size(), device, host_group)
