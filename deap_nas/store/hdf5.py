"""Population files in HDF5, as docs/store-format.md describes them. The only file that uses h5py.

One process writes in HDF5's single-writer-multiple-reader mode, so others may read at the same time. Every call of the
writer ends with a flush: what it has acknowledged is in the file, whatever happens to the process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError, StoreError, StoreExistsError
from deap_nas.evaluators import Evaluation, Job, Status, derive_seed
from deap_nas.extras import require
from deap_nas.genotype import Genotype
from deap_nas.search_space import SearchSpace, space_from_dict
from deap_nas.store.base import Record, Store
from deap_nas.store.lock import WriterLock
from deap_nas.store.provenance import provenance
from deap_nas.store.rows import (
    ROW_FIELDS,
    error_columns,
    from_row,
    individual_columns,
    submission_columns,
    to_error,
    to_row,
)
from deap_nas.store.settings import check_same
from deap_nas.store.superblock import is_cut_short
from deap_nas.store.table import Table, create_table

__all__ = ["HDF5Store"]

_FORMAT = "deap_nas population"
_FORMAT_VERSION = 1
#: Words of the Mersenne Twister's state in the random module.
_RNG_WORDS = 625
_TABLES = ("individuals", "submissions", "errors")


class HDF5Store(Store):
    """A population file; make one with :meth:`create`, :meth:`resume` or :meth:`read`, and use it in a ``with`` block.

    Attributes:
        path: of the file.
        space: search space of the genotypes.
        settings: of the run.
        seed: of the run.
        weights: of the fitness, one for each objective.
    """

    def __init__(self, file: Any, lock: WriterLock | None, path: Path) -> None:
        """Take over an open file; use the class methods instead."""
        self._file = file
        self._lock = lock
        self.path = path
        self.space: SearchSpace = space_from_dict(json.loads(file.attrs["space"]))
        self.settings: dict[str, Any] = json.loads(file.attrs["settings"])
        self.seed = int(file.attrs["seed"])
        self.weights: tuple[float, ...] = tuple(file.attrs["weights"].tolist())
        self._individuals = Table(file["individuals"])
        self._submissions = Table(file["submissions"])
        self._errors = Table(file["errors"])
        self._rng = {name: file[f"rng/{name}"] for name in ("words", "gauss", "count")}
        # of two random states, the one that was saved with the last submission
        self._rng_slot = int(self._rng["count"][1] == self._submissions.n_rows)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        space: SearchSpace,
        settings: Mapping[str, Any],
        seed: int,
        weights: Sequence[float] = (1.0,),
        n_repeats: int = 4,
        overwrite: bool = False,
    ) -> Self:
        """Start a new file.

        Args:
            path: of the file; its folder is made if need be.
            space: search space of the genotypes, with a fixed number of genes.
            settings: of the run, as JSON can hold them.
            seed: of the run.
            weights: of the fitness, one for each objective, as DEAP has them: negative ones are minimised.
            n_repeats: largest number of scores of an individual.
            overwrite: whether a file that is there is replaced.

        Raises:
            StoreExistsError: the file is there, and is not to be replaced.
            StoreError: the file cannot be written, or another process is writing it.
            SettingsError: the seed does not fit into 64 bits.
            MissingExtraError: h5py is not installed.
        """
        path = Path(path)
        if path.exists() and not overwrite:
            raise StoreExistsError(f"{path} exists: give another output, resume it, or allow to overwrite it")
        if not -(2**63) <= seed < 2**63:
            raise SettingsError(f"seed must fit into 64 bits, found {seed}")
        attributes = {
            "format": _FORMAT,
            "format_version": _FORMAT_VERSION,
            "space": json.dumps(space.to_dict()),
            "settings": json.dumps(dict(settings)),
            "seed": seed,
            "weights": list(map(float, weights)),
            "provenance": json.dumps([provenance()]),
        }

        def prepare(file: Any) -> None:
            file.attrs.update(attributes)
            _lay_out(file, space, len(weights), n_repeats)

        return cls._write(path, prepare)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        *,
        space: SearchSpace | None = None,
        settings: Mapping[str, Any] | None = None,
        free: Iterable[str] = (),
    ) -> Self:
        """Open a file to go on with its run.

        Args:
            path: of the file.
            space: search space that the run is to have; by default the file's.
            settings: that the run is to have; by default the file's.
            free: names of settings that may change; the file then holds the new ones.

        Raises:
            DifferentRunError: the file has another search space or other settings.
            StoreError: it is no population file, is damaged, or another process is writing it.
            MissingExtraError: h5py is not installed.
        """
        path = Path(path)
        with cls.read(path) as stored:
            if space is not None:
                check_same(str(path), {"space": stored.space.to_dict()}, {"space": space.to_dict()})
            if settings is not None:
                check_same(str(path), stored.settings, json.loads(json.dumps(dict(settings))), free=free)

        def prepare(file: Any) -> None:
            with _open_for_reading(path) as old:
                file.attrs.update(old.attrs)
                for name in old:
                    old.copy(name, file)
            for name in _TABLES:
                Table(file[name]).drop_torn_rows()
            if settings is not None:
                file.attrs["settings"] = json.dumps(dict(settings))
            sessions = [*json.loads(file.attrs["provenance"]), provenance()]
            file.attrs["provenance"] = json.dumps(sessions)

        return cls._write(path, prepare)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Open a file to read it, even while another process writes it.

        Raises:
            StoreError: it is not there, is no population file, is damaged, or its format is newer than this package.
            MissingExtraError: h5py is not installed.
        """
        return cls(_open_for_reading(Path(path)), None, Path(path))

    @classmethod
    def _write(cls, path: Path, prepare: Callable[[Any], None]) -> Self:
        """Prepare a file beside ``path``, begin to write it, and only then put it in its place.

        So a kill at any instant leaves the file that was there, or the new one, and each can be read. From here on
        no attribute and no dataset can be added.
        """
        h5py, lock, file = require("h5py", extra="hdf5"), WriterLock.acquire(path), None
        beside = path.with_name(f".{path.name}.new")
        try:
            file = h5py.File(beside, "w", libver="latest")
            prepare(file)
            file.swmr_mode = True
            file.flush()
            beside.replace(path)
            return cls(file, lock, path)
        except BaseException as error:
            if file is not None:
                file.close()
            beside.unlink(missing_ok=True)
            lock.release()
            if isinstance(error, OSError):
                raise StoreError(f"{path} cannot be written: {error}") from error
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        """Give the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """Provenance of the run's first start and of each time it was resumed."""
        sessions: list[dict[str, Any]] = json.loads(self._file.attrs["provenance"])
        return sessions

    def column(self, name: str) -> NDArray[Any]:
        """A column of the evaluated individuals, such as ``"fitness"``, one row each in the order of the file."""
        return self._individuals.read(name)

    def errors(self) -> dict[int, str]:
        """What went wrong in evaluations that failed, by their ids."""
        failed = set(
            self.column("id")[self.column("status") != Status.OK].tolist()
        )  # a first try may have been cut off
        rows = zip(self._errors.read("id").tolist(), self._errors.read("text"), strict=True)
        return {number: bytes(text).decode(errors="replace") for number, text in rows if number in failed}

    def submit(self, jobs: Sequence[Job], rng_state: Any) -> None:
        """See :meth:`Store.submit`."""
        _, words, gauss = rng_state
        n_submitted = self.n_submitted + len(jobs)
        slot = 1 - self._rng_slot  # the state that is valid now stays, in case this call is cut short
        self._rng["words"][slot] = np.array(words, dtype=np.uint32)
        self._rng["gauss"][slot] = np.nan if gauss is None else gauss
        self._rng["count"][slot] = n_submitted
        self._file.flush()
        self._submissions.append(
            genes=[job.genes for job in jobs], parent=[job.parent for job in jobs], id=[job.id for job in jobs]
        )
        self._file.flush()
        self._rng_slot = slot

    def append(self, genes: Sequence[int], evaluation: Evaluation) -> None:
        """See :meth:`Store.append`."""
        n_repeats = self._individuals.width("scores")
        if len(evaluation.scores) > n_repeats:
            raise StoreError(
                f"{self.path} has room for {n_repeats} scores, found {len(evaluation.scores)}: "
                f"create it with n_repeats={len(evaluation.scores)}"
            )
        if evaluation.error:
            self._errors.append(**to_error(evaluation))
        self._individuals.append(**to_row(genes, evaluation, n_repeats=n_repeats))
        self._file.flush()

    def kill(self, ids: Iterable[int]) -> None:
        """See :meth:`Store.kill`."""
        alive = self._file["individuals/alive"]
        for row in np.flatnonzero(np.isin(self.column("id"), list(ids))):
            alive[row] = False
        self._file.flush()

    def records(self) -> list[Record]:
        """See :meth:`Store.records`."""
        columns = [self.column(name).tolist() for name in ROW_FIELDS]
        errors = self.errors()
        rows = (dict(zip(ROW_FIELDS, row, strict=True)) for row in zip(*columns, strict=True))
        return [from_row(row, errors.get(row["id"], "")) for row in rows]

    def pending(self) -> list[Job]:
        """See :meth:`Store.pending`."""
        done = set(self.column("id").tolist())
        columns = (self._submissions.read(name).tolist() for name in ("id", "parent", "genes"))
        return [
            Job(number, Genotype(genes), derive_seed(self.seed, number), parent)
            for number, parent, genes in zip(*columns, strict=True)
            if number not in done
        ]

    def rng_state(self) -> Any:
        """See :meth:`Store.rng_state`."""
        if self.n_submitted == 0:
            return None
        slot = self._rng_slot
        gauss = float(self._rng["gauss"][slot])
        words = tuple(self._rng["words"][slot].tolist())
        return (3, words, None if np.isnan(gauss) else gauss)

    @property
    def n_submitted(self) -> int:
        """See :attr:`Store.n_submitted`."""
        return self._submissions.n_rows

    @property
    def n_evaluated(self) -> int:
        """See :attr:`Store.n_evaluated`."""
        return self._individuals.n_rows


def _lay_out(file: Any, space: SearchSpace, n_objectives: int, n_repeats: int) -> None:
    """Make the empty tables of a file."""
    create_table(file.create_group("individuals"), individual_columns(space, n_objectives, n_repeats))
    create_table(file.create_group("submissions"), submission_columns(space))
    create_table(file.create_group("errors"), error_columns())
    file["individuals/status"].attrs["names"] = json.dumps({status.name: int(status) for status in Status})
    rng = file.create_group("rng")
    rng.create_dataset("words", shape=(2, _RNG_WORDS), dtype="u4")
    rng.create_dataset("gauss", data=[np.nan, np.nan])
    rng.create_dataset("count", data=[-1, -1])


def _open_for_reading(path: Path) -> Any:
    """Open a file that may be written at the same time, and check that it is a population file."""
    h5py = require("h5py", extra="hdf5")
    if not path.is_file():
        raise StoreError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    if is_cut_short(path):
        raise StoreError(f"{path} is damaged: its end is missing")
    try:
        file = h5py.File(path, "r", libver="latest", swmr=True)
    except OSError as error:
        kind = "is damaged" if h5py.is_hdf5(path) else "is no population file"
        raise StoreError(f"{path} {kind}: {error}") from error
    problem = _problem(file)
    if problem:
        file.close()
        raise StoreError(f"{path} {problem}")
    return file


def _problem(file: Any) -> str:
    """What is wrong with a file; empty if nothing is."""
    if file.attrs.get("format") != _FORMAT:
        return "is an HDF5 file, but no population file"
    version = file.attrs.get("format_version")
    if version != _FORMAT_VERSION:
        return f"has format version {version}, this package reads version {_FORMAT_VERSION}: use a matching deap_nas"
    parts = ("individuals/id", "submissions/id", "errors/id", "rng/count")
    missing = [name for name in ("space", "settings", "seed", "weights", "provenance") if name not in file.attrs]
    missing += [name for name in parts if name not in file]
    return f"is damaged: it lacks {', '.join(missing)}" if missing else ""
