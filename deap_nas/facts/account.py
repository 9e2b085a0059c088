"""What a population file says of its search: the task, how it is conducted, and how many evaluations run or wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deap_nas.store import HDF5Store
from deap_nas.store.hdf5.lock import WriterLock

__all__ = ["n_in_whole_run", "n_running", "pending_in_words", "printable", "task_in_words"]

#: Names under which a program may have recorded the evaluations of the whole run.
_TOTALS = ("evaluations", "n_evaluations")


def n_in_whole_run(store: HDF5Store) -> int | None:
    """Evaluations in the whole run; None if the file does not say."""
    totals = (store.conduct.get("n_evaluations"), *(store.settings.get(name) for name in _TOTALS))
    return next((total for total in totals if isinstance(total, int)), None)


def n_running(store: HDF5Store, *, is_running: bool | None = None) -> int | None:
    """Pending evaluations that have been handed out; None if the file does not say.

    The loop keeps all workers busy for as long as there is something to be evaluated.

    Args:
        store: the file.
        is_running: whether a process is writing it; by default what its lock says.
    """
    is_running = WriterLock.is_held(store.path) if is_running is None else is_running
    n_workers = store.conduct.get("n_workers")
    if not is_running or n_workers is None:
        return None if is_running else 0
    n_pending = store.n_submitted - store.n_evaluated
    n_left = (n_in_whole_run(store) or store.n_submitted) - store.n_evaluated
    return int(max(0, min(n_pending, n_workers, n_left)))


def pending_in_words(n_pending: int, n_running: int | None) -> str:
    """Say how many evaluations have not ended, and how many of them run and wait where that is known."""
    if not n_pending or n_running is None:
        return f"{n_pending:,} pending"
    return f"{n_pending:,} pending ({n_running:,} running, {n_pending - n_running:,} queued)"


def task_in_words(settings: Mapping[str, Any], conduct: Mapping[str, Any]) -> list[str]:
    """Lines for the dataset, the training, the survival rule and the reuse, as far as they are known."""
    fitness = settings.get("fitness")
    fitness = fitness if isinstance(fitness, Mapping) else {}
    recipe = fitness.get("recipe")
    recipe = recipe if isinstance(recipe, Mapping) else {}
    lines = []
    if "dataset" in fitness:
        n_images = fitness.get("n_images")
        lines.append(f"dataset     {fitness['dataset']}, {'all' if n_images is None else f'{n_images}'} images")
    if {"steps", "batch_size"} <= recipe.keys():
        repeats = f", repeats: {fitness['repeats']}" if "repeats" in fitness else ""
        lines.append(f"training    {recipe['steps']} steps of {recipe['batch_size']} images{repeats}")
    told = [(name, conduct.get(name, settings.get(name))) for name in ("survival", "reuse")]
    lines += [f"{name:<11} {value}" for name, value in told if isinstance(value, str)]
    return [printable(line) for line in lines]


def printable(line: str) -> str:
    """Give a line without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)
