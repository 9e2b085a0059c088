"""Drawings of genotypes, motif by motif, as in the appendix of Liu 2018 <https://arxiv.org/abs/1711.00436>.

Lengths are typographic points, 1/72 inch, from the figure's size down to its lines: a drawing prints well unscaled.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from deap_nas.extras import require
from deap_nas.files import replacing, user_path
from deap_nas.graph import operation_names
from deap_nas.report.panel import FONT_SIZE, GREY, INK, Panel, motif_number, text_width
from deap_nas.report.styles import Style, parts_of, styles_of
from deap_nas.search_space import Motif, SearchSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["draw_genotype", "save_drawing", "save_figure"]

_CELL_SCALE = 1.2
_PAGE_WIDTH = 500.0
_MOST_ROWS = 3
_MARGIN = 8.0
_GAP = 14.0
_TITLE_SIZE = 10.0
_LEGEND_LINE = 13.0
#: What a legend's entry takes besides its text: the line and the spaces around it.
_LEGEND_MARK = 47.0

#: Metadata that would make two equal pictures differ, by suffix of the file.
_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def draw_genotype(space: SearchSpace, genes: Sequence[int], *, title: str = "") -> Figure:
    """Draw every motif of a genotype, the cell first.

    An edge has its operation's colour and dashes, the same ones in every picture; one that the network does not use is
    grey and dashed, and a motif that it does not use is grey as a whole. Channels and strides that operations have of
    their own are told on the edges only: ``3x3, 32, /2`` is a 3x3 convolution to 32 channels with a stride of 2. A
    motif with more than 12 edges of which more than 8 pass a node carries no names of operations, only their colours,
    and of the motifs on its edges only the numbers.

    Args:
        space: the search space of the genes.
        genes: the genotype.
        title: text above the drawing.

    Returns:
        A figure as large as its content needs, with one axes a motif.

    Raises:
        GenotypeError: the genes do not belong to the space.
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", extra="report")
    motifs = space.motifs_of(genes)
    styles = _styles(motifs)
    rows = _rows(motifs, styles)
    return _draw_page(rows, _legend_entries([panel for row in rows for panel in row.panels], styles), title)


def save_drawing(
    space: SearchSpace, genes: Sequence[int], paths: Iterable[str | os.PathLike[str]], *, title: str = ""
) -> None:
    """Draw a genotype, as :func:`draw_genotype` does, into one file or several.

    The same genes give the same bytes, SVG and PDF included. Text in an SVG file stays text.

    Args:
        space: the search space of the genes.
        genes: the genotype.
        paths: files to write, each in the format of its suffix, such as ``.png``, ``.svg`` or ``.pdf``;
            PNG without one.
        title: text above the drawing.

    Raises:
        GenotypeError: the genes do not belong to the space.
        MissingExtraError: matplotlib is not installed.
        StorageError: a file cannot be written; one that is there stays as it was.
        ValueError: matplotlib has no format with that suffix.
    """
    save_figure(draw_genotype(space, genes, title=title), paths)


def save_figure(figure: Figure, paths: Iterable[str | os.PathLike[str]], *, dpi: float = 200) -> None:
    """Write a figure of matplotlib into one file or several, each whole or not at all.

    The same figure gives the same bytes, SVG and PDF included. Text in an SVG file stays text.

    Args:
        figure: a figure, such as one of your own.
        paths: files to write, each in the format of its suffix, such as ``.png``, ``.svg`` or ``.pdf``;
            PNG without one. ``~`` is the home folder.
        dpi: pixels an inch, where the format has pixels.

    Raises:
        MissingExtraError: matplotlib is not installed.
        StorageError: a file cannot be written; one that is there stays as it was.
        ValueError: matplotlib has no format with that suffix.
    """
    settings = {"svg.hashsalt": "deap_nas", "svg.fonttype": "none"}
    with require("matplotlib", extra="report").rc_context(settings):
        for path in map(user_path, paths):
            kind = path.suffix.lower()
            with replacing(path) as partial:
                figure.savefig(partial, format=kind[1:] or "png", dpi=dpi, metadata=_UNDATED.get(kind))


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

    def draw(self, figure: Figure, top: float) -> None:
        """Draw the motifs below the height ``top``, in points from the bottom of the figure."""
        width, height = (72 * inches for inches in figure.get_size_inches())
        x = (width - self.width) / 2
        size = (self.left + self.right, self.top + self.bottom)
        for panel in self.panels:
            axes = figure.add_axes((x / width, (top - size[1]) / height, size[0] / width, size[1] / height))
            axes.set_xlim(-self.left, self.right)
            axes.set_ylim(-self.bottom, self.top)
            panel.draw(axes)
            x += size[0] + _GAP


def _draw_page(rows: Sequence[_Row], entries: Mapping[str, Line2D], title: str) -> Figure:
    entry_width = max((text_width(name, FONT_SIZE) for name in entries), default=0.0) + _LEGEND_MARK
    n_columns = max(1, min(len(entries), int(_PAGE_WIDTH / entry_width)))
    legend_height = _LEGEND_LINE * math.ceil(len(entries) / n_columns)
    title_height = 2.2 * _TITLE_SIZE if title else 0.0
    widths = [row.width for row in rows]
    widths += [n_columns * entry_width if entries else 0.0, text_width(title, _TITLE_SIZE, weight="bold")]
    width = max(widths) + 2 * _MARGIN
    height = title_height + sum(row.top + row.bottom + _GAP for row in rows) + legend_height + 2 * _MARGIN
    figure: Figure = require("matplotlib.figure", extra="report").Figure((width / 72, height / 72), facecolor="white")
    y = height - _MARGIN
    if title:
        figure.text(0.5, y / height, title, size=_TITLE_SIZE, weight="bold", color=INK, ha="center", va="top")
    y -= title_height
    for row in rows:
        row.draw(figure, y)
        y -= row.top + row.bottom + _GAP
    if entries:
        _draw_legend(figure, entries, n_columns)
    return figure


def _draw_legend(figure: Figure, entries: Mapping[str, Line2D], n_columns: int) -> None:
    legend = figure.legend(
        entries.values(),
        entries.keys(),
        loc="lower center",
        bbox_to_anchor=(0.5, _MARGIN / 72 / figure.get_figheight()),
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
