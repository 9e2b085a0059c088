"""A live view of a running search: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from bisect import insort
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TextIO

from deap_nas.deap_protocols import EvaluatedIndividual
from deap_nas.evaluation import Status
from deap_nas.extras import require
from deap_nas.report.terminal import columns_of, error_stream, fitting, is_terminal

__all__ = ["Progress"]

#: Least time between two pictures of the bar.
_SECONDS_BETWEEN_BARS = 0.2
#: Characters of a line that are left to the percentage and to a bar of four characters.
_BAR_COLUMNS = 10


class Progress:
    """Shows the progress of a search; an observer of :func:`deap_nas.eaAsync`, used in a ``with`` block.

    Args:
        n_evaluations: evaluations in the whole run.
        evaluations: of the members a resumed run starts with.
        weight: of the first objective, as in the individuals' ``fitness.weights``; its sign tells which fitness is
            best until the first individual tells it itself.
        file: where to write; by default the standard error stream.
        seconds_between_lines: least time between two lines where ``file`` is no terminal.

    Raises:
        MissingExtraError: tqdm is not installed.
    """

    def __init__(
        self,
        n_evaluations: int,
        *,
        evaluations: Any = (),
        weight: float = 1.0,
        file: TextIO | None = None,
        seconds_between_lines: float = 10.0,
    ) -> None:
        """See the class."""
        self._n_evaluations = n_evaluations
        self._file = error_stream() if file is None else file
        self._seconds_between = seconds_between_lines
        self._weight = weight
        ends = [evaluation.values[0] if evaluation.status is Status.OK else None for evaluation in evaluations]
        self._values: list[float] = sorted(value for value in ends if value is not None)
        self._n_before = self._n_done = len(ends)
        self._n_failed = len(ends) - len(self._values)
        self._n_running = 0
        self._since = self._last_shown = time.monotonic()
        self._bar: Any = None
        tqdm = require("tqdm", extra="report").tqdm
        if is_terminal(self._file):
            self._seconds_between = _SECONDS_BETWEEN_BARS
            self._bar = tqdm(
                total=n_evaluations,
                initial=self._n_done,
                file=self._file,
                ncols=columns_of(self._file),
                nrows=20,  # tqdm asks the terminal for them, and shows nothing on one that has none
                bar_format="{percentage:3.0f}% {bar} {desc}",
                desc=self.text(0, columns=columns_of(self._file) - _BAR_COLUMNS),
            )

    def __call__(self, individual: EvaluatedIndividual, n_running: int) -> None:
        """Take note of an evaluation that has ended."""
        self._weight = individual.fitness.weights[0]
        self._n_running = n_running
        self._count(individual.evaluation)
        now = time.monotonic()
        if now - self._last_shown >= self._seconds_between or self._n_done == self._n_evaluations:
            self._last_shown = now
            self._show()

    def text(self, n_running: int, *, columns: int | None = None) -> str:
        """One line: done, running, failed, best and median fitness, evaluations an hour, time left.

        Args:
            n_running: evaluations that go on.
            columns: characters that there is room for; what matters least is left out. By default any number.
        """
        parts = [
            (0, f"{self._n_done}/{self._n_evaluations} done"),
            (4, f"{n_running} running"),
            (3, f"{self._n_failed} failed"),
        ]
        if self._values:
            best = self._values[-1 if self._weight > 0 else 0]
            parts += [(2, f"best {best:.4f}"), (6, f"median {self._median():.4f}")]
        n_new = self._n_done - self._n_before
        if n_new:
            seconds_each = max(time.monotonic() - self._since, 1e-9) / n_new
            left = timedelta(seconds=round(seconds_each * max(0, self._n_evaluations - self._n_done)))
            parts += [(5, f"{3600 / seconds_each:.0f}/h"), (1, f"{left} left")]
        return fitting(parts, columns)

    def _show(self) -> None:
        with suppress(OSError):  # a terminal that is gone, a full disk: no reason to end a search
            if self._bar is None:
                self._file.write(self.text(self._n_running) + "\n")
                self._file.flush()
            else:
                self._bar.n = self._n_done
                self._bar.ncols = columns_of(self._file)  # it may have been made wider
                self._bar.set_description_str(self.text(self._n_running, columns=self._bar.ncols - _BAR_COLUMNS))

    def _median(self) -> float:
        middle = len(self._values) // 2
        return (self._values[middle] + self._values[~middle]) / 2

    def _count(self, evaluation: Any) -> None:
        self._n_done += 1
        if evaluation.status is Status.OK:
            insort(self._values, evaluation.values[0])
        else:
            self._n_failed += 1

    def __enter__(self) -> Self:
        """Give the progress itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state of the bar on the terminal."""
        if self._bar is not None:
            self._show()
            with suppress(OSError):
                self._bar.close()
