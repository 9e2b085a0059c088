"""A retraining for tests that kill it, or start it with torchrun: python -m tests.training.retrain FOLDER."""

import sys

from deap_nas import FlatSpace, NetworkTemplate
from deap_nas.training import Recipe, Retraining

SPACE = FlatSpace(nodes=3)
#: A separable convolution, and a pooling beside it.
GENES = (3, 4, 1)
RECIPE = Recipe(steps=40, batch_size=64, drops=(0.5, 0.75))


def make_retraining(**changes):
    """A retraining of a second; on the smallest scale that learns something."""
    settings = {
        "dataset": "digits", "template": NetworkTemplate.small_cifar(channels=4), "recipe": RECIPE, "runs": 2,
        "device": "cpu",
    }  # fmt: skip
    return Retraining(SPACE, GENES, **settings | changes)


def show(progress):
    sys.stdout.write(f"{progress.run} {progress.step}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    result = make_retraining(checkpoint_seconds=0).run(sys.argv[1], observer=show)
    sys.stdout.write(f"{result.accuracies}\n")
