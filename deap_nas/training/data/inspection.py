"""A look at a few images of each class before a run, for what would go wrong without a word."""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np

from deap_nas.errors import DatasetError
from deap_nas.training.data.datasets import n_test_images
from deap_nas.training.data.decoding import n_pictures, open_image
from deap_nas.training.data.folder_listing import HIDDEN, SUFFIXES, list_images
from deap_nas.training.data.image_folders import test_folder, training_folder, used_files
from deap_nas.training.data.sources import Source

__all__ = ["inspect_images", "warn_of_missing_test_images"]

_log = logging.getLogger(__name__)

#: Difference of the brightest and the darkest pixel below which images hardly show anything, of 255.
_LEAST_CONTRAST = 20


def inspect_images(source: Source) -> None:
    """Warn of files of a folder that are not read, and of what a few images of each class show.

    That is several pictures in a file, no contrast, no difference. Of each class images are read until two differ, so
    it takes long only where all are the same.

    Raises:
        DatasetError: one of them cannot be read.
    """
    if ":" not in source.name:
        return
    _warn_of_ignored(training_folder(source))
    with suppress(DatasetError):  # there need be none
        _warn_of_ignored(test_folder(source))
    darkest, brightest = 255, 0
    same, paged = [], []
    for _, files in groupby(used_files(source), key=lambda file: file[1]):
        paths = [path for path, _ in files]
        first = np.asarray(open_image(paths[0]))
        darkest, brightest = min(darkest, int(first.min())), max(brightest, int(first.max()))
        if len(paths) > 1 and all(np.array_equal(first, np.asarray(open_image(path))) for path in paths[1:]):
            same.append(paths[0])
        if n_pictures(paths[0]) > 1:
            paged.append(paths[0])
    if same:
        _log.warning(
            "all images of %s are the same, pixel for pixel, as they are read: look at the files, whose form may hide "
            "what they show",
            _in_words(same),
        )
    if brightest - darkest < _LEAST_CONTRAST:
        _log.warning(
            "the pixels of %s differ by no more than %d of 255, in the images looked at; 16-bit images are read as "
            "numbers in 0..65535: stretch them to the whole range first",
            source.name,
            brightest - darkest,
        )
    if paged:
        _log.warning("of several pictures in a file the first is read, in %s: make each a file", _in_words(paged))


def _warn_of_ignored(folder: Path) -> None:
    ignored = [f"{what}: {count:,}" for what, count in list_images(folder).ignored.items() if what != HIDDEN]
    if ignored:
        _log.warning("in %s these are not read: %s; images end with %s", folder, ", ".join(ignored), " ".join(SUFFIXES))


def _in_words(first: list[Path]) -> str:
    """Name a class by its first image."""
    more = f" and of {len(first) - 1} more" if len(first) > 1 else ""
    return f"the class of {first[0]}{more}"


def warn_of_missing_test_images(source: Source) -> None:
    """Warn where a retraining of what the search finds would have no test images; none are read."""
    try:
        n_test_images(source)
    except DatasetError as error:
        _log.warning("the search can go on, but deap-nas retrain will need test images: %s", error)
