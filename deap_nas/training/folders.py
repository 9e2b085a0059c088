"""Datasets that are folders of image files, one folder a class, as torchvision's ``ImageFolder`` has them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import DatasetError
from deap_nas.extras import require
from deap_nas.training.sources import Augmentation, DatasetInfo, Images, Source, subset

__all__ = ["folder_info", "imagenet_info", "load_folder", "n_test_files", "open_image", "test_files", "training_files"]

#: The path and the class of each image file.
_Files = list[tuple[Path, int]]

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp", ".tif", ".tiff")
#: The augmentation of Liu 2018, section 4.1, on ImageNet, with the ranges of Szegedy 2016.
_IMAGENET_AUGMENTATION = Augmentation(flip=True, area=(0.08, 1.0), brightness=32 / 255, contrast=0.5)


def folder_info(source: Source) -> DatasetInfo:
    """Describe ``imagefolder:PATH`` by the names of its files and its first image.

    Raises:
        DatasetError: the folder is missing or empty, or its images are not square.
    """
    classes, files = _listed(_training_folder(source))
    height, width, channels = _pixels(files[0][0]).shape
    if height != width:
        raise DatasetError(f"{files[0][0]} has {width}x{height} pixels: resize all images to one square size first")
    return DatasetInfo(len(files), len(classes), channels, height, Augmentation(crop=round(0.75 * height), flip=True))


def imagenet_info(source: Source) -> DatasetInfo:
    """Describe ``imagenet:PATH`` by the names of its files.

    Raises:
        DatasetError: the folder is missing or empty.
    """
    classes, files = _listed(_training_folder(source))
    return DatasetInfo(len(files), len(classes), 3, None, _IMAGENET_AUGMENTATION)


def load_folder(source: Source, *, test: bool) -> Images:
    """Load the test images, or those of the training images that are to be used, into memory.

    All have the size of the first training image, by which :func:`folder_info` describes them.

    Raises:
        DatasetError: the images are missing, unreadable, or of different sizes.
    """
    all_training = training_files(source)
    chosen = subset(len(all_training), source.n_images)
    files = test_files(source) if test else [all_training[number] for number in chosen]
    first = _pixels(all_training[0][0])
    pixels = np.empty((len(files), *first.shape), dtype=np.uint8)
    for number, (path, _) in enumerate(files):
        image = _pixels(path)
        if image.shape != first.shape:
            raise DatasetError(
                f"{path} has {image.shape[1]}x{image.shape[0]} pixels, {all_training[0][0]} has "
                f"{first.shape[1]}x{first.shape[0]}: resize all images to one size first"
            )
        pixels[number] = image
    return Images(pixels, np.array([label for _, label in files], dtype=np.int64))


def training_files(source: Source) -> _Files:
    """List the training images: those of ``PATH/train`` if there is one, else of ``PATH``.

    Raises:
        DatasetError: there are none.
    """
    return _listed(_training_folder(source))[1]


def test_files(source: Source) -> _Files:
    """List the test images, without reading them: those of ``PATH/test`` or ``PATH/val``; of ImageNet ``PATH/val``.

    Raises:
        DatasetError: there are none, or their classes are not those of the training images.
    """
    training, folder = _training_folder(source), _folder(source)
    names = ("val",) if source.name.startswith("imagenet:") else ("test", "val")  # the test set of ImageNet is secret
    found = [folder / name for name in names if (folder / name).is_dir()]
    if training == folder or not found:
        expected = " or ".join(str(folder / name) for name in names)
        raise DatasetError(f"{folder} has no test images: expected {folder / 'train'} and {expected}")
    (known, _), (classes, files) = _listed(training), _listed(found[0])
    if classes != known:
        different = ", ".join(sorted(set(classes) ^ set(known)))
        raise DatasetError(f"{training} and {found[0]} must have the same classes; only one of them has {different}")
    return files


def n_test_files(source: Source) -> int:
    """Count the test images, without reading them.

    Raises:
        DatasetError: there are none, or their classes are not those of the training images.
    """
    return len(test_files(source))


def open_image(path: Path) -> Any:
    """Read an image file as a Pillow image in RGB.

    Raises:
        DatasetError: it is no image.
    """
    image_module = require("PIL.Image", extra="torch")
    try:
        with image_module.open(path) as image:
            return image.convert("RGB")
    except (OSError, OverflowError, SyntaxError, ValueError, image_module.DecompressionBombError) as error:
        raise DatasetError(f"{path} cannot be read as an image: {error}") from error


def _pixels(path: Path) -> NDArray[np.uint8]:
    """(height, width, 3)."""
    return np.asarray(open_image(path))


def _folder(source: Source) -> Path:
    kind, _, path = source.name.partition(":")
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder: expected {kind}:PATH with one folder a class inside PATH")
    return folder


def _training_folder(source: Source) -> Path:
    folder = _folder(source)
    return folder / "train" if (folder / "train").is_dir() else folder


@lru_cache(maxsize=4)
def _listed(folder: Path) -> tuple[tuple[str, ...], _Files]:
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
