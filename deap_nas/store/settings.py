"""Comparing the settings of a run that is there with those of a run that wants to go on with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deap_nas.errors import DifferentRunError

__all__ = ["check_same", "differences"]

_ABSENT = "nothing"
#: Classes that are named in a message.
_MOST_NAMED = 3


def check_same(
    name: str,
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    free: Iterable[str] = (),
    remedy: str = "leave those settings out, or start a new file",
) -> None:
    """Check that two nested dictionaries agree, as :func:`differences` compares them.

    Args:
        name: of the file, for the message.
        found: what the file holds.
        wanted: what is asked for.
        free: keys that may differ, those below another as ``"fitness.seed"``.
        remedy: what the message advises.

    Raises:
        DifferentRunError: they differ; the message names each difference.
    """
    different = differences(found, wanted, free=free)
    if different:
        raise DifferentRunError(f"{name} belongs to another run: {'; '.join(different)}; {remedy}")


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any], *, free: Iterable[str] = ()) -> list[str]:
    """Say in what two nested dictionaries differ; a value of None is as good as none.

    What no line can show, such as a control character of a stranger's file, is escaped.

    Where both say of their ``images`` which ones they are, these are compared, and the same images may be elsewhere.
    Where one does not, being older, only the places that it names count.

    Args:
        found: what is there.
        wanted: what is asked for.
        free: keys that may differ, those below another as ``"fitness.seed"``.
    """
    left, right, free = dict(_leaves(found)), dict(_leaves(wanted)), set(free)
    texts = []
    for prefix in sorted(_images(left) | _images(right)):
        own = {key for key in left.keys() | right.keys() if key.startswith(f"{prefix}images.")}
        free |= own
        if prefix in _images(left) & _images(right):
            there, asked = ({key.removeprefix(prefix): side.get(key) for key in own} for side in (left, right))
            texts += _different_images(there, asked)
            if there.get("images.digest") == asked.get("images.digest") is not None:
                free |= {key for key in left if key.rpartition(".")[2] == "dataset"}
    texts += [
        f"{key} is {left.get(key, _ABSENT)} there, but {right.get(key, _ABSENT)} was asked for"
        for key in sorted(left.keys() | right.keys())
        if key not in free and _comparable(key, left.get(key)) != _comparable(key, right.get(key))
    ]
    return list(map(_printable, texts))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _leaves(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values, with tuples as the lists that JSON makes of them."""
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value


def _images(leaves: Mapping[str, Any]) -> set[str]:
    """Below which keys there are images, such as ``"fitness."``."""
    keys = (key.removesuffix("images.classes") for key in leaves if key.endswith("images.classes"))
    return {prefix for prefix in keys if not prefix or prefix.endswith(".")}


def _comparable(key: str, value: Any) -> Any:
    """A value; of a dataset with the whole path, which those of older files lack."""
    if key.rpartition(".")[2] != "dataset" or not isinstance(value, str):
        return value
    kind, colon, path = value.partition(":")
    return f"{kind}{colon}{os.path.abspath(path)}" if colon else value


def _different_images(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """In what images differ, in the words of one who looks for it."""
    old, new = there["images.classes"], asked["images.classes"]
    if old != new:
        only = sorted(set(old) ^ set(new))
        return [f"the images there were of {len(old)} classes, these are of {len(new)}, only one has {_some(only)}"]
    counts = zip(old, there.get("images.counts") or (), asked.get("images.counts") or (), strict=False)
    other = [f"{name} ({before} there, {now} asked for)" for name, before, now in counts if before != now]
    if other:
        return [f"there are other numbers of images in {_some(other)}"]
    if there.get("images.covers") != asked.get("images.covers"):  # digests that cannot be compared
        return []
    if there.get("images.digest") != asked.get("images.digest"):
        return ["the images are as many as there, but with other names or contents"]
    return ["the test images are others"] if there != asked else []


def _some(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
