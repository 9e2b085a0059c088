"""What is known of a population file that may grow, be replaced or be away, and what of it a page does not have yet."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import NASError, StoreError
from deap_nas.facts.account import printable
from deap_nas.facts.genotype_tables import motifs_at
from deap_nas.facts.run_columns import RunColumns
from deap_nas.page.content import gains_of, genotypes_of, head_of, rows_of, spread_rows
from deap_nas.page.drawings import drawing_of
from deap_nas.store import HDF5Store
from deap_nas.store.hdf5.lock import WriterLock

__all__ = ["Known", "LiveRun", "problem_in", "stamp_of"]

#: A file is read at most so large a share of the time; what operations and changes gained takes longest, and is learnt
#: anew in a smaller one, and not more often than every so many seconds.
_SHARE_TO_READ = 0.1
_SHARE_FOR_GAINS = 0.05
_SECONDS_BETWEEN_GAINS = 10.0
#: Seconds after which a file that could not be read is tried again, though nothing about it has changed.
_SECONDS_TO_RETRY = 5.0
#: Seconds, or a share of the run, by which the clock of old rows may be off in a page: an evaluation that began before
#: others and ends after them fills pauses of the run.
_SECONDS_OFF, _SHARE_OFF = 5.0, 0.002
#: Genotypes in one answer, and letters of one that says what is wrong.
_MOST_GENOTYPES = 1000
_MOST_LETTERS = 500


class Known(NamedTuple):
    """What a page has of a run: as text it goes to the page, and comes back with the page's next question."""

    run: str = ""
    n_rows: int = 0
    #: Of the ids of these rows, and when the last of them ended, in seconds of the run's clock.
    checksum: int = 0
    clock: int = 0
    #: Id of the best, and rows of which it is known what they gained; -1 for none.
    best: int = -1
    n_gains: int = -1
    #: Of the file.
    stamp: str = ""

    def __str__(self) -> str:
        """Put it in letters that are safe in an address."""
        return ".".join(map(str, self))

    @classmethod
    def of(cls, text: str) -> Known:
        """Read it; a text that is none stands for a page that has nothing."""
        parts = text.split(".")
        if len(parts) != len(cls._fields):
            return cls()
        run, *numbers, stamp = parts
        try:
            n_rows, checksum, clock, best, n_gains = map(int, numbers)
        except ValueError:
            return cls()
        return cls(run, n_rows, checksum, clock, best, n_gains, stamp)


@dataclass(frozen=True)
class _Snapshot:
    """A file at one moment."""

    columns: RunColumns
    scores: NDArray[np.float64]
    errors: Mapping[int, str]
    head: Mapping[str, Any]

    @classmethod
    def of(cls, store: HDF5Store, *, is_running: bool) -> Self:
        columns = RunColumns.of(store)
        head = head_of(store, columns, is_running=is_running)
        return cls(columns, store.column("scores"), store.errors(), head)

    @property
    def run(self) -> str:
        name: str = self.head["run"]
        return name

    @property
    def n_rows(self) -> int:
        return len(self.columns.ids)

    @property
    def best(self) -> int:
        return self.head["best"]["id"] if self.head["best"] else -1

    def checksum(self, n_rows: int) -> int:
        return zlib.crc32(self.columns.ids[:n_rows].astype("<i8").tobytes())

    def clock(self, n_rows: int) -> int:
        ended = self.columns.finished[:n_rows]
        return int(ended[-1]) if n_rows and np.isfinite(ended[-1]) else 0

    def first_new_row(self, known: Known) -> int:
        """First row that a page lacks: 0 if what it has is no beginning of this."""
        if (
            known.run != self.run
            or not 0 <= known.n_rows <= self.n_rows
            or known.checksum != self.checksum(known.n_rows)
        ):
            return 0
        off = max(_SECONDS_OFF, _SHARE_OFF * self.clock(self.n_rows))
        return known.n_rows if abs(known.clock - self.clock(known.n_rows)) <= off else 0


@dataclass(frozen=True)
class _Drawing:
    """Of the best of a run, by its id; None for one that cannot be drawn."""

    run: str = ""
    best: int = -1
    picture: str | None = None


@dataclass(frozen=True)
class _Gains:
    """What operations and changes gained in the first rows of a run, and when it may be learnt anew."""

    run: str = ""
    n_rows: int = -1
    content: Mapping[str, Any] = field(default_factory=dict)
    next: float = 0.0

    def is_enough(self, found: _Snapshot) -> bool:
        return self.run == found.run and (self.n_rows == found.n_rows or time.monotonic() < self.next)


class LiveRun:
    """One population file of which pages ask what is new.

    A question reads the file only if it has changed since the last time, and then no more often than its size allows.
    What was known last stays while the file cannot be read. Not to be used by several threads at once.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        """See the class."""
        self.path = path
        #: What is wrong with the file now, in one line; empty if nothing is.
        self.problem = ""
        #: Of the file when it was read last.
        self._stamp = ""
        self._snapshot: _Snapshot | None = None
        self._next_look = self._next_try = 0.0
        self._drawing, self._gains = _Drawing(), _Gains()

    def news(self, known: Known) -> dict[str, Any] | None:
        """Give what a page lacks, or None for nothing.

        Returns:
            ``known``, the text of what the page then has, and ``problem``; where the file could ever be read also
            ``head`` and ``rows``, and ``gains`` and ``drawing`` if the page has others, each as
            :mod:`deap_nas.page.content` makes it.
        """
        self._look()
        now = self._known()
        if known == now:
            return None
        content: dict[str, Any] = {"known": str(now), "problem": self.problem}
        found = self._snapshot
        if found is None:
            return content
        first = found.first_new_row(known)
        content["head"] = found.head
        content["rows"] = rows_of(found.columns, found.scores, found.errors, first=first)
        is_other = known.run != found.run
        if is_other or known.n_gains != now.n_gains:
            content["gains"] = self._gains.content
        if is_other or known.best != now.best:
            content["drawing"] = self._drawing.picture
        return content

    def genotypes(self, run: str, first: int, n_rows: int) -> dict[str, Any]:
        """Give genotypes of some rows, see :func:`~deap_nas.page.content.genotypes_of`.

        Args:
            run: its ``run_id``.
            first: the first row.
            n_rows: how many, 1 to 1000; at the end of the file fewer.

        Raises:
            StoreError: the file cannot be read, or holds another run by now, or no such row.
        """
        with HDF5Store.read(self.path) as store:
            rows = range(first, min(first + n_rows, store.n_evaluated))
            if store.run_id != run or not rows or first < 0 or n_rows > _MOST_GENOTYPES:
                raise StoreError(f"{self.path.name} has no such rows of that run")
            return genotypes_of(store, rows, list(motifs_at(store, rows)))

    def _known(self) -> Known:
        found = self._snapshot
        stamp = f"{self._stamp}-{zlib.crc32(self.problem.encode())}" if self.problem else self._stamp
        if found is None:
            return Known(stamp=stamp)
        n_rows = found.n_rows
        checksum, clock = found.checksum(n_rows), found.clock(n_rows)
        return Known(found.run, n_rows, checksum, clock, found.best, self._gains.n_rows, stamp)

    def _look(self) -> None:
        """Read the file, if there is reason to and it is time to."""
        stamp, is_running = stamp_of(self.path)
        begin = time.monotonic()
        if stamp != self._stamp:
            is_due = begin >= self._next_look
        elif self.problem:
            is_due = begin >= self._next_try
        else:
            is_due = self._snapshot is not None and not self._gains.is_enough(self._snapshot)
        if is_due:
            self._stamp = stamp
            self._read(begin, is_running=is_running)

    def _read(self, begin: float, *, is_running: bool) -> None:
        try:
            with HDF5Store.read(self.path) as store:
                found = _Snapshot.of(store, is_running=is_running)
                self._next_look = _later(begin, share=_SHARE_TO_READ)
                drawing = self._drawing_in(store, found)
                gains = self._gains if self._gains.is_enough(found) else _learn_gains(store, found)
            self._snapshot, self._drawing, self._gains, self.problem = found, drawing, gains, ""
        except Exception as error:  # a stranger's file may hold anything, and the others are to be served
            self.problem = problem_in(self.path, error)
            self._next_try = max(_later(begin, share=_SHARE_TO_READ), time.monotonic() + _SECONDS_TO_RETRY)

    def _drawing_in(self, store: HDF5Store, found: _Snapshot) -> _Drawing:
        if (self._drawing.run, self._drawing.best) == (found.run, found.best):
            return self._drawing
        return _Drawing(found.run, found.best, None if found.best < 0 else drawing_of(store, found.best))


def _learn_gains(store: HDF5Store, found: _Snapshot) -> _Gains:
    begin, rows = time.monotonic(), spread_rows(found.columns)
    content = gains_of(store, found.columns, rows, list(motifs_at(store, rows)))
    following = max(_later(begin, share=_SHARE_FOR_GAINS), begin + _SECONDS_BETWEEN_GAINS)
    return _Gains(found.run, found.n_rows, content, following)


def _later(begin: float, *, share: float) -> float:
    """When something that began then and has ended now may begin again, to take no larger share of the time."""
    return begin + (time.monotonic() - begin) / share


def stamp_of(path: Path) -> tuple[str, bool]:
    """Tell whether a file is as it was, without reading it.

    Returns:
        A short text, which is another one when the file has changed, was replaced, is gone, or its writer has come or
        gone; and whether a process is writing it.
    """
    try:
        status = path.stat()
    except OSError:
        return "gone", False
    is_running = WriterLock.is_held(path)
    text = f"{status.st_dev} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_size} {is_running}"
    return hashlib.sha256(text.encode()).hexdigest()[:16], is_running


def problem_in(path: Path, error: Exception) -> str:
    """Say in one line why a file cannot be shown."""
    text = str(error) if isinstance(error, NASError | OSError) else f"{path.name} is damaged: {error!r}"
    return printable(" ".join(text.split()))[:_MOST_LETTERS]
