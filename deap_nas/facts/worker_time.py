"""What the workers of a run did over time: the share of each interval in which each of them evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deap_nas.evaluation import Status
from deap_nas.facts.run_columns import RunColumns

__all__ = ["WorkerTime", "worker_time"]

#: More workers or intervals than a picture has room for.
_MOST_WORKERS = 256
_N_INTERVALS = 120


@dataclass(frozen=True)
class WorkerTime:
    """W workers over T intervals of equal length."""

    #: In seconds of the run's clock, (T + 1,).
    edges: NDArray[np.float64]
    #: Of each worker shown, such as ``"node7 3"``; those that evaluated longest, if there are too many.
    names: tuple[str, ...]
    #: Of each interval in which a worker evaluated, 0 to 1, (W, T).
    busy: NDArray[np.float64]
    #: Mean over all workers, those that are not shown included, (T,).
    utilisation: NDArray[np.float64]
    #: When evaluations were lost with their workers, or ended at a limit, in seconds.
    lost: NDArray[np.float64]
    n_workers: int


def worker_time(columns: RunColumns, *, n_intervals: int = _N_INTERVALS) -> WorkerTime:
    """Say how busy the workers were.

    A worker counts from the first evaluation of the run to the last, whenever it came and went.
    """
    ended = np.isfinite(columns.finished)
    is_known = ended & (columns.workers >= 0) & (columns.reused < 0)
    longest = float(columns.finished[ended].max(initial=0.0))
    edges = np.linspace(0.0, longest or 1.0, n_intervals + 1)
    is_lost = ended & np.isin(columns.statuses, (Status.LOST, Status.TIMED_OUT))
    fields = np.dtype([("host", columns.hosts.dtype), ("worker", np.int64)])
    pairs = np.empty(int(is_known.sum()), dtype=fields)
    pairs["host"], pairs["worker"] = columns.hosts[is_known], columns.workers[is_known]
    workers, owner = np.unique(pairs, return_inverse=True)
    n_evaluations = np.bincount(owner, minlength=len(workers))
    order = np.argsort(owner, kind="stable")
    groups = np.split(order, np.cumsum(n_evaluations)[:-1]) if len(workers) else []
    starts, ends = columns.started[is_known], columns.finished[is_known]
    busy = np.array([_busy(starts[rows], ends[rows], edges) for rows in groups]).reshape(len(workers), n_intervals)
    shown = np.sort(np.argsort(-busy.sum(axis=1), kind="stable")[:_MOST_WORKERS])
    hosts = {bytes(host) for host in workers["host"].tolist()}
    names = [
        (f"{bytes(host).decode(errors='replace')} " if len(hosts) > 1 else "") + str(number)
        for host, number in workers[shown].tolist()
    ]
    return WorkerTime(
        edges=edges,
        names=tuple(names),
        busy=busy[shown],
        utilisation=busy.mean(axis=0) if len(workers) else np.zeros(n_intervals),
        lost=columns.finished[is_lost],
        n_workers=len(workers),
    )


def _busy(starts: NDArray[np.float64], ends: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each interval that lies between a start and its end."""
    done = _time_since(starts, edges) - _time_since(ends, edges)
    share: NDArray[np.float64] = np.clip(np.diff(done) / np.diff(edges), 0.0, 1.0)
    return share


def _time_since(moments: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each edge, the sum of the times since the moments before it."""
    moments = np.sort(moments)
    total = np.concatenate([[0.0], np.cumsum(moments)])
    n_before = np.searchsorted(moments, edges)
    since: NDArray[np.float64] = n_before * edges - total[n_before]
    return since
