"""Draws from torch's own generators, which layers make without being asked, as a seed decides them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from deap_nas.evaluation import derive_seed

__all__ = ["StepDraws", "seeded_draws"]

_CPU = torch.device("cpu")
#: Held by the thread whose seed decides: all threads draw from the same generators.
_SEEDING = threading.RLock()


@contextmanager
def seeded_draws(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Let what draws from the generators of the CPU and of a GPU follow from a seed; they then go on as before.

    Threads wait here for each other.
    """
    gpus = [device] if device.type == "cuda" else []
    with _SEEDING, torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


class StepDraws:
    """What the layers of a network draw in training follows from a seed and the number of the step alone.

    A network that draws nothing in its first step here, as those of the paper, is taken to draw nothing later: its
    further steps cost no more, and threads need not wait for each other.

    Args:
        seed: of the draws.
        device: of the network.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        """See the class."""
        self._seed = seed
        self._device = device
        self._draws: bool | None = None

    @contextmanager
    def of_step(self, number: int) -> Iterator[None]:
        """Seed what is drawn in the step with this number, from 1."""
        if self._draws is False:
            yield
            return
        with seeded_draws(derive_seed(self._seed, number), self._device):
            before = self._state()
            yield
            if self._draws is None:
                self._draws = self._state() != before

    def _state(self) -> list[bytes]:
        states = [torch.get_rng_state()]
        if self._device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self._device))
        return [state.numpy().tobytes() for state in states]
