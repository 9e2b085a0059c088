"""What the package relies on in the objects that a script has from DEAP, which has no types of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from deap_nas.evaluation import Evaluation, Stage

__all__ = ["EvaluatedIndividual", "Fitness", "Individual", "StrategyToolbox", "Toolbox", "VariationToolbox"]


class Fitness(Protocol):
    """A :class:`deap.base.Fitness`."""

    #: As the fitness function gave them; empty where there are none yet.
    values: tuple[float, ...]

    @property
    def weights(self) -> Sequence[float]:
        """One for each value, where negative ones are minimised."""

    @property
    def wvalues(self) -> tuple[float, ...]:
        """The values times their weights, of which larger ones are better."""

    @property
    def valid(self) -> bool:
        """Whether there are values."""

    def __gt__(self, other: Any, /) -> bool:
        """Compare the weighted values, one after the other."""


class Individual(Protocol):
    """A genotype with a fitness, of a class that ``creator.create`` makes."""

    fitness: Fitness


class EvaluatedIndividual(Individual, Protocol):
    """One that a loop of this package has evaluated."""

    evaluation: Evaluation
    #: Of an individual whose proposal had one; others lack it.
    stage: Stage


class Toolbox(Protocol):
    """A :class:`deap.base.Toolbox` in which a fitness is registered."""

    @property
    def evaluate(self) -> Callable[..., Any]:
        """Give the fitness of an individual."""


class VariationToolbox(Toolbox, Protocol):
    """One with the operators of an evolution; ``mate`` only where there is crossover."""

    @property
    def select(self) -> Callable[..., Any]:
        """Give so many of the individuals."""

    @property
    def clone(self) -> Callable[..., Any]:
        """Give a copy of an individual."""

    @property
    def mutate(self) -> Callable[..., Any]:
        """Change an individual in place, and give it in a tuple."""


class StrategyToolbox(Toolbox, Protocol):
    """One with a strategy; see :class:`~deap_nas.strategies.Strategy` for what else it may have."""

    @property
    def generate(self) -> Callable[..., Any]:
        """Give an individual to be evaluated."""

    @property
    def update(self) -> Callable[..., Any]:
        """Take an individual back with its fitness."""
