"""What a representation makes easy: how many mutations lead from its random networks to those that people have made.

    python benchmarks/reach.py [--starts 20] [--mutations 10000] [--samples 400] [--processes 1] ...

The targets are a plain chain, residual blocks and an Inception module (``targets.py``). The distance of two networks is
the share of their neighbourhoods that they do not have in common, in words that all spaces share (``likeness.py``):
from 0 to 1. Hill climbing on it begins at a random network. Each step is one mutation of a copy, which takes the place
of the network where it is no farther from the target: the (1+1) evolutionary algorithm, without a parameter. A child
that is no network is rejected.

Locality is asked apart: how far one mutation leads from a random network.

The 1x1 convolutions that hierarchical genotypes put after each motif are left out here: they are the same for all
genotypes, and no network of the targets has them. Representations that differ in what is trained, and not in the
space or in its mutation, are one row.
"""

import json
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from climbing import climb, step
from compared import REPRESENTATIONS
from likeness import neighbourhoods
from machine import describe
from reach_figure import draw
from scipy.stats import binomtest
from targets import TARGETS
from tqdm import tqdm

from deap_nas.command_line import CommandLine, at_least
from deap_nas.evaluation import derive_seed

#: Of relative distances.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def compared_here():
    """Give the representations that differ in space or mutation, without what is no part of a genotype."""
    return {
        name: replace(each, space=without_projections(each.space))
        for name, each in REPRESENTATIONS.items()
        if not each.inherits and each.limited_by is None
    }


def without_projections(space):
    """Give a space without the convolutions after its motifs."""
    fields = space.to_dict()
    return type(space).from_dict(fields | {"projected_levels": []}) if "projected_levels" in fields else space


def arguments():
    line = CommandLine(__doc__)
    add = line.add_argument
    add("--starts", type=at_least(1), default=20, metavar="N", help="climbs to each target in each representation")
    add("--mutations", type=at_least(1), default=10_000, metavar="M", help="after which a climb is given up")
    add("--samples", type=at_least(1), default=400, metavar="N", help="random networks that tell the locality")
    add("--processes", type=at_least(1), default=1, metavar="N", help="that climb at the same time")
    add("--output", type=Path, default=Path("runs/reach"), metavar="FOLDER", help="of the picture and the numbers")
    return line.parse_args()


def climb_all(representations, args, pool):
    """Climb to each target from each start; gives target -> representation -> climbs."""
    wanted = list(product(TARGETS, representations, range(args.starts)))
    begun = pool.map(
        climb,
        [representations[name] for _, name, _ in wanted],
        [neighbourhoods(TARGETS[target].network) for target, _, _ in wanted],
        [args.mutations] * len(wanted),
        [derive_seed(args.seed, start) for _, _, start in wanted],
    )
    climbs = {target: {name: [] for name in representations} for target in TARGETS}
    for (target, name, _), ended in zip(wanted, tqdm(begun, "climbs", len(wanted), disable=None), strict=True):
        climbs[target][name].append(ended)
    return climbs


def steps_of(representations, args, pool):
    """Take one step from each random network; gives representation -> (nodes, distance)."""
    seeds = [derive_seed(args.seed, number) for number in range(args.samples)]
    return {
        name: list(pool.map(partial(step, each), seeds, chunksize=50))
        for name, each in tqdm(representations.items(), "locality", disable=None)
    }


def table_of(target, climbs, n_mutations):
    """Lines of the table of a target."""
    yield f"{'':16} {'starts that arrive':>24}   {'mutations to arrive':^22}   {'distance':^28}   {'mutations':>9}"
    columns = f"{'quartile':>7} {'median':>6} {'quartile':>7}   {'at first':>8} {'in the end':>10} {'least':>8}"
    yield f"{'':16} {'(95 % interval)':>24}   {columns}   {'accepted':>9}   a genotype by hand"
    for name, each in climbs.items():
        needed = np.array([climb.n_to_arrive for climb in each])
        ends = [climb.steps[-1][1] for climb in each]
        quartiles = [number_or_more(count, n_mutations) for count in quartiles_of(needed)]
        accepted = sum(climb.n_accepted for climb in each) / max(1, sum(climb.n_mutations for climb in each))
        yield (
            f"{name:16} {share(int(np.isfinite(needed).sum()), len(each)):>24}   "
            f"{quartiles[0]:>8} {quartiles[1]:>6} {quartiles[2]:>7}   "
            f"{np.median([climb.steps[0][1] for climb in each]):>8.3f} {np.median(ends):>10.3f} {min(ends):>8.3f}   "
            f"{accepted:>9.1%}   {in_words(target, name)}"
        )


def quartiles_of(counts):
    """Counts that a quarter, a half and three quarters do not exceed; each is one of them, and may be infinite."""
    return np.quantile(counts, (0.25, 0.5, 0.75), method="inverted_cdf")


def number_or_more(count, most):
    return f"{count:.0f}" if math.isfinite(count) else f"> {most}"


def share(n_found, n_all):
    """Say a share with its 95 % interval (Wilson 1927)."""
    low, high = binomtest(n_found, n_all).proportion_ci(method="wilson")
    return f"{n_found} of {n_all} ({low:.0%} to {high:.0%})"


def in_words(target, name):
    """Say whether a representation has a target."""
    if name in target.by_hand:
        return "is there"
    return f"none: {target.missing[name]}" if name in target.missing else "not known"


def locality_of(steps):
    """Lines of the table of locality."""
    yield f"{'':16} {'nodes,':>7} {'child is':>11} {'child at':>11}   quantiles of the distance of the others"
    columns = " ".join(f"{f'{quantile:.0%}':>6}" for quantile in QUANTILES)
    yield f"{'':16} {'median':>7} {'no network':>11} {'distance 0':>11}   {columns}"
    for name, each in steps.items():
        n_nodes, distances = zip(*each, strict=True)
        others = [distance for distance in distances if distance]
        quantiles = np.quantile(others, QUANTILES) if others else [math.nan] * len(QUANTILES)
        broken, same = (distances.count(outcome) / len(distances) for outcome in (None, 0))
        yield (
            f"{name:16} {np.median(n_nodes):>7.0f} {broken:>11.1%} {same:>11.1%}   "
            + " ".join(f"{quantile:6.3f}" for quantile in quantiles)
        )


def main():
    """Climb, print and draw."""
    args = arguments()
    describe("deap-nas", "numpy", "scipy")
    representations = compared_here()
    with ProcessPoolExecutor(args.processes, multiprocessing.get_context("spawn")) as pool:
        climbs, steps = climb_all(representations, args, pool), steps_of(representations, args, pool)
    print(f"{args.starts} random starts, {args.mutations} mutations at most")
    for name, target in TARGETS.items():
        print(f"\n{name}, {len(target.network.words)} nodes with input and output")
        print("\n".join(table_of(target, climbs[name], args.mutations)))
    print(f"\nlocality: from {args.samples} random networks by one mutation")
    print("\n".join(locality_of(steps)))
    save(args, climbs, steps)


def save(args, climbs, steps):
    """Write the numbers and draw the picture."""
    args.output.mkdir(parents=True, exist_ok=True)
    as_numbers = {
        target: {name: list(map(asdict, each)) for name, each in found.items()} for target, found in climbs.items()
    }
    numbers = {"mutations": args.mutations, "seed": args.seed, "climbs": as_numbers, "locality": steps}
    (args.output / "reach.json").write_text(json.dumps(numbers), encoding="utf-8")
    networks = {name: target.network for name, target in TARGETS.items()}
    draw(climbs, networks, args.mutations, args.output / "reach.png")
    print(f"\n{args.output / 'reach.png'}, numbers in {args.output / 'reach.json'}")


if __name__ == "__main__":
    main()
