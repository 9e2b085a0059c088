import os
import pty
import random
import signal
import subprocess
import sys
import time

import pytest

from deap_nas import cli
from deap_nas.evaluation import Evaluation, Job, Status
from deap_nas.facts import run_progress as pulses
from deap_nas.facts.run_progress import take_pulse
from deap_nas.store import HDF5Store
from tests.launch import HEED_INTERRUPTS
from tests.store.hdf5.test_population_file import GENES, create
from tests.terminals import open_terminal, read_all

NOW = 1_000_000.0


def submit(store, n_jobs):
    first = store.n_submitted
    store.submit([Job(first + number, GENES, 0) for number in range(n_jobs)], random.Random(0).getstate())


def append(store, number, value, started, finished, *, worker=1, **fields):
    times = {"submitted": started, "started": started, "finished": finished}
    store.append(GENES, Evaluation((value,), id=number, worker=worker, host="node", **times, **fields))


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Two workers: 1 was busy for all of the last minute, 2 for half of it and again since 15 seconds."""
    monkeypatch.setattr(pulses.time, "time", lambda: NOW)
    with create(tmp_path / "run.h5", settings={"evaluations": 10}) as store:
        submit(store, 6)
        append(store, 0, 0.25, NOW - 300, NOW - 200)
        append(store, 1, 0.75, NOW - 90, NOW - 30)
        append(store, 2, 0.5, NOW - 45, NOW - 15, worker=2, n_parameters=1234)
        append(store, 3, 0.0, NOW - 30, NOW, status=Status.FAILED)
        append(store, 4, 0.75, NOW - 50, NOW - 50, reused=1)
        yield store


def test_pulse_says_how_far_how_fast_and_how_well(store):
    pulse = take_pulse(store, minutes=1, is_running=True)
    assert (pulse.n_evaluated, pulse.n_total, pulse.n_pending) == (5, 10, 1)
    assert pulse.rate == 4 / 60
    assert pulse.seconds_left == 75
    assert pulse.best["id"] == 1
    assert pulse.median == 0.625
    assert pulse.course.tolist() == [0.25, 0.75, 0.75, 0.75]
    assert pulse.failures == {"FAILED": 1}


def test_a_worker_is_busy_while_it_evaluates_and_those_who_ended_last_with_what_is_pending(store):
    assert take_pulse(store, minutes=1, is_running=True).busy == {("node", 1): 1.0, ("node", 2): 0.5}
    submit(store, 1)
    assert take_pulse(store, minutes=1, is_running=True).busy == {("node", 1): 1.0, ("node", 2): 0.75}


def test_a_search_that_does_not_run_is_averaged_back_from_its_last_evaluation(store, monkeypatch):
    monkeypatch.setattr(pulses.time, "time", lambda: NOW + 10_000)
    pulse = take_pulse(store, minutes=1, is_running=False)
    assert pulse.rate == 4 / 60
    assert pulse.busy == {("node", 1): 1.0, ("node", 2): 0.5}


def test_a_search_that_ends_at_no_time_is_averaged_back_from_the_last_that_does(store):
    append(store, 5, 0.25, NOW - 5, float("inf"))
    assert take_pulse(store, minutes=1, is_running=False).rate == 5 / 60


def test_the_best_of_a_fitness_that_is_minimised_is_the_least(tmp_path):
    with create(tmp_path / "run.h5", weights=(-1.0,)) as store:
        submit(store, 3)
        for number, value in enumerate((0.5, 0.75, 0.25)):
            append(store, number, value, NOW - 2, NOW - 1)
        pulse = take_pulse(store, minutes=1, is_running=False)
    assert pulse.course.tolist() == [0.5, 0.5, 0.25]
    assert pulse.best["id"] == 2
    assert (pulse.n_total, pulse.seconds_left) == (None, None)


def test_once_prints_one_summary(store, capsys):
    assert cli.main(["watch", "--once", "--minutes", "1", str(store.path)]) == 0
    out = capsys.readouterr().out
    for part in (
        "run.h5 is running, ",
        " 50.0 %, 5 of 10, 1 pending",
        "rate        240 an hour, 0:01:15 left",
        "failures    1 FAILED",
        "fitness     best 0.7500, median 0.6250",
        "▁███",
        "best        individual 1",
        "workers     2, busy 75 % of the last minute",
        "1 ██████████ 100 %",
        "2 █████░░░░░  50 %",
    ):
        assert part in out


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        ("1", "busy 75 % of the last minute\n"),
        ("2.5", "of the last 2.5 minutes\n"),
        ("5", "of the last 5 minutes\n"),
        ("10", "of the 0:05:00 since the first evaluation began\n"),
        ("1e300", "of the 0:05:00 since the first evaluation began\n"),
    ],
)
def test_it_speaks_of_no_more_time_than_the_run_has_taken(store, capsys, minutes, words):
    assert cli.main(["watch", "--once", "--minutes", minutes, str(store.path)]) == 0
    assert words in capsys.readouterr().out


def test_what_is_pending_is_running_or_queued_and_only_who_has_work_is_busy(store, capsys):
    submit(store, 3)
    store.note_conduct({"n_evaluations": 20, "n_workers": 1, "survival": "all stay", "reuse": "never"})
    assert cli.main(["watch", "--once", "--minutes", "1", str(store.path)]) == 0
    out = capsys.readouterr().out
    assert " 25.0 %, 5 of 20, 4 pending (1 running, 3 queued)\n" in out
    assert take_pulse(store, minutes=1, is_running=True).busy == {("node", 1): 1.0, ("node", 2): 0.5}


def test_a_file_without_evaluations_can_be_watched(tmp_path, capsys):
    create(tmp_path / "run.h5").close()
    assert cli.main(["watch", "--once", str(tmp_path / "run.h5")]) == 0
    out = capsys.readouterr().out
    assert "is not running" in out
    assert "evaluated   0, 0 pending" in out
    assert "none: no evaluation has succeeded" in out


def test_without_a_terminal_it_prints_until_the_search_has_ended(store, capsys):
    store.close()
    with HDF5Store.resume(store.path) as again:
        submit(again, 4)
        for number in range(5, 10):
            append(again, number, 0.5, NOW, NOW + 1)
    assert cli.main(["watch", "--interval", "0.01", str(store.path)]) == 0
    assert "100.0 %, 10 of 10" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--interval=0", "--interval=nan", "--minutes=-1", "--interval=inf"])
def test_an_interval_that_makes_no_sense_is_one_line(tmp_path, capsys, option):
    assert cli.main(["watch", option, str(tmp_path / "run.h5")]) == 1
    assert capsys.readouterr().err.startswith(f"deap-nas: {option.partition('=')[0]} must be positive, found ")


def test_names_from_a_file_cannot_command_the_terminal(tmp_path, capsys):
    with create(tmp_path / "run.h5") as store:
        submit(store, 2)
        for number, host in enumerate(("a\x1b[2J", "b")):
            store.append(GENES, Evaluation((0.5,), id=number, worker=1, host=host, started=1.0, finished=2.0))
    assert cli.main(["watch", "--once", str(tmp_path / "run.h5")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "a?[2J 1" in out


def test_an_output_without_unicode_gets_plain_letters(store):
    command = [sys.executable, "-m", "deap_nas.cli", "watch", "--once", "--minutes=1e9", str(store.path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert b"#" in done.stdout


def read_until(terminal, text):
    seen = b""
    deadline = time.monotonic() + 60
    while text not in seen and time.monotonic() < deadline:
        seen += os.read(terminal, 4096)
    return seen


def watched(store, rows, columns, *options, term="xterm"):
    """What the command wrote to a terminal of this size, in one look or until the search had ended."""
    ours, theirs = open_terminal(rows, columns)
    command = [sys.executable, "-m", "deap_nas.cli", "watch", "--interval=0.01", *options, str(store.path)]
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment |= {"TERM": term, "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as watcher:
        os.close(theirs)
        out = read_all(ours)
    assert watcher.returncode == 0, out
    return out


def ended(store):
    """The store of a search that has ended."""
    submit(store, 4)
    for number in range(5, 10):
        append(store, number, 0.5, NOW - 2, NOW - 1)
    store.close()
    return store


@pytest.mark.parametrize("columns", [1, 2, 5, 13, 14, 40])
def test_a_narrow_terminal_gets_what_fits_into_it(store, columns):
    lines = watched(store, 24, columns, "--once").splitlines()
    assert "run.h5 is running"[:columns] == lines[0][:17]
    assert all(len(line) <= columns for line in lines)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_low_terminal_gets_the_first_lines_without_being_moved(store, rows):
    screen, _, after = watched(ended(store), rows, 80).partition("\x1b[?25h\x1b[?1049l")
    assert screen.count("\n") == rows - 1
    assert "run.h5 is not running" in screen
    assert ("evaluated   " in screen) == (rows > 2)
    assert "best        individual" in after


def test_a_terminal_without_rows_and_columns_is_watched_as_one_of_the_usual_size(store):
    assert "best        individual" in watched(ended(store), 0, 0)


def test_a_terminal_that_only_prints_gets_no_escapes(store):
    out = watched(ended(store), 24, 80, term="dumb")
    assert "\x1b" not in out
    assert "best        individual" in out


def test_on_a_terminal_it_has_a_screen_of_its_own_until_ctrl_c(store):
    ours, theirs = pty.openpty()
    watch = [sys.executable, "-m", "deap_nas.cli", "watch", "--interval", "0.05", str(store.path)]
    options = {"env": os.environ | {"TERM": "xterm"}, "start_new_session": True}
    with subprocess.Popen([*HEED_INTERRUPTS, *watch], stdout=theirs, stderr=theirs, **options) as watcher:
        os.close(theirs)
        seen = read_until(ours, b"\x1b[J\x1b[H")  # it has drawn itself anew
        watcher.send_signal(signal.SIGINT)
        seen += read_until(ours, b"\x1b[?1049l")
        assert watcher.wait(60) == 0
    os.close(ours)
    assert seen.startswith(b"\x1b[?1049h\x1b[?25l\x1b[H")
    assert b"Traceback" not in seen
