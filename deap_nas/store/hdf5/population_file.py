"""Population files in HDF5, as docs/store-format.md describes them.

One process writes in HDF5's single-writer-multiple-reader mode, so others may read at the same time. Every call of the
writer ends with a flush: what it has acknowledged is in the file, whatever happens to the process.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from deap_nas.errors import SettingsError, StoreError, StoreExistsError
from deap_nas.evaluation import Evaluation, Job, Stage, Status, derive_seed
from deap_nas.files import user_path
from deap_nas.genotype import plain_genotype
from deap_nas.search_space import SearchSpace
from deap_nas.store.conduct import Conduct
from deap_nas.store.contract import Record, Store
from deap_nas.store.hdf5.access import check_names_beside, new_file, open_for_reading
from deap_nas.store.hdf5.disk_space import Room
from deap_nas.store.hdf5.growing_table import Table
from deap_nas.store.hdf5.layout import column_names, complete, json_attribute, lay_out, space_of
from deap_nas.store.hdf5.lock import WriterLock
from deap_nas.store.hdf5.mending import bury, cut_torn_rows
from deap_nas.store.hdf5.rows import find_genes, reader_of, to_error, to_records, to_row
from deap_nas.store.hdf5.state_slots import StateSlots
from deap_nas.store.provenance import provenance
from deap_nas.store.recorded_spaces import check_known, check_registered
from deap_nas.store.settings import check_same

__all__ = ["HDF5Store"]


class HDF5Store(Store):
    """A population file; make one with :meth:`create`, :meth:`resume` or :meth:`read`, and use it in a ``with`` block.

    Attributes:
        path: of the file.
        space: search space of the genotypes. Of a file that is read, its class and its operations need not be
            registered; what needs them raises an ``UnknownNameError``.
        settings: of the run.
        seed: of the run.
        weights: of the fitness, one for each objective.
        n_repeats: largest number of scores of an individual.
        n_rungs: rungs at which an evaluation may end; 0 for none.
        sources: of a merged file, the runs it was made of, see :func:`merge_runs`; else empty.
        how_to_go_on: what :func:`~deap_nas.eaAsync` tells a user to do after a stop, where a program sets it; such as
            to give an option of the program.
    """

    how_to_go_on = "start the program again to go on with it (it opens the file by open_run or HDF5Store.resume)"

    def __init__(self, file: Any, lock: WriterLock | None, path: Path) -> None:
        """Take over an open file; use the class methods instead."""
        self._file = file
        self._lock = lock
        self.path = path
        self.space: SearchSpace = space_of(file, json_attribute(file, "space"))
        self.settings: dict[str, Any] = json_attribute(file, "settings")
        self.seed = int(file.attrs["seed"])
        self.weights: tuple[float, ...] = tuple(file.attrs["weights"].tolist())
        self.sources: list[dict[str, Any]] = json_attribute(file, "sources")
        self.n_repeats: int = int(file["individuals/scores"].shape[1])
        self.n_rungs: int = int(file["individuals/curve"].shape[1]) - 1 if "individuals/curve" in file else 0
        self._tables = {name: Table(file.get(name), names) for name, names in column_names(file).items()}
        self._individuals, self._submissions, self._errors, *links = self._tables.values()
        self._parents, self._removals, self._stages = links
        self._read_genes = reader_of(self.space)
        self._conduct = Conduct(file)
        self._random = StateSlots(file["rng"], n_submitted=self._submissions.n_rows)
        grows = (self._individuals, self._submissions, self._errors)
        self._room = Room(file, path, n_bytes=sum(table.chunk_bytes for table in grows))

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
        n_rungs: int = 0,
        overwrite: bool = False,
    ) -> Self:
        """Start a new file.

        Args:
            path: of the file; its folder is made if need be.
            space: search space of the genotypes.
            settings: of the run, as JSON can hold them.
            seed: of the run.
            weights: of the fitness, one for each objective, as DEAP has them: negative ones are minimised.
            n_repeats: largest number of scores of an individual.
            n_rungs: rungs at which an evaluation may end early, those of the fitness's ``stopping``.
            overwrite: whether a file that is there is replaced.

        Raises:
            StoreExistsError: the file is there, and is not to be replaced; or another file shares its name but for the
                ``.h5``, and with it the names of pictures and folders.
            StoreError: the file cannot be written, or another process is writing it.
            SettingsError: the seed does not fit into 64 bits, or the class of the space is not registered.
            MissingExtraError: h5py is not installed.
        """
        path = user_path(path)
        if path.exists() and not overwrite:
            raise StoreExistsError(f"{path} exists: give another output, resume it, or allow to overwrite it")
        check_names_beside(path)
        if not -(2**63) <= seed < 2**63:
            raise SettingsError(f"seed must fit into 64 bits, found {seed}")
        check_registered(space)
        layout = partial(
            lay_out, space=space, settings=settings, seed=seed, weights=weights, n_repeats=n_repeats, n_rungs=n_rungs
        )
        return cls(*new_file(path, layout), path)

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
            StoreError: it is no population file, is damaged, was merged from several, or another process is writing it.
            UnknownNameError: the class of its search space, or an operation, is not registered.
            MissingExtraError: h5py is not installed.
        """
        path = user_path(path)
        with cls.read(path) as stored:
            if stored.sources:
                raise StoreError(f"{path} was merged, no run can go on with it: start a new one with its population")
            check_known(stored.space, stored.sessions)
            if space is not None:
                check_same(str(path), {"space": stored.space.to_dict()}, {"space": space.to_dict()})
            if settings is not None:
                check_same(str(path), stored.settings, json.loads(json.dumps(dict(settings))), free=free)

        def prepare(file: Any) -> None:
            with open_for_reading(path) as old:
                file.attrs.update(old.attrs)
                for name in old:
                    old.copy(name, file)
            complete(file)
            cut_torn_rows({name: Table(file[name], names) for name, names in column_names(file).items()})
            bury(file)
            if settings is not None:
                file.attrs["settings"] = json.dumps(dict(settings))
            sessions = [*json_attribute(file, "provenance"), provenance()]
            file.attrs["provenance"] = json.dumps(sessions)

        return cls(*new_file(path, prepare, n_bytes=2**16 + path.stat().st_size), path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Open a file to read it, even while another process writes it.

        Raises:
            StoreError: it is not there, is no population file, is damaged, or its format is newer than this package.
            MissingExtraError: h5py is not installed.
        """
        path = user_path(path)
        return cls(open_for_reading(path), None, path)

    def close(self) -> None:
        """Close the file."""
        if self._lock is not None and self._file:
            self._room.give_back()
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
    def conduct(self) -> dict[str, Any]:
        """How the search was conducted last, see :meth:`Store.note_conduct`; empty where the file does not say."""
        return self._conduct.load()

    def note_conduct(self, fields: Mapping[str, Any]) -> None:
        """See :meth:`Store.note_conduct`."""
        self._conduct.save(fields)
        self._file.flush()

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """Provenance of the run's first start and of each time it was resumed."""
        sessions: list[dict[str, Any]] = json_attribute(self._file, "provenance")
        return sessions

    @property
    def run_id(self) -> str:
        """See :attr:`Store.run_id`: what the first start says of itself, its time and its machine."""
        first = json.dumps([self.seed, *self.sessions[:1]], sort_keys=True)
        return hashlib.sha256(first.encode()).hexdigest()[:32]

    def column(self, name: str, *, table: str = "individuals") -> Any:
        """A column of a table, by default of the evaluated individuals, such as ``"fitness"``, as it is in the file.

        It is an array, or, of genes whose rows differ in length, :class:`~deap_nas.store.hdf5.ragged_column.Rows`.

        Raises:
            StoreError: its bytes are damaged.
        """
        return self._tables[table].read(name)

    def n_torn(self, table: str) -> int:
        """Rows at the end of a table that a kill has left half done; they do not count."""
        return self._tables[table].n_torn

    def seed_of(self, number: int) -> int:
        """Seed of the evaluation with this id, whether or not it has ended."""
        run = self._run_of(number)
        return derive_seed(run["seed"], number - run["first_id"])

    def settings_of(self, number: int) -> dict[str, Any]:
        """Settings of the run to which the evaluation with this id belongs, in a merged file one of several."""
        settings: dict[str, Any] = self._run_of(number)["settings"]
        return settings

    def _run_of(self, number: int) -> dict[str, Any]:
        own = {"first_id": 0, "seed": self.seed, "settings": self.settings}
        return [run for run in (own, *self.sources) if run["first_id"] <= number][-1]

    def errors(self) -> dict[int, str]:
        """What went wrong in evaluations that failed, by their ids."""
        failed = set(
            self.column("id")[self.column("status") != Status.OK].tolist()
        )  # a first try may have been cut off
        rows = zip(self._errors.read("id").tolist(), self._errors.read("text"), strict=True)
        return {number: bytes(text).decode(errors="replace") for number, text in rows if number in failed}

    def submit(self, jobs: Sequence[Job], rng_state: Any, *, removed: Sequence[int] = (), strategy: Any = None) -> None:
        """See :meth:`Store.submit`."""
        rows = [self._row(job.genes) for job in jobs]
        mates = [(mate, job.id) for job in jobs for mate in job.mates]
        stages = [(*job.stage, job.id) for job in jobs if job.stage is not None]
        filled = [(self._parents, mates), (self._removals, removed), (self._stages, stages)]
        links = sum(table.chunk_bytes for table, rows in filled if rows)
        self._room.take(len(jobs), more=links + sum(map(_n_bytes, rows)))
        n_submitted = self.n_submitted + len(jobs)
        self._random.save(rng_state, n_submitted=n_submitted, strategy=strategy, n_evaluated=self.n_evaluated)
        if mates:
            others, ids = zip(*mates, strict=True)
            self._parents.append(parent=others, id=ids)
        if removed:
            self._removals.append(removed=removed, id=[jobs[0].id] * len(removed))
        if stages:
            self._stages.append(**dict(zip(self._stages.names, zip(*stages, strict=True), strict=True)))
        self._file.flush()
        self._submissions.append(
            genes=rows,
            parent=[job.parent for job in jobs],
            id=[job.id for job in jobs],
        )
        self._file.flush()
        self._random.switch()
        if removed:
            self.kill(removed)

    def append(self, genes: Any, evaluation: Evaluation) -> None:
        """See :meth:`Store.append`."""
        n_scores, n_rungs = len(evaluation.scores), max(1, len(evaluation.curve) - 1) if evaluation.curve else 0
        for noun, room, found in (("repeats", self.n_repeats, n_scores), ("rungs", self.n_rungs, n_rungs)):
            if found > room:
                raise StoreError(
                    f"{self.path} has room for {room} {noun}, found {found}: create it with n_{noun}={found}"
                )
        row = self._row(genes)
        self._room.take(more=_n_bytes(row))
        if evaluation.error:
            self._errors.append(**to_error(evaluation))
        self._individuals.append(**to_row(row, evaluation, n_repeats=self.n_repeats, n_rungs=self.n_rungs))
        self._file.flush()

    def _row(self, genes: Any) -> Any:
        """What is written of a genotype."""
        return genes if self.space.has_integer_genes else self.space.encode(genes)

    def kill(self, ids: Iterable[int]) -> None:
        """See :meth:`Store.kill`."""
        alive = self._file["individuals/alive"]
        for row in np.flatnonzero(np.isin(self.column("id"), list(ids))):
            alive[row] = False
        self._file.flush()

    def __iter__(self) -> Iterator[Record]:
        """Give the records, read from the file once and made as they are asked for."""
        columns = {name: self.column(name) for name in self._individuals.names}
        return to_records(columns, self.errors(), self._read_genes)

    def genes_of(self, ids: Sequence[int]) -> Iterator[Any]:
        """See :meth:`Store.genes_of`."""
        return find_genes(ids, self.column("id"), self.column("genes"), self._read_genes)

    def pending(self) -> list[Job]:
        """See :meth:`Store.pending`."""
        is_pending = np.isin(self._submissions.read("id"), self.column("id"), invert=True)
        ids, parents, rows = (self._submissions.read(name)[is_pending] for name in ("id", "parent", "genes"))
        genotypes, mates, stages = map(plain_genotype, self._read_genes(rows)), self.mates(), self.stages()
        return [
            Job(number, genotype, self.seed_of(number), parent, mates=mates.get(number, ()), stage=stages.get(number))
            for number, parent, genotype in zip(ids.tolist(), parents.tolist(), genotypes, strict=True)
        ]

    def mates(self) -> dict[int, tuple[int, ...]]:
        """See :meth:`Store.mates`."""
        found: dict[int, tuple[int, ...]] = {}
        for mate, number in zip(self._parents.read("parent").tolist(), self._parents.read("id").tolist(), strict=True):
            if number < self.n_submitted:
                found[number] = (*found.get(number, ()), mate)
        return found

    def stages(self) -> dict[int, Stage]:
        """See :meth:`Store.stages`."""
        *columns, ids = (self._stages.read(name).tolist() for name in self._stages.names)
        found = zip(ids, map(Stage, *columns), strict=True)
        return {number: stage for number, stage in found if number < self.n_submitted}

    def rng_state(self) -> Any:
        """See :meth:`Store.rng_state`."""
        return self._random.load() if self.n_submitted > 0 and not self.sources else None

    def strategy_state(self) -> tuple[Any, int] | None:
        """See :meth:`Store.strategy_state`."""
        return self._random.load_strategy() if self.n_submitted > 0 and not self.sources else None

    @property
    def random_counts(self) -> list[int]:
        """Submissions with which each of the two random states was saved; -1 for one that was not."""
        return self._random.counts

    @property
    def n_submitted(self) -> int:
        """See :attr:`Store.n_submitted`."""
        return self._submissions.n_rows

    @property
    def n_evaluated(self) -> int:
        """See :attr:`Store.n_evaluated`."""
        return self._individuals.n_rows


def _n_bytes(row: Any) -> int:
    """Bytes of a row whose length is its own; of others the room is known."""
    return getattr(row, "nbytes", 0)
