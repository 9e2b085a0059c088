"""By what the images of a run are known again, wherever they are, as JSON can hold it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from deap_nas.errors import DatasetError
from deap_nas.store import Store
from deap_nas.store.settings import differences
from deap_nas.training.data.datasets import dataset_info
from deap_nas.training.data.image_folders import test_files, test_folder, training_folder, used_files
from deap_nas.training.data.sources import Source

__all__ = ["check_images", "check_recorded_images", "image_identity", "other_images"]


def image_identity(source: Source, *, tested: bool = False) -> dict[str, Any]:
    """Give the ``classes`` of a dataset, the ``counts`` of its images and a ``digest`` of those that are used.

    The digest is over the names of the files and their contents, in order; of images that are read file by file, and of
    test images, over their names and sizes. ``covers`` says which. Published datasets have none: each is always the
    same.

    Args:
        source: the dataset.
        tested: whether to tell of the test images, too, which are not read.

    Raises:
        DatasetError: a file is missing or unreadable.
    """
    info = dataset_info(source)
    fields: dict[str, Any] = {"classes": list(info.classes)}
    if info.counts is not None:
        fields["counts"] = list(info.counts)
    if ":" not in source.name:
        return fields
    files = Source(source.name, n_images=source.n_images)
    fields |= {"digest": _digest(files), "covers": "names and contents" if _in_memory(source) else "names and sizes"}
    if tested:
        fields["test"] = {"n_images": len(test_files(source)), "digest": _test_digest(files)}
    return fields


def check_images(found: Mapping[str, Any], source: Source) -> None:
    """Check that a dataset has the images that were recorded; a record of before they were recorded fits any.

    Args:
        found: description of a fitness, with its ``images``.
        source: the dataset.

    Raises:
        DatasetError: it has other images; the message says in what they differ.
    """
    different = other_images(found, source)
    if different:
        raise DatasetError(f"{source.name} has other images than those of the search: {different}")


def other_images(found: Mapping[str, Any], source: Source) -> str:
    """In what the images of a dataset differ from those that were recorded; empty where they are the same.

    Args:
        found: description of a fitness, with its ``images`` where these were recorded.
        source: the dataset.

    Raises:
        DatasetError: the images are missing.
    """
    if "images" not in found:
        return ""
    n_there = dataset_info(replace(source, n_images=None)).n_images
    if source.n_images is not None and source.n_images > n_there:
        return f"{source.n_images} were used there, these are {n_there}"
    return "; ".join(differences({"images": found["images"]}, {"images": image_identity(source)}))


def check_recorded_images(store: Store, source: Source) -> None:
    """Check that a dataset has the images that the run of a store has begun with, as far as its settings say so.

    Raises:
        DatasetError: it has others.
    """
    fitness = getattr(store, "settings", {}).get("fitness")
    if isinstance(fitness, dict) and fitness.get("n_images") == source.n_images:  # else it is a cheaper estimate
        check_images(fitness, source)


def _in_memory(source: Source) -> bool:
    return not source.name.startswith("imagenet:")


@lru_cache(maxsize=4)
def _digest(source: Source) -> str:
    files = (path for path, _ in used_files(source))
    return _digest_of(training_folder(source), files, with_contents=_in_memory(source))


@lru_cache(maxsize=4)
def _test_digest(source: Source) -> str:
    files = (path for path, _ in test_files(source))
    return _digest_of(test_folder(source), files, with_contents=False)


def _digest_of(folder: Path, files: Iterable[Path], *, with_contents: bool) -> str:
    whole = hashlib.sha256()
    for path in files:
        try:
            own = _contents(path) if with_contents else path.stat().st_size
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
        whole.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\0{own}\n"))
    return f"sha256:{whole.hexdigest()}"


def _contents(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
