"""Motifs of a genotype on a page, the cell first, and the legend of their edges.

Lengths are typographic points, 1/72 inch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from deap_nas.extras import require
from deap_nas.graph import operation_names
from deap_nas.report.panel import FONT_SIZE, GREY, INK, Panel, motif_number, text_width
from deap_nas.report.picture import MARGIN, figure_of
from deap_nas.report.styles import Style, parts_of, styles_of
from deap_nas.search_space import Motif

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["Legend", "MotifPicture", "draw_motifs"]

_CELL_SCALE = 1.2
_PAGE_WIDTH = 500.0
_MOST_ROWS = 3
_GAP = 14.0
_LEGEND_LINE = 13.0
#: What a legend's entry takes besides its text: the line and the spaces around it.
_LEGEND_MARK = 47.0


def draw_motifs(motifs: Sequence[Motif], *, title: str = "") -> Figure:
    """Draw motifs into a figure of their own, with a legend.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    picture = MotifPicture(motifs)
    legend = Legend(picture.entries())
    figure = figure_of(picture, title=title, below=(legend.width, legend.height))
    legend.draw(figure)
    return figure


class MotifPicture:
    """Motifs, ready to be drawn.

    Args:
        motifs: of one genotype.

    Attributes:
        width: in points.
        height: in points, with the gap below them.
    """

    def __init__(self, motifs: Sequence[Motif]) -> None:
        """See the class."""
        self._styles = _styles(motifs)
        self._rows = _rows(motifs, self._styles)
        self.width = max(row.width for row in self._rows)
        self.height = sum(row.top + row.bottom + _GAP for row in self._rows)

    def draw(self, figure: Figure, left: float, top: float, *, scale: float = 1.0) -> None:
        """See :class:`~deap_nas.report.picture.Picture`."""
        for row in self._rows:
            row.draw(figure, left + scale * self.width / 2, top, scale)
            top -= scale * (row.top + row.bottom + _GAP)

    def entries(self) -> dict[str, Line2D]:
        """Give what a legend has to explain: names, and lines as they are drawn."""
        return _legend_entries([panel for row in self._rows for panel in row.panels], self._styles)


class Legend:
    """Lines and what they mean, in columns.

    Attributes:
        width: in points.
        height: in points.
    """

    def __init__(self, entries: Mapping[str, Line2D]) -> None:
        """See the class."""
        self._entries = entries
        entry_width = max((text_width(name, FONT_SIZE) for name in entries), default=0.0) + _LEGEND_MARK
        self._n_columns = max(1, min(len(entries), int(_PAGE_WIDTH / entry_width)))
        self.width = self._n_columns * entry_width if entries else 0.0
        self.height = _LEGEND_LINE * math.ceil(len(entries) / self._n_columns)

    def draw(self, figure: Figure) -> None:
        """Draw it at the bottom of a figure."""
        if self._entries:
            _draw_legend(figure, self._entries, self._n_columns)


def _styles(motifs: Sequence[Motif]) -> dict[str, Style]:
    """Style of each operation in use, in the order of their registration, then of their names."""
    used = {edge.label for motif in motifs for edge in motif.edges if edge.used and not motif_number(edge.label)}
    labels = {parts_of(label)[0] for label in used}
    order = {name: place for place, name in enumerate(operation_names())}
    return styles_of(sorted(labels, key=lambda label: (order.get(label, len(order)), label)))


def _rows(motifs: Sequence[Motif], styles: Mapping[str, Style]) -> list[_Row]:
    """The cell, then the motifs of each level in a grid."""
    rows: list[_Row] = []
    top = max(motif.level for motif in motifs)
    for level in range(top, 0, -1):
        scale = _CELL_SCALE if level == top else 1.0
        panels = [Panel(motif, scale=scale, styles=styles) for motif in motifs if motif.level == level]
        rows.extend(_grid(panels) if panels else [])
    return rows


def _grid(panels: list[Panel]) -> list[_Row]:
    left, right = max(panel.left for panel in panels), max(panel.right for panel in panels)
    if len(panels) == 1:
        left = right = max(left, right)  # its nodes in the middle of the page
    fitting = max(1, int((_PAGE_WIDTH + _GAP) / (left + right + _GAP)), math.ceil(len(panels) / _MOST_ROWS))
    n_rows = math.ceil(len(panels) / fitting)
    n_columns = math.ceil(len(panels) / n_rows)
    return [_Row(panels[k : k + n_columns], left, right) for k in range(0, len(panels), n_columns)]


class _Row:
    """Motifs side by side, their nodes at equal distances."""

    def __init__(self, panels: Sequence[Panel], left: float, right: float) -> None:
        self.panels = panels
        self.left = left
        self.right = right
        self.width = len(panels) * (left + right + _GAP) - _GAP
        self.top = max(panel.top for panel in panels)
        self.bottom = max(panel.bottom for panel in panels)

    def draw(self, figure: Figure, middle: float, top: float, scale: float) -> None:
        """Draw the motifs around ``middle`` and below ``top``, in points from the left and the bottom of the figure."""
        width, height = (72 * inches for inches in figure.get_size_inches())
        x = middle - scale * self.width / 2
        size = (scale * (self.left + self.right), scale * (self.top + self.bottom))
        for panel in self.panels:
            axes = figure.add_axes((x / width, (top - size[1]) / height, size[0] / width, size[1] / height))
            axes.set_xlim(-self.left, self.right)
            axes.set_ylim(-self.bottom, self.top)
            panel.draw(axes, scale=scale)
            x += size[0] + scale * _GAP


def _draw_legend(figure: Figure, entries: Mapping[str, Line2D], n_columns: int) -> None:
    legend = figure.legend(
        entries.values(),
        entries.keys(),
        loc="lower center",
        bbox_to_anchor=(0.5, MARGIN / 72 / figure.get_figheight()),
        ncols=n_columns,
        fontsize=FONT_SIZE,
        labelcolor=INK,
        frameon=False,
        handlelength=3.0,
        borderpad=0,
        borderaxespad=0,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _legend_entries(panels: Sequence[Panel], styles: Mapping[str, Style]) -> dict[str, Line2D]:
    line = require("matplotlib.lines", extra="report").Line2D
    entries = {
        name.replace("_", " "): line([], [], color=style.colour, linestyle=style.linestyle, linewidth=1.6)
        for name, style in styles.items()
    }
    if any(panel.crowded and edge.used and motif_number(edge.label) for panel in panels for edge in panel.motif.edges):
        entries["motif of that number"] = line([], [], color=INK, linewidth=1.6)
    edges = [edge for panel in panels if panel.motif.used for edge in panel.motif.edges]
    if any(edge.label != "none" and not edge.used for edge in edges):
        entries["not used"] = line([], [], color=GREY, linewidth=1.2, linestyle="--")
    return entries
