"""One motif of a drawing: its measures and its artists, on axes whose unit is the typographic point, 1/72 inch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deap_nas.extras import require
from deap_nas.report.arcs import Arc, arrange
from deap_nas.report.styles import Style, parts_of
from deap_nas.search_space import Motif

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FONT_SIZE", "GREY", "INK", "Panel", "motif_number", "short_label", "text_width"]

INK = "#222222"
#: Lines that the network does not use.
GREY = "#adadad"
_GREY_TEXT = "#8a8a8a"

FONT_SIZE = 7.0
_RADIUS = 7.0
#: Length of an arrowhead.
_HEAD = 5.5
#: From a node to the next.
_STEP = 40.0
#: A motif with more edges than the first, and more of them past a node than the second, has no room for names.
_MOST_LABELS = 15
_MOST_LONG = 8
#: From a label to the next; from an arc without a label to the next.
_LABEL_GAP = 8.0
_BARE_PITCH = 17.0

#: Short forms of the kinds of operation whose names end with a kernel size.
_SHORT = {
    "conv": "",
    "depthwise_conv": "dw ",
    "separable_conv": "sep ",
    "max_pool": "max ",
    "avg_pool": "avg ",
    "relu_conv": "relu ",
    "stacked_separable_conv": "2 sep ",
    "dilated_separable_conv": "dil sep ",
    "bottleneck_conv": "bottleneck ",
    "bottleneck_dilated_conv": "bottleneck dil ",
}


def short_label(label: str) -> str:
    """Form of an edge's label that fits on the edge: ``"sep 3x3"`` for ``"separable_conv_3x3"``.

    Channels of its own and a stride follow, as ``"3x3, 32, /2"``.
    """
    name, numbers = parts_of(label)
    found = re.fullmatch(r"(\w+?)_(\d+x\d+(?:_\d+x\d+)*)", name)
    if found and found[1] in _SHORT:
        return _SHORT[found[1]] + found[2].replace("_", " ") + numbers
    return name.replace("_", " ") + numbers


def motif_number(label: str) -> str:
    """K of the label ``"motif K"``; empty for an operation."""
    return label.removeprefix("motif ") if re.fullmatch(r"motif \d+", label) else ""


def text_width(text: str, size: float, *, weight: str = "normal") -> float:
    """Width of a line of text, in points like its size."""
    font = require("matplotlib.font_manager", extra="report").FontProperties(weight=weight, size=size)
    paths = require("matplotlib.textpath", extra="report").TextToPath()
    return float(paths.get_text_width_height_descent(text, font, ismath=False)[0]) if text else 0.0


def _is_crowded(motif: Motif) -> bool:
    spans = [edge.successor - edge.predecessor for edge in motif.edges if edge.label != "none"]
    return len(spans) > _MOST_LABELS and sum(span > 1 for span in spans) > _MOST_LONG


class Panel:
    """One motif; node 1 is at the origin, the others below it.

    Args:
        motif: the motif.
        scale: size of the panel; 1 is that of a motif below the cell.
        styles: of each operation; other labels are drawn in ink.
    """

    def __init__(self, motif: Motif, *, scale: float, styles: Mapping[str, Style]) -> None:
        self.motif = motif
        self._scale = 1.0
        self.title = motif.name if motif.used else f"{motif.name} (unused)"
        self.font_size = FONT_SIZE * scale
        #: Whether there are too many edges to write a name on each.
        self.crowded = _is_crowded(motif)
        self._styles = styles
        self._radius = _RADIUS * scale
        self._step = _STEP * scale
        self._arcs = arrange(motif.edges, compact=not self.crowded)
        widest = max((text_width(self._text(arc), self.font_size) for arc in self._arcs), default=0.0)
        self._pitch = _BARE_PITCH * scale if self.crowded else widest + _LABEL_GAP * scale
        title = text_width(self.title, self.font_size, weight="bold") / 2
        tracks = [max((arc.track for arc in self._arcs if arc.side == side), default=0) for side in (-1, 1)]
        #: From the nodes to the panel's edges.
        self.left, self.right = (max(title, track * self._pitch + widest / 2) + 2.0 for track in tracks)
        #: From node 1 to the top, the title included, and to the bottom.
        self.top = self._radius + 2.2 * self.font_size
        self.bottom = (motif.n_nodes - 1) * self._step + self._radius + 2.0

    def draw(self, axes: Axes, *, scale: float = 1.0) -> None:
        """Draw the motif; with another scale, letters and lines are as large as the axes make all else."""
        axes.set_axis_off()
        self._scale = scale
        colour = INK if self.motif.used else _GREY_TEXT
        y = self._radius + 0.9 * self.font_size
        axes.text(0, y, self.title, size=self._scale * self.font_size, weight="bold", color=colour, ha="center")
        for arc in self._arcs:
            self._draw_arrow(axes, arc)
            self._draw_label(axes, arc)
        self._draw_nodes(axes)

    def _text(self, arc: Arc) -> str:
        return motif_number(arc.edge.label) if self.crowded else short_label(arc.edge.label)

    def _draw_nodes(self, axes: Axes) -> None:
        circle = require("matplotlib.patches", extra="report").Circle
        reached = {node for edge in self.motif.edges if edge.used for node in (edge.predecessor, edge.successor)}
        size, width = self._scale * self.font_size, self._scale * 0.9
        names = self.motif.node_names or tuple(map(str, range(1, self.motif.n_nodes + 1)))
        for node, name in enumerate(names, start=1):
            line, text = (INK, INK) if node in reached else (GREY, _GREY_TEXT)
            place = (0.0, self._height(node))
            axes.add_patch(circle(place, self._radius, facecolor="white", edgecolor=line, linewidth=width, zorder=3))
            axes.text(*place, name, size=size, color=text, ha="center", va="center_baseline", zorder=4)

    def _draw_arrow(self, axes: Axes, arc: Arc) -> None:
        used = arc.edge.used
        style = self._styles.get(parts_of(arc.edge.label)[0], Style(INK))
        colour, linestyle = (style.colour, style.linestyle) if used else (GREY, "--" if self.motif.used else "-")
        patches = require("matplotlib.patches", extra="report")
        path = require("matplotlib.path", extra="report").Path
        *curve, (x1, y1) = self._curve(arc)
        length = math.dist(curve[2], (x1, y1))
        along, down = (_HEAD * (x1 - curve[2][0]) / length, _HEAD * (y1 - curve[2][1]) / length)
        x, y = x1 - along, y1 - down  # the base of the arrowhead; half its width is 0.45 of its length
        corners = [(x1, y1), (x - 0.45 * down, y + 0.45 * along), (x + 0.45 * down, y - 0.45 * along)]
        stem = path([*curve, (x, y)], [path.MOVETO, path.CURVE4, path.CURVE4, path.CURVE4])
        line = {"edgecolor": colour, "linestyle": linestyle, "linewidth": 1.2 * self._scale, "zorder": 2 if used else 1}
        axes.add_patch(patches.PathPatch(stem, fill=False, capstyle="butt", **line))
        axes.add_patch(patches.Polygon(corners, facecolor=colour, linewidth=0, zorder=line["zorder"]))

    def _draw_label(self, axes: Axes, arc: Arc) -> None:
        heights = [y for _, y in self._curve(arc)]
        axes.text(
            arc.side * arc.track * self._pitch,
            (heights[0] + 3 * heights[1] + 3 * heights[2] + heights[3]) / 8,
            self._text(arc),
            size=self._scale * self.font_size,
            color=INK if arc.edge.used else _GREY_TEXT,
            ha="center",
            va="center",
            zorder=5,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": self._scale},
        )

    def _height(self, node: int) -> float:
        return -(node - 1) * self._step

    def _curve(self, arc: Arc) -> list[tuple[float, float]]:
        """Four points of a cubic Bezier curve from node to node, in its middle on its track."""
        start, end = self._height(arc.edge.predecessor), self._height(arc.edge.successor)
        if arc.side == 0:
            start, end = start - self._radius, end + self._radius
            return [(0.0, start + share * (end - start)) for share in (0, 1 / 3, 2 / 3, 1)]
        ports = [math.radians(70 - 60 * rank) for rank in (arc.leaves, arc.enters)]
        x0, x1 = (arc.side * self._radius * math.cos(port) for port in ports)
        start, end = start - self._radius * math.sin(ports[0]), end + self._radius * math.sin(ports[1])
        bend = (8 * arc.side * arc.track * self._pitch - x0 - x1) / 6
        # Inner arcs start steeper than outer ones, so that the arrowheads at a node fan out.
        leave, enter = ((0.25 - 0.18 * rank) * (start - end) for rank in (arc.leaves, arc.enters))
        return [(x0, start), (bend, start - leave), (bend, end + enter), (x1, end)]
