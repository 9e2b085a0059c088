"""Drawings of whole networks: a box for each step, lines between them, skip connections around the boxes.

Lengths are typographic points, 1/72 inch, from the figure's size down to its lines: a drawing prints well unscaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deap_nas.errors import SettingsError
from deap_nas.extras import require
from deap_nas.graph import RESIZE
from deap_nas.report.boxes import Box, Line, boxes_of
from deap_nas.report.layering import layered
from deap_nas.report.newspaper import Course, Point, page_of
from deap_nas.report.panel import FONT_SIZE, INK, text_width
from deap_nas.report.picture import figure_of
from deap_nas.report.styles import colours_of
from deap_nas.search_space import SearchSpace
from deap_nas.template import Step, Template, plan_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NetworkPicture", "draw_network"]

#: Lines of all boxes; a network of more would be a picture that nobody can look at.
_MOST_STEPS = 2000

_SMALL = 5.8
_RESIZE = 5.0
_LINE = 10.0
_PAD = 5.0
#: Of a box's corners.
_ROUND = 2.5
#: Width of the stripe of colour at the left of a box.
_STRIPE = 3.0
#: From words to the number of parameters.
_WORD_GAP = 8.0
#: Length of an arrowhead.
_HEAD = 4.2
#: Around the page, for the lines of the outermost boxes.
_BLEED = 1.0
_NUMBERS = "#6b6b6b"
_EDGE = "#555555"
_BORDER = "#8f8f8f"
_PLAIN = "#f3f3f3"
_NOTE = "in a box: trainable parameters; channels x height x width where they change"


def draw_network(space: SearchSpace, genotype: Any, template: Template | None = None, *, title: str = "") -> Figure:
    """Draw the whole network of a genotype, from the image down to the logits.

    A box is one step, or several that nothing branches off from: its operation, its trainable parameters, and the shape
    of its value, ``32 x 16 x 16`` for channels, height and width, where that differs from what it takes. An operation
    has its colour, the same one in every picture. What is dead or done twice is left out, as in the network that is
    trained. A long network is broken into columns.

    Args:
        space: the search space of the genotype.
        genotype: of one individual.
        template: the network around it, which gives the shapes; by default the space's own.
        title: text above the drawing.

    Returns:
        A figure as large as its content needs, with one axes.

    Raises:
        GenotypeError: the genotype does not belong to the space.
        NotViableError: no path leads from an input to the output.
        SettingsError: the network has more than 2000 steps, or lines that pass by more than 50,000 of them in all, or
            it does not fit into the template.
        MissingExtraError: matplotlib or igraph is not installed.
    """
    require("matplotlib", extra="report")
    steps = plan_network(space, genotype, template or space.default_template()).steps
    return figure_of(NetworkPicture(steps), title=title)


class NetworkPicture:
    """A network, ready to be drawn.

    Args:
        steps: of the network.
        note: whether it says at the bottom what the numbers mean.

    Attributes:
        width: in points.
        height: in points.

    Raises:
        SettingsError: it has more than 2000 steps, or lines that pass by more than 50,000 of them in all.
        MissingExtraError: matplotlib or igraph is not installed.
    """

    def __init__(self, steps: Sequence[Step], *, note: bool = True) -> None:
        """See the class."""
        if len(steps) > _MOST_STEPS:
            raise SettingsError(f"a network of up to {_MOST_STEPS} steps can be drawn, found {len(steps)}")
        self._boxes = boxes_of(steps)
        self._colours = colours_of({box.kind for box in self._boxes if box.kind})
        wide = max(_width(box) for box in self._boxes)
        widths = [_width(box) if box.join else wide for box in self._boxes]
        heights = [_height(box) for box in self._boxes]
        self._sizes = list(zip(widths, heights, strict=True))
        edges = [(source, number) for number, box in enumerate(self._boxes) for source in box.inputs]
        self._is_pattern = [box.pattern == place for box in self._boxes for place in range(len(box.inputs))]
        layering = layered(widths, edges, small=[box.join == RESIZE for box in self._boxes])
        self._page = page_of(self._sizes, layering)
        self._note = _NOTE if note else ""
        self.width = max(self._page.width + 2 * _BLEED, text_width(self._note, _SMALL))
        self.height = self._page.height + 2 * _BLEED + (2.5 * _SMALL if note else 0.0)

    def draw(self, figure: Figure, left: float, top: float, *, scale: float = 1.0) -> None:
        """See :class:`~deap_nas.report.picture.Picture`."""
        width, height = (72 * inches for inches in figure.get_size_inches())
        size = (scale * self.width / width, scale * self.height / height)
        axes = figure.add_axes((left / width, top / height - size[1], *size))
        axes.set_axis_off()
        middle = (self.width - self._page.width) / 2
        axes.set_xlim(-middle, self.width - middle)
        axes.set_ylim(self.height - _BLEED, -_BLEED)
        for course, is_pattern in zip(self._page.courses, self._is_pattern, strict=True):
            self._draw_course(axes, course, scale, dotted=is_pattern)
        for box, centre, size in zip(self._boxes, self._page.centres, self._sizes, strict=True):
            self._draw_box(axes, box, centre, size, scale)
        note = (self._page.width / 2, self.height - _BLEED)
        axes.text(*note, self._note, size=scale * _SMALL, color=_NUMBERS, ha="center", va="bottom")

    def _draw_course(self, axes: Axes, course: Course, scale: float, *, dotted: bool) -> None:
        patches = require("matplotlib.patches", extra="report")
        path = require("matplotlib.path", extra="report").Path
        (x, y) = course[-1].points[-1]
        *strokes, _ = course
        points = [point for stroke in strokes for point in stroke.points] + [(x, y - 0.8 * _HEAD)]
        kinds = {"move": path.MOVETO, "line": path.LINETO, "corner": path.CURVE3, "curve": path.CURVE4}
        codes = [kinds[stroke.kind] for stroke in strokes for _ in stroke.points] + [path.LINETO]
        line = {"edgecolor": _EDGE, "linewidth": 0.9 * scale, "linestyle": ":" if dotted else "-", "zorder": 1}
        axes.add_patch(patches.PathPatch(path(points, codes), fill=False, capstyle="butt", joinstyle="round", **line))
        corners = [(x, y), (x - 0.4 * _HEAD, y - _HEAD), (x + 0.4 * _HEAD, y - _HEAD)]
        axes.add_patch(patches.Polygon(corners, facecolor=_EDGE, linewidth=0, zorder=2))

    def _draw_box(self, axes: Axes, box: Box, centre: Point, size: Point, scale: float) -> None:
        (x, y), (width, height) = centre, size
        left, top = x - width / 2, y - height / 2
        self._draw_frame(axes, box, (left, top, width, height), scale)
        if box.join:
            font = _RESIZE if box.join == RESIZE else FONT_SIZE
            _write(axes, (x, y), box.lines[0].text, size=scale * font, ha="center")
            return
        start, end, middle = left + _STRIPE + _PAD, left + width - _PAD, top + (_PAD + _LINE) / 2
        for line in box.lines:
            _write(axes, (start, middle), line.text, size=scale * FONT_SIZE, ha="left")
            _write(axes, (end, middle), _number(line), size=scale * _SMALL, ha="right", color=_NUMBERS)
            middle += _LINE
        _write(axes, (start, middle), _shape(box), size=scale * _SMALL, ha="left", color=_NUMBERS)

    def _draw_frame(self, axes: Axes, box: Box, where: tuple[float, float, float, float], scale: float) -> None:
        patches = require("matplotlib.patches", extra="report")
        left, top, width, height = where
        colour = self._colours[box.kind] if box.kind else _BORDER
        fill = _tint(colour) if box.kind else "white" if box.join else _PLAIN
        rounded = patches.BoxStyle.Round(pad=0, rounding_size=height / 2 if box.join else _ROUND)
        style = {"facecolor": fill, "edgecolor": colour, "linewidth": 0.8 * scale, "zorder": 3}
        frame = patches.FancyBboxPatch((left, top), width, height, boxstyle=rounded, **style)
        axes.add_patch(frame)
        if box.kind:
            stripe = patches.Rectangle((left, top), _STRIPE, height, facecolor=colour, linewidth=0, zorder=4)
            axes.add_patch(stripe)
            stripe.set_clip_path(frame)


def _write(axes: Axes, place: Point, text: str, *, size: float, ha: str, color: str = INK) -> None:
    if text:
        axes.text(*place, text, size=size, ha=ha, va="center_baseline", color=color, zorder=5, parse_math=False)


def _number(line: Line) -> str:
    return f"{line.n_parameters:,}" if line.n_parameters else ""


def _shape(box: Box) -> str:
    return "" if box.shape is None else " x ".join(map(str, box.shape))


def _width(box: Box) -> float:
    if box.join:
        return text_width(box.join, _RESIZE if box.join == RESIZE else FONT_SIZE) + 2 * _PAD
    widths = [text_width(_shape(box), _SMALL)]
    for line in box.lines:
        number = _WORD_GAP + text_width(_number(line), _SMALL) if line.n_parameters else 0.0
        widths.append(text_width(line.text, FONT_SIZE) + number)
    return max(widths) + _STRIPE + 2 * _PAD


def _height(box: Box) -> float:
    if box.join:
        return (_RESIZE if box.join == RESIZE else FONT_SIZE) + 4.0
    return _LINE * (len(box.lines) + (box.shape is not None)) + _PAD


def _tint(colour: str) -> str:
    """A pale colour of the same hue, on which ink is easy to read."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - 0.13 * (255 - part)):02x}" for part in parts)
