"""How worker processes are numbered, and what ends them."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from deap_nas.evaluation import runner as run
from deap_nas.executors import ProcessExecutor
from tests.launch import ROOT, environment

pytest.importorskip("pebble")


def number_beside_others(folder, n_others):
    """Of this worker, once all have such a call."""
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) <= n_others:
        time.sleep(0.01)
    return run._worker


def numbers(executor, folder):
    """Of two workers that run at the same time."""
    folder.mkdir()
    return sorted(executor.map(number_beside_others, [folder] * 2, [1] * 2))


def test_a_process_takes_the_number_of_the_one_that_it_replaces(tmp_path):
    with ProcessExecutor(2, timeout_seconds=5) as executor:
        assert numbers(executor, tmp_path / "first") == [0, 1]
        for name, *call in [("died", os._exit, 3), ("slow", time.sleep, 60), ("ended", os._exit, 0)]:
            assert executor.submit(*call).exception(timeout=30) is not None
            assert numbers(executor, tmp_path / name) == [0, 1]


def test_a_worker_outlives_the_thread_that_started_it():
    futures = []

    def begin(executor):
        executor.submit(abs, -1).result()
        futures.append(executor.submit(time.sleep, 1))

    with ProcessExecutor(1) as executor:
        thread = threading.Thread(target=begin, args=(executor,))
        thread.start()
        thread.join()
        assert futures[0].result(timeout=30) is None


def test_a_worker_ends_with_its_parent_however_that_ends():
    script = """
        import os, time
        from deap_nas.executors import ProcessExecutor

        with ProcessExecutor(1) as executor:
            print(executor.submit(os.getpid).result(), flush=True)
            executor.submit(time.sleep, 60).result()
    """
    arguments = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(arguments, env=environment(), cwd=ROOT, stdout=subprocess.PIPE) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def is_running(process):
    """Whether there is a process, and it has not ended without anybody having asked for its status."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat", encoding="ascii") as fields:
        return fields.read().rpartition(")")[2].split()[0] != "Z"
