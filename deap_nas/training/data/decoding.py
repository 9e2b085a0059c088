"""Image files as colours of eight bits, whatever their mode; what would be destroyed on the way is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deap_nas.errors import DatasetError
from deap_nas.extras import require

__all__ = ["n_pictures", "open_image"]

#: Grey of what lies behind transparent pixels: black shapes and white ones both stay visible on it.
_BACKGROUND = 128
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
#: Modes that Pillow turns into colours of eight bits by a fixed rule.
_PLAIN_MODES = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
#: File formats whose numbers of mode I are in 0..65535.
_FORMATS_OF_16_BITS = ("PNG", "PPM")
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 258


def open_image(path: Path) -> Any:
    """Read an image file as an upright Pillow image in RGB.

    Grey becomes three equal channels. Numbers of 16 bits are scaled, 65535 to 255. What is transparent is laid over
    mid-grey. Where the Exif orientation says so, the image is turned or mirrored.

    Raises:
        DatasetError: it cannot be decoded, or its mode has no fixed range, as those of 32 bits.
        MissingExtraError: Pillow is not installed.
    """
    image_module = require("PIL.Image", extra="torch")
    try:
        with image_module.open(path) as image:
            image.load()  # a TIFF is turned by this, and says so no more
            return _upright(_in_colours(image, path), _orientation(image))
    except (DatasetError, MemoryError):
        raise
    except Exception as error:  # what a decoder raises depends on the format and on the damage
        raise DatasetError(f"{path} cannot be read as an image: {_in_a_line(error)}") from error


def n_pictures(path: Path) -> int:
    """Count the pages or frames of a file, of which :func:`open_image` reads the first.

    Raises:
        DatasetError: it cannot be decoded.
    """
    image_module = require("PIL.Image", extra="torch")
    try:
        with image_module.open(path) as image:
            is_photo = image.format == "MPO"  # a JPEG with its preview, or with its depth, behind it
            return 1 if is_photo else int(getattr(image, "n_frames", 1))
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise DatasetError(f"{path} cannot be read as an image: {_in_a_line(error)}") from error


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _in_colours(image: Any, path: Path) -> Any:
    """In RGB, eight bits a channel."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in _FORMATS_OF_16_BITS):
        return _scaled(image).convert("RGB")
    if image.mode in _ALPHA_MODES or (image.mode in _PLAIN_MODES and _has_transparent_colours(image)):
        return _on_background(image)
    if image.mode in _PLAIN_MODES:
        return image.convert("RGB")
    raise DatasetError(
        f"{path} is an image of mode {image.mode}, whose numbers have no fixed range that could become 0..255: "
        f"save it with 8 or 16 bits a channel first"
    )


def _scaled(image: Any) -> Any:
    """Grey of 16 bits, or of as many as a TIFF says, as grey of eight."""
    values = np.asarray(image).astype(np.int64)
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
    grey = np.rint(values * (255 / (2**bits - 1))).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = _BACKGROUND
    return require("PIL.Image", extra="torch").fromarray(grey)


def _has_transparent_colours(image: Any) -> bool:
    return "transparency" in image.info or (image.mode == "P" and image.palette.mode.endswith("A"))


def _on_background(image: Any) -> Any:
    image_module = require("PIL.Image", extra="torch")
    layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    ground = image_module.new("RGBA", layer.size, (_BACKGROUND, _BACKGROUND, _BACKGROUND, 255))
    return image_module.alpha_composite(ground, layer).convert("RGB")


def _orientation(image: Any) -> int:
    """The number by which Exif says how an image is to be turned; 1 for not at all."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # damaged Exif says nothing, and the image is sound
        return 1


def _upright(image: Any, orientation: int) -> Any:
    turn = require("PIL.Image", extra="torch").Transpose
    turns = (
        turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE, turn.ROTATE_270, turn.TRANSVERSE,
        turn.ROTATE_90,
    )  # fmt: skip
    return image.transpose(turns[orientation - 2]) if 2 <= orientation <= 8 else image
