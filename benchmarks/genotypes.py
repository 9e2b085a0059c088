"""What genotypes cost and what they are: CPU time of each operation on them, and statistics of random ones.

    python benchmarks/genotypes.py [--samples 1000] [--seed 0]

Times are CPU microseconds, median and range over rounds; the ratio is against building the module of the same
genotype (small CIFAR model, c0 = 16) in the same round. A tournament is that of the paper, 5 % of 1000 members, in the
population in order of fitness that a search keeps, and in a list.
"""

import argparse
import random
import statistics
import time

import torch
from deap import base, creator
from machine import describe

from deap_nas import (
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    NetworkTemplate,
    canonical_key,
    cost,
    initDiversified,
    mutEdge,
    selTournamentFraction,
)
from deap_nas.assembly import build_network
from deap_nas.graph import prune
from deap_nas.operators import RankedPopulation

creator.create("Fitness", base.Fitness, weights=(1.0,))
creator.create("Individual", Genotype, fitness=creator.Fitness)

TEMPLATE = NetworkTemplate.small_cifar()
SPACES = {"hierarchical": HierarchicalSpace(), "flat": FlatSpace()}
N_ROUNDS = 7
N_MEMBERS = 1000


def cpu_microseconds(function, arguments):
    """CPU time of one call, averaged over the arguments."""
    start = time.process_time()
    for argument in arguments:
        function(argument)
    return (time.process_time() - start) / len(arguments) * 1e6


def random_members(genotypes, rng):
    """Members of a population, with random fitness."""
    members = [creator.Individual(genes) for genes in rng.choices(genotypes, k=N_MEMBERS)]
    for member in members:
        member.fitness.values = (rng.random(),)
    return members


def times(space, genotypes, rng):
    """Rows of the table of times: name, median, range, how many times faster than building."""
    networks = [genes for genes in genotypes if space.lower(genes).output is not None]
    members = random_members(networks, rng)
    ranked = RankedPopulation(members)
    operations = {
        "build_network": lambda genes: build_network(space, genes, TEMPLATE),
        "cost": lambda genes: cost(space, genes, TEMPLATE),
        "canonical_key": lambda genes: canonical_key(space, genes),
        "lower": space.lower,
        "validate": space.validate,
        "mutEdge": lambda genes: mutEdge(genes, space, rng=rng),
        "tournament in a ranked population": lambda _: selTournamentFraction(ranked, 1, fraction=0.05, rng=rng),
        "tournament in a list": lambda _: selTournamentFraction(members, 1, fraction=0.05, rng=rng),
    }
    rounds = {name: [] for name in operations}
    for number in range(N_ROUNDS + 1):  # the first warms up
        part = [Genotype(genes) for genes in rng.sample(networks, 20)]
        for name, operation in operations.items():
            repeats = 1 if name == "build_network" else 5
            spent = cpu_microseconds(operation, part * repeats)
            if number:
                rounds[name].append(spent)
    for name, spent in rounds.items():
        ratios = [build / each for build, each in zip(rounds["build_network"], spent, strict=True)]
        yield name, statistics.median(spent), min(spent), max(spent), statistics.median(ratios)


def shares(space, genotypes, rng):
    """Rows of the table of statistics: what, share."""
    viable = [genes for genes in genotypes if space.lower(genes).output is not None]
    yield "output cannot be reached", 1 - len(viable) / len(genotypes)
    motifs = [motif for genes in viable for motif in space.motifs_of(genes)[1:]]
    if motifs:
        yield "motifs that the cell does not use", sum(not motif.used for motif in motifs) / len(motifs)
    pruned = [1 - len(prune(space.lower(genes)).nodes) / len(space.lower(genes).nodes) for genes in viable]
    yield "nodes of the graph that are dead", statistics.mean(pruned)
    same = 0
    for genes in viable:
        child = Genotype(genes)
        mutEdge(child, space, rng=rng)
        same += canonical_key(space, child) == canonical_key(space, genes)
    yield "mutations that change nothing", same / len(viable)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000, help="random genotypes of each kind (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    describe("deap-nas", "deap", "torch")
    for name, space in SPACES.items():
        rng = random.Random(args.seed)
        genotypes = [initDiversified(Genotype, space, rng=rng) for _ in range(args.samples)]
        print(f"{name}, {space.n_genes} genes, {args.samples} random genotypes")
        print(f"  {'':36}{'median us':>12}{'least':>10}{'most':>10}{'build / it':>12}")
        for row, median, least, most, ratio in times(space, genotypes, rng):
            print(f"  {row:36}{median:12.1f}{least:10.1f}{most:10.1f}{ratio:12.1f}")
        for row, share in shares(space, genotypes, rng):
            print(f"  {row:36}{100 * share:11.2f}%")
        print()


if __name__ == "__main__":
    main()
