"""What goes to a worker and what comes back: :class:`Job`, :class:`Evaluation`, :class:`Status`, seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

__all__ = ["DetailedFitness", "Evaluation", "Job", "JobFitness", "Stage", "Status", "derive_seed"]


class Status(IntEnum):
    """How an evaluation ended; the numbers are those of the population file."""

    #: It has a fitness.
    OK = 0
    #: The genotype is no network: its output cannot be reached. It was never trained.
    NOT_VIABLE = 1
    #: It raised an exception.
    FAILED = 2
    #: Its loss or its fitness is not a finite number.
    DIVERGED = 3
    #: The host or the device ran out of memory.
    OUT_OF_MEMORY = 4
    #: It was ended at its time limit.
    TIMED_OUT = 5
    #: Its worker died.
    LOST = 6


class Stage(NamedTuple):
    """Where a strategy that goes level by level stood when it proposed an individual (Perez-Rua 2018, section 4)."""

    #: Number of blocks or layers that it varied last, from 1.
    level: int
    #: Pass over the levels, from 1.
    iteration: int
    #: The fitness that its surrogate predicted; NaN where it was not asked.
    predicted: float = math.nan
    #: Which of several searches in one run, from 0.
    search: int = 0
    #: Number of the proposal in its search, from 0.
    number: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation to be done; all that crosses a process border on the way out.

    A pickle holds the fields in their order: a new one goes to the end, or old pickles are read wrongly.
    """

    #: Number of the evaluation in its run, from 0, in the order of submission.
    id: int
    #: A plain genotype.
    genes: Any
    #: Seed of this evaluation, derived from the run's seed and the id.
    seed: int
    #: Id of the parent's evaluation; -1 for none.
    parent: int = -1
    #: When it was handed out, in unix seconds.
    submitted: float = 0.0
    #: What it must reach at each rung to go on, see :class:`Stopping`; empty where nothing is stopped early.
    cutoffs: tuple[float, ...] = ()
    #: Ids of further parents' evaluations, besides ``parent``.
    mates: tuple[int, ...] = ()
    #: Where the strategy stood that proposed it; None where it has no levels.
    stage: Stage | None = None

    def __deepcopy__(self, memo: object) -> Job:
        """Nothing changes a job, so a clone of its individual may share it."""
        return self

    def __reduce__(self) -> tuple[type[Job], tuple[Any, ...]]:
        """Pickle the values without their names, in half the bytes."""
        return type(self), _values(self)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation that has ended; all that crosses a process border on the way back.

    A pickle holds the fields in their order: a new one goes to the end, or old pickles are read wrongly.
    """

    #: Fitness values, one for each objective; empty from a worker when the status is not OK.
    values: tuple[float, ...] = ()
    status: Status = Status.OK
    #: The score of each repeat, as far as they were reached.
    scores: tuple[float, ...] = ()
    #: What went wrong, with the traceback of an exception; empty when nothing did.
    error: str = ""
    #: Trainable parameters of the network; -1 when unknown.
    n_parameters: int = -1
    #: Multiply-adds times two for one image; -1 when unknown.
    flops: int = -1
    #: Number of the evaluation in its run, and of its parent's; -1 for none.
    id: int = -1
    parent: int = -1
    #: Id of the evaluation whose fitness it took, being the same network; -1 for a fitness of its own.
    reused: int = -1
    #: The mean score at each rung that it reached, the last where it ended; empty where nothing is stopped early.
    curve: tuple[float, ...] = ()
    #: Number of the worker; -1 when unknown.
    worker: int = field(default=-1, compare=False)
    host: str = field(default="", compare=False)
    #: Unix seconds.
    submitted: float = field(default=0.0, compare=False)
    started: float = field(default=0.0, compare=False)
    finished: float = field(default=0.0, compare=False)
    #: CPU threads with which torch computed in the worker's process; 0 where torch was not there, or when unknown.
    threads: int = field(default=0, compare=False)
    #: Floating-point operations of all its trainings and validations, as far as they were done (Real 2017, section
    #: 3.5): see :func:`deap_nas.template.compute`; 0 when unknown, and for a fitness that was taken from another.
    compute: float = field(default=0.0, compare=False)

    def __deepcopy__(self, memo: object) -> Evaluation:
        """Nothing changes an evaluation, so a clone of its individual may share it."""
        return self

    def __reduce__(self) -> tuple[type[Evaluation], tuple[Any, ...]]:
        """Pickle the values without their names, in half the bytes."""
        return type(self), _values(self)

    @property
    def seconds(self) -> float:
        """Time the evaluation took on its worker."""
        return self.finished - self.started

    def checked(self) -> Evaluation:
        """The same evaluation, or a diverged one when a value, or a score of its curve, is not finite."""
        if self.status is not Status.OK or (self.values and all(map(math.isfinite, (*self.values, *self.curve)))):
            return self
        numbers = f"{self.values} and the curve {self.curve}" if self.curve else self.values
        error = f"the fitness values are not finite numbers: {numbers}"
        return Evaluation((), Status.DIVERGED, self.scores, error, self.n_parameters, self.flops, compute=self.compute)


@runtime_checkable
class DetailedFitness(Protocol):
    """Optional protocol on top of a DEAP evaluate: a fitness that wants a seed and reports more than its values."""

    def evaluate(self, genotype: Any, *, seed: int) -> Evaluation:
        """Evaluate one genotype; every random draw derives from ``seed``. May raise."""
        ...


@runtime_checkable
class JobFitness(Protocol):
    """Optional protocol of a fitness that wants to know more of the evaluation than its seed, such as the parent."""

    def evaluate_job(self, job: Job) -> Evaluation:
        """Evaluate the genotype of a job; every random draw derives from the job's seed. May raise."""
        ...


def _values(record: Job | Evaluation) -> tuple[Any, ...]:
    return tuple(map(record.__getattribute__, record.__match_args__))


def derive_seed(*numbers: int) -> int:
    """Give the seed that belongs to a tuple of integers, such as (run seed, evaluation id, repeat).

    Returns:
        An integer in 0..2**63 - 1, the same on every machine.
    """
    from hashlib import blake2b  # brings OpenSSL along, which idle ranks do without

    digest = blake2b(repr(tuple(map(int, numbers))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
