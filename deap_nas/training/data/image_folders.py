"""Datasets that are folders of image files, one folder a class, as torchvision's ``ImageFolder`` has them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import DatasetError
from deap_nas.training.data.decoding import open_image
from deap_nas.training.data.folder_listing import list_images
from deap_nas.training.data.sources import Augmentation, DatasetInfo, Images, Source, subset

__all__ = [
    "folder_info",
    "imagenet_info",
    "load_folder",
    "n_test_files",
    "test_files",
    "test_folder",
    "training_files",
    "training_folder",
    "used_files",
]

#: The path and the class of each image file.
_Files = list[tuple[Path, int]]

#: The augmentation of Liu 2018, section 4.1, on ImageNet, with the ranges of Szegedy 2016.
_IMAGENET_AUGMENTATION = Augmentation(flip=True, area=(0.08, 1.0), brightness=32 / 255, contrast=0.5)


def folder_info(source: Source) -> DatasetInfo:
    """Describe ``imagefolder:PATH`` by the names of its files and its first image.

    Raises:
        DatasetError: the folder is missing or empty, or its images are not square.
    """
    first = training_files(source)[0][0]
    height, width, channels = _pixels(first).shape
    if height != width:
        raise DatasetError(f"{first} has {width}x{height} pixels: resize all images to one square size first")
    return _info(source, channels, height, Augmentation(crop=round(0.75 * height), flip=True))


def imagenet_info(source: Source) -> DatasetInfo:
    """Describe ``imagenet:PATH`` by the names of its files.

    Raises:
        DatasetError: the folder is missing or empty.
    """
    return _info(source, 3, None, _IMAGENET_AUGMENTATION)


def _info(source: Source, channels: int, size: int | None, augmentation: Augmentation) -> DatasetInfo:
    """Of all training images."""
    folder = training_folder(source)
    classes, files, ignored = list_images(folder)
    found = Counter(label for _, label in files)
    counts = tuple(found[label] for label in range(len(classes)))
    unread = tuple(ignored.items())
    return DatasetInfo(len(files), len(classes), channels, size, augmentation, classes, counts, unread)


def load_folder(source: Source, *, test: bool) -> Images:
    """Load the test images, or those of the training images that are to be used, into memory.

    All have the size of the first training image, by which :func:`folder_info` describes them.

    Raises:
        DatasetError: the images are missing, unreadable, or of different sizes.
    """
    files = test_files(source) if test else used_files(source)
    described = training_files(source)[0][0]
    first = _pixels(described)
    pixels = np.empty((len(files), *first.shape), dtype=np.uint8)
    for number, (path, _) in enumerate(files):
        image = _pixels(path)
        if image.shape != first.shape:
            raise DatasetError(
                f"{path} has {image.shape[1]}x{image.shape[0]} pixels, {described} has "
                f"{first.shape[1]}x{first.shape[0]}: resize all images to one size first"
            )
        pixels[number] = image
    return Images(pixels, np.array([label for _, label in files], dtype=np.int64))


def training_files(source: Source) -> _Files:
    """List the training images: those of ``PATH/train`` if there is one, else of ``PATH``.

    Raises:
        DatasetError: there are none.
    """
    return list_images(training_folder(source)).files


def used_files(source: Source) -> _Files:
    """List those of the training images that ``source.n_images`` leaves.

    Raises:
        DatasetError: there are none.
    """
    files = training_files(source)
    return [files[number] for number in subset(len(files), source.n_images)]


def test_files(source: Source) -> _Files:
    """List the test images, without reading them: those of ``PATH/test`` or ``PATH/val``; of ImageNet ``PATH/val``.

    Raises:
        DatasetError: there are none, or their classes are not those of the training images.
    """
    training, tested = training_folder(source), test_folder(source)
    (known, *_), (classes, files, _) = list_images(training), list_images(tested)
    if classes != known:
        different = ", ".join(sorted(set(classes) ^ set(known)))
        raise DatasetError(f"{training} and {tested} must have the same classes; only one of them has {different}")
    return files


def test_folder(source: Source) -> Path:
    """The folder that the class folders of the test images are in.

    Raises:
        DatasetError: there is none.
    """
    training, folder = training_folder(source), _folder(source)
    names = ("val",) if source.name.startswith("imagenet:") else ("test", "val")  # the test set of ImageNet is secret
    found = [folder / name for name in names if (folder / name).is_dir()]
    if training == folder or not found:
        expected = " or ".join(str(folder / name) for name in names)
        raise DatasetError(f"{folder} has no test images: expected {folder / 'train'} and {expected}")
    return found[0]


def n_test_files(source: Source) -> int:
    """Count the test images, without reading them.

    Raises:
        DatasetError: there are none, or their classes are not those of the training images.
    """
    return len(test_files(source))


def _pixels(path: Path) -> NDArray[np.uint8]:
    """(height, width, 3)."""
    return np.asarray(open_image(path))


def _folder(source: Source) -> Path:
    kind, _, path = source.name.partition(":")
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is not a folder: expected {kind}:PATH with one folder a class inside PATH; where images have "
            f"moved, name their new place as the dataset (--dataset)"
        )
    return folder


def training_folder(source: Source) -> Path:
    """The folder that the class folders of the training images are in: ``PATH/train`` if there is one, else ``PATH``.

    Raises:
        DatasetError: ``PATH`` is no folder.
    """
    folder = _folder(source)
    return folder / "train" if (folder / "train").is_dir() else folder
