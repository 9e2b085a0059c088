"""Which image files a folder holds, one folder a class: read as torchvision's ``ImageFolder`` reads it."""

from __future__ import annotations

import os
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from deap_nas.errors import DatasetError

__all__ = ["HIDDEN", "SUFFIXES", "Listing", "list_images"]

#: Of file names, in lower or upper case.
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff")
#: What is ignored on purpose.
HIDDEN = "folders with a leading dot"
_BESIDE, _BACK = "files beside the class folders", "links that lead back"


class Listing(NamedTuple):
    """The classes and the images of a folder."""

    #: Names of the class folders, in order.
    classes: tuple[str, ...]
    #: The path and the class of each image file.
    files: list[tuple[Path, int]]
    #: What else lies there, such as ``"files .gif"``, and how often.
    ignored: dict[str, int]


@lru_cache(maxsize=4)
def list_images(folder: Path) -> Listing:
    """List the images of each class folder and of all folders inside it, without reading any.

    Folders whose name starts with a dot are left out.

    Args:
        folder: that the class folders are in.

    Raises:
        DatasetError: there are no two class folders, one of them holds no image, or a folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            is_folder = {entry.name: entry.is_dir() for entry in entries}
    except OSError as error:
        raise _unreadable(error) from error
    folders = [name for name in sorted(is_folder) if is_folder[name]]
    classes = tuple(name for name in folders if not name.startswith("."))
    ignored = Counter({HIDDEN: len(folders) - len(classes), _BESIDE: len(is_folder) - len(folders)})
    files = [(path, label) for label, name in enumerate(classes) for path in _images_in(folder / name, ignored)]
    if len(classes) < 2 or not files:
        raise DatasetError(
            f"{folder} holds {len(classes)} class folders and {len(files)} images; expected at least two folders, "
            f"one a class, with images ({', '.join(SUFFIXES)}) inside"
        )
    empty = [classes[label] for label in sorted(set(range(len(classes))) - {label for _, label in files})]
    if empty:
        raise DatasetError(f"{folder} has class folders without images: {', '.join(empty)}; fill or remove them")
    return Listing(classes, files, {what: count for what, count in sorted(ignored.items()) if count})


def _images_in(folder: Path, ignored: Counter[str]) -> list[Path]:
    """The images below a folder: by the names of their folders, then by their own."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise_unreadable):
        shown = [name for name in folders if not name.startswith(".")]
        ignored[HIDDEN] += len(folders) - len(shown)
        folders[:] = [name for name in shown if not _leads_back(Path(place, name), folder)]
        ignored[_BACK] += len(shown) - len(folders)
        images = [name for name in names if name.lower().endswith(SUFFIXES)]
        ignored.update(f"files {_suffix(name)}" for name in names if not name.lower().endswith(SUFFIXES))
        found.append((place, sorted(images)))
    return [Path(place, name) for place, images in sorted(found) for name in images]


def _leads_back(path: Path, top: Path) -> bool:
    """Whether a folder is a link to one that it lies in."""
    around = path.parents[: len(path.parts) - len(top.parts)]
    return path.is_symlink() and path.resolve() in {place.resolve() for place in around}


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "without suffix"


def _raise_unreadable(error: OSError) -> None:
    raise _unreadable(error) from error


def _unreadable(error: OSError) -> DatasetError:
    return DatasetError(f"{error.filename} cannot be read as a folder of images: {error.strerror}")
