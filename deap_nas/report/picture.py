"""A picture that can stand alone in a figure, or small beside others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from deap_nas.extras import require
from deap_nas.report.panel import INK, text_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MARGIN", "TITLE_SIZE", "Picture", "figure_of"]

MARGIN = 8.0
TITLE_SIZE = 10.0


class Picture(Protocol):
    """Something to be drawn."""

    #: In points.
    width: float
    height: float

    def draw(self, figure: Figure, left: float, top: float, *, scale: float = 1.0) -> None:
        """Draw it.

        Args:
            figure: to draw on.
            left: of the picture, in points from the left of the figure.
            top: of the picture, in points from the bottom of the figure.
            scale: size of everything.
        """
        ...


def figure_of(picture: Picture, *, title: str = "", below: tuple[float, float] = (0.0, 0.0)) -> Figure:
    """Make a figure as large as a picture, its title, and what somebody else will draw below it.

    Args:
        picture: to be drawn.
        title: text above it.
        below: width and height of what will be drawn below it, in points.
    """
    title_height = 2.2 * TITLE_SIZE if title else 0.0
    width = max(picture.width, below[0], text_width(title, TITLE_SIZE, weight="bold")) + 2 * MARGIN
    height = title_height + picture.height + below[1] + 2 * MARGIN
    figure: Figure = require("matplotlib.figure", extra="report").Figure((width / 72, height / 72), facecolor="white")
    y = height - MARGIN
    if title:
        figure.text(0.5, y / height, title, size=TITLE_SIZE, weight="bold", color=INK, ha="center", va="top")
    picture.draw(figure, (width - picture.width) / 2, y - title_height)
    return figure
