"""What an evaluation takes besides its training steps, for linear and for mid-size models, at 0 to 1,000 members.

    python benchmarks/overhead.py                                      # digits
    python benchmarks/overhead.py --dataset imagefolder:PATH           # as in benchmarks/results

Searches as in Real 2017, section 3.1, with inherited weights, one process and one thread, whose population is there
already: so many members in the population file, so many files of weights in the folder. Each evaluation trains a child
of a member, by the identity, for a few steps. An evaluation is everything from the end of the one before to its own
end: the choice of the pair, the file, the parent's weights, building the network, its images, its optimiser, its steps,
its validation, saving its weights, removing those of the dead. Its training steps are as many times the median step, so
what the first step takes longer counts as well, and so does the scatter of the others, which are columns of their own.
"""

import argparse
import random
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from deap import base, creator
from machine import describe

import deap_nas
from deap_nas.evaluation import Evaluation, Job
from deap_nas.executors import SerialExecutor
from deap_nas.store import HDF5Store, resume_population
from deap_nas.strategies import PairTournaments
from deap_nas.training import LARGE_SCALE, AccuracyFitness
from deap_nas.training.fitness.candidate import Candidate
from deap_nas.training.trainer import Trainer

BAR_SECONDS = 0.1
SPACE = deap_nas.DNASpace()

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.DNA, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int)
    add("--dataset", type=str, default="digits", help="digits, cifar10, cifar100 or imagefolder:PATH (default: digits)")
    add("--data-dir", type=str, default="data", help="folder of cifar10 and cifar100 (default: data)")
    add("--members", nargs="+", default=[0, 100, 1000], help="of the population (default: 0 100 1000)")
    add("--evaluations", default=40, help="that are measured for each (default: 40)")
    add("--steps", default=10, help="of a training (default: 10)")
    add("--layers", default=8, help="convolutions of the mid-size model (default: 8)")
    return parser.parse_args()


def mid_size(n_layers):
    """A linear backbone of 3x3 convolutions, 24 channels at first, two of stride 2, and a skip past every second."""
    dna, rng = deap_nas.DNA(), random.Random(1)
    only = {"insert-convolution": 1}
    while len(dna.edges) < n_layers:
        deap_nas.mutLargeScale(dna, SPACE, weights=only, rng=rng)
    for place, edge in enumerate(dna.edges):
        filters = edge.filters._replace(channels=8.0 if place == 0 else 1.0, scale=float(place in (2, 5)))
        dna.edges[place] = edge._replace(filters=filters)
    dna.vertices = [vertex._replace(has_relu=place > 0) for place, vertex in enumerate(dna.vertices)]
    return dna


class Clock:
    """Seconds of each training step and of each validation of the evaluation that goes on."""

    def __init__(self):
        self.steps, self.validation = [], 0.0

    @contextmanager
    def running(self):
        """Measure for as long as this lasts."""
        step, accuracy = Trainer._step, Candidate.accuracy

        def timed_step(trainer):
            begun = time.perf_counter()
            losses = step(trainer)
            self.steps.append(time.perf_counter() - begun)
            return losses

        def timed_accuracy(candidate):
            begun = time.perf_counter()
            share = accuracy(candidate)
            self.validation += time.perf_counter() - begun
            return share

        with mock.patch.object(Trainer, "_step", timed_step), mock.patch.object(Candidate, "accuracy", timed_accuracy):
            yield

    def take(self):
        """Give seconds since the last time: of training, of validation, and those that the steps took more."""
        median, (first, *others) = float(np.median(self.steps)), self.steps
        excess = first - median, sum(others) - len(others) * median
        taken = len(self.steps) * median, self.validation, *excess
        self.steps, self.validation = [], 0.0
        return taken


def fill(store, fitness, dna, n_members):
    """Let a run have had so many evaluations, whose members have the weights of the first."""
    rng = random.Random(1)
    jobs = [Job(number, dna, number) for number in range(n_members)]
    store.submit(jobs, rng.getstate(), strategy={"n_proposed": n_members})
    for job in jobs:
        store.append(dna, replace(Evaluation((0.1,), scores=(0.1,)), id=job.id))
    if n_members:
        fitness.evaluate_job(jobs[0])
        for number in range(1, n_members):
            shutil.copyfile(fitness.weights_dir / "0.safetensors", fitness.weights_dir / f"{number}.safetensors")


def measure(args, dna, n_members):
    """Seconds of each evaluation without its steps, those of its validation, first step and other steps; files."""
    rng, clock, ends, taken = random.Random(2), Clock(), [], []
    with tempfile.TemporaryDirectory() as folder:
        fitness = AccuracyFitness(
            SPACE,
            dataset=args.dataset,
            data_dir=args.data_dir,
            recipe=replace(LARGE_SCALE, steps=args.steps),
            repeats=1,
            crop=None if args.dataset == "digits" else 4,
            validation_share=0.1,
            weights_dir=Path(folder, "weights"),
            device="cpu",
        )
        toolbox = base.Toolbox()
        toolbox.register("individual", creator.Individual, dna)
        toolbox.register("mutate", deap_nas.mutIdentity, space=SPACE, rng=rng)
        toolbox.register("evaluate", fitness)
        strategy = PairTournaments(toolbox, size=max(2, n_members or 10**6), rng=rng)
        toolbox.register("generate", strategy.generate)
        toolbox.register("update", strategy.update)
        path = Path(folder, "run.h5")
        with HDF5Store.create(path, space=SPACE, settings={"fitness": fitness.to_dict()}, seed=1, n_repeats=1) as store:
            fill(store, fitness, dna, n_members)
            population = resume_population(store, creator.Individual, rng=rng)

            def observe(*_):
                ends.append(time.perf_counter())
                taken.append(clock.take())

            run = {"n_evaluations": n_members + args.evaluations + 1, "store": store, "rng": rng}
            with SerialExecutor() as executor, clock.running():
                deap_nas.eaAsyncGenerateUpdate(toolbox, executor, **run, population=population, observer=observe)
            n_files = len(list(fitness.weights_dir.glob("*.safetensors")))
    training, *parts = np.array(taken).T[:, 1:]
    return np.diff(ends) - training, parts, n_files


def in_milliseconds(seconds):
    """Median and 90th percentile."""
    return f"{1e3 * np.median(seconds):>8.1f}{1e3 * np.quantile(seconds, 0.9):>8.1f}"


def main():
    args = arguments()
    torch.set_num_threads(1)
    describe("deap-nas", "torch", "h5py", "safetensors")
    print(f"{args.evaluations} evaluations each, {args.steps} steps of {LARGE_SCALE.batch_size} images, milliseconds")
    print("                            besides its training steps  of which, each as median and 90th percentile")
    print("model          members      median   90th percentile      validation      first step     other steps"
          "            rest   files")  # fmt: skip
    for name, dna in (("linear", deap_nas.DNA()), ("mid-size", mid_size(args.layers))):
        for n_members in args.members:
            besides, parts, n_files = measure(args, dna, n_members)
            high = np.quantile(besides, 0.9)
            verdict = ("met" if high <= BAR_SECONDS else "MISSED") if name == "linear" else ""
            shown = "".join(map(in_milliseconds, [*parts, besides - sum(parts)]))
            print(
                f"{name:<12} {n_members:>9}  {1e3 * np.median(besides):>10.1f}  {1e3 * high:>9.1f} {verdict:<6}  "
                f"{shown}  {n_files:>6}"
            )
    print(f"\nbar: a linear model, {1e3 * BAR_SECONDS:.0f} ms at the 90th percentile")


if __name__ == "__main__":
    main()
