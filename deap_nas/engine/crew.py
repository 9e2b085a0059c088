"""Who evaluates: an executor's workers, and which individuals they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

from deap_nas.engine.outcome import outcome
from deap_nas.evaluation import Evaluation, Job, Runner, Status
from deap_nas.executors.channel import count_workers, open_channel

__all__ = ["Crew"]

#: What may end otherwise on another try.
_PASSING = (Status.LOST, Status.OUT_OF_MEMORY)


class Crew:
    """The workers, and the individuals they are evaluating.

    Args:
        executor: whose workers they are.
        evaluate: the fitness.
        retries: how often an evaluation is tried again whose worker died or that ran out of memory.
        n_workers: evaluations that are kept running at a time; None for as many as the executor has workers.
        note: told how many there are.
    """

    def __init__(
        self,
        executor: Executor,
        evaluate: Any,
        *,
        retries: int,
        n_workers: int | None,
        note: Callable[[int], None],
    ) -> None:
        """See the class."""
        self._note = note
        self._n_noted = 0
        self._executor = executor
        self._channel = open_channel(executor, Runner(evaluate))
        self._retries = retries
        self._n_workers = n_workers
        self._n_tries: Counter[int] = Counter()
        #: Individuals by the id of their evaluation.
        self.running: dict[int, Any] = {}

    @property
    def n_workers(self) -> int:
        """The number that was asked for, or that of the executor at this moment."""
        return count_workers(self._executor) if self._n_workers is None else self._n_workers

    def tell_changes(self) -> None:
        """Tell how many workers there are, if that has changed, as where ranks die."""
        if self.n_workers != self._n_noted:
            self._n_noted = self.n_workers
            self._note(self._n_noted)

    def submit(self, individual: Any, job: Job) -> None:
        """Let a worker evaluate an individual."""
        self._channel.submit(job)
        self.running[job.id] = individual

    def ended(self, *, has_success: Callable[[], bool]) -> Iterator[tuple[Any, Evaluation]]:
        """Wait for evaluations that have ended, and give those that need no other try; what is wrong is raised last.

        Args:
            has_success: whether any evaluation has succeeded; until then what would fail every one is raised.
        """
        problem: Exception | None = None
        for job, end in sorted(self._channel.wait(), key=lambda pair: pair[0].id):
            try:
                is_last_try = self._n_tries[job.id] >= self._retries
                evaluation = outcome(end, job, is_first=not has_success(), is_last_try=is_last_try)
                if evaluation.status in _PASSING and not is_last_try:
                    self._n_tries[job.id] += 1
                    self._channel.submit(job, avoid=evaluation.worker)
                    continue
            except Exception as error:  # those that ended beside it are recorded first
                problem = problem or error
                continue
            yield self.running[job.id], evaluation
            del self.running[job.id]
        if problem is not None:
            raise problem

    def dismiss(self) -> None:
        """Cancel what has not begun."""
        self._channel.close()
