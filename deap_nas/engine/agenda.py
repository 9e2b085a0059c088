"""Where the next job comes from: what is waiting, then what the strategy proposes."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from deap_nas.engine.starting import is_pending
from deap_nas.evaluation import Job, derive_seed
from deap_nas.genotype import content_of, plain_genotype
from deap_nas.needs import Needs
from deap_nas.store import Store
from deap_nas.strategies.proposals import END, Proposal, ids_of, proposal_of

__all__ = ["Agenda", "split_population"]


class Agenda:
    """Individuals that wait for a worker, and the strategy that proposes further ones.

    Args:
        waiting: individuals whose jobs the store knows, as a run was left with them.
        fresh: individuals that it does not know, without parents.
        generate: gives the next individual, a proposal, None, or END.
        store: journal of the run, which takes note of each job before it is given.
        rng: whose state goes into the store.
        getstate: gives the strategy's state at the time; None where it has none.
        remove: told who is removed by a proposal.
        needs: told what was submitted; None where nobody keeps anything of evaluations.
    """

    def __init__(
        self,
        waiting: Iterable[Any],
        fresh: Sequence[Any],
        generate: Callable[[], Any],
        store: Store,
        rng: random.Random | ModuleType,
        *,
        getstate: Callable[[], Any] | None = None,
        remove: Callable[[Sequence[Any]], None] | None = None,
        needs: Needs | None = None,
    ) -> None:
        """See the class."""
        self._generate = generate
        self._store = store
        self._rng = rng
        self._getstate = getstate
        self._remove = remove
        self._needs = needs
        self.waiting = deque(waiting)
        #: Whether the strategy has said that it proposes nobody any more.
        self.has_ended = False
        self._enqueue([Proposal(individual) for individual in fresh])

    def founders(self) -> set[int]:
        """Ids of the evaluations that wait, but for those of offspring."""
        return {individual.job.id for individual in self.waiting if individual.job.parent == -1}

    def next(self) -> tuple[Any, Job] | None:
        """Give the individual to be evaluated next, and its job; it stays in ``waiting`` until it is handed out.

        Returns:
            None if the strategy waits for an evaluation, or has ended.
        """
        self.prepare(1)
        if not self.waiting:
            return None
        individual = self.waiting[0]
        if individual.job.stage is not None:
            individual.stage = individual.job.stage
        return individual, replace(individual.job, submitted=time.time())

    def prepare(self, n_wanted: int) -> None:
        """Have the strategy propose until so many wait, unless it waits itself, or has ended."""
        while len(self.waiting) < n_wanted and not self.has_ended:
            generated = self._generate()
            self.has_ended = generated is END
            if self.has_ended or (proposal := proposal_of(generated)) is None:
                return
            self._enqueue([proposal])

    def _enqueue(self, proposals: Sequence[Proposal]) -> None:
        """Give each a job, which the store takes note of first."""
        first = self._store.n_submitted
        for number, proposal in enumerate(proposals, start=first):
            individual: Any = proposal.individual
            _forget(individual)
            parents = ids_of(proposal.parents) or [-1]
            seed = derive_seed(self._store.seed, number)
            genotype = plain_genotype(individual)
            mates = tuple(mate for mate in parents[1:] if mate >= 0)
            individual.job = Job(number, genotype, seed, parents[0], mates=mates, stage=proposal.stage)
        if proposals:
            self._submit(proposals)
        self.waiting.extend(proposal.individual for proposal in proposals)

    def _submit(self, proposals: Sequence[Proposal]) -> None:
        individuals: list[Any] = [proposal.individual for proposal in proposals]
        removed = [individual for proposal in proposals for individual in proposal.removed]
        details: dict[str, Any] = {}
        if removed:
            details["removed"] = ids_of(removed)
        if self._getstate is not None:
            details["strategy"] = self._getstate()
        jobs = [individual.job for individual in individuals]
        self._store.submit(jobs, self._rng.getstate(), **details)
        if self._needs is not None:
            self._needs.submitted(jobs)
        if removed and self._remove is not None:
            self._remove(removed)


def _forget(individual: Any) -> None:
    """Take away what a clone has of the individual that it was."""
    del individual.fitness.values
    for name in ("evaluation", "job", "stage"):
        vars(individual).pop(name, None)


def split_population(population: Sequence[Any], store: Store) -> tuple[list[Any], list[Any], list[Any]]:
    """Tell apart who has a fitness, who waits for one by the store, and who is new to it.

    The evaluations of another run, whose ids mean others here, are taken from members that bring their fitness along.
    """
    evaluated = [individual for individual in population if individual.fitness.valid]
    _forget_other_runs(evaluated, store)
    pending = {job.id: content_of(job.genes) for job in store.pending()}
    invalid = [individual for individual in population if not individual.fitness.valid]
    waiting = [individual for individual in invalid if is_pending(individual, pending)]
    fresh = [individual for individual in invalid if not is_pending(individual, pending)]
    return evaluated, waiting, fresh


def _forget_other_runs(evaluated: Iterable[Any], store: Store) -> None:
    with_evaluation = [individual for individual in evaluated if hasattr(individual, "evaluation")]
    ours = store.genes_of([individual.evaluation.id for individual in with_evaluation])
    for individual, genes in zip(with_evaluation, ours, strict=True):
        if genes is None or genes != content_of(individual):
            del individual.evaluation
