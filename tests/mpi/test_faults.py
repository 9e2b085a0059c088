"""Bad days: calls that take their process down, ranks that die, and ranks that fall silent."""

import json
import os
import random
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest

from deap_nas.store import HDF5Store
from tests.launch import OPEN_MPI, ROOT, command, environment, run


def program(name, *arguments, n_ranks, variables=None, mpi=None):
    """What a program prints, and its errors; it survives the death of ranks unless an MPI is named."""
    how = {"survives": True} if mpi is None else {"mpi": mpi}
    done = run("-m", "tests.mpi.programs", name, *arguments, n_ranks=n_ranks, variables=variables, **how)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def check_rows(path):
    """Every evaluation once, all with a fitness of their own."""
    with HDF5Store.read(path) as store:
        assert sorted(store.column("id").tolist()) == list(range(60))
        assert set(store.column("status").tolist()) == {0}
        return set(store.column("worker").tolist())


def test_a_child_process_takes_the_blow_and_its_rank_goes_on(mpi):
    found, _ = program("isolated", n_ranks=2, mpi=mpi)
    assert (found["same"], found["parent"], found["new"]) == (True, True, True)
    assert found["seen"] == [[], False]  # nothing of the launcher, no MPI
    kinds, texts = zip(*found["ends"], strict=True)
    assert kinds == ("LostWorkerError",) * 4 + ("TimeoutError", "MemoryError", "ExecutorError")
    assert texts[0] == "the process of the evaluation ended itself, with exit status 0"
    assert texts[4] == "ended after its time limit of 2 seconds"
    assert texts[5] == "ended at its limit of 314,572,800 bytes of memory"
    assert found["failing"] == ["ValueError", "bad", True]


@pytest.mark.parametrize("victims", ["2", "1,3", "1,2,4,5"])
def test_a_search_goes_on_when_ranks_are_killed_and_the_others_do_their_work(tmp_path, victims):
    n_left, _ = program("lose_ranks", tmp_path / "run.h5", n_ranks=6, variables={"VICTIMS": victims})
    workers = check_rows(tmp_path / "run.h5")
    assert n_left == 5 - len(victims.split(","))
    assert workers == set(range(1, 6)) - set(map(int, victims.split(",")))


def test_when_every_rank_has_died_the_search_ends_with_an_error_and_its_file_can_be_resumed(tmp_path):
    (kind, text, statuses, n_evaluated), _ = program("lose_all", tmp_path / "run.h5", n_ranks=3)
    assert (kind, text) == ("NoWorkerError", "no rank is left to run the call")
    assert statuses == [0]
    assert 0 < n_evaluated < 60


def test_when_every_rank_has_died_calls_end_with_an_error_and_so_do_later_ones():
    ends, _ = program("lose_all_in_calls", n_ranks=3)
    assert ends == [["NoWorkerError", "no rank is left to run the call"]] * 6


def test_when_rank_0_dies_the_job_ends_although_the_ranks_are_at_work_for_longer():
    began = time.monotonic()
    done = run("-m", "tests.mpi.programs", "die_while_ranks_work", n_ranks=3, survives=True)
    assert done.returncode != 0
    assert time.monotonic() - began < 30  # half of what their calls take


def test_an_exception_on_rank_0_ends_calls_that_run_on_other_ranks_also_where_the_search_outlives_ranks():
    done = run("-m", "tests.mpi.programs", "fail_while_running", n_ranks=5, survives=True)
    assert done.returncode == 1
    assert done.stderr.count("RuntimeError: rank 0 has failed") == 1


def test_a_limit_of_time_isolates_calls_and_their_next_process_sees_no_launcher_either(mpi):
    assert program("limited", n_ranks=2, mpi=mpi)[0] == ["TimeoutError", "0"]


def test_limits_may_be_set_inside_the_block_and_changed(mpi):
    ends, _ = program("limited_inside", n_ranks=2, mpi=mpi)
    assert ends == [[True, "TimeoutError"], [True, None]]


def test_a_large_message_to_a_stalled_rank_does_not_stall_the_others():
    assert program("stalled_before", n_ranks=4)[0] == [0, 2, 4, 6, 8, 10]


def test_a_program_that_fails_while_a_rank_is_stalled_ends_and_fails(mpi):
    done = run("-m", "tests.mpi.programs", "fail_with_stalled", n_ranks=3, mpi=mpi)
    assert done.returncode != 0
    assert "rank 2 does not answer: the MPI job is aborted" in done.stderr


@pytest.mark.parametrize(
    ("how", "where"), [("stop_rank", "child"), ("stop_rank", "rank"), ("stop_rank_inside", "child")]
)
def test_a_rank_that_falls_silent_is_given_up_and_its_call_done_by_another(tmp_path, how, where):
    variables = {"FLAG": str(tmp_path / "flag")}
    n_left, errors = program(how, tmp_path / "run.h5", where, n_ranks=4, variables=variables)
    assert len(check_rows(tmp_path / "run.h5")) == 2
    assert n_left == 2
    assert "nothing heard from rank" in errors


@pytest.mark.parametrize("where", ["child", "rank"])
def test_a_rank_that_comes_back_too_late_is_refused_its_answer_and_works_again(mpi, tmp_path, where):
    variables = {"FLAG": str(tmp_path / "flag"), "BACK": "1.6", "PAUSE": "0.1"}  # alone, the other would take 6 s
    _, errors = program("stop_rank", tmp_path / "run.h5", where, n_ranks=3, mpi=mpi, variables=variables)
    (lost,) = re.findall(r"nothing heard from rank (\d)", errors)
    assert f"rank {lost} is back; its late answer is refused" in errors
    assert check_rows(tmp_path / "run.h5") == {1, 2}  # its first answer was the late one


def test_a_rank_that_computes_for_longer_than_its_lease_keeps_its_call(mpi):
    (n_processes, n_left), errors = program("work_long", n_ranks=3, mpi=mpi)
    assert (n_processes, n_left) == (2, 2)
    assert "nothing heard" not in errors


def test_calls_and_a_search_use_the_ranks_one_after_the_other(mpi):
    (errors, argument, result, mapped), _ = program("use_twice", n_ranks=3, mpi=mpi)
    assert [error.split(":")[0] for error in errors] == [
        "calls are running on the ranks",
        "a search is using the ranks",
    ]
    assert (argument, result, mapped) == (21, 42, [0, 2, 4])


@contextmanager
def acknowledged(path, pause, mpi):
    """A search in a job of its own, and the number of its process; when they leave, the job has been killed."""
    arguments = command("-m", "tests.mpi.programs", "acknowledged", path, n_ranks=4, mpi=mpi)
    pipes = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    # what a killed mpirun leaves among the temporary files fails a later one whose process has the same number
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        variables = {"PAUSE": str(pause), "TMPDIR": folder} | mpi.variables
        with subprocess.Popen(arguments, env=environment() | variables, cwd=ROOT, **pipes) as job:
            yield job, int(job.stdout.readline())
    assert job.returncode != 0


def kill(victim, job, process):
    """Kill a search; gives what it had still said to have recorded."""
    if victim == "everything":
        os.killpg(job.pid, signal.SIGKILL)
    os.kill(process, signal.SIGKILL)
    return [int(line) for line in job.stdout if line.strip().isdigit()]


def check_resume(path, recorded, mpi):
    """What was said to be recorded is in the file, stays there as it is, and the resumed search does the rest."""
    before = ids(path) if path.exists() else []  # else it was killed before it had begun
    assert set(recorded) <= set(before)
    done = run("-m", "tests.mpi.programs", "acknowledged", path, n_ranks=4, mpi=mpi)
    assert done.returncode == 0, done.stderr
    check_rows(path)
    assert ids(path)[: len(before)] == before


def ids(path):
    with HDF5Store.read(path) as store:
        return store.column("id").tolist()


@pytest.mark.parametrize("n_recorded", [1, 7, 23])
@pytest.mark.parametrize("victim", ["rank 0", "everything"])
def test_a_search_killed_after_a_record_loses_nothing_it_has_acknowledged(mpi, tmp_path, victim, n_recorded):
    with acknowledged(tmp_path / "run.h5", 0.02, mpi) as (job, process):
        recorded = [int(job.stdout.readline()) for _ in range(n_recorded)]
        recorded += kill(victim, job, process)
    check_resume(tmp_path / "run.h5", recorded, mpi)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("victim", ["rank 0", "everything"])
def test_a_search_killed_at_any_instant_loses_nothing_it_has_acknowledged(tmp_path, victim, seed):
    with acknowledged(tmp_path / "run.h5", 0.1, OPEN_MPI) as (job, process):
        time.sleep(random.Random(f"{victim} {seed}").uniform(0, 1.5))  # of two seconds or more
        recorded = kill(victim, job, process)
    check_resume(tmp_path / "run.h5", recorded, OPEN_MPI)
