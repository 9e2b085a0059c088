"""Programs for mpirun: python -m tests.mpi.programs NAME [ARGUMENT]. Rank 0 prints what the tests look at."""

import json
import os
import resource
import sys
import time

from deap_nas.evaluators import mpi_executor
from tests.store import search
from tests.toolboxes import PairIndividual, double, kind_of, raise_value_error


class UnpicklableError(Exception):
    def __init__(self, first, second):
        super().__init__("two arguments")


def raise_unpicklable():
    raise UnpicklableError(1, 2)


def loaded_modules():
    return [name for name in ("torch", "matplotlib", "sklearn", "h5py") if name in sys.modules]


def rank_and_threads(_):
    time.sleep(0.2)  # long enough for every rank to get one
    return os.environ["OMPI_COMM_WORLD_RANK"], os.environ["OMP_NUM_THREADS"]


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


def half(executor):
    return [executor.n_workers, *executor.map(double, range(4))]


def main(name, *arguments):
    if name == "half":  # two searches, each on every second rank
        from mpi4py import MPI

        world = MPI.COMM_WORLD
        comm = world.Split(world.rank % 2)
    else:
        comm = None
    with mpi_executor(comm) as executor:
        if executor is not None:
            print(json.dumps(globals()[name](executor, *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
