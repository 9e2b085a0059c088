"""Several pictures beside each other at one scale, each below its heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deap_nas.report.panel import FONT_SIZE, INK, text_width
from deap_nas.report.picture import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PictureGrid", "Titled"]

#: Between pictures side by side, and below each row of them.
_GAP = 18.0
#: Of the letters below the bold ones of a heading.
_SMALL = 6.5
_HEADING = 26.0
#: A grid of more rows has to make pictures larger by as much.
_WORTH = 1.25
_GREY_TEXT = "#6b6b6b"


@dataclass(frozen=True)
class Titled:
    """A picture and its heading."""

    title: str
    subtitle: str
    picture: Picture

    @property
    def heading_width(self) -> float:
        """In points."""
        return max(text_width(self.title, FONT_SIZE, weight="bold"), text_width(self.subtitle, _SMALL))


class PictureGrid:
    """Pictures at one scale, so that larger networks are larger, in as many rows as make them large.

    Args:
        pictures: at least one.
        width: largest width of the grid, in points.
        height: largest height.

    Attributes:
        width: of the grid.
        height: of the grid.
    """

    def __init__(self, pictures: Sequence[Titled], *, width: float, height: float) -> None:
        """See the class."""
        self._rows, self._scale = [list(pictures)], 0.0
        for n_rows in range(1, len(pictures) + 1):
            n_columns = -(-len(pictures) // n_rows)
            rows = [list(pictures[start : start + n_columns]) for start in range(0, len(pictures), n_columns)]
            scale = _scale_of(rows, width, height)
            if scale > _WORTH * self._scale:
                self._rows, self._scale = rows, scale
        self.width = max(map(self._row_width, self._rows))
        self.height = sum(_HEADING + self._picture_height(row) + _GAP for row in self._rows) - _GAP

    def draw(self, figure: Figure, left: float, top: float, *, width: float) -> None:
        """Draw the pictures below ``top``, spread over a width, in points from the left and bottom of the figure."""
        for row in self._rows:
            room = (width - self._row_width(row)) / len(row)
            x = left
            for titled in row:
                slot = self._slot(titled) + room
                self._draw(figure, titled, x + slot / 2, top)
                x += slot + _GAP
            top -= _HEADING + self._picture_height(row) + _GAP

    def _draw(self, figure: Figure, titled: Titled, middle: float, top: float) -> None:
        width, height = (72 * inches for inches in figure.get_size_inches())
        style: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
        x = middle / width
        figure.text(x, top / height, titled.title, size=FONT_SIZE, weight="bold", color=INK, **style)
        figure.text(x, (top - 10.0) / height, titled.subtitle, size=_SMALL, color=_GREY_TEXT, **style)
        picture = titled.picture
        picture.draw(figure, middle - self._scale * picture.width / 2, top - _HEADING, scale=self._scale)

    def _slot(self, titled: Titled) -> float:
        return max(self._scale * titled.picture.width, titled.heading_width)

    def _row_width(self, row: Sequence[Titled]) -> float:
        return sum(map(self._slot, row)) + _GAP * (len(row) - 1)

    def _picture_height(self, row: Sequence[Titled]) -> float:
        return self._scale * max(titled.picture.height for titled in row)


def _scale_of(rows: Sequence[Sequence[Titled]], width: float, height: float) -> float:
    """Largest scale up to 1 at which rows of pictures fit."""
    wide = min((width - _GAP * (len(row) - 1)) / sum(titled.picture.width for titled in row) for row in rows)
    high = (height - (_HEADING + _GAP) * len(rows)) / sum(max(t.picture.height for t in row) for row in rows)
    return min(1.0, wide, max(high, 0.0))
