"""What happens where standard output cannot be written, to the command, the examples and a user's script."""

import errno
import io
import os
import re
import subprocess
import sys

import pytest

from deap_nas.commands import RetrainingReport
from deap_nas.errors import StorageError
from deap_nas.executors import SerialExecutor
from deap_nas.output import CLOSED_PIPE_EXIT, guarded_output
from deap_nas.report import Progress
from deap_nas.report.terminal import error_stream
from deap_nas.training import RetrainingProgress
from tests.launch import ROOT, command, environment
from tests.store import search
from tests.toolboxes import MaxIndividual, evaluated

CLI = ("-m", "deap_nas.cli")


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run.h5"
    with SerialExecutor() as executor:
        search.run(path, 30, executor)
    return path


def start(*arguments, output, variables=None, cwd=ROOT):
    variables = environment() | (variables or {})
    return subprocess.run(
        command(*arguments), env=variables, cwd=cwd, stdout=output, stderr=subprocess.PIPE, text=True, check=False
    )


def into_a_closed_pipe(*arguments, **options):
    """Start a program whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return start(*arguments, output=writer, **options)
    finally:
        os.close(writer)


VARIABLES = pytest.mark.parametrize(
    "variables", [{"PYTHONUNBUFFERED": ""}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"]
)
EVERYTHING = [
    ("info", "FILE"),
    ("info", "FILE", "--json"),
    ("table", "FILE"),
    ("watch", "FILE", "--once"),
    ("draw", "FILE"),
    ("lineage", "FILE"),
    ("--help",),
    ("--version",),
    ("table", "--help"),
]


@VARIABLES
@pytest.mark.parametrize("arguments", EVERYTHING, ids=" ".join)
def test_a_full_disk_behind_standard_output_is_one_line_and_exit_1(run_file, arguments, variables):
    arguments = [str(run_file) if word == "FILE" else word for word in arguments]
    with open("/dev/full", "w", encoding="ascii") as full:
        done = start(*CLI, *arguments, output=full, variables=variables)
    assert done.stderr == "deap-nas: standard output cannot be written: No space left on device\n"
    assert done.returncode == 1


@VARIABLES
@pytest.mark.parametrize("arguments", [EVERYTHING[0], EVERYTHING[2], EVERYTHING[3], EVERYTHING[-2]], ids=" ".join)
def test_a_closed_pipe_ends_the_command_quietly(run_file, arguments, variables):
    arguments = [str(run_file) if word == "FILE" else word for word in arguments]
    done = into_a_closed_pipe(*CLI, *arguments, variables=variables)
    assert (done.returncode, done.stderr) == (CLOSED_PIPE_EXIT, "")


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["PYTHONIOENCODING", "LC_ALL"],
)
@pytest.mark.parametrize(
    "subcommand", [("info",), ("check",), ("watch", "--once"), ("table",), ("draw",), ("lineage",)]
)
def test_letters_that_the_output_lacks_are_replaced(run_file, tmp_path, subcommand, variables):
    path = tmp_path / "größe🙂.h5"
    path.write_bytes(run_file.read_bytes())
    done = start(*CLI, *subcommand, str(path), output=subprocess.PIPE, variables=variables)
    assert "Traceback" not in done.stderr
    assert done.returncode == (subcommand == ("check",))  # the file tells untruths of its networks
    assert subcommand == ("table",) or re.search(r"gr[\\?]", done.stdout + done.stderr)


SCRIPT = """
import sys
import deap_nas
try:
    with deap_nas.mpi_executor() as executor:
        print(*sys.argv[1:])
except deap_nas.NASError as error:
    sys.exit(f"script: {error}")
"""


def test_a_script_on_mpi_executor_does_as_the_command():
    assert into_a_closed_pipe("-c", SCRIPT, "x").returncode == CLOSED_PIPE_EXIT
    assert into_a_closed_pipe("-c", SCRIPT, "x").stderr == ""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = start("-c", SCRIPT, "x", output=full)
    assert (done.returncode, done.stderr) == (
        1,
        "script: standard output cannot be written: No space left on device\n",
    )
    done = start("-c", SCRIPT, "größe", output=subprocess.PIPE, variables={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout) == (0, "gr\\xf6\\xdfe\n")


def test_an_example_does_as_the_command():
    example = (ROOT / "examples" / "custom_evaluator.py", "--evaluations=20", "--population=10")
    done = into_a_closed_pipe(*example)
    assert done.returncode == CLOSED_PIPE_EXIT
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_closed_pipe_of_somebody_else_is_not_ours(capfd):
    with pytest.raises(BrokenPipeError, match="theirs"), guarded_output():
        raise BrokenPipeError(errno.EPIPE, "theirs")


def print_and_raise(error):
    with guarded_output():
        print("before")
        raise error


def test_errors_and_exits_of_the_block_are_let_through_where_all_was_written(capfd):
    for error in (ZeroDivisionError, StorageError, SystemExit, KeyboardInterrupt):
        with pytest.raises(error):
            print_and_raise(error)
    assert capfd.readouterr().out == "before\n" * 4


def test_without_a_standard_output_nothing_happens(monkeypatch):
    for stream in (None, io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        with guarded_output():
            print("nowhere")


def test_a_progress_that_cannot_be_shown_ends_no_search():
    (member,) = evaluated(MaxIndividual, 0.5)
    member.evaluation = type("Ended", (), {"status": 0, "values": (0.5,)})
    full = io.TextIOWrapper(open("/dev/full", "wb", buffering=0), write_through=True)  # noqa: SIM115 - closed below
    with full, Progress(2, file=full, seconds_between_lines=0) as progress:
        progress(member, 1)
        progress(member, 0)


def test_a_program_without_a_standard_error_searches_and_retrains_without_a_progress(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    (member,) = evaluated(MaxIndividual, 0.5)
    member.evaluation = type("Ended", (), {"status": 0, "values": (0.5,)})
    with Progress(1, seconds_between_lines=0) as progress:
        progress(member, 0)
    report = RetrainingReport(error_stream(), seconds_between_lines=0)
    report(RetrainingProgress(0, 1, 4, 4, 0.1, 1.25, 12_345.6))
    report.end_line()
