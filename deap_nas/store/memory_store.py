"""A store that lives as long as its process: for tests, and the simplest example of the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from deap_nas.evaluation import Evaluation, Job, Stage
from deap_nas.genotype import content_of
from deap_nas.store.contract import Record, Store

__all__ = ["MemoryStore"]


class MemoryStore(Store):
    """Keeps everything in lists."""

    def __init__(self, *, seed: int = 0) -> None:
        """Make an empty store for the run with this seed."""
        self.seed = seed
        self._run_id = uuid4().hex
        self._jobs: list[Job] = []
        self._records: dict[int, Record] = {}
        self._rng_state: object = None
        self._strategy: tuple[str, int] | None = None

    def submit(
        self, jobs: Sequence[Job], rng_state: object, *, removed: Sequence[int] = (), strategy: Any = None
    ) -> None:
        """See :meth:`Store.submit`."""
        self._jobs.extend(jobs)
        self._rng_state = rng_state
        self._strategy = None if strategy is None else (json.dumps(strategy), self.n_evaluated)
        self.kill(removed)

    def append(self, genes: Any, evaluation: Evaluation) -> None:
        """See :meth:`Store.append`."""
        self._records[evaluation.id] = Record(content_of(genes), evaluation)

    def kill(self, ids: Iterable[int]) -> None:
        """See :meth:`Store.kill`."""
        for number in ids:
            self._records[number] = replace(self._records[number], alive=False)

    def __iter__(self) -> Iterator[Record]:
        """Give the records."""
        return iter(list(self._records.values()))

    def pending(self) -> list[Job]:
        """See :meth:`Store.pending`."""
        return [job for job in self._jobs if job.id not in self._records]

    def rng_state(self) -> Any:
        """See :meth:`Store.rng_state`."""
        return self._rng_state

    def mates(self) -> dict[int, tuple[int, ...]]:
        """See :meth:`Store.mates`."""
        return {job.id: job.mates for job in self._jobs if job.mates}

    def stages(self) -> dict[int, Stage]:
        """See :meth:`Store.stages`."""
        return {job.id: job.stage for job in self._jobs if job.stage is not None}

    def strategy_state(self) -> tuple[Any, int] | None:
        """See :meth:`Store.strategy_state`."""
        return None if self._strategy is None else (json.loads(self._strategy[0]), self._strategy[1])

    @property
    def run_id(self) -> str:
        """See :attr:`Store.run_id`."""
        return self._run_id

    @property
    def n_submitted(self) -> int:
        """See :attr:`Store.n_submitted`."""
        return len(self._jobs)

    @property
    def n_evaluated(self) -> int:
        """See :attr:`Store.n_evaluated`."""
        return len(self._records)
