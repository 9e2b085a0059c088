"""A search as in figure 1 of Real 2017 <https://arxiv.org/abs/1703.01041>: everyone by time, and one lineage in it.

Lengths are typographic points, 1/72 inch.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deap_nas.evaluation import Status
from deap_nas.extras import require
from deap_nas.facts.ancestry import Ancestor, lineage
from deap_nas.report.draw import picture_of
from deap_nas.report.motif_page import Legend, MotifPicture
from deap_nas.report.panel import FONT_SIZE, INK
from deap_nas.report.picture import MARGIN, TITLE_SIZE
from deap_nas.report.picture_grid import PictureGrid, Titled
from deap_nas.report.pictures import template_of
from deap_nas.store import HDF5Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_lineage"]

_MOST_PICTURES = 4
#: Width of the figure, and height of all pictures together.
_LEAST_WIDTH, _MOST_WIDTH = 520.0, 800.0
_MOST_HEIGHT = 620.0
_PLOT_HEIGHT = 210.0
#: Around the plot: for the numbers at its left, the letters above it, the words below it.
_LEFT, _ABOVE, _BELOW = 46.0, 24.0, 44.0
#: Between two letters.
_LETTER_GAP = 15.0
_SMALL = 6.5
#: Dots from which on they are pixels in an SVG, which would be large else.
_MANY = 2000
#: What is further away is no fitness and no time, but damage.
_LARGEST = 1e15

_DEAD, _ALIVE, _LINE = "#c8c8c8", "#56b4e9", "#d55e00"
#: Units of the time, each up to some seconds.
_UNITS = ((120.0, 1.0, "seconds"), (7200.0, 60.0, "minutes"), (float("inf"), 3600.0, "hours"))


def draw_lineage(store: HDF5Store, number: int | None = None) -> Figure:
    """Draw a search and the lineage of an individual, as figure 1 of Real 2017 <https://arxiv.org/abs/1703.01041> does.

    Each individual that has a fitness of its own is a dot: the time from the first submission of its run to the end of
    its evaluation, and its fitness, the first objective. The lineage is a line among them. Below are the individual and
    up to three of its ancestors, evenly spread along the line, each with the letter that stands above its dot.

    Args:
        store: the file.
        number: id of the individual; by default the best.

    Returns:
        A figure, whose first axes are those of the dots.

    Raises:
        StoreError: no evaluated individual has that id, or none has a fitness.
        GenotypeError: a genotype that is to be drawn does not belong to the space, as in a damaged file.
        UnknownNameError: the class of the search space is not registered.
        MissingExtraError: matplotlib is not installed, or igraph for whole networks.
    """
    require("matplotlib", extra="report")
    ancestors = lineage(store, number)
    chosen = [ancestors[place] for place in _spread(len(ancestors))]
    letters = {ancestor.id: letter for ancestor, letter in zip(chosen, string.ascii_uppercase, strict=False)}
    pictures = [_titled(store, ancestor, letters[ancestor.id]) for ancestor in chosen]
    grid = PictureGrid(pictures, width=_MOST_WIDTH, height=_MOST_HEIGHT)
    motifs = [titled.picture for titled in pictures if isinstance(titled.picture, MotifPicture)]
    legend = Legend({name: line for picture in motifs for name, line in picture.entries().items()})
    width = max(_LEAST_WIDTH, grid.width, legend.width)
    figure, axes, bottom = _page(width, below=grid.height + legend.height + MARGIN, title=_title(ancestors))
    _draw_search(axes, _Search.of(store), ancestors, letters)
    grid.draw(figure, MARGIN, bottom - _BELOW, width=width)
    legend.draw(figure)
    return figure


def _page(width: float, *, below: float, title: str) -> tuple[Figure, Axes, float]:
    """Figure with the title, the axes of the dots, and how far these are from its bottom."""
    above = MARGIN + 2.2 * TITLE_SIZE + _ABOVE
    whole = (width + 2 * MARGIN, above + _PLOT_HEIGHT + _BELOW + below + MARGIN)
    size = (whole[0] / 72, whole[1] / 72)
    figure: Figure = require("matplotlib.figure", extra="report").Figure(size, facecolor="white")
    style: dict[str, Any] = {"size": TITLE_SIZE, "weight": "bold", "color": INK, "ha": "center", "va": "top"}
    figure.text(0.5, 1 - MARGIN / whole[1], title, **style)
    bottom = whole[1] - above - _PLOT_HEIGHT
    left = MARGIN + _LEFT
    place = (left / whole[0], bottom / whole[1], (width - _LEFT) / whole[0], _PLOT_HEIGHT / whole[1])
    return figure, figure.add_axes(place), bottom


def _spread(n_ancestors: int) -> list[int]:
    """Places of those who are drawn: the first, the last, and others between at equal distances."""
    n_pictures = min(_MOST_PICTURES, n_ancestors)
    return [round(place * (n_ancestors - 1) / max(1, n_pictures - 1)) for place in range(n_pictures - 1)] + [
        n_ancestors - 1
    ]


def _title(ancestors: Sequence[Ancestor]) -> str:
    n_others = len(ancestors) - 1
    others = f" and its {n_others} ancestors" if n_others > 1 else " and its ancestor" if n_others else ""
    return f"individual {ancestors[-1].id}{others}"


def _titled(store: HDF5Store, ancestor: Ancestor, letter: str) -> Titled:
    ids = store.column("id")
    genotype = store.space.decode(store.column("genes")[int(np.flatnonzero(ids == ancestor.id)[0])])
    picture = picture_of(store.space, genotype, template=template_of(store, ancestor.id, genotype))
    is_ok = ancestor.status == Status.OK.name
    facts = [f"fitness {ancestor.fitness[0]:.4f}" if is_ok else ancestor.status]
    if ancestor.n_parameters >= 0:
        facts.append(f"{ancestor.n_parameters:,} parameters")
    return Titled(f"{letter}: individual {ancestor.id}", ", ".join(facts), picture)


@dataclass(frozen=True)
class _Search:
    """Those who have a fitness of their own and a time that can be."""

    ids: NDArray[np.int64]
    seconds: NDArray[np.float64]
    fitness: NDArray[np.float64]
    alive: NDArray[np.bool_]

    @classmethod
    def of(cls, store: HDF5Store) -> _Search:
        ids, fitness, submitted = store.column("id"), store.column("fitness")[:, 0], store.column("submitted")
        firsts = np.array(sorted({0, *(run["first_id"] for run in store.sources)}))
        run = np.clip(np.searchsorted(firsts, ids, side="right") - 1, 0, None)
        begun = np.full(len(firsts), np.inf)
        is_time = np.abs(submitted) < _LARGEST  # not NaN
        np.minimum.at(begun, run[is_time], submitted[is_time])
        with np.errstate(invalid="ignore", over="ignore"):
            seconds = store.column("finished") - begun[run]
        is_sound = (store.column("status") == Status.OK) & (np.abs(fitness) < _LARGEST)
        is_sound &= (seconds >= 0) & (seconds < _LARGEST)
        alive = store.column("alive")
        return cls(ids[is_sound], seconds[is_sound], fitness[is_sound], alive[is_sound])


def _draw_search(axes: Axes, search: _Search, ancestors: Sequence[Ancestor], letters: Mapping[int, str]) -> None:
    longest = float(search.seconds.max(initial=0.0))
    unit, name = next((unit, name) for limit, unit, name in _UNITS if longest < limit)
    times = search.seconds / unit
    end = longest / unit or 1.0
    axes.set_xlim(-0.015 * end, 1.015 * end)
    if len(times):
        low, high = float(search.fitness.min()), float(search.fitness.max())
        room = 0.05 * (high - low) or 0.5
        axes.set_ylim(low - room, high + room)
    is_many = len(times) > _MANY
    dots: dict[str, Any] = {"s": 3.0 if is_many else 9.0, "linewidths": 0.0, "rasterized": is_many, "zorder": 2}
    for is_alive, colour, label in ((False, _DEAD, "dead"), (True, _ALIVE, "alive")):
        is_shown = search.alive == is_alive
        if is_shown.any():
            axes.scatter(times[is_shown], search.fitness[is_shown], color=colour, label=label, **dots)
    row_of = dict(zip(search.ids.tolist(), range(len(search.ids)), strict=True))
    rows = [row_of[ancestor.id] for ancestor in ancestors if ancestor.id in row_of]
    style: dict[str, Any] = {"linewidth": 1.1, "marker": "o", "markersize": 3.6, "rasterized": len(rows) > _MANY}
    axes.plot(times[rows], search.fitness[rows], color=_LINE, label="lineage", zorder=3, mec="white", mew=0.4, **style)
    places = {letters[number]: row_of[number] for number in letters if number in row_of}
    _draw_letters(axes, {letter: (times[row], search.fitness[row]) for letter, row in places.items()})
    _draw_words(axes, f"{name} since the first submission")


def _draw_words(axes: Axes, time: str) -> None:
    axes.set_xlabel(time, loc="left", size=FONT_SIZE, color=INK)
    axes.set_ylabel("fitness", size=FONT_SIZE, color=INK)
    axes.tick_params(labelsize=_SMALL, color=INK, labelcolor=INK, width=0.6, length=2.5)
    axes.ticklabel_format(useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_linewidth(0.6)
    form: dict[str, Any] = {"frameon": False, "handlelength": 1.6, "columnspacing": 1.2, "scatteryoffsets": [0.5]}
    anchor: dict[str, Any] = {"loc": "upper right", "bbox_to_anchor": (1.0, -0.065), "ncols": 3, "borderaxespad": 0}
    axes.legend(fontsize=FONT_SIZE, labelcolor=INK, **form, **anchor)


def _draw_letters(axes: Axes, dots: Mapping[str, tuple[float, float]]) -> None:
    """Draw letters above the plot, apart from each other, with leaders to their dots."""
    left, right = axes.get_xlim()
    width = axes.bbox.width * 72 / axes.figure.dpi
    order = sorted(dots, key=lambda letter: (dots[letter][0], letter))
    wanted = [width * (dots[letter][0] - left) / (right - left) for letter in order]
    leader = {"arrowstyle": "-", "color": INK, "linewidth": 0.5, "shrinkA": 0.0, "shrinkB": 2.0}
    box = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": INK, "linewidth": 0.6}
    style: dict[str, Any] = {"size": FONT_SIZE, "weight": "bold", "color": INK, "ha": "center", "va": "center"}
    for letter, x in zip(order, _apart(wanted, _LETTER_GAP, width), strict=True):
        axes.annotate(
            letter,
            xy=dots[letter],
            xytext=(x / width, 1.0 + 12.0 / _PLOT_HEIGHT),
            textcoords="axes fraction",
            arrowprops=leader,
            bbox=box,
            zorder=5,
            annotation_clip=False,
            **style,
        )


def _apart(wanted: Sequence[float], gap: float, width: float) -> list[float]:
    """Places as near to those wanted, in ascending order, as the gap between them and the width allow."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + gap) if places else place)
    limit = width
    for number in range(len(places) - 1, -1, -1):
        places[number] = min(places[number], limit)
        limit = places[number] - gap
    return places
