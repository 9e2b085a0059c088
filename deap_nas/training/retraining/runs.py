"""One run of a retraining: its images, its network, its files, and how it goes on after a kill."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from deap_nas.files import append_row, cut_rows
from deap_nas.training.data.batches import Batches, DeviceBatches, evaluation_batches, to_device
from deap_nas.training.data.datasets import load_images, load_test_images
from deap_nas.training.data.sources import Augmentation, Source
from deap_nas.training.retraining.process_group import Ranks
from deap_nas.training.retraining.stop_requests import Stop, deferred_interrupts
from deap_nas.training.trainer import Trainer, check_measured, compiled_form, top_accuracies
from deap_nas.training.weights.tensor_files import load_tensors, save_tensors

__all__ = ["LoadedImages", "RetrainingImages", "Run", "environment_of", "forward_of"]

#: Rows of the curve of a whole run, and the steps of a row in a long one; each row waits for the device.
_ROWS = 200
_MOST_STEPS_OF_A_ROW = 100


class RetrainingImages(Protocol):
    """The images of a retraining."""

    def batches(self, seed: int) -> Batches:
        """Batches of all training images, in an order that the seed decides."""
        ...

    def normalisation(self) -> dict[str, list[float]]:
        """``mean`` and ``scale`` of each channel: networks take ``(pixels - mean) * scale``, of pixels in 0..255."""
        ...

    def test_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All test images once, at most as many in a batch as a process trains on; nothing reads them before this."""
        ...


class LoadedImages:
    """Images that fit into memory.

    Args:
        source: the dataset.
        augmentation: of each batch.
        batch_size: images in a batch, of all ranks together.
        ranks: where the images shall be, and which share of a batch.

    Raises:
        DatasetError: the dataset is missing or unreadable.
    """

    def __init__(self, source: Source, augmentation: Augmentation, batch_size: int, *, ranks: Ranks) -> None:
        """See the class."""
        self._source = source
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._ranks = ranks
        self._training = to_device(load_images(source), device=ranks.device)

    def batches(self, seed: int) -> DeviceBatches:
        """Batches of all training images, in an order that the seed decides."""
        return DeviceBatches(self._training, self._augmentation, self._batch_size, seed=seed, ranks=self._ranks)

    def normalisation(self) -> dict[str, list[float]]:
        """Mean and scale of each channel, those of the training images."""
        return self._training.normalisation()

    def test_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All test images once, normalised as the training images; loads them now.

        Raises:
            DatasetError: they are missing or unreadable.
        """
        images = load_test_images(self._source)
        on_device = to_device(images, device=self._ranks.device, like=self._training)
        return evaluation_batches(on_device, batch_size=self._batch_size // self._ranks.size)


def forward_of(network: nn.Module, *, ranks: Ranks, compiled: bool | str) -> nn.Module:
    """Give what computes the logits in training: the network, spread over the ranks, and compiled if wanted.

    Args:
        network: in training.
        ranks: processes that train it together.
        compiled: whether it is compiled, or in which mode.
    """
    forward = network
    if ranks.size > 1:
        # The ranks take the running statistics of batch normalisation from the first one, and normalise each batch by
        # their own share of it.
        forward = DistributedDataParallel(network, device_ids=[ranks.device] if ranks.device.type == "cuda" else None)
    return compiled_form(forward, mode=compiled)


def environment_of(ranks: Ranks, *, precision: str, compiled: bool | str) -> dict[str, Any]:
    """Describe where and by what means a run is trained, as JSON can hold it."""
    gpu = {"gpu": torch.cuda.get_device_name(ranks.device)} if ranks.device.type == "cuda" else {}
    means = {"processes": ranks.size, "precision": precision, "compile": compiled, "torch": torch.__version__}
    return {"host": platform.node(), "device": str(ranks.device)} | gpu | means


class Run:
    """One training in a folder, from where its checkpoint stands if there is one.

    Args:
        trainer: at its first step.
        folder: the first rank writes the curve, the checkpoints and the network there.
        number: of the run, from 0.
        ranks: processes that train the network together.
        environment: where and by what means it is trained from here on.

    Raises:
        StoreError: the checkpoint cannot be read.
        SettingsError: the processes see different folders.
    """

    def __init__(
        self, trainer: Trainer, folder: Path, number: int, *, ranks: Ranks, environment: dict[str, Any]
    ) -> None:
        """See the class."""
        self._trainer = trainer
        self._ranks = ranks
        self._curve = folder / f"run{number}.csv"
        self._checkpoint = folder / f"run{number}.checkpoint.safetensors"
        self._weights = folder / f"run{number}.safetensors"
        #: Seconds of training, those before a kill included as far as their steps count.
        self.seconds = 0.0
        #: Where and by what means it was trained so far.
        self.environments = [environment]
        #: Steps of a row that a stop has cut off, and the sum of their losses.
        self._cut_off = (0, 0.0)
        if self._checkpoint.exists():
            tensors, numbers = load_tensors(self._checkpoint)
            trainer.restore(tensors, numbers)
            self.seconds = float(numbers["seconds"])
            self._cut_off = tuple(numbers.get("cut_off", self._cut_off))
            earlier = numbers["environments"]
            self.environments = earlier if earlier[-1] == environment else [*earlier, environment]
        ranks.check_folder(folder, trainer.step)
        if ranks.is_first:
            cut_rows(self._curve, after=trainer.step)

    def train(self, *, checkpoint_seconds: float, observe: Callable[[Mapping[str, Any]], None]) -> None:
        """Train until the recipe ends.

        A signal that would raise ``KeyboardInterrupt`` does so after the step, or with several processes some steps
        later, when a checkpoint is there; a second Ctrl-C at once.

        Args:
            checkpoint_seconds: least time between two checkpoints; the last step has one in any case.
            observe: called by the first rank with each row of the curve.

        Raises:
            DivergedError: the loss became infinite or NaN.
            StorageError: the curve or a checkpoint cannot be written.
            KeyboardInterrupt: somebody stopped it.
        """
        saved = time.monotonic()
        steps = self._trainer.recipe.steps
        with deferred_interrupts(self._ranks) as stop:
            while self._trainer.step < steps:
                row = self._advance(stop)
                if self._ranks.is_first:
                    if row:
                        append_row(self._curve, row)
                    is_due = time.monotonic() - saved >= checkpoint_seconds
                    if self._trainer.step == steps or is_due or stop.is_agreed:
                        self._save()
                        saved = time.monotonic()
                    if row:
                        observe(row)
                if stop.is_agreed:
                    self._ranks.wait()  # a launcher may end the others when one has ended
                    raise KeyboardInterrupt

    def _advance(self, stop: Stop) -> dict[str, Any]:
        """Train to the end of a row of the curve, and give it; a row that a stop cuts off is empty."""
        recipe, before = self._trainer.recipe, self._trainer.step
        interval = min(_MOST_STEPS_OF_A_ROW, max(1, recipe.steps // _ROWS))
        n_left = min(interval - before % interval, recipe.steps - before)
        begun = time.monotonic()
        try:
            loss = self._trainer.advance(n_left, stop=stop)
        finally:
            elapsed = time.monotonic() - begun
            self.seconds += elapsed
        n_steps = self._trainer.step - before
        n_earlier, loss_earlier = self._cut_off
        if n_earlier or n_steps < n_left:
            self._cut_off = (n_earlier + n_steps, loss_earlier + n_steps * loss)
        if n_steps < n_left:
            return {}
        if n_earlier:
            loss = self._cut_off[1] / self._cut_off[0]
            self._cut_off = (0, 0.0)
        return {
            "step": self._trainer.step,
            "learning_rate": recipe.learning_rate_at(self._trainer.step),
            "loss": loss,
            "images_per_second": round(n_steps * recipe.batch_size / elapsed, 1),
        }

    def _save(self) -> None:
        metadata = {"seconds": self.seconds, "environments": self.environments, "cut_off": self._cut_off}
        save_tensors(self._checkpoint, self._trainer.tensors(), **self._trainer.numbers(), **metadata)

    def test(self, images: RetrainingImages) -> tuple[float, float]:
        """Top-1 and top-5 accuracy, in [0, 1], on the test images, which the first rank reads now.

        Raises:
            DatasetError: they are missing or unreadable.
            DivergedError: the network gives numbers that are not finite.
        """
        found: tuple[float, ...] = (0.0, 0.0)
        if self._ranks.is_first:
            found = top_accuracies(self._trainer.network, images.test_batches(), among=(1, 5))
        top1, top5 = self._ranks.spread(found)
        check_measured(top1)
        return top1, top5

    def keep(self, **metadata: Any) -> None:
        """Write the trained network, with what describes it.

        Raises:
            StorageError: it cannot be written.
        """
        if self._ranks.is_first:
            save_tensors(self._weights, self._trainer.network.state_dict(), **metadata)
