"""Datasets by name: what each is, its training images, and its test images.

A search sees the training images only: it splits them into a training and a validation part. The test images are for
what has come to its end: :mod:`deap_nas.training.retraining.runs` asks for them after the last step of a run, and
:mod:`deap_nas.training.searched_networks` when somebody wants to know how good the networks of a search are. Nothing
else may, and nothing is chosen by what they say.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import DatasetError, SettingsError, UnknownNameError
from deap_nas.extras import require
from deap_nas.training.data.cifar_classes import CIFAR10_CLASSES, CIFAR100_CLASSES
from deap_nas.training.data.image_folders import folder_info, imagenet_info, load_folder, n_test_files, used_files
from deap_nas.training.data.shrinking import shrunk, shrunk_info
from deap_nas.training.data.sources import VALIDATION_SHARE, Augmentation, DatasetInfo, Images, Source, subset

__all__ = [
    "check_split",
    "dataset_info",
    "dataset_names",
    "fetch",
    "load_images",
    "load_test_images",
    "n_test_images",
    "split",
]


def split(
    n_images: int, *, seed: int, validation_share: float = VALIDATION_SHARE
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split a training set at random.

    Args:
        n_images: images of the training set.
        seed: of the run.
        validation_share: part of them that validates.

    Returns:
        Indices of the training part and of the validation part.
    """
    order = np.array(random.Random(seed).sample(range(n_images), n_images))
    n_validation = round(validation_share * n_images)
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])


def check_split(source: Source, n_images: int, *, batch_size: int) -> None:
    """Check that a training set is large enough to be split.

    Raises:
        DatasetError: too few images are left for a batch, or for a validation.
    """
    n_validation = round(source.validation_share * n_images)
    if n_images - n_validation < batch_size:
        raise DatasetError(
            f"{source.name} leaves {n_images - n_validation} training images, fewer than a batch of {batch_size}; "
            f"choose a smaller batch or a larger dataset"
        )
    if n_validation < 1:
        raise DatasetError(
            f"{source.name} has {n_images} images, too few to keep some for validation; choose a larger one"
        )


def dataset_names() -> tuple[str, ...]:
    """Names that a dataset can have."""
    return (*_DATASETS, *(f"{kind}:PATH" for kind in _FOLDERS))


def dataset_info(source: Source) -> DatasetInfo:
    """Describe a dataset without loading its images.

    Raises:
        UnknownNameError: no dataset has that name.
        DatasetError: its folder is missing or holds no images.
        SettingsError: it has fewer training images than ``source.n_images``, or ``source.image_size`` is larger
            than its images, or ``source.crop`` is.
        MissingExtraError: the package that reads it is not installed.
    """
    info = _reader(source).info(source)
    info = shrunk_info(replace(info, augmentation=_augmentation(info, source)), source.image_size)
    if source.n_images is None:
        return info
    if not isinstance(source.n_images, int) or not 1 <= source.n_images <= info.n_images:
        raise SettingsError(f"n_images must be an integer in 1..{info.n_images}, found {source.n_images!r}")
    counts = None
    if source.name.partition(":")[0] in _FOLDERS:
        numbers = np.bincount([label for _, label in used_files(source)], minlength=info.n_classes)
        counts = tuple(numbers.tolist())
    return replace(info, n_images=source.n_images, counts=counts)


def _augmentation(info: DatasetInfo, source: Source) -> Augmentation:
    """That of the dataset, but for what the source asks for."""
    augmentation = info.augmentation
    if source.flip is not None:
        augmentation = replace(augmentation, flip=bool(source.flip))
    if source.crop is not None:
        if info.size is not None and source.crop > info.size:
            raise SettingsError(f"crop must be at most {info.size}, the pixels of an image's side, found {source.crop}")
        augmentation = replace(augmentation, crop=None, area=None, padding=source.crop)
    return augmentation


@lru_cache(maxsize=2)
def load_images(source: Source) -> Images:
    """Load the training images; a process loads them once.

    Raises:
        UnknownNameError: no dataset has that name.
        DatasetError: it is missing or unreadable.
        MissingExtraError: the package that reads it is not installed.
    """
    images = _reader(source).load(source, test=False)
    if source.n_images is not None and source.n_images < len(images.labels):  # folders read no more than that
        images = images.part(subset(len(images.labels), source.n_images))
    return shrunk(images, source.image_size)


def load_test_images(source: Source) -> Images:
    """Load the test images, for what has come to its end: digits' kept-back fifth, or the test set as published.

    Raises:
        UnknownNameError: no dataset has that name.
        DatasetError: there are none, or they are unreadable.
        MissingExtraError: the package that reads it is not installed.
    """
    return shrunk(_reader(source).load(source, test=True), source.image_size)


def n_test_images(source: Source) -> int:
    """Count the test images without reading them.

    Raises:
        UnknownNameError: no dataset has that name.
        DatasetError: there are none, or their classes are not those of the training images.
    """
    return _reader(source).n_test(source)


def fetch(source: Source) -> None:
    """Download a dataset if it may be and is not there; call it once before many processes load it.

    Raises:
        DatasetError: it cannot be downloaded.
    """
    if source.download and source.name.startswith("cifar"):
        _read_cifar(source, test=False)


class _Load(Protocol):
    def __call__(self, source: Source, *, test: bool) -> Images: ...


class _Reader(NamedTuple):
    """How to describe a dataset, how to load its training or its test images, how many test images it has."""

    info: Callable[[Source], DatasetInfo]
    load: _Load
    n_test: Callable[[Source], int]


def _reader(source: Source) -> _Reader:
    kind, colon, _ = source.name.partition(":")
    readers = _FOLDERS if colon else _DATASETS
    if kind not in readers:
        raise UnknownNameError("dataset", source.name, dataset_names())
    return readers[kind]


def _digits_info(source: Source) -> DatasetInfo:  # noqa: ARG001 - one signature for all datasets
    require("sklearn", extra="torch")
    return DatasetInfo(1438, 10, 1, 8, Augmentation(), tuple(map(str, range(10))))


def _load_digits(source: Source, *, test: bool) -> Images:  # noqa: ARG001 - one signature for all datasets
    """Scikit-learn's 1,797 images of handwritten digits; every fifth is kept back as a test set."""
    digits = require("sklearn.datasets", extra="torch").load_digits()
    chosen = (np.arange(len(digits.target)) % 5 == 4) == test
    pixels = np.rint(digits.images[chosen] * (255 / 16)).astype(np.uint8)
    return Images(pixels[..., None], digits.target[chosen].astype(np.int64))


def _cifar_info(source: Source) -> DatasetInfo:
    n_classes = int(source.name.removeprefix("cifar"))
    folder = source.data_dir / ("cifar-10-batches-py" if n_classes == 10 else "cifar-100-python")
    if not source.download and not folder.is_dir():
        raise DatasetError(f"{folder} is not there: give the right --data-dir, or --download to fetch {source.name}")
    classes = CIFAR10_CLASSES if n_classes == 10 else CIFAR100_CLASSES
    counts = (50_000 // n_classes,) * n_classes
    return DatasetInfo(50_000, n_classes, 3, 32, Augmentation(crop=24, flip=True), classes, counts)


def _load_cifar(source: Source, *, test: bool) -> Images:
    images = _read_cifar(source, test=test)
    return Images(images.data, np.array(images.targets, dtype=np.int64))


def _read_cifar(source: Source, *, test: bool) -> Any:
    datasets = require("torchvision.datasets", extra="torch")
    dataset = datasets.CIFAR10 if source.name == "cifar10" else datasets.CIFAR100
    try:
        return dataset(str(source.data_dir), train=not test, download=source.download)
    except MemoryError:
        raise
    except Exception as error:  # what a damaged file or a broken connection raises is anybody's guess
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{source.name} cannot be read from {source.data_dir}: {reason}") from error


_CIFAR = _Reader(_cifar_info, _load_cifar, lambda _: 10_000)
_DATASETS = {
    "digits": _Reader(_digits_info, _load_digits, lambda _: 359),
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
}
#: Datasets with a path after their name and a colon.
_FOLDERS = {
    "imagefolder": _Reader(folder_info, load_folder, n_test_files),
    "imagenet": _Reader(imagenet_info, load_folder, n_test_files),
}
