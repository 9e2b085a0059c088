"""What a retraining has written down in its folder: its settings, and how its runs have ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deap_nas.errors import StoreError
from deap_nas.files import save_json
from deap_nas.store.hdf5.lock import WriterLock
from deap_nas.store.provenance import provenance
from deap_nas.store.settings import check_same
from deap_nas.training.retraining.results import RetrainingResult, RunResult

__all__ = ["Records"]

_REMEDY = "repeat those of the folder, or choose another one (--output)"


class Records:
    """The settings and the ended runs of a retraining, in a folder.

    Settings bind from the first checkpoint, network or result on; until then others replace them.

    Args:
        folder: made when the first file is written.
        settings: what decides about a result; ``runs`` may change.
        origin: where the genes came from, which binds nothing.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, origin: Mapping[str, Any] | None) -> None:
        """See the class."""
        self._folder = folder
        self._settings = dict(settings)
        self._origin = origin
        self._path = folder / "retraining.json"
        self._results = folder / "result.json"

    def ended(self) -> tuple[RunResult, ...]:
        """All runs that have ended, in order, whatever the number of processes that trained them.

        Raises:
            DifferentRunError: something was trained with other settings.
            StoreError: a file cannot be read.
        """
        self._check(free=("runs", "processes"))
        runs = _read(self._results)["runs"] if self._results.exists() else ()
        return tuple(map(RunResult.from_dict, runs))

    @contextmanager
    def writing(self, *, processes: int) -> Iterator[None]:
        """Be the folder's only writer, for so many processes that train together.

        Raises:
            DifferentRunError: something was trained with other settings, or by another number of processes.
            StoreError: another process is writing, or a file cannot be read.
            StorageError: a file cannot be written.
        """
        lock = WriterLock.acquire(self._path)
        try:
            self._settings["processes"] = processes
            self._check(free=("runs",))
            if not self._binds():
                fields = {"format": "deap_nas retraining", "format_version": 1, "settings": self._settings}
                save_json(self._path, fields | {"origin": self._origin, "provenance": provenance()})
            yield
        finally:
            lock.release()

    def save(self, result: RetrainingResult) -> None:
        """Write down all runs that have ended.

        Raises:
            StorageError: that cannot be written.
        """
        save_json(self._results, result.to_dict() | {"origin": self._origin, "provenance": provenance()})

    def _check(self, *, free: Sequence[str]) -> None:
        if self._binds():
            check_same(str(self._folder), _read(self._path)["settings"], self._settings, free=free, remedy=_REMEDY)

    def _binds(self) -> bool:
        """Whether there are settings, and something that was trained with them."""
        is_trained = self._results.exists() or any(self._folder.glob("run*.safetensors"))
        return is_trained and self._path.exists()


def _read(path: Path) -> dict[str, Any]:
    """Read one of the folder's JSON files.

    Raises:
        StoreError: it is no JSON.
    """
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StoreError(f"{path} cannot be read: {error}; remove its folder, or choose another") from error
    return fields
