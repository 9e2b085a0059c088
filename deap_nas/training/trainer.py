"""Training and validation of one network: the steps that a search and a retraining share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from deap_nas.assembly import assemble
from deap_nas.errors import DivergedError
from deap_nas.evaluation import derive_seed
from deap_nas.template import Plan
from deap_nas.training.data.batches import Batches, DeviceImages, evaluation_batches
from deap_nas.training.recipes import Recipe
from deap_nas.training.retraining.process_group import ALONE, Ranks
from deap_nas.training.seeding import StepDraws, seeded_draws
from deap_nas.training.tensor_memory import keep_freed_memory

__all__ = [
    "Trainer",
    "accuracy",
    "below",
    "check_finite",
    "check_measured",
    "compiled_form",
    "seeded_network",
    "top_accuracies",
]

#: What an optimiser keeps of each parameter, and what that is called in a checkpoint.
_MOMENTS = {"momentum_buffer": "momentum", "exp_avg": "adam_mean", "exp_avg_sq": "adam_square", "step": "adam_step"}
#: What each precision computes in; the weights are always float32.
_AUTOCAST = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def seeded_network(plan: Plan, *, seed: int, device: torch.device) -> nn.Module:
    """Assemble a network with weights drawn from a seed; the global generator stays as it is."""
    with seeded_draws(seed):  # on the CPU
        return assemble(plan).to(device)


def compiled_form(network: nn.Module, *, mode: bool | str) -> nn.Module:
    """Give what computes as the network does, with its weights: the network, or what ``torch.compile`` makes of it.

    Args:
        network: as it is trained.
        mode: of the compiler; True is its default, False is not to compile.
    """
    if mode is False:
        return network
    return cast(nn.Module, torch.compile(network, mode=None if mode is True else mode))


class Trainer:
    """A network in training, some steps at a time.

    Args:
        network: trained in place, from the weights it has.
        batches: on the device of the network.
        recipe: how to train.
        forward: what computes the logits with the network's weights, such as its compiled form; by default the
            network itself.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for what is safe to compute in it.
        ranks: processes that train the network together; ``forward`` averages the gradients over them.
        seed: of what the layers draw, such as those that drop values.
    """

    def __init__(
        self,
        network: nn.Module,
        batches: Batches,
        recipe: Recipe,
        *,
        forward: nn.Module | None = None,
        precision: str = "float32",
        ranks: Ranks = ALONE,
        seed: int = 0,
    ) -> None:
        """See the class."""
        self.network = network
        self.recipe = recipe
        #: Steps done so far.
        self.step = 0
        self.batches = batches
        self._forward = network if forward is None else forward
        self._precision = precision
        self._ranks = ranks
        self._draws = StepDraws(derive_seed(seed, ranks.rank), batches.device)
        self._optimiser = _optimiser(network, recipe, skips=precision == "float16")
        self._scaler = torch.amp.GradScaler(batches.device.type, enabled=precision == "float16")
        if batches.device.type == "cpu":
            keep_freed_memory()
        network.train()

    @property
    def n_images(self) -> int:
        """Images that the network has been trained on, each as often as it was."""
        return self.step * self.recipe.batch_size

    def advance(self, n_steps: int, *, stop: Callable[[], bool] | None = None) -> float:
        """Train for some steps, and wait for the device once, at their end.

        Args:
            n_steps: at least 1.
            stop: asked after each step whether to leave out the others.

        Returns:
            The mean loss of the steps that were done.

        Raises:
            DivergedError: the loss became infinite or NaN.
        """
        before = self.step
        total = self.total_losses(n_steps, stop=stop)
        loss = float(total) / (self.step - before)
        check_finite(loss, self.step, self.recipe)
        return loss

    def total_losses(self, n_steps: int, *, stop: Callable[[], bool] | None = None) -> torch.Tensor:
        """Train for some steps without waiting for the device; see :meth:`advance`.

        Returns:
            The sum of their losses, (), infinite or NaN if one was; of stacked networks that of each, (networks,).
        """
        total = torch.zeros((), device=self.batches.device)
        for _ in range(n_steps):
            self.step += 1
            with self._draws.of_step(self.step):
                total = total + self._step()  # NaN and infinity stay
            if stop is not None and stop():
                break
        self._ranks.average(total)
        return total

    def _step(self) -> torch.Tensor:
        images, labels = self.batches.next()
        for group in self._optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.step)
        with torch.autocast(images.device.type, _AUTOCAST[self._precision], enabled=self._precision != "float32"):
            losses = _losses(self._forward(images), labels)
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(losses.sum()).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return losses.detach()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that a later :meth:`restore` needs, but for the step and the numbers."""
        network = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        moments = {
            f"{_MOMENTS[moment]}.{name}": value
            for name, parameter in self.network.named_parameters()
            for moment, value in self._optimiser.state[parameter].items()
            if value is not None
        }
        return network | moments | {f"batches.{name}": value for name, value in self.batches.state().items()}

    def numbers(self) -> dict[str, Any]:
        """The step, and how gradients are scaled, as JSON can hold it."""
        return {"step": self.step, "scaler": self._scaler.state_dict()}

    def restore(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on where :meth:`tensors` and :meth:`numbers` were taken."""
        self.step = numbers["step"]
        self._scaler.load_state_dict(numbers["scaler"])
        self.network.load_state_dict(below("network.", tensors))
        self.batches.restore(below("batches.", tensors), self.step)
        for moment, prefix in _MOMENTS.items():
            values = below(f"{prefix}.", tensors)
            for name, parameter in self.network.named_parameters():
                if name in values:
                    self._optimiser.state[parameter][moment] = _like(values[name], parameter)


def _like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A copy where the parameter is, and in its memory format; a count stays where it was."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _optimiser(network: nn.Module, recipe: Recipe, *, skips: bool) -> torch.optim.Optimizer:
    """Make the optimiser; one that skips a step whose gradients overflow is fused, which does not wait to know it."""
    shared: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": skips or None}
    if recipe.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), betas=(recipe.momentum, 0.999), **shared)
    nesterov = recipe.optimiser == "nesterov"
    optimiser = torch.optim.SGD(network.parameters(), momentum=recipe.momentum, nesterov=nesterov, **shared)
    if skips:  # the fused form does not fill the momentum of a first step that is skipped
        for parameter in network.parameters():
            optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter, requires_grad=False)
    return optimiser


def _losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean loss of a batch, (); of one batch for each of stacked networks, (networks,)."""
    if labels.dim() == 1:
        return nn.functional.cross_entropy(logits, labels)
    return torch.stack([nn.functional.cross_entropy(*each) for each in zip(logits, labels, strict=True)])


def check_finite(loss: float, step: int, recipe: Recipe) -> None:
    """Check the loss of a training.

    Raises:
        DivergedError: it is infinite or NaN.
    """
    if not math.isfinite(loss):
        raise DivergedError(f"the loss is not a finite number after {step} of {recipe.steps} steps")


def below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Those tensors whose name begins with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def accuracy(network: nn.Module, images: DeviceImages, *, batch_size: int) -> float:
    """Share of the images, in [0, 1], that the network classifies right; on whole images, so many at once.

    Raises:
        DivergedError: a logit is infinite or NaN.
    """
    (share,) = top_accuracies(network, evaluation_batches(images, batch_size=batch_size), among=(1,))
    check_measured(share)
    return share


@torch.no_grad()
def top_accuracies(
    network: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], *, among: Sequence[int]
) -> tuple[float, ...]:
    """Share of the images, in [0, 1], whose class is among the first k that the network names, for each k.

    All are NaN if a logit is infinite or NaN.
    """
    network.eval()
    counts: torch.Tensor | int = 0
    n_images = 0
    for images, labels in batches:
        logits = network(images)
        ranking = logits.argsort(dim=1, descending=True, stable=True)  # (batch, n_classes)
        right = ranking == labels[:, None]
        counts += torch.stack([*(right[:, :k].any(dim=1).sum() for k in among), (~logits.isfinite()).sum()])
        n_images += len(labels)
    *n_right, n_infinite = torch.as_tensor(counts).tolist()
    return tuple(math.nan if n_infinite else count / n_images for count in n_right)


def check_measured(share: float) -> None:
    """Check what :func:`top_accuracies` gave.

    Raises:
        DivergedError: a logit was infinite or NaN.
    """
    if math.isnan(share):
        raise DivergedError("the trained network gives numbers that are not finite")
