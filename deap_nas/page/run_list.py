"""The runs of a folder, and what a list tells of each."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from deap_nas.errors import StoreError
from deap_nas.evaluation import Status
from deap_nas.facts.account import n_in_whole_run
from deap_nas.facts.fronts import objective_names
from deap_nas.facts.summary import best_id
from deap_nas.page.live_runs import problem_in, stamp_of
from deap_nas.page.packing import finite
from deap_nas.store import HDF5Store

__all__ = ["RunList", "files_in"]


def files_in(folder: Path) -> dict[str, Path]:
    """Give the files of a folder that a list may show, by their names: those that end with ``.h5``.

    Links that lead out of the folder are none of them, nor names that cannot be printed.

    Raises:
        StoreError: the folder cannot be read.
    """
    try:
        home = folder.resolve(strict=True)
        names = [name for name in os.listdir(home) if name.endswith(".h5") and name[0] != "." and name.isprintable()]
        files = {name: folder / name for name in sorted(names)}
        return {name: path for name, path in files.items() if path.is_file() and path.resolve().is_relative_to(home)}
    except OSError as error:
        raise StoreError(f"the folder {folder} cannot be read: {error.strerror or error}") from error


class RunList:
    """What is known of the runs of a folder; of each it is read anew when its file has changed.

    Args:
        folder: with population files.
    """

    def __init__(self, folder: Path) -> None:
        """See the class."""
        self._folder = folder
        #: By the name of a file its stamp, and what is known of it.
        self._entries: dict[str, tuple[str, dict[str, Any]]] = {}

    def entries(self) -> list[dict[str, Any]]:
        """Tell of each run, those that were started last first.

        Returns:
            Of each ``run``, the name of its file; ``problem``, in one line, if it cannot be read; or else
            ``n_evaluated``, ``n_total``, None where that is not known, ``objective``, ``best``, None for none,
            ``is_running``, and ``started`` in unix seconds.

        Raises:
            StoreError: the folder cannot be read.
        """
        found = {}
        for name, path in files_in(self._folder).items():
            stamp, is_running = stamp_of(path)
            former = self._entries.get(name)
            found[name] = former if former and former[0] == stamp else (stamp, _entry(path, is_running=is_running))
        self._entries = found
        entries = [{"run": name} | fields for name, (_, fields) in found.items()]
        return sorted(entries, key=lambda entry: -entry["started"])


def _entry(path: Path, *, is_running: bool) -> dict[str, Any]:
    try:
        with HDF5Store.read(path) as store:
            return _told_of(store, is_running=is_running)
    except Exception as error:  # a stranger's file may hold anything, and the others are to be shown
        return {"problem": problem_in(path, error), "started": _changed(path)}


def _told_of(store: HDF5Store, *, is_running: bool) -> dict[str, Any]:
    best = best_id(store)
    values = store.column("fitness")[(store.column("id") == best) & (store.column("status") == Status.OK), 0]
    fields = {
        "n_evaluated": store.n_evaluated,
        "n_total": n_in_whole_run(store),
        "objective": objective_names(store)[0],
        "best": float(values[0]) if best is not None else None,
        "is_running": is_running,
        "started": _started(store),
    }
    return {name: finite(value) for name, value in fields.items()}


def _started(store: HDF5Store) -> float:
    """When the run was started first; as far as a stranger's file tells."""
    first = store.sessions[0] if store.sessions else None
    started = first.get("started") if isinstance(first, dict) else None
    is_known = isinstance(started, int | float) and math.isfinite(started) and 0 < started < 2**33
    return float(started) if is_known and started is not None else _changed(store.path)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
