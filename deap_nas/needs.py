"""Which evaluations somebody still needs: members, parents of what has not ended, and the best so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.store import Store

__all__ = ["Needs"]


class Needs:
    """Tells a fitness which evaluations nobody needs any more, so that it may forget what it keeps of them.

    An evaluation is needed while it is a member of the population, while a job that came from it has not ended, and
    while it is the best so far, which is the result of the run and stays also where it is removed: the first of those
    fittest in the first objective, as :func:`deap_nas.report.best_id` has it. What is not needed will not be again,
    unless a strategy makes a child of somebody who was removed long ago.

    Each call takes a time that does not grow with the run. Of a run that goes on, its store is read once, and all that
    was not needed when it ended is told again: a kill may have come before it was forgotten.

    Args:
        forget: told the ids of what is needed no more, in the process that searches.
        store: journal of the run, as it is before the search begins or goes on.
        weights: of the fitness, one for each objective.
    """

    def __init__(self, forget: Callable[[Sequence[int]], None], store: Store, weights: Sequence[float]) -> None:
        """See the class."""
        self._forget = forget
        #: Parents of each job that has not ended, and how many such jobs each of them has.
        self._parents: dict[int, tuple[int, ...]] = {}
        self._n_children: Counter[int] = Counter()
        #: Those that were removed and are still needed.
        self._removed: set[int] = set()
        self._best, self._best_value = -1, 0.0
        self.submitted(store.pending())
        for record in store:
            self._compare(record.evaluation, weights)
            if not record.alive:
                self._removed.add(record.evaluation.id)
        self._release(sorted(self._removed))

    @classmethod
    def of(cls, evaluate: Any, store: Store, population: Sequence[Any]) -> Needs | None:
        """What a fitness is told of the run of a store; None where it keeps nothing that it could forget."""
        forget = AdaptedFitness(evaluate).forget
        if forget is None:
            return None
        return cls(forget, store, population[0].fitness.weights if population else store.weights or (1.0,))

    def submitted(self, jobs: Iterable[Job]) -> None:
        """Take note of jobs; to be told before their proposals remove anybody."""
        for job in jobs:
            self._parents[job.id] = parents = (job.parent, *job.mates)
            self._n_children.update(parents)

    def recorded(self, evaluation: Evaluation, weights: Sequence[float]) -> None:
        """Take note of an evaluation that has ended and is a member; to be told before anybody is removed for it.

        Args:
            evaluation: as the store has it.
            weights: of the fitness, one for each objective.
        """
        parents = self._parents.pop(evaluation.id, ())
        for parent in parents:
            self._n_children[parent] -= 1
            if not self._n_children[parent]:
                del self._n_children[parent]
        former = self._best
        self._compare(evaluation, weights)
        self._release([*parents, former])

    def removed(self, ids: Iterable[int]) -> None:
        """Take note of members that are members no longer, by the store."""
        ids = list(ids)
        self._removed.update(ids)
        self._release(ids)

    def _compare(self, evaluation: Evaluation, weights: Sequence[float]) -> None:
        if evaluation.status is Status.OK:
            value = evaluation.values[0] * weights[0]
            if self._best < 0 or value > self._best_value:
                self._best, self._best_value = evaluation.id, value

    def _release(self, ids: Iterable[int]) -> None:
        """Tell of those that are needed no more."""
        free = [
            number
            for number in dict.fromkeys(ids)
            if number in self._removed and number not in self._n_children and number != self._best
        ]
        if free:
            self._removed.difference_update(free)
            self._forget(free)
