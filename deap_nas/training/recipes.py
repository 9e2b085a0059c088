"""Training recipes: how a network is trained, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from deap_nas.errors import SettingsError

__all__ = [
    "AMOEBANET",
    "AMOEBANET_EVALUATION",
    "CIFAR_EVALUATION",
    "EPNAS",
    "EPNAS_EVALUATION",
    "HILL_CLIMBING",
    "IMAGENET",
    "LARGE_SCALE",
    "OPTIMISERS",
    "RECIPES",
    "SEARCH",
    "Annealing",
    "Recipe",
]

#: What may follow the gradient: stochastic gradient descent with momentum, with Nesterov's, and Adam (Kingma 2014).
OPTIMISERS = ("sgd", "nesterov", "adam")


@dataclass(frozen=True)
class Annealing:
    """A learning rate that falls as half a cosine, and starts again (Loshchilov 2017, "SGDR").

    Raises:
        SettingsError: a field is out of its range.
    """

    #: Learning rate to which the first one falls, at the end of each period.
    last: float
    #: Length of the first period, as a fraction of all steps in (0, 1].
    period: float = 1.0
    #: How many times as long each period is as the one before.
    factor: float = 2.0

    def __post_init__(self) -> None:
        """Check the fields."""
        if not (self.last >= 0 and 0 < self.period <= 1 and 1 <= self.factor < math.inf):
            raise SettingsError(
                f"annealing falls to a learning rate of at least 0, in periods that are a fraction of the steps in "
                f"(0, 1], each at least as long as the one before; found {self}"
            )

    def share_at(self, progress: float) -> float:
        """How far from the last learning rate to the first one, in [0, 1], after a share of all steps in [0, 1)."""
        length = self.period
        while progress >= length:
            progress -= length
            length *= self.factor
        return (1 + math.cos(math.pi * progress / length)) / 2


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum and a learning rate that drops in steps, or that is annealed.

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
    #: How the learning rate falls otherwise than by drops; None for drops alone.
    annealing: Annealing | None = None
    #: ``"sgd"``, ``"nesterov"``, for momentum as he has it, or ``"adam"``, of whose two decay rates ``momentum`` is the
    #: first, and the second is 0.999.
    optimiser: str = "sgd"

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
        if isinstance(self.annealing, Mapping):
            object.__setattr__(self, "annealing", Annealing(**self.annealing))
        if self.annealing is not None and not self.annealing.last <= self.learning_rate:
            raise SettingsError(
                f"annealing falls from learning_rate {self.learning_rate} to a smaller one, found {self.annealing.last}"
            )
        if self.optimiser == "nesterov" and not self.momentum:
            raise SettingsError("Nesterov's momentum needs one, found 0: give a momentum, or take the optimiser 'sgd'")
        if self.optimiser not in OPTIMISERS:
            raise SettingsError(f"optimiser must be one of {', '.join(OPTIMISERS)}, found {self.optimiser!r}")

    @property
    def milestones(self) -> list[int]:
        """Steps after which the learning rate is divided by ten."""
        return [round(drop * self.steps) for drop in self.drops]

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 1."""
        rate = self.learning_rate
        if self.annealing is not None:
            last, share = self.annealing.last, self.annealing.share_at((step - 1) / self.steps)
            rate = last + (rate - last) * share
        for milestone in self.milestones:
            if step > milestone:
                rate *= 0.1
        return rate

    def scaled(self, factor: float) -> Self:
        """Give the same recipe with ``factor`` times the steps; drops and periods of annealing move along.

        A small factor rehearses a long training: ``CIFAR_EVALUATION.scaled(0.001)`` takes 80 steps.

        Raises:
            SettingsError: the factor is not a positive number.
        """
        if not 0 < factor < math.inf:
            raise SettingsError(f"a recipe is scaled by a positive number, found {factor!r}")
        return replace(self, steps=max(1, round(factor * self.steps)))

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON can hold them."""
        fields = asdict(self) | {"drops": list(self.drops)}
        if self.annealing is None:  # as files made before there was any have it
            del fields["annealing"]
        if self.optimiser == "sgd":
            del fields["optimiser"]
        return fields


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
#: Training of a candidate of Perez-Rua 2018, section 5: three epochs of 45,000 images, by the optimiser of Pham 2018
#: <https://arxiv.org/abs/1802.03268>, section 3.2, whose learning rate falls once from 0.05 to 0.0005.
EPNAS = Recipe(
    steps=1055, batch_size=128, learning_rate=0.05, drops=(), weight_decay=1e-4, annealing=Annealing(5e-4),
    optimiser="nesterov",
)  # fmt: skip
#: Training of the network that it has found: 310 epochs of 50,000 images, with restarts after 10, 30, 70 and 150.
EPNAS_EVALUATION = replace(EPNAS, steps=121_094, annealing=Annealing(5e-4, period=10 / 310))
#: Training of a candidate of Real 2018 <https://arxiv.org/abs/1802.01548>, "Methods details": 25 epochs of 45,000
#: images, by the optimiser of the final training, whose learning rate falls as half a cosine, here to 0.
AMOEBANET = Recipe(
    steps=8789, batch_size=128, learning_rate=0.024, drops=(), weight_decay=5e-4, annealing=Annealing(0.0)
)
#: Training of the network that it has found: 600 epochs of 50,000 images.
AMOEBANET_EVALUATION = replace(AMOEBANET, steps=234_375)
#: Training of a neighbour of Elsken 2017 <https://arxiv.org/abs/1711.04528>: 17 epochs of 45,000 images, in which the
#: learning rate falls once from 0.05 to 0 as half a cosine. Size of the batches and weight decay are our choice.
HILL_CLIMBING = Recipe(
    steps=5977, batch_size=128, learning_rate=0.05, drops=(), weight_decay=5e-4, annealing=Annealing(0.0)
)
#: Trainings to the end, by the names that search spaces and ``deap-nas retrain --recipe`` know.
RECIPES = {
    "cifar": CIFAR_EVALUATION,
    "imagenet": IMAGENET,
    "epnas": EPNAS_EVALUATION,
    "amoebanet": AMOEBANET_EVALUATION,
}
