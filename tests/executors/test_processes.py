import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest

from deap_nas import Status, eaAsync
from deap_nas.errors import ExecutorError, SettingsError
from deap_nas.executors import ProcessExecutor
from deap_nas.executors.genotype_executor import available_cores, divide_threads
from deap_nas.executors.processes import death_in_words, is_out_of_memory_exit
from tests.launch import HEED_INTERRUPTS
from tests.toolboxes import (
    MaxIndividual,
    crashes_hangs_or_works,
    double,
    environment,
    exit_at_three,
    interrupt_itself,
    kind_of,
    make_toolbox,
    raise_value_error,
    sleep_forever,
)

PoolManager = pytest.importorskip("pebble.pool.process").PoolManager


@pytest.fixture(scope="module")
def executor():
    with ProcessExecutor(2) as executor:
        yield executor


def test_calls_run_in_other_processes_with_their_arguments(executor):
    assert executor.submit(double, number=4).result() == 8
    assert executor.submit(os.getpid).result() != os.getpid()


def test_an_exception_arrives_with_the_future(executor):
    future = executor.submit(raise_value_error, "wrong")
    with pytest.raises(ValueError, match="wrong"):
        future.result()


def test_map_keeps_order_and_length(executor):
    assert list(executor.map(double, range(30))) == list(range(0, 60, 2))
    assert list(executor.map(pow, [2, 3], [4, 5])) == [16, 243]
    assert list(executor.map(double, [])) == []


def test_map_sends_individuals_as_plain_genotypes(executor):
    assert list(executor.map(kind_of, [MaxIndividual([1]), MaxIndividual([2])])) == ["Genotype", "Genotype"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_a_worker_leaves_ctrl_c_and_a_schedulers_warning_to_its_parent(executor, number):
    assert executor.submit(interrupt_itself, number).result() == "still here"


def test_a_process_that_dies_takes_only_its_own_call(executor):
    futures = [executor.submit(exit_at_three, number) for number in range(8)]
    for number, future in enumerate(futures):
        if number == 3:
            with pytest.raises(Exception, match="Abnormal termination"):
                future.result()
        else:
            assert future.result() == number


def test_an_idle_process_that_is_killed_is_replaced():
    with ProcessExecutor(1) as executor:
        os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)
        time.sleep(1)
        assert executor.submit(double, 1).result(timeout=60) == 2


def test_a_process_that_dies_before_it_is_known_what_it_does_takes_its_call_with_it(monkeypatch):
    read = PoolManager.process_next_message

    def read_late(manager, timeout):
        time.sleep(0.15)  # longer than until the next look at who has died
        read(manager, timeout)

    monkeypatch.setattr(PoolManager, "process_next_message", read_late)
    with ProcessExecutor(2) as executor:
        dead = [executor.submit(os._exit, 17) for _ in range(2)]
        assert [death_in_words(future.exception(timeout=60)) for future in dead] == [
            "the process of the evaluation ended with exit status 17"
        ] * 2
        assert executor.submit(double, 1).result(timeout=60) == 2


def test_a_call_after_the_block_is_refused():
    with ProcessExecutor(1) as executor:
        pass
    with pytest.raises(ExecutorError, match="submit inside its 'with' block"):
        executor.submit(double, 1)


def test_a_call_past_its_time_limit_is_ended_and_its_worker_goes_on():
    with ProcessExecutor(1, timeout_seconds=0.5) as executor:
        slow, quick = executor.submit(sleep_forever), executor.submit(double, 1)
        with pytest.raises(TimeoutError):
            slow.result(timeout=60)
        assert quick.result(timeout=60) == 2


def test_processes_in_its_place_have_its_limits():
    with ProcessExecutor(1, timeout_seconds=1.0) as executor, executor.with_processes(2) as workers:
        assert workers.n_workers == 2
        with pytest.raises(TimeoutError):
            workers.submit(time.sleep, 60).result()


def test_processes_in_its_place_may_have_others_one_by_one():
    with ProcessExecutor(1, timeout_seconds=60, memory_bytes=2**40) as executor:
        with executor.with_processes(0) as workers:
            assert workers is executor
        with executor.with_processes(0, timeout_seconds=1.0) as workers:
            assert workers.n_workers == 1
            assert (workers._timeout_seconds, workers._memory_bytes) == (1.0, 2**40)
            with pytest.raises(TimeoutError):
                workers.submit(time.sleep, 60).result()


def test_a_search_survives_crashes_and_hangs():
    rng = random.Random(1)
    toolbox = make_toolbox(crashes_hangs_or_works, rng=rng)
    population = [MaxIndividual([first, 1, 1, 1, 1, 1]) for first in (0, 1, 2, 3)]
    with ProcessExecutor(2, timeout_seconds=3) as executor:  # in which a process also imports this fitness
        population, logbook = eaAsync(population, toolbox, executor, n_evaluations=4, rng=rng)
    ended = {tuple(individual): individual.evaluation for individual in population}
    statuses = [ended[first, 1, 1, 1, 1, 1].status for first in range(4)]
    assert statuses == [Status.OK, Status.LOST, Status.TIMED_OUT, Status.OK]
    assert logbook[-1]["failed"] == 2
    assert ended[2, 1, 1, 1, 1, 1].error == "ended after its time limit of 3 seconds"
    for individual in population:
        if individual.evaluation.status is Status.OK:
            assert individual.evaluation.worker in (0, 1)
        else:
            assert individual.fitness.values == (-1e100,)
            assert individual.evaluation.error
            assert individual.evaluation.started <= individual.evaluation.finished


def leave_while_a_call_runs(futures):
    """Fail inside the block as soon as a call that does not end has begun, while others wait."""
    with ProcessExecutor(1) as executor:
        futures += [executor.submit(sleep_forever) for _ in range(3)]
        while not futures[0].running():
            time.sleep(0.01)
        raise KeyError("leave")


def test_an_exception_in_the_block_ends_running_calls_at_once():
    started, futures = time.monotonic(), []
    with pytest.raises(KeyError, match="leave"):
        leave_while_a_call_runs(futures)
    assert time.monotonic() - started < 30
    assert all(future.done() for future in futures)


def test_leaving_the_block_waits_for_the_calls():
    with ProcessExecutor(1) as executor:
        future = executor.submit(double, 21)
    assert future.result(timeout=0) == 42


def test_an_interrupt_ends_the_search_quietly_and_leaves_no_process(tmp_path):
    script = tmp_path / "search.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing
            from deap_nas import eaAsync
            from deap_nas.executors import ProcessExecutor
            from tests.toolboxes import crashes_hangs_or_works, make_toolbox, MaxIndividual

            if __name__ == "__main__":
                population = [MaxIndividual([2, 0, 0, 0, 0, 0]) for _ in range(4)]
                try:
                    with ProcessExecutor(2) as executor:
                        list(executor.map(abs, [1, 2]))
                        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
                        eaAsync(population, make_toolbox(crashes_hangs_or_works), executor, n_evaluations=4)
                except KeyboardInterrupt:
                    print("interrupted")
            """
        )
    )
    path = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        [*HEED_INTERRUPTS, sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    ) as process:
        workers = [int(pid) for pid in process.stdout.readline().split()]
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the parent and all its workers
        output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("interrupted\n", "", 0)
    assert len(workers) == 2
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with ProcessExecutor(2) as executor:
        threads = int(executor.submit(environment, "OMP_NUM_THREADS").result())
    assert threads == max(1, available_cores() // 2)


def test_a_part_of_a_machine_is_divided_not_the_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    divide_threads(4)  # an empty count is none
    assert os.environ["OMP_NUM_THREADS"] == "2"
    monkeypatch.delenv("OMP_NUM_THREADS")
    divide_threads(2)
    assert os.environ["OMP_NUM_THREADS"] == "4"


def test_a_thread_count_that_the_user_has_set_is_left_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    with ProcessExecutor(2) as executor:
        assert executor.submit(environment, "OMP_NUM_THREADS").result() == "17"


def test_by_default_there_is_a_worker_for_each_core():
    with ProcessExecutor() as executor:
        assert executor.n_workers == available_cores()


@pytest.mark.parametrize("n_workers", [0, -1])
def test_no_workers_are_refused(n_workers):
    with pytest.raises(SettingsError, match=f"n_workers must be at least 1, found {n_workers}"):
        ProcessExecutor(n_workers)


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_no_time_is_refused(seconds):
    with pytest.raises(SettingsError, match="timeout_seconds must be positive"):
        ProcessExecutor(1, timeout_seconds=seconds)


def hold(n_bytes):
    held = bytearray(n_bytes)
    time.sleep(0.5)
    return len(held)


def test_a_process_beyond_its_memory_is_ended_and_the_memory_of_its_parent_does_not_count():
    ballast = bytearray(300 * 2**20)
    with ProcessExecutor(1, memory_bytes=200 * 2**20) as executor:
        assert executor.submit(double, 2).result() == 4
        assert is_out_of_memory_exit(executor.submit(hold, 250 * 2**20).exception())
        assert executor.submit(double, 3).result() == 6
    assert len(ballast) == 300 * 2**20


def test_memory_and_time_that_ran_out_become_statuses(tmp_path):
    fitness = partial(hold_and_count, path=str(tmp_path))
    toolbox = make_toolbox(fitness, rng=random.Random(1))
    with ProcessExecutor(1, memory_bytes=200 * 2**20) as executor:
        population, _ = eaAsync(toolbox.population(2), toolbox, executor, n_evaluations=2, retries=0)
    assert {individual.evaluation.status.name for individual in population} == {"OUT_OF_MEMORY", "OK"}


def signal_itself(number):
    os.kill(os.getpid(), number)
    time.sleep(10)


class SpoiltByThree:
    """A fitness that no longer works in a process where it has met a 3, as after an illegal access of CUDA."""

    is_spoilt = False

    def __call__(self, genotype):
        if self.is_spoilt or genotype[0] == 3:
            SpoiltByThree.is_spoilt = True
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return (1.0,)


def test_an_evaluation_that_spoils_its_process_fails_alone():
    population = [MaxIndividual([first, 1, 1, 1, 1, 1]) for first in (0, 3, 1, 2, 4)]
    with ProcessExecutor(1) as executor:
        eaAsync(population, make_toolbox(SpoiltByThree()), executor, n_evaluations=5)
    ended = {individual[0]: individual.evaluation for individual in population}
    assert {first for first, evaluation in ended.items() if evaluation.status is Status.OK} == {0, 1, 2, 4}
    assert ended[3].status is Status.LOST
    assert ended[3].error == "the process of the evaluation ended itself after a CUDA error, which its log tells"


@pytest.mark.parametrize(
    ("function", "number", "words"),
    [
        (signal_itself, signal.SIGKILL, "was killed by SIGKILL"),
        (signal_itself, signal.SIGRTMIN + 1, f"was killed by signal {signal.SIGRTMIN + 1}"),
        (os._exit, 3, "ended with exit status 3"),
        (os._exit, 0, "ended itself, with exit status 0"),
    ],
)
def test_how_a_process_died_is_told(executor, function, number, words):
    error = executor.submit(function, number).exception()
    assert death_in_words(error) == f"the process of the evaluation {words}"


def hold_and_count(genotype, *, path):
    """Take too much memory in the first call only."""
    first = Path(path) / "first"
    if not first.exists():
        first.touch()
        hold(400 * 2**20)
    return (1.0,)
