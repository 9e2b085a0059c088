"""Datasets by name. Each is one array of images, and knows how its training images are augmented.

The search sees the training set only: it is split into a training and a validation part, and the test set is not
even loaded.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import DatasetError, UnknownNameError
from deap_nas.extras import require

__all__ = [
    "Augmentation",
    "DatasetInfo",
    "Images",
    "Source",
    "dataset_info",
    "dataset_names",
    "fetch",
    "load_images",
    "split",
]

#: Part of the training set that validates, as in the 40,000 and 10,000 images of Liu 2018, section 4.1.
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Augmentation:
    """What happens to each training image each time it is used."""

    #: Height and width of the random crop in pixels; None takes the whole image.
    crop: int | None = None
    #: Whether every second image, at random, is mirrored.
    flip: bool = False


@dataclass(frozen=True)
class DatasetInfo:
    """What can be said of a dataset without loading it."""

    #: Images of the training set, before any split.
    n_images: int
    n_classes: int
    #: Channels of an image.
    channels: int
    #: Height and width of an image in pixels.
    size: int
    augmentation: Augmentation


@dataclass(frozen=True)
class Source:
    """Where a dataset is read from."""

    #: Name: ``digits``, ``cifar10``, ``cifar100`` or ``imagefolder:PATH``.
    name: str
    #: Folder in which downloaded datasets are kept.
    data_dir: Path = Path("data")
    #: Whether a dataset that is not there may be downloaded.
    download: bool = False


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their labels."""

    #: (n, height, width, channels), unsigned bytes.
    pixels: NDArray[np.uint8]
    #: (n,), from 0.
    labels: NDArray[np.int64]


def split(n_images: int, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split a training set at random.

    Args:
        n_images: images of the training set.
        seed: of the run.

    Returns:
        Indices of the training part and of the validation part, a fifth of the images.
    """
    order = np.array(random.Random(seed).sample(range(n_images), n_images))
    n_validation = round(VALIDATION_SHARE * n_images)
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])


def dataset_names() -> tuple[str, ...]:
    """Names that a dataset can have."""
    return (*_DATASETS, "imagefolder:PATH")


def dataset_info(source: Source) -> DatasetInfo:
    """Describe a dataset without loading its images.

    Raises:
        UnknownNameError: no dataset has that name.
        DatasetError: its folder is missing or holds no images.
        MissingExtraError: the package that reads it is not installed.
    """
    return _reader(source)[0](source)


@lru_cache(maxsize=2)
def load_images(source: Source) -> Images:
    """Load a training set; a process loads it once.

    Raises:
        UnknownNameError: no dataset has that name.
        DatasetError: it is missing or unreadable.
        MissingExtraError: the package that reads it is not installed.
    """
    return _reader(source)[1](source)


def _reader(source: Source) -> tuple[Callable[[Source], DatasetInfo], Callable[[Source], Images]]:
    if source.name.startswith("imagefolder:"):
        return _folder_info, _load_folder
    if source.name not in _DATASETS:
        raise UnknownNameError("dataset", source.name, dataset_names())
    return _DATASETS[source.name]


def _digits_info(source: Source) -> DatasetInfo:  # noqa: ARG001 - one signature for all datasets
    require("sklearn", extra="torch")
    return DatasetInfo(1438, 10, 1, 8, Augmentation())


def _load_digits(source: Source) -> Images:  # noqa: ARG001 - one signature for all datasets
    """Scikit-learn's 1,797 images of handwritten digits; every fifth is kept back as a test set."""
    digits = require("sklearn.datasets", extra="torch").load_digits()
    search = np.arange(len(digits.target)) % 5 != 4
    pixels = np.rint(digits.images[search] * (255 / 16)).astype(np.uint8)
    return Images(pixels[..., None], digits.target[search].astype(np.int64))


def fetch(source: Source) -> None:
    """Download a dataset if it may be and is not there; call it once before many processes load it.

    Raises:
        DatasetError: it cannot be downloaded.
    """
    if source.download and source.name.startswith("cifar"):
        _read_cifar(source)


def _cifar_info(source: Source) -> DatasetInfo:
    n_classes = int(source.name.removeprefix("cifar"))
    folder = source.data_dir / ("cifar-10-batches-py" if n_classes == 10 else "cifar-100-python")
    if not source.download and not folder.is_dir():
        raise DatasetError(f"{folder} is not there: give the right --data-dir, or --download to fetch {source.name}")
    return DatasetInfo(50_000, n_classes, 3, 32, Augmentation(crop=24, flip=True))


def _load_cifar(source: Source) -> Images:
    images = _read_cifar(source)
    return Images(images.data, np.array(images.targets, dtype=np.int64))


def _read_cifar(source: Source) -> Any:
    datasets = require("torchvision.datasets", extra="torch")
    dataset = datasets.CIFAR10 if source.name == "cifar10" else datasets.CIFAR100
    try:
        return dataset(str(source.data_dir), train=True, download=source.download)
    except (OSError, RuntimeError) as error:
        raise DatasetError(f"{source.name} cannot be read from {source.data_dir}: {error}") from error


#: Name -> how to describe it, how to load it.
_DATASETS: dict[str, tuple[Callable[[Source], DatasetInfo], Callable[[Source], Images]]] = {
    "digits": (_digits_info, _load_digits),
    "cifar10": (_cifar_info, _load_cifar),
    "cifar100": (_cifar_info, _load_cifar),
}

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp", ".tif", ".tiff")


def _training_folder(source: Source) -> Path:
    folder = Path(source.name.removeprefix("imagefolder:"))
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder: expected imagefolder:PATH with one folder a class inside PATH")
    return folder / "train" if (folder / "train").is_dir() else folder


@lru_cache(maxsize=2)
def _folder_files(folder: Path) -> tuple[tuple[str, ...], list[tuple[Path, int]]]:
    """Names of the classes, and each image with the number of its class."""
    folders = (entry.name for entry in folder.iterdir() if entry.is_dir())
    classes = tuple(sorted(name for name in folders if not name.startswith(".")))
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in _IMAGE_ENDINGS
    ]
    if len(classes) < 2 or not files:
        raise DatasetError(
            f"{folder} holds {len(classes)} class folders and {len(files)} images; expected at least two folders, "
            f"one a class, with images ({', '.join(_IMAGE_ENDINGS)}) inside"
        )
    empty = [classes[label] for label in sorted(set(range(len(classes))) - {label for _, label in files})]
    if empty:
        raise DatasetError(f"{folder} has class folders without images: {', '.join(empty)}; fill or remove them")
    return classes, files


def _folder_info(source: Source) -> DatasetInfo:
    classes, files = _folder_files(_training_folder(source))
    height, width, channels = _read_image(files[0][0]).shape
    if height != width:
        raise DatasetError(f"{files[0][0]} has {width}x{height} pixels: resize all images to one square size first")
    return DatasetInfo(len(files), len(classes), channels, height, Augmentation(crop=round(0.75 * height), flip=True))


def _load_folder(source: Source) -> Images:
    """One folder a class, as torchvision's ImageFolder; ``PATH/train`` if there is one."""
    _, files = _folder_files(_training_folder(source))
    first = _read_image(files[0][0])
    pixels = np.empty((len(files), *first.shape), dtype=np.uint8)
    for number, (path, _) in enumerate(files):
        image = _read_image(path)
        if image.shape != first.shape:
            raise DatasetError(
                f"{path} has {image.shape[1]}x{image.shape[0]} pixels, {files[0][0]} has "
                f"{first.shape[1]}x{first.shape[0]}: resize all images to one size first"
            )
        pixels[number] = image
    return Images(pixels, np.array([label for _, label in files], dtype=np.int64))


def _read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as (height, width, 3)."""
    image_module = require("PIL.Image", extra="torch")
    try:
        with image_module.open(path) as image:
            pixels: NDArray[np.uint8] = np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as an image: {error}") from error
    return pixels
