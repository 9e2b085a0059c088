"""What the pages of the documentation tell a reader to run."""

import ast
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.launch import ROOT
from tests.slurm.page import scripts

#: Runs until the warning, then ends with a delay, as a search does.
SRUN = """#!/bin/bash
echo "srun ${*: -2}" >> log
trap 'sleep 0.5; echo ended >> log; exit $STATUS' USR1
touch running
for _ in $(seq 100); do [ -e stop ] && exit $STATUS; sleep 0.05; done
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> log
"""


@pytest.fixture
def job(tmp_path):
    """The search of docs/slurm.md in a folder with a scheduler that is made up; starts it, once it runs gives it."""
    programs = scripts() | {"srun": SRUN, "scontrol": SCONTROL}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def start(**variables):
        mine = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8"}
        process = subprocess.Popen([tmp_path / "search.sh"], cwd=tmp_path, env=os.environ | mine | variables)
        deadline = time.monotonic() + 20
        while not (tmp_path / "running").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)  # the script waits
        return process

    return start


def log_of(folder):
    return (folder / "log").read_text().splitlines()


def test_a_job_that_is_warned_waits_for_the_end_of_its_search_and_is_queued_again(job, tmp_path):
    with job(STATUS="130") as process:
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        process.send_signal(signal.SIGUSR1)  # again, while the search ends
    assert process.returncode == 130
    assert log_of(tmp_path) == ["srun --output runs/hier_evo.h5", "ended", "scontrol requeue 7"]


def test_a_job_that_is_queued_again_goes_on_with_its_file(job, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "hier_evo.h5").touch()
    with job(STATUS="130", SLURM_RESTART_COUNT="29") as process:
        process.send_signal(signal.SIGUSR1)
    assert log_of(tmp_path) == ["srun --resume runs/hier_evo.h5", "ended", "scontrol requeue 7"]


@pytest.mark.parametrize(
    ("status", "variables"),
    [("0", {}), ("130", {"SLURM_RESTART_COUNT": "30"})],
    ids=["the search is done", "too often"],
)
def test_a_job_that_is_warned_ends_for_good(job, tmp_path, status, variables):
    with job(STATUS=status, **variables) as process:
        process.send_signal(signal.SIGUSR1)
    assert process.returncode == int(status)
    assert log_of(tmp_path)[1:] == ["ended"]


@pytest.mark.parametrize("status", ["0", "1", "139"])
def test_a_search_that_ends_without_a_warning_is_not_queued_again(job, tmp_path, status):
    with job(STATUS=status) as process:
        (tmp_path / "stop").touch()
    assert process.returncode == int(status)
    assert len(log_of(tmp_path)) == 1


def section_of(page, title):
    """The blocks of code and the outputs of a section of a page."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"\n#+ {title}\n(.*?)(?:\n##+ |\Z)", text, re.DOTALL)
    return [re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("python", "text")]


def printed_by(arguments, folder, **files):
    """What a program prints that stands beside these modules."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command, environment = [sys.executable, *arguments], os.environ | {"PYTHONPATH": f"{ROOT}:{folder}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_search_space_of_the_tutorial_does_what_the_page_prints(tmp_path):
    (space, program, contract), (printed,) = section_of("tutorial", "A search space of your own")
    assert printed_by(["program.py"], tmp_path, my_space=space, program=program) == printed
    printed_by(["-m", "pytest", "-q", "test_my_space.py"], tmp_path, test_my_space=contract)


def test_a_table_of_accuracies_is_searched_in_15_lines_which_find_one_of_its_best(tmp_path):
    (table, program), (printed,) = section_of("tutorial", "A table of accuracies")
    assert len([line for line in program.splitlines() if line.strip()]) <= 15
    assert printed_by(["program.py"], tmp_path, my_table=table, program=program) == printed
    names = {}
    exec(table, names)
    accuracies = names["ACCURACY"]
    found = accuracies[tuple(printed.split(": ")[1].split())]
    assert len(accuracies) == 3**8
    assert sum(accuracy > found for accuracy in accuracies.values()) < 10
    assert max(accuracies.values()) - min(accuracies.values()) > 0.2


def is_shown(printed, shown):
    """Whether a page shows what a program prints, but for the space between words and what it leaves out as ``...``."""
    printed, shown = ("\n".join(" ".join(line.split()) for line in text.splitlines()) for text in (printed, shown))
    return re.fullmatch("(\n.*)?".join(map(re.escape, shown.split("\n..."))), printed, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("tutorial", "A genotype and its network"),
        ("tutorial", "A fitness of your own, without PyTorch"),
        ("tutorial", "DEAP's own algorithms"),
        ("tutorial", "A genotype that is no list"),
        ("tutorial", "Limits, survival, reuse"),
        ("from-onemax", "1. One-max"),
        ("from-onemax", "2. The individual becomes a genotype"),
        ("from-onemax", "Pitfalls"),
        ("epnas", "A step"),
        ("surrogates", "A surrogate chooses the children"),
        ("large-scale", "The eleven mutations"),
        ("large-scale", "What a run of the paper's size computes"),
    ],
)
def test_a_seeded_program_without_trainings_prints_what_its_page_shows(tmp_path, page, title):
    (program, *_), (shown, *_) = section_of(page, title)
    assert is_shown(printed_by(["program.py"], tmp_path, program=program), shown)


def test_one_max_with_a_limit_prints_what_its_page_shows(tmp_path):
    (program,), _ = section_of("from-onemax", "2. The individual becomes a genotype")
    (lines,), (shown,) = section_of("from-onemax", "toolbox.decorate")
    first, last = lines.split("...\n")
    population = first.splitlines(keepends=True)[-1]
    program = program.replace(population, first).replace("\nstatistics =", f"{last}\nstatistics =")
    assert program.count("limit") == 4
    assert is_shown(printed_by(["program.py"], tmp_path, program=program), shown)


def test_what_a_page_leaves_out_may_be_anything_and_nothing_else():
    assert is_shown("a  b\nc\nd\n", "a b\n...\nd\n")
    assert is_shown("a b\nc\nd\n", "a b\nc\n...\n")
    assert not is_shown("a b\nc\nd\n", "a b\nd\n")
    assert not is_shown("a b\nc\nd\n", "a b\n...\ne\n")
    assert not is_shown("a b\nc\nd\n", "b\n...\nd\n")


def test_the_one_shot_model_of_a_page_scores_a_network(tmp_path):
    (program,), _ = section_of("epnas", "Shared weights")
    assert program.count("n_evaluations=100") == 1
    printed = printed_by(["program.py"], tmp_path, program=program.replace("n_evaluations=100", "n_evaluations=3"))
    (accuracy,) = ast.literal_eval(printed)
    assert 0 <= accuracy <= 1
