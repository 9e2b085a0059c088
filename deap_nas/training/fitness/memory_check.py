"""Whether a training has a chance to fit into memory, told before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deap_nas.errors import SettingsError
from deap_nas.template import Plan
from deap_nas.training.training_switches import PLAIN, Switches

if TYPE_CHECKING:
    import torch

__all__ = ["check_memory_bytes", "lack_of_memory"]


def check_memory_bytes(memory_bytes: int | None) -> int | None:
    """Check a limit of memory, None for the default.

    Raises:
        SettingsError: it is no positive integer.
    """
    if memory_bytes is not None and (not isinstance(memory_bytes, int) or memory_bytes < 1):
        raise SettingsError(f"memory_bytes must be an integer of at least 1, found {memory_bytes!r}")
    return memory_bytes


def lack_of_memory(
    plan: Plan,
    *,
    batch_size: int,
    repeats: int,
    together: bool,
    device: torch.device,
    memory_bytes: int | None = None,
    switches: Switches = PLAIN,
) -> str:
    """Say why a training cannot fit into memory; empty where it may.

    Of a compiled training nothing is said: the compiler chooses what is kept.

    Args:
        plan: of the network, in a template with the size of the images in training.
        batch_size: images in a batch of each network.
        repeats: trainings of the genotype, at once if they are stacked.
        together: whether the networks of all repeats are in memory while one of them trains.
        device: where they take place.
        memory_bytes: what there is; by default all memory of a GPU, and no limit elsewhere.
        switches: by what means they take place.
    """
    available = _total_memory(device) if memory_bytes is None else memory_bytes
    if available is None or switches.compile:
        return ""
    memory = plan.memory(batch_size=batch_size, device=device.type)
    shrinking = 1 if switches.precision == "float32" else 2  # half precision keeps half of the activations
    n_trained = repeats if switches.stacked else 1
    n_present = repeats if together else n_trained
    needed = n_trained * (memory.activations // shrinking) + n_present * memory.parameters
    if needed <= available:
        return ""
    return (
        f"the training needs {needed:,} bytes of memory by estimate, and {available:,} are there: choose a smaller "
        f"batch or fewer channels, or limit the size of networks by CostLimit"
    )


def _total_memory(device: torch.device) -> int | None:
    import torch

    return torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else None
