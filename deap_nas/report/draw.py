"""Drawings of genotypes, motif by motif, in the manner of the appendix of Liu 2018 <https://arxiv.org/abs/1711.00436>.

Lengths are typographic points, 1/72 inch, from the paper size up: a drawing is made to be printed at its own size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deap_nas.extras import require
from deap_nas.graph import operation_names
from deap_nas.report.arcs import Arc, arrange
from deap_nas.search_space import Motif, SearchSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_genotype", "save_drawing"]

#: Colours of operations in the order of their registration: those of Okabe and Ito 2008, then of Tol 2021; both are
#: safe for colour-blind readers.
_PALETTE = (
    "#0072b2",
    "#56b4e9",
    "#009e73",
    "#d55e00",
    "#e69f00",
    "#cc79a7",
    "#332288",
    "#882255",
    "#999933",
    "#661100",
)
_INK = "#222222"
_GREY = "#a6a6a6"

#: Short forms of the kinds of operation whose names end with a kernel size.
_SHORT = {"conv": "", "depthwise_conv": "dw ", "separable_conv": "sep ", "max_pool": "max ", "avg_pool": "avg "}

_PAGE_WIDTH = 500.0
_MARGIN = 10.0
_GAP = 16.0
_FONT = 7.5
_RADIUS = 8.0
_STEP = 44.0
#: The cell is this much larger than a motif.
_CELL_SCALE = 1.2
#: A motif with more edges than this has no room for the names of its operations.
_MOST_LABELS = 12

#: Metadata that would make two equal pictures differ, by suffix of the file.
_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def draw_genotype(space: SearchSpace, genes: Sequence[int], *, title: str = "") -> Figure:
    """Draw every motif of a genotype, the cell first.

    An edge has its operation's colour; one that the network does not use is grey and dashed, and a motif that it does
    not use is grey as a whole. Motifs of more than 12 edges carry no names of operations, only the colours.

    Args:
        space: the search space of the genes.
        genes: the genotype.
        title: text above the drawing.

    Returns:
        A figure as large as its content needs, one axes a motif.

    Raises:
        GenotypeError: the genes do not belong to the space.
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", extra="report")
    motifs = space.motifs_of(genes)
    return _Page(motifs, title).draw()


def save_drawing(space: SearchSpace, genes: Sequence[int], paths: Iterable[Path], *, title: str = "") -> None:
    """Draw a genotype, as :func:`draw_genotype` does, into one file or several.

    The same genes give the same bytes in an SVG or PDF file. Text in an SVG file stays text.

    Args:
        space: the search space of the genes.
        genes: the genotype.
        paths: files to write, each in the format of its suffix, such as ``.png``, ``.svg`` or ``.pdf``.
        title: text above the drawing.

    Raises:
        GenotypeError: the genes do not belong to the space.
        MissingExtraError: matplotlib is not installed.
        ValueError: matplotlib knows no format with that suffix.
    """
    figure = draw_genotype(space, genes, title=title)
    settings = {"svg.hashsalt": "deap-nas", "svg.fonttype": "none"}
    with require("matplotlib", extra="report").rc_context(settings):
        for path in paths:
            figure.savefig(path, dpi=200, metadata=_UNDATED.get(path.suffix.lower()))


def _short(label: str) -> str:
    """Form of an edge's label that fits on the edge."""
    kind, _, kernel = label.rpartition("_")
    if kind in _SHORT and re.fullmatch(r"\d+x\d+", kernel):
        return _SHORT[kind] + kernel
    return label.replace("_", " ")


def _motif_number(label: str) -> str:
    """K of the label ``"motif K"``; empty for an operation."""
    return label.removeprefix("motif ") if re.fullmatch(r"motif \d+", label) else ""


def _colours(motifs: Sequence[Motif]) -> dict[str, str]:
    """Colour of each operation in use: its own by its place in the registry, unless another took that one."""
    labels = {edge.label for motif in motifs for edge in motif.edges if edge.used and not _motif_number(edge.label)}
    names = operation_names()
    order = {label: names.index(label) if label in names else len(names) for label in sorted(labels)}
    colours: dict[str, str] = {}
    for label in sorted(order, key=order.__getitem__):
        turned = [_PALETTE[(order[label] + k) % len(_PALETTE)] for k in range(len(_PALETTE))]
        colours[label] = next((colour for colour in turned if colour not in colours.values()), turned[0])
    return colours


def _width(text: str, size: float, *, weight: str = "normal") -> float:
    if not text:
        return 0.0
    font = require("matplotlib.font_manager", extra="report").FontProperties(weight=weight, size=size)
    paths = require("matplotlib.textpath", extra="report").TextToPath()
    width: float = paths.get_text_width_height_descent(text, font, ismath=False)[0]
    return width


class _Panel:
    """One motif, its measures and its drawing."""

    def __init__(self, motif: Motif, *, scale: float, colours: dict[str, str]) -> None:
        self.motif = motif
        self.arcs = arrange(motif.edges)
        self.colours = colours
        self.font = _FONT * scale
        self.radius = _RADIUS * scale
        self.step = _STEP * scale
        self.title = motif.name if motif.used else f"{motif.name} (unused)"
        widths = [_width(self._text(arc), self.font) for arc in self.arcs]
        widest = max(widths, default=0.0)
        #: From the nodes to the first track, and from one track to the next.
        self.pitch = max(widest + 8.0, 10.0)
        half_title = _width(self.title, self.font, weight="bold") / 2
        tracks = [max((arc.track for arc in self.arcs if arc.side == side), default=0) for side in (-1, 1)]
        self.left, self.right = (max(half_title, track * self.pitch + widest / 2 + 2.0, self.radius) for track in tracks)
        self.top = self.radius + 2.2 * self.font
        self.bottom = (motif.n_nodes - 1) * self.step + self.radius + 2.0

    @property
    def crowded(self) -> bool:
        """Whether there are too many edges to write a name on each."""
        return len(self.arcs) > _MOST_LABELS

    def _text(self, arc: Arc) -> str:
        return _motif_number(arc.edge.label) if self.crowded else _short(arc.edge.label)

    def draw(self, axes: Axes) -> None:
        """Draw the motif on axes whose unit is the point."""
        axes.set_axis_off()
        axes.set_xlim(-self.left, self.right)
        axes.set_ylim(-self.bottom, self.top)
        ink = _INK if self.motif.used else _GREY
        axes.text(0, self.radius + self.font, self.title, size=self.font, weight="bold", color=ink, ha="center")
        for arc in self.arcs:
            self._draw_arc(axes, arc)
        reached = {node for edge in self.motif.edges if edge.used for node in (edge.predecessor, edge.successor)}
        circle = require("matplotlib.patches", extra="report").Circle
        for node in range(1, self.motif.n_nodes + 1):
            y = -(node - 1) * self.step
            ink = _INK if node in reached else _GREY
            axes.add_patch(circle((0, y), self.radius, facecolor="white", edgecolor=ink, linewidth=0.9, zorder=3))
            axes.text(0, y, str(node), size=self.font, color=ink, ha="center", va="center_baseline", zorder=4)

    def _draw_arc(self, axes: Axes, arc: Arc) -> None:
        edge = arc.edge
        colour = self.colours.get(edge.label, _INK) if edge.used else _GREY
        path = require("matplotlib.path", extra="report").Path
        curve = self._curve(arc)
        arrow = require("matplotlib.patches", extra="report").FancyArrowPatch(
            path=path(curve, [path.MOVETO, path.CURVE4, path.CURVE4, path.CURVE4]),
            arrowstyle="-|>,head_length=4.5,head_width=2",
            mutation_scale=1,
            color=colour,
            linewidth=1.2,
            linestyle="--" if self.motif.used and not edge.used else "-",
            capstyle="butt",
            joinstyle="miter",
            zorder=1 if not edge.used else 2,
        )
        axes.add_patch(arrow)
        middle = (curve[0][1] + 3 * curve[1][1] + 3 * curve[2][1] + curve[3][1]) / 8
        axes.text(
            arc.side * arc.track * self.pitch,
            middle,
            self._text(arc),
            size=self.font,
            color=_INK if edge.used else _GREY,
            ha="center",
            va="center",
            zorder=5,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )

    def _curve(self, arc: Arc) -> list[tuple[float, float]]:
        """Four points of a cubic Bezier curve that passes its track in its middle."""
        y0, y1 = (-(node - 1) * self.step for node in (arc.edge.predecessor, arc.edge.successor))
        if arc.side == 0:
            start, end = y0 - self.radius, y1 + self.radius
            return [(0, start), (0, start), (0, end), (0, end)]
        out, into = (math.radians(65 - 50 * rank) for rank in (arc.leaves, arc.enters))
        x0, x1 = (arc.side * self.radius * math.cos(angle) for angle in (out, into))
        y0, y1 = y0 - self.radius * math.sin(out), y1 + self.radius * math.sin(into)
        bend = (8 * arc.side * arc.track * self.pitch - x0 - x1) / 6
        slope = (y0 - y1) * 0.15
        return [(x0, y0), (bend, y0 - slope), (bend, y1 + slope), (x1, y1)]


class _Page:
    """All motifs of a genotype in rows, with a title and a legend."""

    def __init__(self, motifs: Sequence[Motif], title: str) -> None:
        self.motifs = motifs
        self.title = title
        self.colours = _colours(motifs)
        levels = sorted({motif.level for motif in motifs}, reverse=True)
        self.rows: list[list[_Panel]] = []
        for level in levels:
            scale = _CELL_SCALE if level == levels[0] else 1.0
            panels = [_Panel(m, scale=scale, colours=self.colours) for m in motifs if m.level == level]
            self.rows += _grid(panels)

    def draw(self) -> Figure:
        entries = _legend_entries(self.motifs, self.colours)
        entry_width = max(_width(name, _FONT) for name, _ in entries) + 40
        n_columns = min(len(entries), int(max(_PAGE_WIDTH // entry_width, 1)))
        legend_height = 13.0 * math.ceil(len(entries) / n_columns) + 4
        title_height = 20.0 if self.title else 0.0
        width = max(_row_width(row) for row in self.rows)
        width = max(width, n_columns * entry_width, _width(self.title, 10.0, weight="bold")) + 2 * _MARGIN
        height = sum(p[0].top + p[0].bottom + _GAP for p in self.rows) + legend_height + title_height + 2 * _MARGIN
        figure: Figure = require("matplotlib.figure", extra="report").Figure((width / 72, height / 72), facecolor="white")
        if self.title:
            figure.text(0.5, 1 - _MARGIN / height, self.title, size=10, weight="bold", ha="center", va="top", color=_INK)
        y = height - _MARGIN - title_height
        for row in self.rows:
            x = (width - _row_width(row)) / 2
            tall = row[0].top + row[0].bottom
            for p in row:
                wide = p.left + p.right
                p.draw(figure.add_axes((x / width, (y - tall) / height, wide / width, tall / height)))
                x += wide + _GAP
            y -= tall + _GAP
        figure.legend(
            [h for _, h in entries], [n for n, _ in entries], loc="lower center", ncols=n_columns, fontsize=_FONT,
            frameon=False, bbox_to_anchor=(0.5, _MARGIN / height), borderaxespad=0, borderpad=0, labelcolor=_INK,
        )
        return figure


def _row_width(row: list[_Panel]) -> float:
    return sum(p.left + p.right for p in row) + _GAP * (len(row) - 1)


def _grid(panels: list[_Panel]) -> list[list[_Panel]]:
    left, right = max(p.left for p in panels), max(p.right for p in panels)
    for p in panels:
        p.left, p.right = left, right
    fit = int(max((_PAGE_WIDTH + _GAP) // (left + right + _GAP), 1))
    n_rows = math.ceil(len(panels) / fit)
    n_columns = math.ceil(len(panels) / n_rows)
    return [panels[k : k + n_columns] for k in range(0, len(panels), n_columns)]


def _legend_entries(motifs: Sequence[Motif], colours: dict[str, str]) -> list[tuple[str, Any]]:
    line = require("matplotlib.lines", extra="report").Line2D
    entries = [(name.replace("_", " "), line([], [], color=colour, linewidth=1.6)) for name, colour in colours.items()]
    edges = [edge for motif in motifs if motif.used for edge in motif.edges]
    if any(edge.label != "none" and not edge.used for edge in edges):
        entries.append(("not used", line([], [], color=_GREY, linewidth=1.2, linestyle="--")))
    return entries or [("", line([], []))]
