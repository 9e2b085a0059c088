"""Training and validation of one network."""

from __future__ import annotations

import torch
from torch import nn

from deap_nas.errors import DivergedError
from deap_nas.training.batches import DeviceImages, augmented_batch
from deap_nas.training.data import Augmentation
from deap_nas.training.recipes import Recipe

__all__ = ["accuracy", "train"]

#: Images in one batch of an evaluation.
_EVALUATION_BATCH = 1024
#: Steps between two checks that the loss is still a number; each check waits for the device.
_STEPS_BETWEEN_CHECKS = 100


def train(network: nn.Module, images: DeviceImages, augmentation: Augmentation, recipe: Recipe, *, seed: int) -> None:
    """Train a network from the weights it has.

    Args:
        network: trained in place, on the device of the images.
        images: at least one batch of them.
        augmentation: of each batch.
        recipe: how to train.
        seed: of the order of the images and of their augmentation.

    Raises:
        DivergedError: the loss became infinite or NaN.
    """
    device = images.pixels.device
    generator = torch.Generator(device=device).manual_seed(seed)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, recipe.milestones, gamma=0.1)
    batches = _Batches(len(images.labels), recipe.batch_size, generator)
    network.train()
    total = torch.zeros((), device=device)
    for step in range(1, recipe.steps + 1):
        indices = batches.next()
        logits = network(augmented_batch(images, indices, augmentation, generator))
        loss = nn.functional.cross_entropy(logits, images.labels[indices])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        total += loss.detach()  # NaN and infinity stay
        if (step % _STEPS_BETWEEN_CHECKS == 0 or step == recipe.steps) and not torch.isfinite(total):
            raise DivergedError(f"the loss is not a finite number after {step} of {recipe.steps} steps")


class _Batches:
    """Whole batches of indices, each epoch in an order of its own; what is left of an epoch is dropped."""

    def __init__(self, n_images: int, batch_size: int, generator: torch.Generator) -> None:
        self._n_images = n_images
        self._batch_size = batch_size
        self._generator = generator
        self._order = torch.empty(0, dtype=torch.int64, device=generator.device)

    def next(self) -> torch.Tensor:
        if len(self._order) < self._batch_size:
            device = self._generator.device
            self._order = torch.randperm(self._n_images, generator=self._generator, device=device)
        indices, self._order = self._order[: self._batch_size], self._order[self._batch_size :]
        return indices


@torch.no_grad()
def accuracy(network: nn.Module, images: DeviceImages) -> float:
    """Share of the images, in [0, 1], that the network classifies right; on whole images, without augmentation."""
    network.eval()
    correct = torch.zeros((), dtype=torch.int64, device=images.pixels.device)
    batches = zip(
        torch.split(images.pixels, _EVALUATION_BATCH), torch.split(images.labels, _EVALUATION_BATCH), strict=True
    )
    for pixels, labels in batches:
        correct += (network(images.normalised(pixels)).argmax(dim=1) == labels).sum()
    return int(correct) / len(images.labels)
