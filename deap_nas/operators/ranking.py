"""A population in order of fitness, so that a tournament need not look at all who enter it."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from types import ModuleType
from typing import Any, SupportsIndex

__all__ = ["RankedPopulation"]


class RankedPopulation(list[Any]):
    """Evaluated individuals in the order in which they joined, which also knows their order of fitness.

    It grows by :meth:`append` and shrinks by :meth:`discard`, and its members keep their fitness; other changes raise
    a ``TypeError``. Copies and pickles are plain lists.

    Args:
        individuals: the first members.
    """

    def __init__(self, individuals: Iterable[Any] = ()) -> None:
        """See the class."""
        super().__init__(individuals)
        self._n_joined = len(self)
        #: The least fit first.
        self._by_fitness: list[tuple[tuple[float, ...], int, Any]] = sorted(
            (individual.fitness.wvalues, number, individual) for number, individual in enumerate(self)
        )

    def append(self, individual: Any) -> None:
        """Let an individual with a valid fitness join."""
        super().append(individual)
        insort(self._by_fitness, (individual.fitness.wvalues, self._n_joined, individual))
        self._n_joined += 1

    def discard(self, individuals: Iterable[Any]) -> None:
        """Let members leave."""
        leaving = {id(individual) for individual in individuals}
        if leaving:
            super().__setitem__(slice(None), [member for member in self if id(member) not in leaving])
            self._by_fitness = [entry for entry in self._by_fitness if id(entry[-1]) not in leaving]

    def winner(self, tournsize: int, rng: random.Random | ModuleType = random) -> Any:
        """Draw the winner of a tournament among ``tournsize`` members drawn without replacement.

        The fittest takes part with probability tournsize / n; if it does not, the next of the n - 1 others does with
        probability tournsize / (n - 1), and so on. Among equally fit ones each wins with the same probability.

        Args:
            tournsize: members that take part, from 1 to all of them.
            rng: source of the random draws; about n / tournsize of them.
        """
        n_left = len(self)
        while rng.random() * n_left >= tournsize:
            n_left -= 1
        values = self._by_fitness[n_left - 1][0]
        first = bisect_left(self._by_fitness, (values,))
        last = bisect_right(self._by_fitness, (values, self._n_joined)) - 1
        return self._by_fitness[first if first == last else rng.randint(first, last)][-1]

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[list[Any]], tuple[list[Any]]]:
        """Copy and pickle as a plain list."""
        return list, (list(self),)

    def _refuse(self, *arguments: Any, **options: Any) -> Any:  # noqa: ARG002 - those of what it stands for
        """Refuse what would leave the order of fitness behind."""
        raise TypeError("a ranked population changes by append and discard only: work on list(population)")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    extend = insert = remove = pop = clear = sort = reverse = _refuse
