"""What a dataset is, as plain values: where it is read from, how large it is, how its images are augmented."""

from __future__ import annotations

import os
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError

__all__ = ["VALIDATION_SHARE", "Augmentation", "DatasetInfo", "Images", "Source", "subset"]

#: Part of the training set that validates by default, as in the 40,000 and 10,000 images of Liu 2018, section 4.1.
VALIDATION_SHARE = 0.2
#: Of the images that ``Source.n_images`` leaves: the same ones for every search and every training.
_SUBSET_SEED = 0
#: Classes whose images are told one by one; of more the smallest and the largest.
_MOST_CLASSES_IN_WORDS = 12


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
    #: Pixels that are put around the image, of the mean colour of the training images, before a random crop to the size
    #: that the image had; 0 for none. There is either this, or ``crop``, or ``area``.
    padding: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON can hold them; without ``padding`` where there is none, as files made before lack it."""
        return {name: value for name, value in asdict(self).items() if name != "padding" or value}


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
    #: Names of the classes, in the order of their numbers.
    classes: tuple[str, ...] = ()
    #: Images of each class, of those that ``n_images`` counts; None where only the images themselves tell.
    counts: tuple[int, ...] | None = None
    #: What else lies in a folder of images and is not read, such as ``("files .gif", 3)``.
    ignored: tuple[tuple[str, int], ...] = ()

    def in_words(self) -> str:
        """How many images of which class are used, and what was ignored."""
        text = f"{self.n_images:,} of {self.n_classes} classes"
        if self.counts is not None:
            named = list(zip(self.classes, self.counts, strict=True))
            if len(named) > _MOST_CLASSES_IN_WORDS:
                few = [min(named, key=lambda pair: pair[1]), max(named, key=lambda pair: pair[1])]
                text += ", from " + " to ".join(f"{count:,} of {name}" for name, count in few)
            else:
                text += ": " + ", ".join(f"{name} {count:,}" for name, count in named)
        ignored = ", ".join(f"{what}: {count:,}" for what, count in self.ignored)
        return f"{text}; ignored {ignored}" if ignored else text


@dataclass(frozen=True)
class Source:
    """Where a dataset is read from, and how its images are used.

    Raises:
        SettingsError: ``flip`` or ``crop`` is out of its range.
    """

    #: Name: ``digits``, ``cifar10``, ``cifar100``, ``imagefolder:PATH`` or ``imagenet:PATH``, whose PATH is made whole.
    name: str
    #: Folder in which downloaded datasets are kept; becomes the whole path.
    data_dir: Path = Path("data")
    #: Whether a dataset that is not there may be downloaded.
    download: bool = False
    #: Training images to use, always the same ones, drawn at random; None for all. Test images are never left out.
    n_images: int | None = None
    #: Height and width in pixels to which all images, the test images too, are shrunk; None leaves them as they are.
    image_size: int | None = None
    #: Whether training images are mirrored at random; None as the dataset is by default.
    flip: bool | None = None
    #: Pixels put around each training image before a random crop to its size; 0 for no crop; None for the dataset's
    #: default. They shrink with the image, where ``image_size`` shrinks it.
    crop: int | None = None
    #: Part of the training images that validates in a search, in (0, 1).
    validation_share: float = VALIDATION_SHARE

    def __post_init__(self) -> None:
        """Take the whole paths, which other processes in other folders find as well."""
        kind, colon, path = self.name.partition(":")
        if colon:
            path = os.path.abspath(os.path.expanduser(path))
        object.__setattr__(self, "name", f"{kind}{colon}{path}")
        object.__setattr__(self, "data_dir", Path(os.path.abspath(os.path.expanduser(self.data_dir))))
        if self.flip not in (None, True, False):
            raise SettingsError(f"flip must be True, False or None for the dataset's default, found {self.flip!r}")
        if self.crop is not None and (not isinstance(self.crop, int) or self.crop < 0):
            raise SettingsError(f"crop must be a number of pixels, at least 0, or None, found {self.crop!r}")
        if not 0 < self.validation_share < 1:
            raise SettingsError(f"validation_share must lie between 0 and 1, found {self.validation_share!r}")


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
