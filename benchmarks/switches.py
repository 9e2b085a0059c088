"""Seconds of a training step under each switch of AccuracyFitness, beside the plain step.

    python benchmarks/switches.py [--samples 3] [--rounds 3] [--steps 2] [--batch-size 32] [--channels 16] [--repeats 4]
        [--device cpu] [--compile MODE ...] [--seed 0]

Random genotypes of both kinds in the small CIFAR model, on random images of 32 pixels cut to 24. A figure is of one
step of all repeats. All means take turns on a genotype; the least of the rounds counts: CPU seconds on a CPU, with one
thread, and seconds by the clock on another device. Printed are the median over the genotypes and the range.

Compiling takes minutes for each genotype on a CPU, so it is left out unless --compile names modes, such as "default"
and "reduce-overhead". The seconds until its first step has ended are printed beside it.
"""

import argparse
import os
import random
import statistics
import time

import numpy as np
import torch
from machine import describe
from networks import SPACES, random_genotypes

from deap_nas import NetworkTemplate
from deap_nas.template import plan_network
from deap_nas.training import Augmentation, Recipe
from deap_nas.training.data.batches import to_device
from deap_nas.training.data.sources import Images
from deap_nas.training.fitness.candidate import Candidate, forget_compiled, stacked
from deap_nas.training.trainer import seeded_network
from deap_nas.training.training_switches import PLAIN, Switches


def means_of_training(modes):
    """The switches to compare, by name."""
    compiled = {f"compile={mode}": Switches(compile=mode) for mode in modes}
    both = {f"stacked, compile={mode}": Switches(compile=mode, stacked=True) for mode in modes}
    return {
        "plain": PLAIN,
        "bfloat16": Switches(precision="bfloat16"),
        "float16": Switches(precision="float16"),
        "stacked": Switches(stacked=True),
        **compiled,
        **both,
    }


def random_images(args):
    """A few batches of noise, on the device."""
    rng = np.random.default_rng(args.seed)
    n_images = 4 * args.batch_size
    pixels = rng.integers(0, 256, (n_images, 32, 32, 3), dtype=np.uint8)
    return to_device(Images(pixels, rng.integers(0, 10, n_images)), device=torch.device(args.device))


def candidates_of(space, genes, images, switches, args):
    """The repeats of a genotype before their first step."""
    template = NetworkTemplate.small_cifar(channels=args.channels)
    recipe = Recipe(batch_size=args.batch_size, learning_rate=0.001)
    found = []
    for seed in range(args.repeats):
        network = seeded_network(plan_network(space, genes, template), seed=seed, device=images.pixels.device)
        augmentation = Augmentation(crop=24, flip=True)
        found.append(Candidate(network, images, images, augmentation, recipe, seed=seed, switches=switches))
    return stacked(found, switches) if switches.stacked else found


def seconds_of(candidates, until, clock):
    """Seconds in which all repeats train to a step."""
    start = clock()
    for candidate in candidates:
        candidate.train(until)
    return clock() - start


def compare(space, genes, images, means, args):
    """Seconds of a step and of the first one, by the means of training."""
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    forget_compiled()
    candidates = {name: candidates_of(space, genes, images, switches, args) for name, switches in means.items()}
    first = {name: seconds_of(each, 1, time.perf_counter) for name, each in candidates.items()}
    spent = {name: [] for name in means}
    for number in range(args.rounds):
        for name, each in candidates.items():
            spent[name].append(seconds_of(each, 1 + (number + 1) * args.steps, clock) / args.steps)
    return {name: (min(times), first[name]) for name, times in spent.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default, words in (
        ("samples", 3, "random genotypes of each kind"),
        ("rounds", 3, "times that each measurement is repeated"),
        ("steps", 2, "steps of a measurement"),
        ("batch-size", 32, "images in a batch"),
        ("channels", 16, "channels c0 of the small model"),
        ("repeats", 4, "trainings of a genotype"),
        ("seed", 0, "of everything random"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{words} (default: {default})")
    parser.add_argument("--device", default="cpu", help="as torch names it (default: cpu)")
    parser.add_argument("--compile", nargs="*", default=[], metavar="MODE", help="modes of torch.compile to compare")
    args = parser.parse_args()
    torch.set_num_threads(1)
    describe("deap-nas", "torch")
    device = torch.cuda.get_device_name(args.device) if args.device.startswith("cuda") else args.device
    print("device  ", device)
    print("load    ", ", ".join(f"{load:.1f}" for load in os.getloadavg()), "over 1, 5 and 15 minutes\n")
    images, means = random_images(args), means_of_training(args.compile)
    print(
        f"one step of {args.repeats} repeats{'':8}{'seconds':>10}{'plain / it':>12}{'least':>8}{'most':>8}{'first':>9}"
    )
    for kind, space in SPACES.items():
        genotypes = random_genotypes(space, args.samples, random.Random(args.seed))
        found = [compare(space, genes, images, means, args) for genes in genotypes]
        print(f"{kind}, {args.samples} random genotypes")
        for name in means:
            seconds, first = (statistics.median(column) for column in zip(*(row[name] for row in found), strict=True))
            ratios = [row["plain"][0] / row[name][0] for row in found]
            spread = f"{statistics.median(ratios):12.2f}{min(ratios):8.2f}{max(ratios):8.2f}"
            print(f"  {name:26}{seconds:10.3f}{spread}{first:9.2f}")


if __name__ == "__main__":
    main()
