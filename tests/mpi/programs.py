"""Programs for mpirun: python -m tests.mpi.programs NAME [ARGUMENT]. Rank 0 prints what the tests look at."""

import ctypes
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from deap_nas import NASError, eaAsync
from deap_nas.executors import mpi_executor
from deap_nas.store import HDF5Store, resume_population
from tests.store import search
from tests.toolboxes import (
    SPACE,
    MaxIndividual,
    PairIndividual,
    double,
    environment,
    kind_of,
    make_toolbox,
    raise_value_error,
)


class UnpicklableError(Exception):
    def __init__(self, first, second):
        super().__init__("two arguments")


def raise_unpicklable():
    raise UnpicklableError(1, 2)


def loaded_modules():
    return [name for name in ("torch", "matplotlib", "sklearn", "h5py") if name in sys.modules]


def this_rank():
    """The rank that runs this, which must not be a child process of it."""
    from mpi4py import MPI

    return MPI.COMM_WORLD.Get_rank()


def rank_and_threads(_):
    time.sleep(0.2)  # long enough for every rank to get one
    return this_rank(), os.environ["OMP_NUM_THREADS"]


def wait_then_cpu_seconds(seconds):
    time.sleep(seconds)
    return cpu_seconds()


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def describe(error):
    return [type(error).__name__, *error.args]


def calls(executor):
    """Results, exceptions, order, functions that alternate."""
    failing = executor.submit(raise_value_error, "bad").exception()
    unpicklable = executor.submit(raise_unpicklable).exception()
    mixed = [executor.submit(*call).result() for call in [(double, 1), (kind_of, []), (double, 2), (double, 3)]]
    try:
        executor.submit(lambda: 1)
        lambda_error = ""
    except Exception as error:
        lambda_error = type(error).__name__
    return {
        "n_workers": executor.n_workers,
        "kind": type(executor).__name__,
        "map": list(executor.map(double, range(50))),
        "map_kinds": list(executor.map(kind_of, [PairIndividual([1]), PairIndividual([2])])),
        "mixed": mixed,
        "failing": [*describe(failing), "raise_value_error" in "".join(getattr(failing, "__notes__", []))],
        "unpicklable": [type(unpicklable).__name__, "UnpicklableError: two arguments" in str(unpicklable)],
        "lambda": lambda_error,
        "modules": executor.submit(loaded_modules).result(),
    }


class Counter:
    """A function that is changed between calls."""

    def __init__(self):
        self.number = 0

    def __call__(self, _):
        return self.number


def changing(executor):
    """What a changed function gives."""
    counter, results = Counter(), []
    for counter.number in range(3):
        results.append(set(executor.map(counter, range(4))) == {counter.number})
    return results


def give_lambda():
    return lambda: 1


def hopeless(executor):
    """A result that does not pickle, a call that quits, and a call after them."""
    futures = [executor.submit(give_lambda), executor.submit(sys.exit, 3), executor.submit(double, 4)]
    return [type(future.exception()).__name__ for future in futures[:2]] + [futures[2].result()]


def neighbours(executor):
    return sorted(executor.map(rank_and_threads, range(executor.n_workers)))


def idle(executor):
    """CPU seconds of all processes while each waits for three seconds: the workers for a call, rank 0 for a result."""
    before = [executor.submit(cpu_seconds).result() for _ in range(executor.n_workers)]
    mine = cpu_seconds()
    executor.submit(time.sleep, 3).result()
    after = [executor.submit(cpu_seconds).result() for _ in range(executor.n_workers)]
    return {"controller": cpu_seconds() - mine, "workers": sum(after) - sum(before)}


def evolve(executor, path):
    search.run(path, 60, executor)
    return executor.n_workers


def fail(executor):
    raise RuntimeError("rank 0 has failed")


def fail_while_running(executor):
    executor.submit(time.sleep, 1000)
    time.sleep(0.5)
    raise RuntimeError("rank 0 has failed")


def leave_interrupted(executor):
    """Leave the block while a call runs, and be warned of the end of the job meanwhile."""
    executor.submit(time.sleep, 60)
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGUSR1)).start()


def interrupted(number):
    """A call in a rank that Ctrl-C reaches meanwhile, as it reaches all ranks."""
    os.kill(os.getpid(), signal.SIGINT)
    return 2 * number


def interrupted_workers(executor):
    return list(executor.map(interrupted, range(4)))


def half(executor):
    return [executor.n_workers, *executor.map(double, range(4))]


def where_i_am():
    """Process, parent, and what of the launcher is to be seen."""
    launchers = ("OMPI_", "PMIX_RANK", "PMIX_SERVER", "PRTE_", "PMI_", "HYDI_")
    seen = [name for name in os.environ if name.startswith(launchers)]
    return os.getpid(), os.getppid(), seen, "mpi4py.MPI" in sys.modules


def eat_memory():
    blocks = []
    while True:
        blocks.append(bytearray(2**24))
        time.sleep(0.01)


def crash_with_segfault():
    ctypes.string_at(0)


def isolated(executor):
    """Calls that would take a rank down, each followed by one that works."""
    first, second = (executor.submit(where_i_am).result() for _ in range(2))
    ends = []
    for call in [
        (os._exit, 0),
        (os._exit, 17),
        (crash_with_segfault,),
        (os.kill, 0, 0),
        (time.sleep, 60),
        (eat_memory,),
        (sys.exit, 3),
    ]:
        error = executor.submit(kill_me).exception() if call[0] is os.kill else executor.submit(*call).exception()
        ends.append([type(error).__name__, str(error).splitlines()[-1]])
        assert executor.submit(double, 4).result() == 8
    third = executor.submit(where_i_am).result()
    failing = executor.submit(raise_value_error, "bad").exception()
    return {
        "same": first == second,
        "parent": first[1] == third[1] != os.getpid(),
        "new": first[0] != third[0],
        "seen": first[2:],
        "ends": ends,
        "failing": [*describe(failing), "raise_value_error" in "".join(getattr(failing, "__notes__", []))],
    }


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def dies_on_victims(genotype):
    """A fitness that kills some of the ranks with their first genotype."""
    time.sleep(0.01)
    if str(this_rank()) in os.environ["VICTIMS"].split(","):
        os.kill(os.getpid(), signal.SIGKILL)
    return (float(sum(genotype)),)


class StopsVictims:
    """A fitness in a child process, or in its rank, that stops the rank, once."""

    def __init__(self, *, isolated):
        self.isolated = isolated

    def __call__(self, genotype):
        time.sleep(float(os.environ.get("PAUSE", "0.01")))
        with suppress(FileExistsError):
            Path(os.environ["FLAG"]).touch(exist_ok=False)
            process = os.getppid() if self.isolated else os.getpid()
            if "BACK" in os.environ:
                subprocess.Popen(["sh", "-c", f"sleep {os.environ['BACK']}; kill -CONT {process}"])
            os.kill(process, signal.SIGSTOP)
        return (float(sum(genotype)),)


def evolve_with(executor, fitness, path):
    """A search of 60 evaluations in a population file; gives the ranks that are left."""
    rng = random.Random(1)
    toolbox = make_toolbox(fitness, rng=rng)
    with HDF5Store.create(path, space=SPACE, settings={}, seed=5) as store:
        eaAsync(toolbox.population(n=10), toolbox, executor, n_evaluations=60, store=store, rng=rng)
    return executor.n_workers


def lose_ranks(executor, path):
    return evolve_with(executor, dies_on_victims, path)


def stop_rank(executor, path, where):
    return evolve_with(executor, StopsVictims(isolated=where == "child"), path)


def work_long(executor):
    """Calls in the ranks themselves that take longer than the lease; gives the number of processes that did them."""
    return len(set(executor.map(slow_process, range(2)))), executor.n_workers


def slow_process(_number):
    time.sleep(2.5)
    return os.getpid()


def slow_gene_sum(genotype):
    time.sleep(float(os.environ.get("PAUSE", "0.01")))
    return (float(sum(genotype)),)


def acknowledged(executor, path):
    """A search that goes on with what is in its file, and says what it has recorded, and its process first."""
    print(os.getpid(), flush=True)
    rng = random.Random(1)
    toolbox = make_toolbox(slow_gene_sum, rng=rng)
    store = HDF5Store.resume(path) if Path(path).exists() else HDF5Store.create(path, space=SPACE, settings={}, seed=5)
    with store:
        population = resume_population(store, MaxIndividual, rng=rng) or toolbox.population(n=10)
        eaAsync(population, toolbox, executor, n_evaluations=60, store=store, rng=rng, observer=search.acknowledge)


class DiesInTheEnd:
    """A fitness that kills its rank with its sixth genotype."""

    n_calls = 0

    def __call__(self, genotype):
        self.n_calls += 1
        if self.n_calls > 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return (float(sum(genotype)),)


def lose_all(executor, path):
    """What is raised, and what the file holds, when no rank is left."""
    try:
        evolve_with(executor, DiesInTheEnd(), path)
    except NASError as error:
        with HDF5Store.read(path) as store:
            return [*describe(error), sorted(set(store.column("status").tolist())), store.n_evaluated]


def lose_all_in_calls(executor):
    """How calls end of which each kills its rank, and one that is submitted when no rank is left."""
    futures = [executor.submit(kill_me) for _ in range(5)]
    ends = [describe(future.exception(timeout=30)) for future in futures]
    return [*ends, describe(executor.submit(double, 4).exception(timeout=30))]


def die_while_ranks_work(executor):
    for _ in range(2):
        executor.submit(time.sleep, 60)
    time.sleep(1)
    kill_me()


def limited(executor):
    """A limit of time without a word of isolation, and whether the next process sees the launcher."""
    error = executor.submit(time.sleep, 60).exception()
    return [type(error).__name__, executor.submit(environment, "MPI4PY_RC_INITIALIZE").result()]


def limited_inside(executor):
    """Limits of time that are set where rank 0 already has the executor, and then others; and of the lease, too."""
    ends = []
    for seconds in (0.5, 60):
        with executor.with_processes(0, timeout_seconds=seconds, lease_seconds=8.0) as workers:
            error = workers.submit(time.sleep, 1).exception()
            ends.append([workers is executor, None if error is None else type(error).__name__])
    return ends


def stop_rank_inside(executor, path, where):
    """As stop_rank, with a lease that is set where rank 0 already has the executor."""
    with executor.with_processes(0, lease_seconds=1.0) as workers:
        return stop_rank(workers, path, where)


class Heavy:
    """A function whose pickle is no small message."""

    isolated = True

    def __init__(self):
        self.ballast = bytes(300_000)

    def __call__(self, number):
        return 2 * number


def stalled_before(executor):
    """Large messages to a rank that was stopped while it was idle."""
    process = next(seat.process for rank, seat in enumerate(executor._seats) if rank == 2)
    os.kill(process, signal.SIGSTOP)
    return list(executor.map(Heavy(), range(6)))


def fail_with_stalled(executor):
    """A program that ends in an error while a rank does not answer."""
    stalled_before(executor)
    sys.exit(3)


def use_twice(executor):
    """A search while calls run, calls while a search runs, then both one after the other."""
    future = executor.submit(time.sleep, 0.3)
    errors = []
    try:
        executor.open_channel(double)
    except NASError as error:
        errors.append(str(error))
    future.result()
    channel = executor.open_channel(double)
    try:
        executor.submit(double, 1)
    except NASError as error:
        errors.append(str(error))
    channel.submit(21)
    ((argument, end),) = channel.wait()
    channel.close()
    return [errors, argument, end.result(), list(executor.map(double, range(3)))]


#: How the executor of some programs is made.
OPTIONS = {
    "isolated": {"isolate": True, "timeout_seconds": 2, "memory_bytes": 300 * 2**20},
    "stop_rank": {"lease_seconds": 1.0},
    "work_long": {"lease_seconds": 1.0},
    "stalled_before": {"lease_seconds": 1.0},
    "fail_with_stalled": {"lease_seconds": 1.0},
    "die_while_ranks_work": {"lease_seconds": 2.0},
    "limited": {"timeout_seconds": 1},
}


def main(name, *arguments):
    if name == "half":  # two searches, each on every second rank
        from mpi4py import MPI

        world = MPI.COMM_WORLD
        comm = world.Split(world.rank % 2)
    else:
        comm = None
    with mpi_executor(comm, **OPTIONS.get(name, {})) as executor:
        if executor is not None:
            print(json.dumps(globals()[name](executor, *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
