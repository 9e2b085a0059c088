import io
import os
import re
import sys
import time

import pytest

from deap_nas.evaluation import Evaluation, Status
from deap_nas.report import Progress
from deap_nas.report import progress as progress_module
from tests.terminals import open_terminal, read_all, resize
from tests.toolboxes import MaxIndividual, MinIndividual


@pytest.fixture(autouse=True)
def able(monkeypatch):
    """A terminal that obeys, whatever starts the tests."""
    monkeypatch.setenv("TERM", "xterm")


def individual(value=None, kind=MaxIndividual):
    """An individual with this fitness, or one whose evaluation has failed."""
    result = kind([0])
    result.evaluation = Evaluation((0.0,), Status.FAILED) if value is None else Evaluation((value,))
    return result


def test_lines_say_what_has_ended_and_what_goes_on():
    file = io.StringIO()
    with Progress(4, file=file, seconds_between_lines=0) as progress:
        progress(individual(0.25), 2)
        progress(individual(), 2)
        progress(individual(0.75), 1)
    lines = file.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("1/4 done, 2 running, 0 failed, best 0.2500, median 0.2500, ")
    assert lines[2].startswith("3/4 done, 1 running, 1 failed, best 0.7500, median 0.5000, ")
    assert re.search(r"\d+/h, \d+:\d\d:\d\d left$", lines[2])


def test_few_lines_where_the_output_is_no_terminal_but_the_last_one_always():
    file = io.StringIO()
    with Progress(100, file=file, seconds_between_lines=3600) as progress:
        for number in range(100):
            progress(individual(number / 100), 1)
    assert [line.partition(",")[0] for line in file.getvalue().splitlines()] == ["100/100 done"]


def test_nothing_succeeded_yet_is_no_error():
    progress = Progress(3, file=io.StringIO())
    progress(individual(), 1)
    assert progress.text(1).startswith("1/3 done, 1 running, 1 failed, ")
    assert "best" not in progress.text(1)


def test_resumed_run_counts_what_was_there_but_not_in_its_speed():
    progress = Progress(10, evaluations=[Evaluation((0.5,)), Evaluation((0.9,))], file=io.StringIO())
    assert progress.text(0) == "2/10 done, 0 running, 0 failed, best 0.9000, median 0.7000"
    progress._since = time.monotonic() - 3600
    progress(individual(0.1), 1)
    assert "1/h, 7:00:00 left" in progress.text(1)


def test_best_is_the_smallest_where_the_fitness_is_minimised():
    progress = Progress(3, file=io.StringIO())
    progress(individual(0.25, MinIndividual), 1)
    progress(individual(0.75, MinIndividual), 1)
    assert "best 0.2500, median 0.5000" in progress.text(1)


def test_resumed_run_is_told_that_its_fitness_is_minimised():
    evaluations = [Evaluation((0.5,)), Evaluation((0.9,))]
    progress = Progress(10, evaluations=evaluations, weight=-1.0, file=io.StringIO())
    assert "best 0.5000, median 0.7000" in progress.text(0)


def test_bar_on_a_terminal_ends_full():
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as file, Progress(2, file=file) as progress:
        progress(individual(0.5), 1)
        progress(individual(0.75), 0)
    out = read_all(ours)
    assert "\r" in out
    assert "100%" in out.splitlines()[-1]
    assert "2/2 done, 0 running, 0 failed, best 0.7500" in out


def shown(monkeypatch, rows, columns, *, n_done=120, as_stderr=False):
    """The last picture of a bar of a long search on a terminal of this size."""
    ours, theirs = open_terminal(rows, columns)
    with open(theirs, "w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stderr", file)
        with Progress(7000, file=None if as_stderr else file) as progress:
            progress._since -= 3600
            for number in range(n_done):
                progress(individual(number / 1000), 199)
        monkeypatch.undo()
    return read_all(ours).splitlines()[-1]


@pytest.mark.parametrize("columns", [46, 60, 79, 80, 81, 100, 120, 200])
def test_the_time_that_is_left_fits_into_the_terminal(monkeypatch, columns):
    last = shown(monkeypatch, 24, columns)
    assert len(last) <= columns
    assert re.search(r"120/7000 done.*, \d+ days, \d+:\d\d:\d\d left *$", last)
    assert "\u2588" in last or " " * 4 in last


def test_at_80_columns_the_best_is_told_and_at_200_everything(monkeypatch):
    assert "120/7000 done, 0 failed, best 0.1190, " in shown(monkeypatch, 24, 80)
    assert "199 running, 0 failed, best 0.1190, median 0.0595, 120/h, " in shown(monkeypatch, 24, 200)


@pytest.mark.parametrize("rows", [0, 1, 2, 24])
def test_a_terminal_of_few_rows_or_none_shows_progress(monkeypatch, rows):
    assert "120/7000 done" in shown(monkeypatch, rows, 80, as_stderr=True)


@pytest.mark.parametrize("columns", [1, 2, 9, 14, 20])
def test_a_narrow_terminal_gets_lines_that_fit(monkeypatch, columns):
    assert len(shown(monkeypatch, 24, columns)) <= columns


def test_a_bar_follows_the_size_of_its_terminal():
    ours, theirs = open_terminal(24, 120)
    with open(theirs, "w", encoding="utf-8") as file, Progress(100, file=file) as progress:
        resize(theirs, 24, 50)
        progress(individual(0.5), 1)
    assert len(read_all(ours).splitlines()[-1]) == 50


@pytest.mark.parametrize("kind", ["dumb", "unknown"])
def test_a_terminal_that_only_prints_gets_lines(monkeypatch, kind):
    monkeypatch.setenv("TERM", kind)
    ours, theirs = open_terminal(24, 80)
    with open(theirs, "w", encoding="utf-8") as file, Progress(2, file=file, seconds_between_lines=0) as progress:
        progress(individual(0.5), 1)
        progress(individual(0.5), 0)
    out = read_all(ours)
    assert [line.partition(",")[0] for line in out.splitlines()] == ["1/2 done", "2/2 done"]
    assert "\x1b" not in out


def test_an_interrupted_bar_shows_the_last_state(monkeypatch):
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: 0.0)
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as file, Progress(9, file=file) as progress:
        progress(individual(0.5), 1)
        progress(individual(0.75), 3)
    assert "22%" in (last := read_all(ours).splitlines()[-1])
    assert "2/9 done, 3 running, 0 failed, best 0.7500" in last


def test_the_text_is_made_only_where_it_is_shown(monkeypatch):
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: 0.0)
    texts, text = [], Progress.text
    monkeypatch.setattr(Progress, "text", lambda *given, **options: texts.append(text(*given, **options)) or texts[-1])
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as file, Progress(1000, file=file) as progress:
        for number in range(900):
            progress(individual(number / 1000), 1)
    read_all(ours)
    assert len(texts) == 2


class Counted(float):
    """A number that counts how often one is compared."""

    n_compared = 0

    def __lt__(self, other):
        Counted.n_compared += 1
        return float(self) < other


def test_a_line_costs_no_look_at_the_whole_population():
    evaluations = [Evaluation((Counted(number),)) for number in range(1001)]
    progress = Progress(2000, evaluations=evaluations, file=io.StringIO(), seconds_between_lines=0)
    Counted.n_compared = 0
    progress(individual(Counted(3000)), 1)
    assert Counted.n_compared < 20
    assert "best 3000.0000, median 500.5000" in progress.text(1)
