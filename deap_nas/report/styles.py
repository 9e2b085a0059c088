"""How operations are drawn: a colour and a pattern of dashes for each name, whichever others are drawn beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from deap_nas.graph import operation_names

__all__ = ["Style", "colours_of", "numbers_of", "parts_of", "styles_of"]

#: Lengths of dashes and gaps, in widths of the line; a line without is solid.
Dashes = tuple[float, ...]

_SOLID: Dashes = ()
_LONG: Dashes = (5.0, 1.6)
_DOTS: Dashes = (1.0, 1.3)
_MIXED: Dashes = (4.5, 1.4, 1.0, 1.4)
_TWO_DOTS: Dashes = (4.5, 1.2, 1.0, 1.2, 1.0, 1.2)


@dataclass(frozen=True)
class Style:
    """How the edges of an operation are drawn."""

    colour: str
    dashes: Dashes = _SOLID

    @property
    def linestyle(self) -> str | tuple[float, Dashes]:
        """The dashes as matplotlib takes them."""
        return (0.0, self.dashes) if self.dashes else "-"


#: Those of the package, for colour-blind readers too: the primitives of the paper in six colours of Okabe and Ito 2008
#: <https://jfly.uni-koeln.de/color/>, others in those of Tol 2021 <https://sronpersonalpages.nl/~pault/> and dashed.
_OURS = {
    "conv_1x1": Style("#0072b2"),
    "depthwise_conv_3x3": Style("#56b4e9"),
    "separable_conv_3x3": Style("#009e73"),
    "max_pool_3x3": Style("#d55e00"),
    "avg_pool_3x3": Style("#e69f00"),
    "identity": Style("#cc79a7"),
    "conv_3x3": Style("#332288", _LONG),
    "conv_5x5": Style("#882255", _LONG),
    "depthwise_conv_5x5": Style("#999933", _MIXED),
    "separable_conv_5x5": Style("#661100", _MIXED),
    "relu_conv_1x1": Style("#004488", _LONG),
    "stacked_separable_conv_3x3": Style("#117733", _LONG),
    "stacked_separable_conv_5x5": Style("#44aa99", _MIXED),
    "stacked_separable_conv_7x7": Style("#6699cc", _TWO_DOTS),
    "dilated_separable_conv_3x3": Style("#aa4499", _LONG),
    "dilated_separable_conv_5x5": Style("#bb5566", _MIXED),
    "bottleneck_conv_3x3": Style("#222255", _MIXED),
    "bottleneck_dilated_conv_3x3": Style("#225555", _TWO_DOTS),
    "bottleneck_conv_1x3_3x1": Style("#666633", _MIXED),
    "bottleneck_conv_1x7_7x1": Style("#663333", _TWO_DOTS),
    "max_pool_5x5": Style("#d55e00", _MIXED),
    "max_pool_7x7": Style("#d55e00", _TWO_DOTS),
    "concat": Style("#999999", _DOTS),
}
#: Whose colour a convolution or a pooling with another window has where a picture tells the window in words.
_OF_OTHER_WINDOWS = {
    "conv": "conv_5x5",
    "depthwise_conv": "depthwise_conv_5x5",
    "separable_conv": "separable_conv_5x5",
    "max_pool": "max_pool_3x3",
    "avg_pool": "avg_pool_3x3",
}
#: Of all others, which take each colour with the first of the patterns before any with the next.
_COLOURS = (
    "#e3000f", "#00b300", "#7a00ff", "#00a5a5", "#ff4fc3", "#4d4d00",
    "#0033ff", "#a86b3c", "#8f9bff", "#7fae00", "#5c7a99", "#ff7f6e",
)  # fmt: skip
_PATTERNS = (_DOTS, _TWO_DOTS, _LONG)


#: Label of an operation with channels and a stride of its own, such as ``"conv_3x3_32_by2"``.
_WITH_NUMBERS = re.compile(r"(?P<kind>.+_\d+x\d+)(?P<channels>_\d+)?(_by(?P<stride>\d+(x\d+)?))?")

_WINDOW = re.compile(r"_\d+x\d+$")


def parts_of(label: str) -> tuple[str, str]:
    """What is drawn by colour, and what by words: ``("conv_3x3", ", 32, /2")`` of ``"conv_3x3_32_by2"``.

    So convolutions of one window have one style, whatever their channels and their stride.
    """
    kind, channels, stride = numbers_of(label)
    return kind, (f", {channels}" if channels else "") + (f", /{stride}" if stride else "")


def numbers_of(label: str) -> tuple[str, str, str]:
    """Kind, channels and stride: ``("conv_3x3", "32", "2")`` of ``"conv_3x3_32_by2"``; empty where it has none."""
    found = _WITH_NUMBERS.fullmatch(label)
    if found is None or label in operation_names():
        return label, "", ""
    return found["kind"], (found["channels"] or "")[1:], found["stride"] or ""


def styles_of(names: Iterable[str]) -> dict[str, Style]:
    """Give each operation its style: the same one in every picture, whichever operations are drawn or in the space.

    Those of the package have one each. That of another follows from its name, unless one that was registered before it
    has that colour already.

    Args:
        names: of operations, registered or not.
    """
    wanted = list(names)
    registered = operation_names()
    others = [name for name in (*registered, *sorted(set(wanted) - set(registered))) if name not in _OURS]
    places: dict[str, int] = {}
    taken: set[int] = set()
    for name in others:
        layer = len(taken) // len(_COLOURS)
        start = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
        slots = (layer * len(_COLOURS) + (start + offset) % len(_COLOURS) for offset in range(len(_COLOURS)))
        places[name] = next(slot for slot in slots if slot not in taken)
        taken.add(places[name])
    return {name: _OURS.get(name) or _other(places[name]) for name in wanted}


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Give each operation its colour where words tell which one it is, so that kinds with many windows have one each.

    Args:
        names: of operations, registered or not.
    """
    like = {name: name if name in _OURS else _OF_OTHER_WINDOWS.get(_WINDOW.sub("", name), name) for name in names}
    styles = styles_of(sorted(set(like.values())))
    return {name: styles[other].colour for name, other in like.items()}


def _other(place: int) -> Style:
    pattern = place // len(_COLOURS) % len(_PATTERNS)
    return Style(_COLOURS[place % len(_COLOURS)], _PATTERNS[pattern])
