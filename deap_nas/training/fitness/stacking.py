"""Several networks of one form trained at once, as one network whose weights are stacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.func import functional_call

from deap_nas.training.data.batches import Batches
from deap_nas.training.recipes import Recipe
from deap_nas.training.trainer import Trainer, below, check_finite

__all__ = ["StackedBatches", "StackedNetwork", "StackedTrainer", "StackedTraining"]


class StackedNetwork(nn.Module):
    """Networks of one form as one network, that computes all of them with each operation.

    Its weights are theirs: what changes here changes there, and the other way round.

    Args:
        networks: at least one, of the same modules, with weights of their own.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """See the class."""
        super().__init__()
        self.form = deepcopy(networks[0])
        tensors = [dict((*network.named_parameters(), *network.named_buffers())) for network in networks]
        for name, whole in (*self.form.named_parameters(), *self.form.named_buffers()):
            parts = [of_network[name] for of_network in tensors]
            whole.data = _stacked([part.data for part in parts])
            for part, view in zip(parts, whole.data, strict=True):
                part.data = view

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the logits, (networks, batch, n_classes), of images, (networks, batch, channels, height, width)."""

        def logits(tensors: dict[str, torch.Tensor], batch: torch.Tensor) -> torch.Tensor:
            computed: torch.Tensor = functional_call(self.form, tensors, (batch,))
            return computed

        tensors = dict((*self.form.named_parameters(), *self.form.named_buffers()))
        stacked: torch.Tensor = torch.vmap(logits, randomness="different")(tensors, images)
        return stacked


def _stacked(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors; those of four dimensions so that each is in the channels-last memory format."""
    if parts[0].dim() != 4:
        return torch.stack(list(parts))
    return torch.stack([part.movedim(1, -1) for part in parts]).movedim(-1, 2)


class StackedBatches:
    """Batches side by side, one for each of stacked networks.

    Args:
        parts: the batches of each network, of the same shape.
    """

    def __init__(self, parts: Sequence[Batches]) -> None:
        """See the class."""
        self.device = parts[0].device
        self._parts = tuple(parts)

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Give images, (networks, batch, channels, height, width), and labels, (networks, batch)."""
        images, labels = zip(*(part.next() for part in self._parts), strict=True)
        return torch.stack(images), torch.stack(labels)

    def state(self) -> dict[str, torch.Tensor]:
        """What :meth:`restore` needs besides the number of steps."""
        states = (part.state() for part in self._parts)
        return {f"{number}.{name}": value for number, state in enumerate(states) for name, value in state.items()}

    def restore(self, state: Mapping[str, torch.Tensor], step: int) -> None:
        """Go on after so many batches."""
        for number, part in enumerate(self._parts):
            part.restore(below(f"{number}.", state), step)

    def close(self) -> None:
        """Free what was read ahead, and end who reads."""
        for part in self._parts:
            part.close()


class StackedTraining:
    """Networks trained at once; each is driven as if it were trained alone.

    Args:
        trainer: of a :class:`StackedNetwork`, before its first step.
    """

    def __init__(self, trainer: Trainer) -> None:
        """See the class."""
        self.trainer = trainer
        #: Images that all networks together have been trained on.
        self.n_images = 0
        self._losses: dict[int, list[float]] = {}

    def losses_at(self, step: int) -> list[float]:
        """Train all networks to a step, unless they are there or were there.

        Returns:
            For each network the sum of its losses since the step asked for before.

        Raises:
            RuntimeError: they are past this step, and did not stop there.
        """
        if step not in self._losses:
            n_steps = step - self.trainer.step
            if n_steps < 1:
                raise RuntimeError(f"stacked networks stop at the same steps, and step {step} is past")
            self._losses[step] = self.trainer.total_losses(n_steps).tolist()
            self.n_images += n_steps * self.trainer.recipe.batch_size * len(self._losses[step])
        return self._losses[step]


@dataclass
class StackedTrainer:
    """One of the networks that are trained at once, with the steps of a :class:`~deap_nas.training.trainer.Trainer`.

    The first of them that advances takes the others along. One that diverges does not disturb them.
    """

    training: StackedTraining
    #: Which of the networks.
    number: int
    #: Steps done so far, as far as this one was asked to.
    step: int = field(default=0, init=False)

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return self.training.trainer.recipe

    @property
    def n_images(self) -> int:
        """Images that it has been trained on, and those that are trained with it."""
        return self.training.n_images

    def advance(self, n_steps: int) -> float:
        """Train for some steps.

        Returns:
            The mean loss of these steps.

        Raises:
            DivergedError: the loss became infinite or NaN.
        """
        self.step += n_steps
        loss = self.training.losses_at(self.step)[self.number] / n_steps
        check_finite(loss, self.step, self.recipe)
        return loss
