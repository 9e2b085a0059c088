"""Other libraries with the work of benchmarks/evaluator.py, and plain MPI loops, for comparison.

A contender takes the arguments of the script, whose ``n`` is the number of workers, and gives what `steady_state` does,
or None on a rank that has served as a worker. It starts and imports before the clock runs.
"""

import logging
import random
import time
from contextlib import contextmanager
from functools import partial

GENES = bytes(random.Random(0).randrange(7) for _ in range(46))


def evaluate(job):
    """The evaluation that costs nothing."""
    return float(job[0])


def jobs_of(args):
    return ((number, GENES) for number in range(args.evaluations))


def steady_state(submit, wait, jobs, n_workers):
    """Keep all workers busy until all jobs are done; gives wall and CPU seconds of this process."""
    jobs, running = iter(jobs), 0
    begin, cpu = time.perf_counter(), time.process_time()
    while True:
        while running < n_workers and (job := next(jobs, None)) is not None:
            submit(job)
            running += 1
        if not running:
            return time.perf_counter() - begin, time.process_time() - cpu
        running -= wait()


def plain(args, receive=None):
    """A loop of sends and receives of buffers, by default blocking ones: the least that MPI costs."""
    import numpy as np
    from mpi4py import MPI

    comm, receive = MPI.COMM_WORLD, receive or MPI.Comm.Recv
    if comm.rank:
        serve(comm, receive)
        return None
    status, result, values = MPI.Status(), np.zeros(2), {}
    idle, running = list(range(1, comm.size)), {}

    def submit(job):
        rank = idle.pop()
        running[rank] = job
        comm.Send(packed(*job), dest=rank)

    def wait():
        receive(comm, result, source=MPI.ANY_SOURCE, status=status)
        rank = status.Get_source()
        idle.append(rank)
        number, _ = running.pop(rank)
        values[number] = float(result[1])
        return 1

    found = steady_state(submit, wait, jobs_of(args), args.n)
    for rank in idle:
        comm.Send(packed(-1, GENES), dest=rank)
    return found


def packed(number, genes):
    return number.to_bytes(8, "little", signed=True) + genes


def serve(comm, receive):
    """The side of a worker of a plain loop."""
    import numpy as np

    job, result = bytearray(8 + len(GENES)), np.zeros(2)
    while True:
        receive(comm, job, source=0)
        number = int.from_bytes(job[:8], "little", signed=True)
        if number < 0:
            return
        result[:] = number, evaluate((number, bytes(job[8:])))
        comm.Send(result, dest=0)


def sleeping(args):
    """The plain loop, with both sides waiting as the ranks of deap_nas do: it leaves the cores to others."""
    from deap_nas.executors.mpi.worker import Backoff

    def receive(comm, buffer, *, source, status=None):
        backoff = Backoff()
        while not comm.Iprobe(source=source):
            backoff.pause()
        comm.Recv(buffer, source=source, status=status)

    return plain(args, receive)


def futures(args):
    """mpi4py.futures, with a queue of ended futures, which is its fastest form."""
    from queue import SimpleQueue

    from mpi4py.futures import MPICommExecutor

    with MPICommExecutor() as executor:
        if executor is None:
            return None
        ended = SimpleQueue()
        list(executor.map(evaluate, [(0, GENES)] * args.n))

        def submit(job):
            executor.submit(evaluate, job).add_done_callback(ended.put)

        return steady_state(submit, lambda: ended.get().result() * 0 + 1, jobs_of(args), args.n)


def libensemble(args):
    """libEnsemble, a persistent generator on the manager that gets each result as it comes; no logs, no resources."""
    import numpy as np
    from libensemble.alloc_funcs.start_only_persistent import only_persistent_gens
    from libensemble.libE import libE
    from libensemble.message_numbers import EVAL_GEN_TAG, FINISHED_PERSISTENT_GEN_TAG
    from libensemble.tools.persistent_support import PersistentSupport

    logging.disable()  # else a worker sends a record for each evaluation
    job, found = [("number", int), ("genes", f"V{len(GENES)}")], []

    def generate(_rows, state, _specs, info):
        support, asked = PersistentSupport(info, EVAL_GEN_TAG), []

        def wait():
            rows = np.array(asked, dtype=job)
            asked.clear()
            return len(support.send_recv(rows)[2])

        steady_state(asked.append, wait, [(0, GENES)] * args.n, args.n)
        found.append(steady_state(asked.append, wait, jobs_of(args), args.n))
        return None, state, FINISHED_PERSISTENT_GEN_TAG

    libE(
        sim_specs={
            "sim_f": lambda rows: np.array([(evaluate(row),) for row in rows], dtype=[("value", float)]),
            "in": ["number", "genes"],
            "out": [("value", float)],
        },
        gen_specs={"gen_f": generate, "persis_in": ["sim_id", "value"], "out": job},
        alloc_specs={"alloc_f": only_persistent_gens, "user": {"async_return": True}},
        exit_criteria={"sim_max": args.n + args.evaluations + 1},  # never reached: it ends when the generator does
        libE_specs={"gen_on_manager": True, "disable_log_files": True, "disable_resource_manager": True},
    )
    return found[0] if found else None


def deephyper(args):
    """The evaluator of deephyper over MPI, without its storage of results."""
    from deephyper.evaluator import Evaluator
    from deephyper.evaluator.storage import NullStorage

    with Evaluator.create(evaluate, method="mpicomm", method_kwargs={"storage": NullStorage()}) as evaluator:
        if not evaluator.is_master:
            return None
        evaluator.submit([{0: 0, 1: GENES}] * args.n)
        evaluator.gather("ALL")

        def submit(job):
            evaluator.submit([dict(enumerate(job))])

        return steady_state(submit, lambda: len(evaluator.gather("BATCH", 1)), jobs_of(args), args.n)


@contextmanager
def dask_client(n_workers):
    """A client of dask with processes of this machine."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def dask(args):
    """dask.distributed, as_completed."""
    from distributed import as_completed

    with dask_client(args.n) as client:
        pool = as_completed([client.submit(evaluate, (0, GENES), pure=False) for _ in range(args.n)])
        for future in pool:
            future.result()

        def submit(job):
            pool.add(client.submit(evaluate, job, pure=False))

        return steady_state(submit, lambda: next(pool).result() * 0 + 1, jobs_of(args), args.n)


def leap(args):
    """The steady state of leap-ec, on processes of dask; its individuals are clones of one."""
    from leap_ec import Representation
    from leap_ec.distrib.asynchronous import steady_state as search
    from leap_ec.distrib.individual import DistributedIndividual
    from leap_ec.problem import FunctionProblem

    with dask_client(args.n) as client:
        search_for = partial(
            search,
            client,
            init_pop_size=args.n,
            pop_size=args.n,
            representation=Representation(initialize=lambda: (0, GENES), individual_cls=DistributedIndividual),
            problem=FunctionProblem(evaluate, maximize=True),
            offspring_pipeline=[lambda population: [population[-1].clone()]],
        )
        search_for(max_births=0)
        begin, cpu = time.perf_counter(), time.process_time()
        search_for(max_births=args.evaluations - args.n)  # beside the first population
        return time.perf_counter() - begin, time.process_time() - cpu


def ray(args):
    """Ray actors and ray.wait."""
    import ray as library

    library.init(num_cpus=args.n, include_dashboard=False, log_to_driver=False)
    actor = library.remote(num_cpus=1)(type("Worker", (), {"evaluate": staticmethod(evaluate)}))
    idle = [actor.remote() for _ in range(args.n)]
    library.get([worker.evaluate.remote((0, GENES)) for worker in idle])
    running = {}

    def submit(job):
        worker = idle.pop()
        running[worker.evaluate.remote(job)] = worker

    def wait():
        (reference,), _ = library.wait(list(running))
        idle.append(running.pop(reference))
        library.get(reference)
        return 1

    return steady_state(submit, wait, jobs_of(args), args.n)


UNDER_MPI = {
    "plain": plain,
    "sleeping": sleeping,
    "futures": futures,
    "libensemble": libensemble,
    "deephyper": deephyper,
}
ALONE = {"ray": ray, "dask": dask, "leap": leap}
#: Contenders that manage some dozens of evaluations a second do no more than these.
MOST_EVALUATIONS = {"dask": 500, "leap": 500}
