"""Training recipes: how a network is trained, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from deap_nas.errors import SettingsError

__all__ = ["SEARCH", "Recipe"]


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

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON can hold them."""
        return asdict(self) | {"drops": list(self.drops)}


#: Training of a candidate during the search (Liu 2018, section 4.1).
SEARCH = Recipe()
