"""The contract of a population store: what the search loop tells it, and what it must give back after a kill."""

from __future__ import annotations

import gc
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from deap_nas.evaluation import Evaluation, Job, Stage

__all__ = ["Record", "Store", "resume_population", "without_collection"]


@dataclass(frozen=True, slots=True)
class Record:
    """One evaluated individual."""

    #: Tuple of its genes; of spaces without integer genes, its plain genotype.
    genes: Any
    evaluation: Evaluation
    #: Whether it is a member of the population; a survival rule may have removed it.
    alive: bool = True


class Store(ABC):
    """A run's journal and population.

    The search loop first submits a job, with the state of the random generator after the job was made, then hands it
    out, and appends its evaluation when it ends. Whatever a call has returned from survives the death of the process.
    One process writes; the calls come from one thread.
    """

    #: Seed of the run.
    seed: int
    #: Weights of the fitness, one for each objective; None takes any fitness.
    weights: tuple[float, ...] | None = None
    #: Largest number of scores of an evaluation; None has room for any.
    n_repeats: int | None = None
    #: Rungs at which an evaluation may end early; None has room for the curves of any.
    n_rungs: int | None = None

    @abstractmethod
    def submit(
        self, jobs: Sequence[Job], rng_state: object, *, removed: Sequence[int] = (), strategy: Any = None
    ) -> None:
        """Record jobs before any of them is handed out: all or none survive a kill, with what belongs to them.

        Args:
            jobs: in order of their ids, which go on from those already there.
            rng_state: ``rng.getstate()`` of the search's generator.
            removed: ids of evaluated individuals that are no longer members of the population when the jobs are made.
            strategy: state of the search's strategy after they were made, as JSON can hold it; None for none.
        """

    @abstractmethod
    def append(self, genes: Any, evaluation: Evaluation) -> None:
        """Record an evaluation that has ended; its fitness values are complete and finite.

        Args:
            genes: the individual, or its genotype.
            evaluation: with the id of its job.
        """

    @abstractmethod
    def kill(self, ids: Iterable[int]) -> None:
        """Record that individuals are no longer members of the population."""

    def note_conduct(self, fields: Mapping[str, Any]) -> None:  # noqa: B027 - a store need not
        """Take note of how the search is conducted, at its start and when that changes; a store need not keep it.

        Args:
            fields: ``n_evaluations`` in the whole run and ``n_workers``, the evaluations kept running at a time; the
                names of the ``survival`` rule and of what gives the keys for ``reuse``; and ``deterministic``, whether
                genotype, seed and parent decide what an evaluation gives.
        """

    @property
    def conduct(self) -> Mapping[str, Any]:
        """What :meth:`note_conduct` was told last; empty where the store does not keep it."""
        return {}

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """Give every evaluated individual, in the order in which they were appended."""

    @abstractmethod
    def pending(self) -> list[Job]:
        """Jobs that were submitted and not appended, in order of their ids."""

    @abstractmethod
    def rng_state(self) -> Any:
        """State of the random generator after the last submitted job; None before the first."""

    def mates(self) -> Mapping[int, Sequence[int]]:
        """Ids of further parents, besides the first, by the id of the submission; of those that have any."""
        return {}

    def stages(self) -> Mapping[int, Stage]:
        """Where the strategy stood, by the id of the submission; of those whose strategy goes level by level."""
        return {}

    def strategy_state(self) -> tuple[Any, int] | None:
        """State of the strategy after the last submission, and how many evaluations it knew; None for none."""
        return None

    def records(self) -> list[Record]:
        """Every evaluated individual, as a list; a loop over the store itself does with less memory."""
        with without_collection():
            return list(self)

    def genes_of(self, ids: Sequence[int]) -> Iterator[Any]:
        """What records hold as genes, in the order of ``ids``; None for an id that has no evaluation."""
        genes = {record.evaluation.id: record.genes for record in self}
        return map(genes.get, ids)

    @property
    def run_id(self) -> str | None:
        """What tells the run from every other one, also when it is resumed or its file was moved; None if nothing."""
        return None

    @property
    @abstractmethod
    def n_submitted(self) -> int:
        """Jobs submitted so far; the next job's id."""

    @property
    @abstractmethod
    def n_evaluated(self) -> int:
        """Evaluations appended so far."""


def resume_population(
    store: Store, icls: Callable[[Any], Any], *, rng: random.Random | ModuleType = random
) -> list[Any]:
    """Make the population a run was left with, ready for :func:`deap_nas.eaAsync`.

    Args:
        store: the run's store.
        icls: class of the individuals, which makes one of a genotype.
        rng: the search's generator; put into the state it was left in, if the run had begun.

    Returns:
        The living evaluated individuals, then those still to be evaluated; empty if the run had not begun.
    """
    state = store.rng_state()
    if state is not None:
        rng.setstate(state)
    population = []
    with without_collection():
        for record in store:
            if record.alive:
                individual = icls(record.genes)
                individual.fitness.values = record.evaluation.values
                individual.evaluation = record.evaluation
                population.append(individual)
        for job in store.pending():
            individual = icls(job.genes)
            individual.job = job
            population.append(individual)
    return population


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while many objects are made, which would take as long as making them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
