"""Random search: each individual is drawn by itself."""

from __future__ import annotations

from typing import Any

from deap_nas.deap_protocols import EvaluatedIndividual
from deap_nas.errors import SettingsError

__all__ = ["RandomSearch"]


class RandomSearch:
    """Proposes what the toolbox draws, and learns nothing: a baseline, and what trains the weights of a one-shot model.

    Args:
        toolbox: with ``individual()``, such as a draw from the space::

            toolbox.register("individual", lambda: creator.Individual(space.sample(rng=rng)))

    Raises:
        SettingsError: the toolbox has no ``individual``.
    """

    def __init__(self, toolbox: Any) -> None:
        """See the class."""
        if not hasattr(toolbox, "individual"):
            raise SettingsError("the toolbox has no individual: toolbox.register('individual', ...)")
        self._toolbox = toolbox

    def generate(self) -> Any:
        """Give an individual."""
        return self._toolbox.individual()

    def update(self, individual: EvaluatedIndividual) -> None:
        """Learn nothing."""
