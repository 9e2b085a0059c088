"""What DNA of Real 2017 cost: CPU time of each mutation, and of cost and key against building the network.

    python benchmarks/dna.py [--samples 300] [--edges 5 10 20] [--seed 0]

The DNA are those of lineages that begin with the linear model, of random mutations, once they have so many edges; their
networks take at most 100 million FLOPs for an image of 32x32. Times are CPU microseconds, median and range over rounds;
the ratio is against building the module of the same DNA in the same round.
"""

import argparse
import random
import statistics
import time
from functools import partial

import torch
from machine import describe

from deap_nas import DNA, LARGE_SCALE_MUTATIONS, CostLimit, DNASpace, canonical_key, cost, mutLargeScale
from deap_nas.assembly import build_network

SPACE = DNASpace()
TEMPLATE = SPACE.default_template()
N_ROUNDS = 7
MOST_MICROSECONDS, LEAST_RATIO = 50, 100


def lineage(n_edges, rng):
    """A DNA that has come to have so many edges."""
    mutate, dna = CostLimit(SPACE, TEMPLATE, max_flops=10**8)(mutLargeScale), DNA()
    while len(dna.edges) < n_edges:
        mutate(dna, SPACE, rng=rng)
    return dna


def cpu_microseconds(function, dnas):
    """CPU time of one call, averaged over copies of the DNA."""
    copies = [DNA(dna) for dna in dnas]
    start = time.process_time()
    for dna in copies:
        function(dna)
    return (time.process_time() - start) / len(copies) * 1e6


def measured(functions, dnas, rng):
    """Microseconds of each function, a list of rounds each."""
    rounds = {name: [] for name in functions}
    for number in range(N_ROUNDS + 1):  # the first warms up
        part = rng.sample(dnas, min(50, len(dnas)))
        for name, function in functions.items():
            spent = cpu_microseconds(function, part)
            if number:
                rounds[name].append(spent)
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=300, help="DNA of each size (default: 300)")
    parser.add_argument("--edges", type=int, nargs="+", default=[5, 10, 20], help="of the backbone (default: 5 10 20)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    describe("deap-nas", "torch")
    rng = random.Random(args.seed)
    mutations = {"mutLargeScale": mutLargeScale, **LARGE_SCALE_MUTATIONS}
    functions = {
        "build_network": lambda dna: build_network(SPACE, dna, TEMPLATE),
        "cost": lambda dna: cost(SPACE, dna, TEMPLATE),
        "canonical_key": lambda dna: canonical_key(SPACE, dna),
        "lower": SPACE.lower,
        "validate": SPACE.validate,
        **{name: partial(mutate, space=SPACE, rng=rng) for name, mutate in mutations.items()},
    }
    for n_edges in args.edges:
        dnas = [lineage(n_edges, rng) for _ in range(args.samples)]
        convolutions = statistics.mean(sum(edge.filters is not None for edge in dna.edges) for dna in dnas)
        skips = statistics.mean(len(dna.skips) for dna in dnas)
        print(f"{n_edges} edges, on average {convolutions:.1f} convolutions and {skips:.1f} skips")
        print(f"  {'':28}{'median us':>12}{'least':>10}{'most':>10}{'build / it':>12}")
        rounds = measured(functions, dnas, rng)
        for name, spent in rounds.items():
            pairs = zip(rounds["build_network"], spent, strict=True)
            ratio, median = statistics.median(build / each for build, each in pairs), statistics.median(spent)
            met = median <= MOST_MICROSECONDS if name in mutations else ratio >= LEAST_RATIO
            verdict = ("met" if met else "MISSED") if name in (*mutations, "cost", "canonical_key") else ""
            print(f"  {name:28}{median:12.1f}{min(spent):10.1f}{max(spent):10.1f}{ratio:12.1f}  {verdict}".rstrip())
        print()
    print(f"bars: a mutation {MOST_MICROSECONDS} us; cost and key {LEAST_RATIO} times faster than building")


if __name__ == "__main__":
    main()
