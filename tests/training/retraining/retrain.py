"""A retraining that tests kill, or start with torchrun: python -m tests.training.retraining.retrain FOLDER [overflow].

``RANK`` in FOLDER stands for the number of the process; with ``overflow`` the last step ends in infinite weights.
"""

import os
import sys
from dataclasses import replace

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
    folder = sys.argv[1].replace("RANK", os.environ.get("RANK", "0"))
    recipe = replace(RECIPE, steps=1, learning_rate=1e38) if "overflow" in sys.argv else RECIPE
    result = make_retraining(checkpoint_seconds=0, recipe=recipe).run(folder, observer=show)
    sys.stdout.write(f"{result.accuracies}\n")
