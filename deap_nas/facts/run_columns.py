"""Columns of a run's evaluations as plots take them: cleaned of what a damaged file may hold, on a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deap_nas.evaluation import Status
from deap_nas.store import HDF5Store

__all__ = ["RunColumns", "without_gaps"]

#: What is further away is no fitness and no time, but damage.
_LARGEST = 1e15


@dataclass(frozen=True)
class RunColumns:
    """One entry a row of the file, N in all.

    Seconds count from the first evaluation of a run, and only those in which at least one of its evaluations ran: a
    run that was stopped and resumed has no gap. In a merged file each run has a clock of its own.
    """

    ids: NDArray[np.int64]
    parents: NDArray[np.int64]
    statuses: NDArray[np.uint8]
    alive: NDArray[np.bool_]
    #: (N, objectives); NaN in rows without success, whose fitness stands for a failure.
    fitness: NDArray[np.float64]
    #: When the evaluation began and ended; NaN where the file tells no time.
    started: NDArray[np.float64]
    finished: NDArray[np.float64]
    #: Floating-point operations of all trainings up to this one, this one included.
    compute: NDArray[np.float64]
    #: Of the network; NaN when unknown.
    n_parameters: NDArray[np.float64]
    flops: NDArray[np.float64]
    workers: NDArray[np.int64]
    hosts: NDArray[Any]
    reused: NDArray[np.int64]
    #: Sign of each objective's weight.
    signs: NDArray[np.float64]

    @classmethod
    def of(cls, store: HDF5Store) -> Self:
        """Read them."""
        ids, statuses = store.column("id"), store.column("status")
        fitness = store.column("fitness").astype(float)
        fitness[(statuses != Status.OK) | ~(np.abs(fitness) < _LARGEST).all(axis=1)] = np.nan
        started, finished = _on_own_clocks(store, ids)
        compute = store.column("compute")
        sizes = (store.column(name).astype(float) for name in ("n_parameters", "flops"))
        n_parameters, flops = (np.where(size >= 0, size, np.nan) for size in sizes)
        return cls(
            ids=ids,
            parents=store.column("parent"),
            statuses=statuses,
            alive=store.column("alive"),
            fitness=fitness,
            started=started,
            finished=finished,
            compute=np.cumsum(np.where(np.isfinite(compute), compute, 0.0)),
            n_parameters=n_parameters,
            flops=flops,
            workers=store.column("worker").astype(np.int64),
            hosts=store.column("host"),
            reused=store.column("reused"),
            signs=np.where(np.array(store.weights) < 0, -1.0, 1.0),
        )

    @property
    def score(self) -> NDArray[np.float64]:
        """First objective, larger is better; NaN without success."""
        score: NDArray[np.float64] = self.fitness[:, 0] * self.signs[0]
        return score

    def records(self) -> NDArray[np.intp]:
        """Rows that were fitter than all before them, in the first objective."""
        score = np.where(np.isnan(self.score), -np.inf, self.score)
        before = np.maximum.accumulate(np.concatenate([[-np.inf], score]))[:-1]
        return np.flatnonzero(score > before)


def _on_own_clocks(store: HDF5Store, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each evaluation began and ended, in seconds in which its run ran."""
    started, finished = (store.column(name).astype(float) for name in ("started", "finished"))
    is_sound = (np.abs(started) < _LARGEST) & (np.abs(finished) < _LARGEST) & (started <= finished)
    started[~is_sound] = finished[~is_sound] = np.nan
    firsts = np.array(sorted({0, *(run["first_id"] for run in store.sources)}))
    runs = np.clip(np.searchsorted(firsts, ids, side="right") - 1, 0, None)
    for run in range(len(firsts)):
        rows = np.flatnonzero((runs == run) & is_sound)
        if len(rows):
            started[rows], finished[rows] = without_gaps(started[rows], finished[rows])
    return started, finished


def without_gaps(
    started: NDArray[np.float64], finished: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times without those in which nothing ran, from the first start on."""
    order = np.argsort(started, kind="stable")
    starts, latest = started[order], np.maximum.accumulate(finished[order])
    idle = np.concatenate([[0.0], np.cumsum(np.clip(starts[1:] - latest[:-1], 0.0, None))])

    def on_clock(times: NDArray[np.float64]) -> NDArray[np.float64]:
        passed = np.searchsorted(starts, times, side="right") - 1
        clock: NDArray[np.float64] = times - starts[0] - idle[passed]
        return clock

    return on_clock(started), on_clock(finished)
