"""What a page shows of one run, as JSON can hold it; the page's scripts make tables and plots of it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import NASError
from deap_nas.evaluation import Stage, Status
from deap_nas.facts.fronts import front_rows, objective_names
from deap_nas.facts.genotype_tables import changes_gained, operations_gained
from deap_nas.facts.run_columns import RunColumns
from deap_nas.facts.run_progress import take_pulse
from deap_nas.facts.summary import summarise
from deap_nas.facts.worker_time import worker_time
from deap_nas.page.drawings import DrawingTable
from deap_nas.page.found import found_in, lineage_of_best, retrainings_of
from deap_nas.page.packing import array_of, finite
from deap_nas.search_space import Motif
from deap_nas.store import HDF5Store

__all__ = ["gains_of", "genotypes_of", "head_of", "rows_of", "shown_rows", "spread_rows"]

#: Genotypes that a page carries, and individuals from whom it learns what operations and changes gained.
_MOST_DRAWINGS = 10_000
_MOST_SAMPLED = 10_000
#: Curves of early stopping in one plot.
_MOST_CURVES = 300
#: Minutes over which the rate of a running search is averaged.
_MINUTES = 10.0
#: Letters of an error text that a page carries; its end tells most.
_MOST_LETTERS = 2000
_NO_STAGE = Stage(0, 0)


def head_of(store: HDF5Store, columns: RunColumns, *, is_running: bool) -> dict[str, Any]:
    """Give everything but the rows and the genotypes.

    Args:
        store: the file.
        columns: of it.
        is_running: whether a process is writing it.
    """
    summary = summarise(store)
    pulse = take_pulse(store, minutes=_MINUTES, is_running=is_running)
    counts = {name: summary[name] for name in ("n_evaluated", "n_pending", "n_running", "seconds", "steps", "compute")}
    fields = counts | {
        "name": store.path.name,
        "file": shlex.quote(str(store.path)),
        "run": store.run_id,
        "is_running": is_running,
        "n_total": pulse.n_total,
        "rate": pulse.rate,
        "seconds_left": pulse.seconds_left if is_running else None,
        "statuses": [status.name for status in Status],
        "failures": [
            {"status": status, "text": text, "n": count}
            for status, texts in summary["errors"].items()
            for text, count in texts.items()
        ],
        "stopped": summary["stopped"],
        "objectives": objective_names(store),
        "signs": columns.signs.tolist(),
        "best": summary["best"] and found_in(store, summary["best"]),
        "median": summary["median_fitness"],
        "retrainings": retrainings_of(store, columns),
        "lineage": lineage_of_best(store),
        "front": front_rows(columns).tolist(),
        "hypervolume": summary["front"] and summary["front"]["hypervolume"],
        "records": columns.records().tolist(),
        "stages": _stages(store, columns),
        "curves": _curves(store, columns),
        "workers": _workers(columns),
        "facts": _facts(store),
    }
    return {name: finite(value) for name, value in fields.items()}


def rows_of(
    columns: RunColumns, scores: NDArray[np.float64], errors: Mapping[int, str], *, first: int = 0
) -> dict[str, Any]:
    """Give the columns, but for genotypes, from a row on.

    Statuses and who lives are short, and given from the first row of all: they may change later.

    Args:
        columns: of the file.
        scores: of its N rows, (N, repeats).
        errors: its error texts, by the ids of those that failed.
        first: the row.
    """
    arrays = {
        "id": (columns.ids, "i4"), "parent": (columns.parents, "i4"), "finished": (columns.finished, "f4"),
        "seconds": (columns.finished - columns.started, "f4"), "compute": (columns.compute, "f4"),
        "parameters": (columns.n_parameters, "f8"), "flops": (columns.flops, "f8"), "worker": (columns.workers, "i4"),
        "reused": (columns.reused, "i4"), "scores": (scores, "f4"),
    }  # fmt: skip
    ids = set(columns.ids[first:].tolist())
    return {name: array_of(values[first:], dtype) for name, (values, dtype) in arrays.items()} | {
        "first": first,
        "n": len(columns.ids),
        "fitness": [array_of(values, "f8") for values in columns.fitness[first:].T],
        "alive": array_of(columns.alive, "u1"),
        "status": array_of(columns.statuses, "u1"),
        "n_scores": int(scores.shape[1]),
        "errors": {number: text[-_MOST_LETTERS:] for number, text in errors.items() if number in ids},
    }


def shown_rows(columns: RunColumns, *, most: int = _MOST_DRAWINGS) -> list[int]:
    """Rows whose genotypes a page carries: all, or the fittest, many that live, and others evenly spread."""
    n_rows = len(columns.ids)
    if n_rows <= most:
        return list(range(n_rows))
    score = np.where(np.isnan(columns.score), -np.inf, columns.score)
    fittest = np.argsort(-score, kind="stable")[: most // 2]
    living = np.flatnonzero(columns.alive)[: most // 4]
    spread = np.linspace(0, n_rows - 1, most // 4).astype(int)
    rows: list[int] = np.unique(np.concatenate([fittest, living, spread])).tolist()
    return rows


def genotypes_of(store: HDF5Store, rows: Sequence[int], motifs: Sequence[Sequence[Motif]]) -> dict[str, Any]:
    """Give the genotypes of some rows: to be drawn, and in numbers, or where these tell little in words.

    Args:
        store: the file.
        rows: whose genotypes.
        motifs: of each of them, see :func:`~deap_nas.facts.genotype_tables.motifs_at`.
    """
    table = DrawingTable()
    drawings = list(map(table.add, motifs))
    genes = store.column("genes")
    fields = {"rows": array_of(list(rows), "i4"), "drawings": drawings, "motifs": table.motifs, "labels": table.labels}
    if store.space.has_integer_genes:
        return fields | {"genes": [genes[row].tolist() for row in rows]}
    return fields | {"words": [_words(store, genes[row]) for row in rows]}


def _words(store: HDF5Store, row: Any) -> str:
    try:
        return store.space.describe(store.space.decode(row))
    except (NASError, ValueError, TypeError):
        return "genes that the search space does not have"


def spread_rows(columns: RunColumns, *, most: int = _MOST_SAMPLED) -> list[int]:
    """Rows from which a page learns what operations and changes gained: all, or many that are evenly spread."""
    n_rows = len(columns.ids)
    rows: list[int] = np.unique(np.linspace(0, n_rows - 1, min(n_rows, most)).astype(int)).tolist()
    return rows


def gains_of(
    store: HDF5Store, columns: RunColumns, rows: Sequence[int], motifs: Sequence[Sequence[Motif]]
) -> dict[str, Any]:
    """Give what operations and changes gained; the arguments are those of :func:`genotypes_of`."""
    operations = operations_gained(motifs, columns.score[rows], float(columns.signs[0]))
    return {
        "n_sampled": len(rows),
        "operations": [finite(asdict(gain)) for gain in operations],
        "changes": [finite(asdict(gain)) for gain in changes_gained(store, columns, rows)],
    }


def _stages(store: HDF5Store, columns: RunColumns) -> dict[str, Any] | None:
    """Level, iteration and predicted fitness of each row, where a strategy goes level by level."""
    stages = store.stages()
    if not stages:
        return None
    rows = [stages.get(number, _NO_STAGE) for number in columns.ids.tolist()]
    return {
        "level": array_of([stage.level for stage in rows], "i4"),
        "iteration": array_of([stage.iteration for stage in rows], "i4"),
        "predicted": array_of([stage.predicted for stage in rows], "f8"),
    }


def _curves(store: HDF5Store, columns: RunColumns) -> dict[str, Any] | None:
    """Curves of the fittest and of others evenly spread, where evaluations may end early."""
    if not store.n_rungs:
        return None
    known = np.flatnonzero(~np.isnan(columns.score))
    order = known[np.argsort(-columns.score[known], kind="stable")]
    spread = order[np.linspace(0, len(order) - 1, min(len(order), _MOST_CURVES)).astype(int)] if len(order) else order
    curves = store.column("curve")[spread]
    return {"rows": array_of(spread, "i4"), "n_rungs": int(curves.shape[1]), "values": array_of(curves, "f4")}


def _workers(columns: RunColumns) -> dict[str, Any]:
    found = worker_time(columns)
    return {
        "names": list(found.names),
        "n_workers": found.n_workers,
        "end": float(found.edges[-1]),
        "busy": array_of(found.busy, "f4"),
        "utilisation": array_of(found.utilisation, "f4"),
        "lost": array_of(found.lost, "f4"),
    }


def _facts(store: HDF5Store) -> list[list[str]]:
    """What the run was, for whoever wants to do it again: names and texts."""
    facts = {
        "file": str(store.path),
        "seed": store.seed,
        "search space": store.space.to_dict(),
        "settings": store.settings,
        "how it was conducted last": store.conduct,
        "merged from": store.sources,
        "starts and resumes": [_dated(session) for session in store.sessions],
    }
    texts = {name: fact if isinstance(fact, str) else json.dumps(fact, indent=2) for name, fact in facts.items()}
    return [[name, texts[name]] for name, fact in facts.items() if fact not in ([], {})]


def _dated(session: Any) -> Any:
    """Where a session tells its start in seconds, the date."""
    if not isinstance(session, dict) or not isinstance(started := session.get("started"), int | float):
        return session
    return (
        session | {"started": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(started))}
        if 0 < started < 2**33
        else session
    )
