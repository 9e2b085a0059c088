"""What weights that are inherited do to the fitness of children, at equal training steps.

    python benchmarks/inheritance.py                                        # digits, some minutes
    python benchmarks/inheritance.py --workers 2 --dataset imagefolder:PATH ...  # see benchmarks/results

One search lets its children start from the weights of their parents. Each of its children is then trained once more,
from the same seed for as many steps, but from weights drawn anew: a pair. What is inherited has been through the
trainings of all ancestors, so the differences are also printed by their number. Another search with the same seed and
the same first population never inherits.
"""

import argparse
import random
import statistics
import tempfile
from collections import defaultdict
from dataclasses import replace
from functools import partial
from math import sqrt
from pathlib import Path

from deap import base, creator, tools
from machine import describe
from safetensors.torch import load_file
from tqdm import tqdm

import deap_nas
from deap_nas.evaluation import Job, Runner, Status
from deap_nas.executors import ProcessExecutor, SerialExecutor
from deap_nas.store import MemoryStore
from deap_nas.training import SEARCH, AccuracyFitness

SPACES = {"hierarchical": deap_nas.HierarchicalSpace(), "flat": deap_nas.FlatSpace()}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", deap_nas.Genotype, fitness=creator.FitnessMax)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int)
    add("--dataset", type=str, default="digits", help="digits, cifar10, cifar100 or imagefolder:PATH (default: digits)")
    add("--images", help="training images to use (default: all)")
    add("--representation", type=str, default="hierarchical", choices=SPACES, help="(default: hierarchical)")
    add("--population", default=8, help="first genotypes (default: 8)")
    add("--evaluations", default=32, help="of a search (default: 32)")
    add("--tournament", type=float, default=0.25, help="share of the population in a tournament (default: 0.25)")
    add("--channels", default=4, help="of the first convolution (default: 4)")
    add("--stem-stride", default=1, choices=(1, 2), help="2 lets all cells work at half the resolution (default: 1)")
    add("--steps", default=40, help="of a training (default: 40)")
    add("--batch-size", default=64, help="images a step (default: 64)")
    add("--workers", default=0, help="processes (default: this one)")
    add("--seed", default=0, help="of everything random (default: 0)")
    add("--device", type=str, default="auto", help="cpu, cuda, ... (default: a GPU if there is one)")
    add("--data-dir", type=str, default="data", help="folder of cifar10 and cifar100 (default: data)")
    return parser.parse_args()


def make_fitness(args, weights_dir=None):
    template = deap_nas.NetworkTemplate.small_cifar(channels=args.channels)
    return AccuracyFitness(
        SPACES[args.representation],
        dataset=args.dataset,
        template=replace(template, stem=((args.channels, args.stem_stride),)),
        recipe=replace(SEARCH, steps=args.steps, batch_size=args.batch_size),
        repeats=1,
        device=args.device,
        seed=args.seed,
        data_dir=args.data_dir,
        n_images=args.images,
        weights_dir=weights_dir,
    )


def search(args, executor, fitness, name):
    """The members of a search, by their ids."""
    rng = random.Random(args.seed)
    toolbox = base.Toolbox()
    toolbox.register("individual", deap_nas.initDiversified, creator.Individual, fitness.space, rng=rng)
    toolbox.register("mutate", deap_nas.mutEdge, space=fitness.space, must_change=True, rng=rng)
    toolbox.register("select", deap_nas.selTournamentFraction, fraction=args.tournament, rng=rng)
    toolbox.register("evaluate", fitness)
    population = tools.initRepeat(list, toolbox.individual, args.population)
    with tqdm(total=args.evaluations, desc=name, disable=None) as bar:
        population, _ = deap_nas.eaAsync(
            population,
            toolbox,
            executor,
            n_evaluations=args.evaluations,
            store=MemoryStore(seed=args.seed),
            rng=rng,
            observer=lambda *_: bar.update(),
        )
    return {member.evaluation.id: member for member in population}


def families(members):
    """Pairs of a child and its parent, both of which are networks that were trained."""
    trained = {number: members[number] for number in sorted(members) if members[number].evaluation.status is Status.OK}
    return [
        (child, trained[child.evaluation.parent]) for child in trained.values() if child.evaluation.parent in trained
    ]


def n_ancestors(pairs):
    """Trainings that the weights of each child had been through when they were inherited."""
    numbers = {}
    for child, parent in pairs:  # parents have the smaller ids
        numbers[child.evaluation.id] = 1 + numbers.get(parent.evaluation.id, 0)
    return list(numbers.values())


def share_inherited(folder, child, parent):
    """Share of a child's parameters that its parent has at the same path in the same shape."""
    own, theirs = (load_file(folder / f"{one.evaluation.id}.safetensors") for one in (child, parent))
    parameters = {name: value for name, value in own.items() if not name.endswith(STATISTICS)}
    taken = [value for name, value in parameters.items() if name in theirs and theirs[name].shape == value.shape]
    return sum(value.numel() for value in taken) / sum(value.numel() for value in parameters.values())


def mean_and_error(values):
    """Mean and its standard error, in words."""
    if len(values) < 2:
        return f"{values[0]:+.4f}"
    return f"{statistics.mean(values):+.4f} +- {statistics.stdev(values) / sqrt(len(values)):.4f}"


def accuracy(evaluation):
    """Its fitness, which is 0 where the training diverged."""
    return evaluation.values[0] if evaluation.values else 0.0


def compare(args, executor, members, folder):
    """Train the children once more from weights drawn anew, and print the differences."""
    pairs = families(members)
    if not pairs:
        raise SystemExit("no network that was trained has a child that was: raise --evaluations")
    jobs = [Job(child.evaluation.id, deap_nas.Genotype(child), child.job.seed) for child, _ in pairs]
    anew = list(tqdm(executor.map(Runner(make_fitness(args)), jobs), total=len(jobs), desc="pairs", disable=None))
    inherited = [child.evaluation for child, _ in pairs]
    shares = [share_inherited(folder, child, parent) for child, parent in pairs]
    differences = [accuracy(one) - accuracy(other) for one, other in zip(inherited, anew, strict=True)]
    by_ancestors = defaultdict(list)
    for number, difference in zip(n_ancestors(pairs), differences, strict=True):
        by_ancestors[number].append(difference)
    sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    print(f"{len(pairs)} children, each from its parent's weights and from weights drawn anew")
    print(
        f"  parameters inherited   {statistics.mean(shares):.1%} of a child's, {min(shares):.1%} to {max(shares):.1%}"
    )
    print(f"  difference of accuracy {mean_and_error(differences)}, mean and its standard error")
    for number, values in sorted(by_ancestors.items()):
        print(f"    after {number} before       {mean_and_error(values)}, {len(values)} of the children")
    for name, evaluations in (("inherited", inherited), ("anew", anew)):
        seconds = statistics.mean(one.seconds for one in evaluations)
        print(f"  {name:<22} accuracy {statistics.mean(map(accuracy, evaluations)):.4f}, {seconds:.2f} s an evaluation")
    print(f"  weights on disk        {statistics.mean(sizes):,.0f} bytes an evaluation")


def describe_search(name, members):
    values = [member.fitness.values[0] for member in members.values()]
    print(f"  {name:<22}  best {max(values):.4f}, median {statistics.median(values):.4f}")


def main():
    args = arguments()
    describe("deap-nas", "torch")
    executor = ProcessExecutor(args.workers) if args.workers else SerialExecutor()
    with tempfile.TemporaryDirectory() as temporary, executor:
        folder = Path(temporary)
        inheriting = search(args, executor, make_fitness(args, folder), "inheriting")
        compare(args, executor, inheriting, folder)
        anew = search(args, executor, make_fitness(args), "anew")
    print(f"\nsearches of {args.evaluations} evaluations from the same {args.population} genotypes")
    describe_search("inheriting", inheriting)
    describe_search("anew", anew)


if __name__ == "__main__":
    main()
