"""Draws from torch's own generators, which layers make without being asked, as a seed decides them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["seeded_draws"]

#: Held by the thread whose seed decides: all threads draw from the same generators.
_SEEDING = threading.RLock()


@contextmanager
def seeded_draws(seed: int) -> Iterator[None]:
    """Let what draws from the generator of the CPU follow from a seed; it then goes on as if nothing had been.

    Threads wait here for each other.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
