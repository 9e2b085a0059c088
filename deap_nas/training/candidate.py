"""A candidate of the search: its network in training, and how well it classifies the images kept for validation."""

from __future__ import annotations

from torch import nn

from deap_nas.training.batches import DeviceBatches, DeviceImages
from deap_nas.training.recipes import Recipe
from deap_nas.training.sources import Augmentation
from deap_nas.training.trainer import Trainer, accuracy

__all__ = ["Candidate"]

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
