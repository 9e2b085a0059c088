"""What a dataset is, as plain values: where it is read from, how large it is, how its images are augmented."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Augmentation", "DatasetInfo", "Images", "Source", "subset"]

#: Of the images that ``Source.n_images`` leaves: the same ones for every search and every training.
_SUBSET_SEED = 0


@dataclass(frozen=True)
class Augmentation:
    """What happens to each training image each time it is used."""

    #: Height and width of the random crop in pixels; None takes the whole image, or the ``area``.
    crop: int | None = None
    #: Whether every second image, at random, is mirrored.
    flip: bool = False
    #: Smallest and largest share of the image's area that a random crop covers, before it is resized to the size that
    #: the network takes; None crops no such part. This and the following are for images that are read file by file.
    area: tuple[float, float] | None = None
    #: Smallest and largest ratio of such a crop's width to its height.
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    #: Largest change of the brightness and of the contrast: a factor in 1 - change .. 1 + change.
    brightness: float = 0.0
    contrast: float = 0.0


@dataclass(frozen=True)
class DatasetInfo:
    """What can be said of a dataset without loading it."""

    #: Images of the training set, before any split.
    n_images: int
    n_classes: int
    #: Channels of an image.
    channels: int
    #: Height and width of an image in pixels; None where they differ, and the template of the network decides.
    size: int | None
    augmentation: Augmentation


@dataclass(frozen=True)
class Source:
    """Where a dataset is read from."""

    #: Name: ``digits``, ``cifar10``, ``cifar100``, ``imagefolder:PATH`` or ``imagenet:PATH``.
    name: str
    #: Folder in which downloaded datasets are kept.
    data_dir: Path = Path("data")
    #: Whether a dataset that is not there may be downloaded.
    download: bool = False
    #: Training images to use, always the same ones, drawn at random; None for all. Test images are never left out.
    n_images: int | None = None
    #: Height and width in pixels to which all images, the test images too, are shrunk; None leaves them as they are.
    image_size: int | None = None


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their labels."""

    #: (n, height, width, channels), unsigned bytes.
    pixels: NDArray[np.uint8]
    #: (n,), from 0.
    labels: NDArray[np.int64]

    def part(self, indices: NDArray[np.int64]) -> Self:
        """The images with these indices."""
        return type(self)(self.pixels[indices], self.labels[indices])


def subset(n_images: int, n_wanted: int | None) -> NDArray[np.int64]:
    """Indices of the training images that ``Source.n_images`` leaves, in order.

    Args:
        n_images: images of the whole training set.
        n_wanted: how many to use; None for all.
    """
    if n_wanted is None:
        return np.arange(n_images)
    return np.sort(np.array(random.Random(_SUBSET_SEED).sample(range(n_images), n_wanted)))
