"""Training recipes: how a network is trained, as data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from deap_nas.errors import SettingsError

__all__ = ["CIFAR_EVALUATION", "IMAGENET", "LARGE_SCALE", "SEARCH", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum and a learning rate that drops in steps.

    The defaults are those of the search (Liu 2018, section 4.1).

    Raises:
        SettingsError: a field is out of its range.
    """

    #: Training steps, one batch each.
    steps: int = 5000
    #: Images in a batch.
    batch_size: int = 256
    #: Learning rate of the first step.
    learning_rate: float = 0.1
    #: Where the learning rate is divided by ten, as fractions of the steps: after 4000 and 4500 of 5000.
    drops: tuple[float, ...] = (0.8, 0.9)
    momentum: float = 0.9
    weight_decay: float = 3e-4

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("steps", "batch_size"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise SettingsError(f"{name} must be an integer of at least 1, found {getattr(self, name)!r}")
        if self.batch_size < 2:
            raise SettingsError("batch_size must be at least 2, since batch normalisation needs two images")
        if not self.learning_rate > 0:
            raise SettingsError(f"learning_rate must be positive, found {self.learning_rate}")
        if not 0 <= self.momentum < 1 or self.weight_decay < 0:
            raise SettingsError(
                f"momentum must lie in [0, 1) and weight_decay be at least 0, "
                f"found {self.momentum} and {self.weight_decay}"
            )
        if any(not 0 < drop <= 1 for drop in self.drops):
            raise SettingsError(f"drops are fractions of the steps in (0, 1], found {self.drops}")

    @property
    def milestones(self) -> list[int]:
        """Steps after which the learning rate is divided by ten."""
        return [round(drop * self.steps) for drop in self.drops]

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 1."""
        rate = self.learning_rate
        for milestone in self.milestones:
            if step > milestone:
                rate *= 0.1
        return rate

    def scaled(self, factor: float) -> Self:
        """Give the same recipe with ``factor`` times the steps; the drops move along.

        A small factor rehearses a long training: ``CIFAR_EVALUATION.scaled(0.001)`` takes 80 steps.

        Raises:
            SettingsError: the factor is not a positive number.
        """
        if not 0 < factor < math.inf:
            raise SettingsError(f"a recipe is scaled by a positive number, found {factor!r}")
        return replace(self, steps=max(1, round(factor * self.steps)))

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON can hold them."""
        return asdict(self) | {"drops": list(self.drops)}


#: Training of a candidate during the search (Liu 2018, section 4.1).
SEARCH = Recipe()
#: Training of the cell that was found, in the large model on CIFAR (Liu 2018, section 4.1): drops after 40,000, 60,000
#: and 70,000 of 80,000 steps.
CIFAR_EVALUATION = Recipe(steps=80_000, drops=(1 / 2, 3 / 4, 7 / 8))
#: The same on ImageNet (Liu 2018, section 4.1): drops after 100,000, 150,000 and 175,000 of 200,000 steps.
IMAGENET = Recipe(steps=200_000, batch_size=1024, drops=(1 / 2, 3 / 4, 7 / 8), weight_decay=1e-4)
#: Training of an individual of Real 2017 <https://arxiv.org/abs/1703.01041>, section 3.4; its learning rate is that of
#: the genotype throughout.
LARGE_SCALE = Recipe(steps=25_600, batch_size=50, drops=(), weight_decay=1e-4)
