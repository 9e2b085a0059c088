"""A candidate of the search: its networks in training, and how well they classify the images kept for validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from torch import nn

from deap_nas.training.batches import DeviceBatches, DeviceImages
from deap_nas.training.recipes import Recipe
from deap_nas.training.sources import Augmentation
from deap_nas.training.trainer import Trainer, accuracy

__all__ = ["Candidate", "Repeats"]

#: Steps between two checks that the loss is still a number; each check waits for the device.
_STEPS_BETWEEN_CHECKS = 100


class Candidate:
    """A network in training, that can be validated on the way.

    Args:
        network: trained in place, from the weights it has, on the device of the images.
        training: at least one batch of images.
        validation: the images that accuracies are measured on.
        augmentation: of each batch.
        recipe: how to train.
        seed: of the order of the images and of their augmentation.
    """

    def __init__(
        self,
        network: nn.Module,
        training: DeviceImages,
        validation: DeviceImages,
        augmentation: Augmentation,
        recipe: Recipe,
        *,
        seed: int,
    ) -> None:
        """See the class."""
        self.network = network
        self._validation = validation
        self._trainer = Trainer(network, DeviceBatches(training, augmentation, recipe.batch_size, seed=seed), recipe)

    def train(self, until: int | None = None) -> None:
        """Train until so many steps are done, counted from the first; by default all those of the recipe.

        Raises:
            DivergedError: the loss became infinite or NaN.
        """
        until = self._trainer.recipe.steps if until is None else until
        self.network.train()
        while self._trainer.step < until:
            self._trainer.advance(min(_STEPS_BETWEEN_CHECKS, until - self._trainer.step))

    def accuracy(self) -> float:
        """Share of the images kept for validation, in [0, 1], that the network classifies right."""
        return accuracy(self.network, self._validation)


class Repeats:
    """Several trainings of one genotype, which end at the same step.

    Args:
        candidates: before their first step; each is made when it is needed and freed when it has ended.

    Attributes:
        scores: accuracy of each where it was last measured, as far as they have come.
        curve: the mean of the scores each time that all were measured.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        """See the class."""
        self._candidates = candidates
        self.scores: list[float] = []
        self.curve: list[float] = []

    def train(self, ends: Sequence[int], *, cutoffs: Sequence[float] = ()) -> None:
        """Train all to each of some steps, and on to the next if their mean accuracy reaches the cutoff there.

        Args:
            ends: steps, ascending; with more than one, all candidates are in memory at the same time.
            cutoffs: for each end, from the first, the least mean accuracy that goes on; where none is given all do.

        Raises:
            DivergedError: the loss of one became infinite or NaN.
        """
        if len(ends) > 1:
            self._candidates = list(self._candidates)
        for end, cutoff in zip_longest(ends, cutoffs[: len(ends)], fillvalue=-math.inf):
            self.scores.clear()
            for candidate in self._candidates:
                candidate.train(int(end))
                self.scores.append(candidate.accuracy())
            self.curve.append(sum(self.scores) / len(self.scores))
            if self.curve[-1] < cutoff:
                break
