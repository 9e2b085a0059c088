"""What a run file holds, as data and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import StoreError, UnknownNameError
from deap_nas.evaluation import Status
from deap_nas.report.account import n_running, pending_in_words, task_in_words
from deap_nas.report.fronts import front_in_words, front_of
from deap_nas.report.stages import stages_in_words, steps_of
from deap_nas.search_space import space_from_dict
from deap_nas.search_space.origins import explain, origins_in_words
from deap_nas.store import HDF5Store

__all__ = ["best_id", "in_words", "member", "summarise"]

#: No evaluation takes so long: a year.
_LONGEST_SECONDS = 365 * 24 * 3600


def best_id(store: HDF5Store) -> int | None:
    """Id of the first of those fittest in the first objective; None when none has a fitness of its own."""
    succeeded = np.flatnonzero(store.column("status") == Status.OK)
    if not len(succeeded):
        return None
    row = succeeded[np.argmax(store.column("fitness")[succeeded, 0] * store.weights[0])]
    return int(store.column("id")[row])


def member(store: HDF5Store, number: int) -> dict[str, Any]:
    """Everything the file knows of the individual with this id, as JSON can hold it.

    Raises:
        StoreError: no evaluated individual has that id.
    """
    rows = np.flatnonzero(store.column("id") == number)
    if not len(rows):
        raise StoreError(
            f"{store.path} has no evaluated individual {number}; ids reach from 0 to {store.n_submitted - 1}"
        )
    row = int(rows[0])
    names = (
        "genes", "fitness", "scores", "parent", "reused", "worker", "threads", "n_parameters", "flops",
        "compute", "started", "finished",
    )  # fmt: skip
    fields = {name: store.column(name)[row].tolist() for name in names}
    fields["curve"] = store.column("curve")[row].tolist() if store.n_rungs else []
    for name in ("scores", "curve"):
        fields[name] = [number for number in fields[name] if not np.isnan(number)]
    fields["seconds"] = fields.pop("finished") - fields.pop("started")
    status = Status(int(store.column("status")[row])).name
    return {"id": number, "status": status, "error": store.errors().get(number, ""), **fields}


def summarise(store: HDF5Store) -> dict[str, Any]:
    """Say what a run file holds, as JSON can hold it."""
    statuses = store.column("status")
    fitness = store.column("fitness")[statuses == Status.OK, 0]
    counts = Counter(Status(int(status)).name for status in statuses)
    best = best_id(store)
    workers = store.column("worker")
    n_pending, running = store.n_submitted - store.n_evaluated, n_running(store)
    return {
        "file": str(store.path),
        "space": store.space.to_dict(),
        "seed": store.seed,
        "settings": store.settings,
        "n_evaluated": store.n_evaluated,
        "n_pending": n_pending,
        "n_running": running,
        "n_queued": None if running is None else n_pending - running,
        "conduct": store.conduct,
        "statuses": dict(counts),
        "errors": _errors(store, statuses),
        "stopped": _stopped(store, statuses),
        "steps": steps_of(store),
        "median_fitness": float(np.median(fitness)) if len(fitness) else None,
        "best": None if best is None else member(store, best),
        "front": front_of(store),
        "n_workers": len(np.unique(workers[workers >= 0])),
        "seconds": _seconds(store),
        "compute": _compute(store),
        "sessions": store.sessions,
    }


def _seconds(store: HDF5Store) -> float:
    """Time of all evaluations, but of those whose times cannot be, as in a damaged file."""
    started, finished = store.column("started"), store.column("finished")
    is_sound = (started <= finished) & (finished < started + _LONGEST_SECONDS)
    return float((finished[is_sound] - started[is_sound]).sum())


def _compute(store: HDF5Store) -> float:
    """Floating-point operations of all evaluations, but of those where they are no number, as in a damaged file."""
    compute = store.column("compute")
    return float(compute[np.isfinite(compute)].sum())


def _errors(store: HDF5Store, statuses: NDArray[Any]) -> dict[str, dict[str, int]]:
    """How often each status that is a failure came with each last line of an error text."""
    texts = store.errors()
    lines: dict[str, Counter[str]] = {}
    for number, status in zip(store.column("id").tolist(), map(Status, statuses.tolist()), strict=True):
        if status not in (Status.OK, Status.NOT_VIABLE):
            text = texts.get(number, "").strip() or "no message"
            lines.setdefault(status.name, Counter())[text.splitlines()[-1]] += 1
    return {name: dict(counts.most_common()) for name, counts in sorted(lines.items())}


def _stopped(store: HDF5Store, statuses: NDArray[Any]) -> list[int]:
    """How many evaluations ended at each rung before the last; empty where none could."""
    if not store.n_rungs:
        return []
    lengths = np.isfinite(store.column("curve")[statuses == Status.OK]).sum(axis=1)
    return [int((lengths == length).sum()) for length in range(1, store.n_rungs + 1)]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def in_words(summary: Mapping[str, Any]) -> str:
    """Put a summary of :func:`summarise` in words, the best genotype motif by motif."""
    statuses = ", ".join(f"{count} {name}" for name, count in sorted(summary["statuses"].items()))
    pending = pending_in_words(summary["n_pending"], summary["n_running"])
    lines = [
        f"file        {summary['file']}",
        f"evaluated   {summary['n_evaluated']} ({statuses or 'none yet'}), {pending}",
        f"work        {timedelta(seconds=round(summary['seconds']))} of evaluations "
        f"by {_counted(summary['n_workers'], 'worker')} in {_counted(len(summary['sessions']), 'session')}",
        *([f"compute     {summary['compute']:.1e} FLOPs of trainings and validations"] if summary["compute"] else []),
        f"seed        {summary['seed']}",
        *(f"own         {line}" for line in origins_in_words(summary["space"], summary["sessions"])),
        *task_in_words(summary["settings"], summary["conduct"]),
        *(_failures_in_words(name, counts) for name, counts in summary["errors"].items()),
    ]
    if summary["stopped"]:
        rungs = (f"{count} at rung {rung}" for rung, count in enumerate(summary["stopped"], start=1))
        lines.append(f"stopped     {', '.join(rungs)}")
    lines += [f"levels      {line}" for line in stages_in_words(summary["steps"])]
    best = summary["best"]
    if best is None:
        return "\n".join([*lines, "best        none: no evaluation has succeeded"])
    scores = f" (scores {', '.join(f'{score:.4f}' for score in best['scores'])})" if best["scores"] else ""
    size = (
        f", {best['n_parameters']:,} parameters, {best['flops']:,} FLOPs an image" if best["n_parameters"] >= 0 else ""
    )
    lines += [
        f"fitness     best {best['fitness'][0]:.4f}{scores}, median {summary['median_fitness']:.4f}",
        f"best        individual {best['id']}{size}",
        *(front_in_words(summary["front"]) if summary["front"] else []),
    ]
    return "\n".join([*lines, "", _description(summary, best["genes"])]).rstrip()


def _description(summary: Mapping[str, Any], genes: Sequence[Any]) -> str:
    """What the genes mean; the genes themselves where their search space is not registered."""
    try:
        space = space_from_dict(summary["space"], unknown_operations=True)
        return space.describe(space.decode(genes))
    except UnknownNameError as error:
        return f"genes {' '.join(map(str, genes))}\n{explain(error, summary['sessions'])}"


def _failures_in_words(status: str, counts: Mapping[str, int]) -> str:
    """One line: how often, and the commonest error."""
    line, count = max(counts.items(), key=lambda item: item[1])
    total = sum(counts.values())
    times = f"{total} time{'s' if total > 1 else ''}" + (f", {count} of them" if count < total else "")
    return f"{status:<11} {times}: {line}"
