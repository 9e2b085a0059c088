"""What network morphisms keep of a trained function, and what those that shrink lose of it.

    python benchmarks/morphisms.py [--networks 4] [--children 10] [--epochs 10] [--seed 0]

DNA of three convolutions are trained on digits, each is mutated, and each child's weights are made of its parent's, in
float32. Told are the change of the function, 0 for none and 1 for that of a child that always answers the same, see
function_change, and the validation accuracy before and after, without a step of training: medians, and the largest
change. Beside it: children that take over the weights that fit, as Real 2017 does, and children drawn anew.
"""

import argparse
import random
import statistics
from copy import deepcopy

from machine import describe

from deap_nas import DNA, DNASpace, initConvolutions, mutAddGatedSkip, mutDeepen, mutNarrow, mutShrink, mutWiden
from deap_nas.assembly import weight_names
from deap_nas.training import HILL_CLIMBING, AccuracyFitness
from deap_nas.training.weights.inheritance import take_over
from deap_nas.training.weights.morphing import function_change, morph

SPACE = DNASpace()
MUTATIONS = {
    "deepen": (mutDeepen, {}),
    "widen": (mutWiden, {"image_channels": 1}),
    "gated skip": (mutAddGatedSkip, {}),
    "narrow": (mutNarrow, {"image_channels": 1}),
    "shrink": (mutShrink, {"image_channels": 1}),
}


def give(way, child, tensors, parent):
    """Give a child's network weights that its parent's are made into, or those of its parent that fit, or none."""
    if way == "morphed":
        morph(child, tensors, parent.steps, lambda step: step.name)
    elif way == "taken over":
        take_over(child, tensors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("networks", 4), ("children", 10), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--epochs", type=float, default=10.0)
    args = parser.parse_args()
    describe("deap-nas", "torch")
    fitness = AccuracyFitness(SPACE, recipe=HILL_CLIMBING, repeats=1, device="cpu")
    fitness = fitness.cheaper(steps=round(args.epochs * 1250 / HILL_CLIMBING.batch_size))
    rng, rows = random.Random(args.seed), {}
    for number in range(args.networks):
        parent = initConvolutions(DNA, SPACE, channels=(8, 16, 32), image_channels=1, rng=rng)
        trained = fitness.candidate(parent, seed=number)
        trained.train()
        images, before = trained.batches.next()[0], trained.accuracy()
        tensors = dict(weight_names(trained.network).values())
        for name, (mutate, settings) in MUTATIONS.items():
            for _ in range(args.children):
                (child,) = mutate(deepcopy(parent), SPACE, rng=rng, **settings)
                for way in ("morphed", "taken over", "anew"):
                    candidate = fitness.candidate(child, seed=number + 1)
                    give(way, candidate.network, tensors, trained.network)
                    change = function_change(trained.network, candidate.network, images)
                    rows.setdefault((name, way), []).append((change, before, candidate.accuracy()))
    print(f"{'':12}{'weights':12}{'change':>10}{'largest':>10}{'accuracy':>10}{'before':>8}")
    for (name, way), found in rows.items():
        changes, before, after = zip(*found, strict=True)
        ends = f"{statistics.median(changes):10.1g}{max(changes):10.1g}"
        print(f"{name:12}{way:12}{ends}{statistics.median(after):10.3f}{statistics.median(before):8.3f}")


if __name__ == "__main__":
    main()
