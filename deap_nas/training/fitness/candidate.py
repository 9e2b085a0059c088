"""A candidate of the search: its networks in training, and how well they classify the images kept for validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from deap_nas.training.data.batches import Batches, DeviceBatches, DeviceImages
from deap_nas.training.data.sources import Augmentation
from deap_nas.training.fitness.stacking import StackedBatches, StackedNetwork, StackedTrainer, StackedTraining
from deap_nas.training.recipes import Recipe
from deap_nas.training.trainer import Trainer, accuracy, compiled_form
from deap_nas.training.training_switches import PLAIN, Switches

__all__ = ["Candidate", "Repeats", "forget_compiled", "stacked"]

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
        seed: of the order of the images, of their augmentation, and of what the layers draw.
        switches: by what means; whether it is stacked, only :func:`stacked` decides.

    Attributes:
        network: as above.
        seed: as above.
        batches: those that it is trained with.
        trainer: what trains it.
        n_validated: images that it has been validated on, each as often as it was.
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
        switches: Switches = PLAIN,
    ) -> None:
        """See the class."""
        self.network = network
        self.seed = seed
        self.n_validated = 0
        self._validation = validation
        self.batches = DeviceBatches(training, augmentation, recipe.batch_size, seed=seed)
        self.trainer: Trainer | StackedTrainer = _trainer(network, self.batches, recipe, switches, seed)

    def train(self, until: int | None = None) -> None:
        """Train until so many steps are done, counted from the first; by default all those of the recipe.

        Raises:
            DivergedError: the loss became infinite or NaN.
        """
        until = self.trainer.recipe.steps if until is None else until
        self.network.train()
        while self.trainer.step < until:
            self.trainer.advance(min(_STEPS_BETWEEN_CHECKS, until - self.trainer.step))

    def normalisation(self) -> dict[str, list[float]]:
        """``mean`` and ``scale`` of each channel of its images, see :meth:`DeviceImages.normalisation`."""
        return self._validation.normalisation()

    def accuracy(self) -> float:
        """Share of the images kept for validation, in [0, 1], that the network classifies right.

        Raises:
            DivergedError: the network gives numbers that are not finite.
        """
        self.n_validated += len(self._validation.labels)
        return accuracy(self.network, self._validation, batch_size=self.trainer.recipe.batch_size)


def stacked(candidates: Iterable[Candidate], switches: Switches) -> list[Candidate]:
    """Let candidates of one genotype be trained at once, as one network; what each computes stays the same.

    The first that trains to a step takes the others there, so all stop at the same steps, and start from the weights
    that they have then.

    Args:
        candidates: at least one, before their first step.
        switches: by what means.
    """
    found = list(candidates)
    network = StackedNetwork([candidate.network for candidate in found])
    batches = StackedBatches([candidate.batches for candidate in found])
    training = StackedTraining(_trainer(network, batches, found[0].trainer.recipe, switches, found[0].seed))
    for number, candidate in enumerate(found):
        candidate.trainer = StackedTrainer(training, number)
    return found


def _trainer(network: nn.Module, batches: Batches, recipe: Recipe, switches: Switches, seed: int) -> Trainer:
    forward = compiled_form(network, mode=switches.compile)
    return Trainer(network, batches, recipe, forward=forward, precision=switches.precision, seed=seed)


def forget_compiled() -> None:
    """Forget what was compiled for earlier genotypes: after eight of them PyTorch would compile no more."""
    torch.compiler.reset()


class Repeats:
    """Several trainings of one genotype, which end at the same step.

    Args:
        candidates: before their first step; each is made when it is needed and freed when it has ended.

    Attributes:
        scores: accuracy of each where it was last measured, as far as they have come.
        curve: the mean of the scores each time that all were measured.
        n_trained: images that all together have been trained on, each as often as it was.
        n_validated: those that they have been validated on, likewise.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        """See the class."""
        self._candidates = candidates
        self.scores: list[float] = []
        self.curve: list[float] = []
        self.n_trained = 0
        self.n_validated = 0

    def train(self, ends: Sequence[int], *, goes_on: Callable[[Sequence[float]], bool]) -> None:
        """Train all to each of some steps, and on to the next if their curve is such that they go on.

        Args:
            ends: steps, ascending; with more than one, all candidates are in memory at the same time.
            goes_on: asked at each end but the last, with the curve so far.

        Raises:
            DivergedError: the loss of one became infinite or NaN, or what its network gives.
        """
        if len(ends) > 1:
            self._candidates = list(self._candidates)
        for end in ends:
            if self.curve and not goes_on(self.curve):
                break
            self.scores.clear()
            for candidate in self._candidates:
                self._train(candidate, int(end))
            self.curve.append(sum(self.scores) / len(self.scores))

    def _train(self, candidate: Candidate, end: int) -> None:
        """Train one to a step and measure it; what was done counts also where it diverges."""
        n_trained, n_validated = candidate.trainer.n_images, candidate.n_validated
        try:
            candidate.train(end)
            self.scores.append(candidate.accuracy())
        finally:
            self.n_trained += candidate.trainer.n_images - n_trained  # of stacked ones all, when the first is trained
            self.n_validated += candidate.n_validated - n_validated
