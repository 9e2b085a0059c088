"""What is known of a population file that may grow, be replaced or be away, and what of it a page does not have yet."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
        self._gains: dict[str, Any] = {}
        self._next_gains = 0.0
        self._gained = ("", -1)
        self._drawing: str | None = None
        self._drawn = ("", -1)

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
            content["gains"] = self._gains
        if is_other or known.best != now.best:
            content["drawing"] = self._drawing
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
        return Known(found.run, n_rows, found.checksum(n_rows), found.clock(n_rows), found.best, self._gained[1], stamp)

    def _look(self) -> None:
        """Read the file, if there is reason to and it is time to."""
        stamp, is_running = stamp_of(self.path)
        begin = time.monotonic()
        if stamp == self._stamp:
            is_due = begin >= self._next_try if self.problem else self._are_gains_due(begin)
        else:
            is_due = begin >= self._next_look
        if not is_due:
            return
        self._stamp = stamp
        try:
            with HDF5Store.read(self.path) as store:
                self._take(store, is_running=is_running)
            self.problem = ""
        except Exception as error:  # a stranger's file may hold anything, and the others are to be served
            self.problem = problem_in(self.path, error)
        now = time.monotonic()
        self._next_look = now + (now - begin) / _SHARE_TO_READ
        self._next_try = max(self._next_look, now + _SECONDS_TO_RETRY)

    def _are_gains_due(self, now: float) -> bool:
        found = self._snapshot
        return found is not None and self._gained[1] != found.n_rows and now >= self._next_gains

    def _take(self, store: HDF5Store, *, is_running: bool) -> None:
        columns = RunColumns.of(store)
        head = head_of(store, columns, is_running=is_running)
        found = _Snapshot(columns, store.column("scores"), store.errors(), head)
        if self._drawn != (found.run, found.best):
            self._drawing = None if found.best < 0 else drawing_of(store, found.best)
            self._drawn = (found.run, found.best)
        begin = time.monotonic()
        if self._gained[0] != found.run or (self._gained[1] != found.n_rows and begin >= self._next_gains):
            rows = spread_rows(columns)
            self._gains = gains_of(store, columns, rows, list(motifs_at(store, rows)))
            self._gained = (found.run, found.n_rows)
            seconds = (time.monotonic() - begin) / _SHARE_FOR_GAINS
            self._next_gains = time.monotonic() + max(_SECONDS_BETWEEN_GAINS, seconds)
        self._snapshot = found


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
