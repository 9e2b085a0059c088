"""Images of a lower resolution: each pixel of the smaller image is the mean of the area that it covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deap_nas.errors import SettingsError
from deap_nas.training.data.sources import DatasetInfo, Images

__all__ = ["shrunk", "shrunk_info"]

#: Images that are shrunk at a time, so that not all of them are in memory as floating-point numbers.
_BATCH = 1024


def shrunk_info(info: DatasetInfo, size: int | None) -> DatasetInfo:
    """Describe a dataset whose images were shrunk; the crops shrink with them.

    Args:
        info: of the dataset as it is.
        size: height and width in pixels; None leaves it as it is.

    Raises:
        SettingsError: ``size`` is no size of smaller images, or the dataset is read file by file.
    """
    if size is None:
        return info
    if info.size is None:
        raise SettingsError("image_size is for images in memory; those read file by file have the template's size")
    if not isinstance(size, int) or not 1 <= size <= info.size:
        raise SettingsError(f"image_size must be an integer in 1..{info.size}, found {size!r}")
    crop = info.augmentation.crop
    crop = None if crop is None else max(1, round(crop * size / info.size))
    padding = info.augmentation.padding
    padding = max(1, round(padding * size / info.size)) if padding else 0
    return replace(info, size=size, augmentation=replace(info.augmentation, crop=crop, padding=padding))


def shrunk(images: Images, size: int | None) -> Images:
    """Give smaller images, by the mean over areas (box filter), rounded; None leaves them as they are."""
    n_images, height, width, channels = images.pixels.shape
    if size is None or size == height == width:
        return images
    rows, columns = _shares(height, size), _shares(width, size)
    pixels = np.empty((n_images, size, size, channels), dtype=np.uint8)
    for start in range(0, n_images, _BATCH):
        part = images.pixels[start : start + _BATCH].astype(np.float32)
        means = np.einsum("ih,nhwc,jw->nijc", rows, part, columns, optimize=True)
        pixels[start : start + _BATCH] = np.rint(means)
    return replace(images, pixels=pixels)


def _shares(old: int, new: int) -> NDArray[np.float32]:
    """(new, old) shares of the old pixels in the new ones, along one side; those of a new pixel sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    low, high = edges[:-1, None], edges[1:, None]
    places = np.arange(old)
    overlap: NDArray[np.float64] = np.minimum(high, places + 1) - np.maximum(low, places)
    return (np.maximum(overlap, 0) * (new / old)).astype(np.float32)
