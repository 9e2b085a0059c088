"""Images on a device, and the batches cut from them there: no host loop, no worker processes, no copies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from deap_nas.training.data import Augmentation, Images, Source, load_images, split

__all__ = ["DeviceImages", "augmented_batch", "search_sets", "to_device"]


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

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Float images, (batch, channels, height, width) in channels-last order, of zero mean and unit deviation."""
        return ((pixels - self.mean) * self.scale).permute(0, 3, 1, 2)


def to_device(images: Images, *, device: torch.device, like: DeviceImages | None = None) -> DeviceImages:
    """Put images on a device.

    Args:
        images: to be put there.
        device: where.
        like: take the normalisation of these; by default compute it.
    """
    pixels = torch.from_numpy(images.pixels).to(device)
    labels = torch.from_numpy(images.labels).to(device)
    if like is not None:
        return DeviceImages(pixels, labels, like.mean, like.scale)
    by_channel = pixels.flatten(0, 2).double()
    scale = 1 / by_channel.std(dim=0).clamp(min=1.0)
    return DeviceImages(pixels, labels, by_channel.mean(dim=0).float(), scale.float())


def augmented_batch(
    images: DeviceImages, indices: torch.Tensor, augmentation: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Cut a batch from the images: random crop and random mirroring of each, in one gather.

    Args:
        images: to cut from.
        indices: (batch,) which images.
        augmentation: what to do with each.
        generator: of the random draws, on the device of the images.

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
    return images.normalised(images.pixels[indices[:, None, None], rows[:, :, None], columns[:, None, :]])


def _offsets(batch: int, largest: int, generator: torch.Generator, device: torch.device) -> torch.Tensor:
    return torch.randint(0, largest + 1, (batch, 1), generator=generator, device=device)


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
    training, validation = (
        Images(images.pixels[part], images.labels[part]) for part in split(len(images.labels), seed=seed)
    )
    on_device = to_device(training, device=device)
    return on_device, to_device(validation, device=device, like=on_device)
