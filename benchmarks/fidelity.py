"""How well cheaper estimates of the fitness rank architectures, and what they cost.

    python benchmarks/fidelity.py [--dataset digits] [--images N] [--samples 16] [--steps 200] [--processes 1] ...

Random hierarchical genotypes are trained by the full fitness, by the same with other seeds, which tells how well any
estimate can do, and by each of the cheaper ones. Printed are the rank correlations with the full fitness, Kendall's
tau-b and Spearman's rho, each with its deviation over bootstrap samples of the genotypes, the share of the CPU time
that an evaluation takes, on one thread, and the mean accuracy.

What the rules for stopping early would have done is computed from the learning curves of the full trainings: the
genotypes come one after another, in random orders, and nothing is trained again. There the population does not evolve.
"""

import argparse
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from machine import describe
from scipy.stats import kendalltau, spearmanr
from tqdm import tqdm

from deap_nas import Genotype, HierarchicalSpace, NetworkTemplate, initDiversified
from deap_nas.evaluation import Curves, Evaluation, derive_seed
from deap_nas.training import AccuracyFitness, CurveBound, EarlyStopping, Recipe, SuccessiveHalving, dataset_info

SPACE = HierarchicalSpace()
N_BOOTSTRAPS = 300
N_ORDERS = 200


@dataclass
class Measured:
    """Scores of the genotypes by one fitness, their curves, and the mean CPU seconds of one."""

    scores: np.ndarray
    curves: list
    seconds: float


def random_genotypes(n_genotypes, rng):
    """Random genotypes with a path from input to output."""
    found = []
    while len(found) < n_genotypes:
        genes = initDiversified(Genotype, SPACE, rng=rng)
        if SPACE.lower(genes).output is not None:
            found.append(genes)
    return found


def evaluate(fitness, genes, seed):
    """Evaluate a genotype; gives its evaluation and the CPU seconds that it took."""
    fitness.candidate(genes, seed=0)  # loads the images
    begun = time.process_time()
    return fitness.evaluate(genes, seed=seed), time.process_time() - begun


def measure(name, fitness, genotypes, seed, pool):
    """Evaluate all genotypes; one whose training diverges has an accuracy of 0."""
    seeds = [derive_seed(seed, number) for number in range(len(genotypes))]
    ends = pool.map(partial(evaluate, fitness), genotypes, seeds)
    ended, seconds = zip(*tqdm(ends, name, len(genotypes), leave=False, disable=None), strict=True)
    scores = np.array([(*each.values, 0.0)[0] for each in ended])
    return Measured(scores, [each.curve for each in ended], np.mean(seconds))


def correlations(full, other, rng):
    """Kendall's tau-b and Spearman's rho, each with its deviation over bootstrap samples."""
    rows = rng.integers(0, len(full), (N_BOOTSTRAPS, len(full)))
    rows = [row for row in rows if np.ptp(full[row]) and np.ptp(other[row])]
    for statistic in (kendalltau, spearmanr):
        value = statistic(full, other)[0] if np.ptp(full) and np.ptp(other) else np.nan
        yield value, np.std([statistic(full[row], other[row])[0] for row in rows]) if rows else np.nan


def report(name, full, other, rng):
    """Print the row of an estimate."""
    numbers = " ".join(
        f"{value:6.2f} +- {deviation:4.2f}" for value, deviation in correlations(full.scores, other.scores, rng)
    )
    print(f"{name:36} {numbers} {other.seconds / full.seconds:10.1%} {other.scores.mean():9.4f}", flush=True)


def stopped(stopping, curves, order):
    """Lengths of the curves when the genotypes come in this order."""
    known, lengths = Curves(), np.zeros(len(curves), dtype=int)
    for number in order:
        passed = zip(curves[number], stopping.cutoffs(known), strict=False)
        n_passed = next((rung for rung, (score, cutoff) in enumerate(passed) if score < cutoff), len(stopping.rungs))
        lengths[number] = min(n_passed + 1, len(curves[number]))
        known.add(Evaluation(curve=curves[number][: lengths[number]]))
    return lengths


def report_stopping(name, stopping, full, rng):
    """Print the row of a rule: the steps that are left, and whether the best are trained whole."""
    ends = np.array([0.0, *stopping.rungs, 1.0])
    best = np.argsort(-full.scores, kind="stable")[:3]
    lengths = [stopped(stopping, full.curves, rng.permutation(len(full.curves))) for _ in range(N_ORDERS)]
    is_whole = np.array([each[best] > len(stopping.rungs) for each in lengths])
    steps = ends[np.array(lengths)].mean()
    print(f"{name:36} {steps:12.1%} {is_whole[:, 0].mean():14.1%} {is_whole.mean():17.1%}")


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="digits", help="digits, cifar10, cifar100 or imagefolder:PATH")
    parser.add_argument("--data-dir", default="data", help="folder of cifar10 and cifar100")
    parser.add_argument("--images", type=int, help="training images of the full fitness (default: all)")
    parser.add_argument("--image-size", type=int, help="pixels that they are shrunk to (default: their own)")
    numbers = {"samples": 16, "steps": 200, "batch-size": 64, "repeats": 1, "channels": 8, "seed": 0, "processes": 1}
    for name, number in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=number, help=f"(default: {number})")
    return parser.parse_args()


def estimates(fitness, args):
    """The cheaper fitness by name."""
    n_images = dataset_info(fitness.source).n_images // 4
    half = fitness.template.image_size // 2
    changes = {
        "a quarter of the steps": {"steps": max(1, args.steps // 4)},
        "half the channels": {"channels": max(1, args.channels // 2)},
        "a quarter of the images": {"n_images": n_images},
        "half the height and width": {"image_size": half},
        "quarter steps, half height and width": {"steps": max(1, args.steps // 4), "image_size": half},
    }
    return {name: fitness.cheaper(**change) for name, change in changes.items()}


def main():
    """Print the tables."""
    args = arguments()
    describe("deap-nas", "torch", "numpy", "scipy")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, context, torch.set_num_threads, (1,)) as pool:
        compare(args, pool)


def compare(args, pool):
    """Train and print."""
    halving = EarlyStopping((1 / 9, 1 / 3), SuccessiveHalving())
    bound = EarlyStopping((1 / 9, 1 / 3), CurveBound(n_whole=min(5, args.samples)))
    fitness = AccuracyFitness(
        SPACE,
        dataset=args.dataset,
        template=NetworkTemplate.small_cifar(channels=args.channels),
        recipe=Recipe(steps=args.steps, batch_size=args.batch_size),
        repeats=args.repeats,
        device="cpu",
        seed=args.seed,
        data_dir=args.data_dir,
        n_images=args.images,
        image_size=args.image_size,
        stopping=halving,
    )
    rng = np.random.default_rng(args.seed)
    genotypes = random_genotypes(args.samples, random.Random(args.seed))
    full = measure("full", fitness, genotypes, derive_seed(args.seed, 0), pool)
    print(f"{args.samples} random genotypes, {full.seconds:.1f} CPU seconds for a full evaluation, whose accuracy is")
    print(f"{full.scores.min():.4f} at least, {full.scores.mean():.4f} in the mean, {full.scores.max():.4f} at most\n")
    print(f"{'estimate':36} {'Kendall tau':>14} {'Spearman rho':>14} {'CPU time':>10} {'accuracy':>9}")
    others = {"the same with other seeds": fitness, **estimates(fitness, args)}
    for number, (name, other) in enumerate(others.items(), start=1):
        report(name, full, measure(name, other, genotypes, derive_seed(args.seed, number), pool), rng)
    print(f"\n{'stopped early, at 1/9 and 1/3':36} {'of all steps':>12} {'best is whole':>14} {'best 3 are whole':>17}")
    report_stopping("successive halving, best third", halving, full, rng)
    report_stopping("bound on the curve, median", bound, full, rng)


if __name__ == "__main__":
    main()
