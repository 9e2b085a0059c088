"""The time that a network takes for one image, measured where it runs."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

from deap_nas.errors import SettingsError
from deap_nas.search_space import SearchSpace
from deap_nas.template import Plan, Template, plan_network
from deap_nas.training.devices import choose_device

__all__ = ["Latency", "measured_latency"]

#: Forward passes before those that are measured, in which memory is made and code is chosen.
_N_WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Gives the seconds that a genotype's network takes for one image, as it is assembled, on the machine at hand.

    The median of several forward passes in evaluation mode, one image at a time, with weights of no training, which
    take as long as others. What else the machine does counts in: compare times of one machine, with as many threads and
    as much work beside it.

    Args:
        space: search space of the genotypes.
        template: the fixed part of the network, with the size of the image.
        device: where to run, as torch names it; ``"auto"`` is a GPU if there is one.
        repeats: forward passes whose median counts, at least 1.

    Raises:
        SettingsError: ``repeats`` is no positive integer.
    """

    space: SearchSpace
    template: Template
    device: str = "auto"
    repeats: int = 25

    def __post_init__(self) -> None:
        """Check the number of repeats."""
        _check_repeats(self.repeats)

    def __call__(self, genotype: Any) -> float:
        """Measure the network of a genotype, in seconds.

        Raises:
            GenotypeError: the genotype does not belong to the space.
            NotViableError: no path leads from an input to the output.
        """
        plan = plan_network(self.space, genotype, self.template)
        return measured_latency(plan, device=self.device, repeats=self.repeats)


def measured_latency(plan: Plan, *, device: str = "auto", repeats: int = 25) -> float:
    """Measure the network that was planned, in seconds; see :class:`Latency`.

    Raises:
        SettingsError: ``repeats`` is no positive integer.
    """
    _check_repeats(repeats)
    import torch

    from deap_nas.training.trainer import seeded_network

    place, template = choose_device(device), plan.template
    network = seeded_network(plan, seed=0, device=place).eval()
    image = torch.zeros(1, template.image_channels, template.image_size, template.image_size, device=place)
    seconds = []
    with torch.inference_mode():
        for _ in range(_N_WARM_UP + repeats):
            start = time.perf_counter()
            network(image)
            if place.type == "cuda":
                torch.cuda.synchronize(place)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[_N_WARM_UP:])


def _check_repeats(repeats: int) -> None:
    if not isinstance(repeats, int) or repeats < 1:
        raise SettingsError(f"repeats must be an integer of at least 1, found {repeats!r}")
