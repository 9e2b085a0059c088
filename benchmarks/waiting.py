"""What ranks cost that wait: to those that compute beside them, and before their first job.

    python benchmarks/waiting.py [--waiting 62] [--computing 2] [--seconds 5] [--rounds 3] [--environment FOLDER]

Some ranks compute, in Python and without a pause, while the others wait for work, one of them as the controller. The
time of those that compute is compared with that of as many ranks without neighbours; what the waiting ones take of the
cores is read from /proc (Linux). Beside them runs what plain MPI does, where a waiting rank blocks in a receive. Last
come the start of a rank and its memory. ``--environment`` is a virtual environment with another MPI, for instance one
with MPICH: python -m venv FOLDER && FOLDER/bin/pip install mpich mpi4py numpy deap lazy_loader
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

from jobs import judged, measured, run, spread
from machine import describe


def compute(n_steps):
    """An evaluation that computes; gives its process and its seconds."""
    begin, total = time.perf_counter(), 0
    for number in range(n_steps):
        total += number * number
    return os.getpid(), time.perf_counter() - begin


class Watch:
    """Seconds that processes of this machine have had of its cores since the watch was made."""

    def __init__(self, processes):
        self._begin = time.perf_counter()
        self._before = {process: cpu_seconds(process) for process in processes}

    def figures(self, ended):
        """Mean seconds of the computations that have ended, cores of the other ranks together, cores of this one."""
        wall = time.perf_counter() - self._begin
        cores = {process: (cpu_seconds(process) - before) / wall for process, before in self._before.items()}
        computing = {process for process, _ in ended}
        waiting = sum(taken for process, taken in cores.items() if process not in computing)
        return statistics.mean(seconds for _, seconds in ended), waiting, cores[os.getpid()]


def cpu_seconds(process):
    """Seconds of all threads of a process."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def alone(args):
    """As many ranks as compute, and nobody beside them."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()
    ended = MPI.COMM_WORLD.gather(compute(args.steps))
    return None if ended is None else (statistics.mean(seconds for _, seconds in ended), 0.0, 0.0)


def ours(args):
    """The channel that the search loop uses."""
    from mpi4py import MPI

    from deap_nas.executors import mpi_executor

    processes = MPI.COMM_WORLD.allgather(os.getpid())
    with mpi_executor() as executor:
        if executor is None:
            return None
        channel, ended = executor.open_channel(compute), []
        time.sleep(1)  # so that all have begun to wait
        watch = Watch(processes)
        for number in range(args.computing):
            channel.submit(args.steps + number)  # arguments are not to be equal
        while len(ended) < args.computing:
            ended += [end.result() for _, end in channel.wait()]
        found = watch.figures(ended)
        channel.close()
    return found


def blocking(args):
    """Plain sends and receives; whoever waits, blocks in a receive."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    processes = comm.allgather(os.getpid())
    if comm.rank:
        n_steps = comm.recv(source=0)
        if n_steps:
            comm.send(compute(n_steps), dest=0)
            comm.recv(source=0)
        return None
    time.sleep(1)
    watch = Watch(processes)
    for rank in range(1, 1 + args.computing):
        comm.send(args.steps, dest=rank)
    found = watch.figures([comm.recv() for _ in range(args.computing)])
    for rank in range(1, comm.size):
        comm.send(0, dest=rank)
    return found


def start(args):  # noqa: ARG001 - one signature for all
    """Seconds of CPU and megabytes of a rank before its first job: ours."""
    from deap_nas.executors import mpi_executor

    with mpi_executor() as executor:
        return executor.submit(usage).result() if executor is not None else None


def bare_start(args):  # noqa: ARG001 - one signature for all
    """The same of a rank that has imported numpy and mpi4py and nothing else."""
    import numpy  # noqa: F401
    from mpi4py import MPI

    found = MPI.COMM_WORLD.bcast(usage(), root=1)
    return found if MPI.COMM_WORLD.rank == 0 else None


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def library(args):  # noqa: ARG001 - one signature for all
    """Name and version of the MPI."""
    from mpi4py import MPI

    return MPI.Get_library_version().splitlines()[0].strip(" \0")


CHILDREN = {"nobody waits": alone, "ours": ours, "blocking receive": blocking}
CHILDREN |= {"start": start, "bare start": bare_start, "library": library}


def run_child(args, name, n_ranks, *options):
    found = run(__file__, *options, "--child", name, n_ranks=n_ranks, environment=args.environment)
    if found is None:
        sys.exit(f"{args.environment or sys.prefix} lacks a package, see --help")
    return found


def waiting(args):
    """Bar 5: ranks that wait beside ranks that compute."""
    for n_computing, n_waiting in ((args.computing, args.waiting), (1, 1)):
        options = (f"--computing={n_computing}", f"--steps={args.steps}")
        n_ranks = {"nobody waits": n_computing, "ours": n_computing + n_waiting}
        n_ranks["blocking receive"] = n_ranks["ours"]

        def run_one(name, options=options, n_ranks=n_ranks):
            return run_child(args, name, n_ranks[name], *options)

        print(
            f"{n_waiting} waiting and {n_computing} computing: seconds, cores of those that wait, of the controller\n"
        )
        medians = {}
        for name, found in measured(n_ranks, run_one, args.rounds).items():
            columns = list(zip(*found, strict=True))
            medians[name] = [statistics.median(column) for column in columns]
            print(f"  {name:18}" + "".join(f"{spread(column, 3):>28}" for column in columns), flush=True)
        seconds, together, controller = medians["ours"]
        slower = f"{n_waiting} waiting, {n_computing} computing: time / with nobody waiting"
        print("\n" + judged(slower, seconds / medians["nobody waits"][0], 1.3, least=False))
        print(judged(f"cores of {n_waiting} waiting together", together, 0.3, least=False))
        print(judged("cores of the controller", controller, 0.05, least=False) + "\n")


def startup(args):
    """Bar 6: a rank before its first training."""
    found = measured(["start", "bare start"], lambda name: run_child(args, name, 3), args.rounds)
    print("a rank before its first job: CPU seconds and MB, beside one with numpy and mpi4py only\n")
    for place, what in enumerate(("CPU seconds", "MB")):
        own, bare = ([figures[place] for figures in found[name]] for name in ("start", "bare start"))
        text = f"{what}: {spread(own, 2)} / {spread(bare, 2)}"
        print(judged(text, statistics.median(own) / statistics.median(bare), 1.2, least=False))


PARTS = {"waiting": waiting, "startup": startup}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=62, help="ranks, the controller included (default: 62)")
    parser.add_argument("--computing", type=int, default=2, help="ranks (default: 2)")
    parser.add_argument("--seconds", type=float, default=5.0, help="that a computation takes (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="of each contender (default: 3)")
    parser.add_argument("--environment", help="virtual environment of another MPI (default: this one)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts (default: all)")
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        found = CHILDREN[args.child](args)
        if found is not None:
            print(json.dumps(found), flush=True)
        return
    describe("deap-nas", "mpi4py", "numpy")
    print(run_child(args, "library", 1), "\n")
    compute(10**5)
    args.steps = int(args.seconds / compute(10**6)[1] * 10**6)
    for name in args.only:
        PARTS[name](args)


if __name__ == "__main__":
    main()
