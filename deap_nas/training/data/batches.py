"""Images on a device, and the batches cut from them there: no host loop, no worker processes, no copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import torch

from deap_nas.training.data.datasets import load_images, split
from deap_nas.training.data.sources import Augmentation, Images, Source
from deap_nas.training.retraining.process_group import ALONE, Ranks

__all__ = [
    "Batches",
    "DeviceBatches",
    "DeviceImages",
    "augmented_batch",
    "evaluation_batches",
    "search_sets",
    "to_device",
]


class Batches(Protocol):
    """An endless sequence of training batches that can go on in another process."""

    @property
    def device(self) -> torch.device:
        """Where the batches are."""
        ...

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the next batch: normalised images (batch, channels, height, width), and labels (batch,)."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """What :meth:`restore` needs besides the number of steps."""
        ...

    def restore(self, state: Mapping[str, torch.Tensor], step: int) -> None:
        """Go on after so many batches."""
        ...

    def close(self) -> None:
        """Free what was read ahead, and end who reads."""
        ...


@dataclass(frozen=True, eq=False)
class DeviceImages:
    """Images with their labels, on a device."""

    #: (n, height, width, channels), unsigned bytes.
    pixels: torch.Tensor
    #: (n,), 64-bit integers.
    labels: torch.Tensor
    #: (channels,), mean and inverse standard deviation of the training pixels.
    mean: torch.Tensor
    scale: torch.Tensor
    #: Both for a whole row of pixels, by its width: a tiny network would wait for them at each batch.
    _of_rows: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict, init=False, repr=False)

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Float images, (batch, channels, height, width) in channels-last order, of zero mean and unit deviation."""
        width = pixels.shape[2]
        if width not in self._of_rows:
            self._of_rows[width] = self.mean.repeat(width), self.scale.repeat(width)
        mean, scale = self._of_rows[width]  # a whole row at once is quicker than pixel by pixel
        return (pixels.flatten(2) - mean).mul_(scale).view(pixels.shape).permute(0, 3, 1, 2)

    def normalisation(self) -> dict[str, list[float]]:
        """``mean`` and ``scale`` of each channel: networks take ``(pixels - mean) * scale``, of pixels in 0..255."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}


def to_device(images: Images, *, device: torch.device, like: DeviceImages | None = None) -> DeviceImages:
    """Put images on a device.

    Args:
        images: to be put there.
        device: where.
        like: take the normalisation of these; by default compute it.
    """
    pixels, labels = torch.from_numpy(images.pixels), torch.from_numpy(images.labels)
    if like is not None:
        return DeviceImages(pixels.to(device), labels.to(device), like.mean, like.scale)
    by_channel = pixels.flatten(0, 2).double()  # on the CPU: not every device has double precision
    mean, scale = by_channel.mean(dim=0), 1 / by_channel.std(dim=0).clamp(min=1.0)
    return DeviceImages(*(tensor.to(device) for tensor in (pixels, labels, mean.float(), scale.float())))


def augmented_batch(
    images: DeviceImages,
    indices: torch.Tensor,
    augmentation: Augmentation,
    generator: torch.Generator,
    *,
    share: slice = slice(None),
) -> torch.Tensor:
    """Cut a batch from the images: random crop or shift, and random mirroring of each, in one gather.

    Args:
        images: to cut from.
        indices: (batch,) which images.
        augmentation: what to do with each.
        generator: of the random draws, on the device of the images.
        share: part of the batch that is wanted; the draws are those of the whole batch.

    Returns:
        (batch, channels, crop, crop) normalised images.
    """
    batch = len(indices)
    _, height, width, _ = images.pixels.shape
    device = images.pixels.device
    rows = torch.arange(augmentation.crop or height, device=device).expand(batch, -1)  # (batch, crop)
    columns = torch.arange(augmentation.crop or width, device=device).expand(batch, -1)
    if augmentation.flip:
        mirrored = torch.rand(batch, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    if augmentation.crop is not None:
        rows = rows + _offsets(batch, height - augmentation.crop, generator, device)
        columns = columns + _offsets(batch, width - augmentation.crop, generator, device)
    if augmentation.padding:
        rows, columns = (
            places + _offsets(batch, 2 * augmentation.padding, generator, device) - augmentation.padding
            for places in (rows, columns)
        )
    return _cut_out(images, indices[share], rows[share], columns[share], is_padded=augmentation.padding > 0)


def _cut_out(
    images: DeviceImages, indices: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, *, is_padded: bool
) -> torch.Tensor:
    """Normalised pixels in the rows and columns, each (batch, crop); the mean colour beyond the border."""
    _, height, width, _ = images.pixels.shape
    if is_padded:
        in_rows, in_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        is_inside = in_rows[:, None, :, None] & in_columns[:, None, None, :]
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    places = (indices[:, None, None] * height + rows[:, :, None]) * width + columns[:, None, :]
    pixels = images.pixels.flatten(0, 2).index_select(0, places.flatten())  # quicker than by three indices
    batch = images.normalised(pixels.view(*places.shape, -1))
    return batch.mul_(is_inside) if is_padded else batch


def _offsets(batch: int, largest: int, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    return torch.randint(0, largest + 1, (batch, 1), generator=generator, device=device)


class DeviceBatches:
    """Whole batches, each epoch in an order of its own; what is left of an epoch is dropped.

    Args:
        images: at least one batch of them.
        augmentation: of each batch.
        batch_size: images in a batch, of all ranks together.
        seed: of the order of the images and of their augmentation.
        ranks: each of them gets its share of every batch.
    """

    def __init__(
        self, images: DeviceImages, augmentation: Augmentation, batch_size: int, *, seed: int, ranks: Ranks = ALONE
    ) -> None:
        """See the class."""
        self.device = images.pixels.device
        self._images = images
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._share = ranks.share(batch_size)
        self._generator = torch.Generator(device=self.device).manual_seed(seed)
        self._order = torch.empty(0, dtype=torch.int64, device=self.device)

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the next batch: images and labels."""
        if len(self._order) < self._batch_size:
            n_images = len(self._images.labels)
            self._order = torch.randperm(n_images, generator=self._generator, device=self.device)
        indices, self._order = self._order[: self._batch_size], self._order[self._batch_size :]
        batch = augmented_batch(self._images, indices, self._augmentation, self._generator, share=self._share)
        return batch, self._images.labels[indices[self._share]]

    def state(self) -> dict[str, torch.Tensor]:
        """State of the generator, and the rest of the epoch's order."""
        return {"generator": self._generator.get_state(), "order": self._order}

    def restore(self, state: Mapping[str, torch.Tensor], step: int) -> None:  # noqa: ARG002 - the order tells the place
        """Go on where :meth:`state` was taken."""
        self._generator.set_state(state["generator"])
        self._order = state["order"].to(self.device)

    def close(self) -> None:
        """Nothing: the images stay for the next run."""


def evaluation_batches(images: DeviceImages, *, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """All images once, whole and without augmentation, with their labels.

    Args:
        images: to be evaluated on.
        batch_size: most images in a batch; as many as were trained on at once fit into memory.
    """
    for begin in range(0, len(images.labels), batch_size):
        part = slice(begin, begin + batch_size)
        yield images.normalised(images.pixels[part]), images.labels[part]


@lru_cache(maxsize=2)
def search_sets(source: Source, seed: int, device: torch.device) -> tuple[DeviceImages, DeviceImages]:
    """Give the training and the validation images of a search; a process loads them once.

    Args:
        source: the dataset.
        seed: of the split.
        device: where the images shall be.

    Raises:
        DatasetError: the dataset is missing or unreadable.
    """
    images = load_images(source)
    parts = split(len(images.labels), seed=seed, validation_share=source.validation_share)
    training, validation = map(images.part, parts)
    on_device = to_device(training, device=device)
    return on_device, to_device(validation, device=device, like=on_device)
