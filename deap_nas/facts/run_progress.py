"""How a search is getting on, out of its population file: progress, fitness, failures, how busy its workers are."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.evaluation import Status
from deap_nas.facts.account import n_in_whole_run, n_running
from deap_nas.facts.summary import best_id, member
from deap_nas.store import HDF5Store

__all__ = ["Pulse", "take_pulse"]

#: Rows at the end of the file that tell what the workers have done lately.
_N_RECENT = 20_000


@dataclass(frozen=True)
class Pulse:
    """What a watcher sees of a search at one moment."""

    n_evaluated: int
    #: Evaluations in the whole run; None if the settings do not say.
    n_total: int | None
    #: Submitted evaluations that have not ended.
    n_pending: int
    #: Those of them that have been handed out; None if the file does not say.
    n_running: int | None
    #: Seconds over which the rate and the workers are averaged: those asked for, or less in a shorter run.
    seconds: float
    #: Evaluations that ended in a second, over the last minutes.
    rate: float
    #: The fittest member's fields, as :func:`deap_nas.report.member` gives them; None before the first success.
    best: dict[str, Any] | None
    #: Median of the first fitness value of those that succeeded; NaN before the first.
    median: float
    #: Best fitness so far after each success, in the order of the file.
    course: NDArray[np.float64]
    #: How often each status came that is neither OK nor NOT_VIABLE.
    failures: dict[str, int]
    #: Share of the last minutes in which each worker evaluated, by worker.
    busy: dict[tuple[str, int], float]

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the run at this rate; None where that is not known."""
        if self.n_total is None or not self.rate:
            return None
        return max(0, self.n_total - self.n_evaluated) / self.rate


def take_pulse(store: HDF5Store, *, minutes: float, is_running: bool) -> Pulse:
    """Look at a search.

    Args:
        store: its file, which may be written meanwhile.
        minutes: over which the rate and the workers are averaged, back from now; of a search that does not run, back
            from its last evaluation.
        is_running: whether a process is writing the file.
    """
    finished, statuses = store.column("finished"), store.column("status")
    last = float(finished[np.isfinite(finished)].max(initial=0.0))
    now = max(time.time(), last) if is_running else last
    since = max(now - 60 * minutes, float(store.column("started").min(initial=now)))
    n_recent = int((finished > since).sum())
    values = store.column("fitness")[statuses == Status.OK, 0]
    best = best_id(store)
    better = np.maximum if store.weights[0] > 0 else np.minimum
    counts = Counter(Status(number).name for number in statuses[statuses > Status.NOT_VIABLE].tolist())
    n_pending, running = store.n_submitted - store.n_evaluated, n_running(store, is_running=is_running)
    return Pulse(
        n_evaluated=store.n_evaluated,
        n_total=n_in_whole_run(store),
        n_pending=n_pending,
        n_running=running,
        seconds=now - since,
        rate=n_recent / (now - since) if now > since else 0.0,
        best=None if best is None else member(store, best),
        median=float(np.median(values)) if len(values) else float("nan"),
        course=better.accumulate(values) if len(values) else values,
        failures=dict(counts.most_common()),
        busy=_busy(store, since, now, n_running=n_pending if running is None else running),
    )


def _busy(store: HDF5Store, since: float, now: float, *, n_running: int) -> dict[tuple[str, int], float]:
    """Share of the time from ``since`` to ``now`` in which each worker evaluated.

    The file does not say who evaluates what is pending: it is taken to be those who ended something last, since then.
    """
    names = ("started", "finished", "worker", "host", "reused")
    started, finished, workers, hosts, reused = (store.column(name) for name in names)
    rows = np.flatnonzero((workers >= 0) & (reused < 0))[-_N_RECENT:]
    seconds: dict[tuple[str, int], float] = {}
    ends: dict[tuple[str, int], float] = {}
    overlaps = np.clip(np.minimum(finished, now) - np.maximum(started, since), 0, None)
    for row in rows.tolist():
        worker = (bytes(hosts[row]).decode(errors="replace"), int(workers[row]))
        seconds[worker] = seconds.get(worker, 0.0) + float(overlaps[row])
        ends[worker] = max(ends.get(worker, 0.0), float(finished[row]))
    for worker in sorted(ends, key=lambda each: -ends[each])[:n_running]:
        seconds[worker] += now - max(ends[worker], since)
    whole = max(now - since, 1e-9)
    return {worker: min(1.0, seconds[worker] / whole) for worker in sorted(seconds)}
