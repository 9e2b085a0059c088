"""A layered network on a page: its rows in columns, as of a newspaper, and the courses of its lines.

Geometry only. Lengths are points, heights count from the top of the page down.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

from deap_nas.report.layering import Edge, Layering

__all__ = ["Course", "Page", "Point", "Stroke", "page_of"]

#: Columns are no lower than the first unless the page would be wider than high by more than the second.
_COLUMN_HEIGHT = 600.0
_ASPECT = 1.0
#: A network up to this height is one column.
_ONE_COLUMN = 700.0
#: Between rows: at least, and a share of the way that a line goes sideways there, up to the last.
_ROW_GAP = 12.0
_SLOPE = 0.1
_MOST_SLOPE = 14.0
#: Between lines that lead from one column to the next, and around them.
_TRACK = 5.0
_MARGIN = 8.0
#: Between lines that leave or enter a box side by side, at most.
_PORT = 9.0
#: Of a rounded corner.
_RADIUS = 5.0
#: How much longer than the others a column may be to spare the page a line from it to the next.
_LINE_COSTS = 16.0

#: Or width and height.
Point = tuple[float, float]


class Stroke(NamedTuple):
    """One part of a line, from where the part before it ended."""

    #: To the last point: straight; a Bezier curve of one control point, or of two.
    kind: Literal["move", "line", "corner", "curve"]
    points: tuple[Point, ...]


#: A line from a box down to another, which it enters vertically.
Course = list[Stroke]


@dataclass(frozen=True)
class Page:
    """Where boxes and lines are drawn."""

    width: float
    height: float
    #: Of each box.
    centres: tuple[Point, ...]
    #: Of each edge.
    courses: tuple[Course, ...]


def page_of(sizes: Sequence[Point], layering: Layering) -> Page:
    """Lay out a network.

    Args:
        sizes: width and height of each box.
        layering: of the boxes.
    """
    return _Layout(sizes, layering).page()


class _Layout:
    """The measures of a page, one after the other."""

    def __init__(self, sizes: Sequence[Point], layering: Layering) -> None:
        self._layering = layering
        self._rows = layering.rows
        n_points = len(layering.rows) - len(sizes)
        self._sizes = [*sizes, *[(0.0, 0.0)] * n_points]
        self._n_boxes = len(sizes)
        self._leaving, self._entering = self._ports(0, 1), self._ports(-1, -2)
        self._vertices: list[list[int]] = [[] for _ in layering.column]
        for vertex, row in enumerate(self._rows):
            self._vertices[row].append(vertex)
        self._heights = [max(self._sizes[vertex][1] for vertex in row) for row in self._vertices]
        self._between: list[list[Edge]] = [[] for _ in layering.column]
        for number, route in enumerate(layering.routes):
            for place, upper in enumerate(route[:-1]):
                self._between[self._rows[upper]].append((number, place))
        self._gaps = [self._gap(row) for row in range(len(self._heights))]
        self._columns = self._broken(self._n_columns())
        self._place_columns()

    def page(self) -> Page:
        """Give the page."""
        routes = self._layering.routes
        return Page(
            self._width,
            max(self._bottoms),
            tuple((self._x(box), self._middle(self._rows[box])) for box in range(self._n_boxes)),
            tuple(self._course(number, route) for number, route in enumerate(routes)),
        )

    def _ports(self, end: int, beside: int) -> list[float]:
        """How far from the middle of its first or last box each route leaves or enters it."""
        xs, routes, column = self._layering.xs, self._layering.routes, self._layering.column
        at: dict[int, list[int]] = defaultdict(list)
        for number, route in enumerate(routes):
            at[route[end]].append(number)
        ports = [0.0] * len(routes)
        for box, numbers in at.items():
            ahead = [xs[routes[number][beside]] - xs[box] for number in numbers]
            order = sorted(range(len(numbers)), key=lambda place: ahead[place])
            middle = (len(order) - 1) / 2
            if column[self._rows[box]] == box:  # the line of the column goes straight on
                straight = [rank for rank, place in enumerate(order) if ahead[place] == 0]
                n_left = sum(way < 0 for way in ahead)
                middle = sum(straight) / len(straight) if straight else n_left - 0.5
            furthest = max(middle, len(order) - 1 - middle, 1.0)
            pitch = min(_PORT, (self._sizes[box][0] / 2 - 4.0) / furthest)
            for rank, place in enumerate(order):
                ports[numbers[place]] = (rank - middle) * pitch
        return ports

    def _gap(self, row: int) -> float:
        ways = [abs(self._end(number, place) - self._end(number, place + 1)) for number, place in self._between[row]]
        return _ROW_GAP + min(_MOST_SLOPE, _SLOPE * max(ways, default=0.0))

    def _end(self, number: int, place: int) -> float:
        """Horizontal place of a route at one of its vertices, from the middle of the column."""
        route = self._layering.routes[number]
        port = self._leaving[number] if place == 0 else self._entering[number] if place == len(route) - 1 else 0.0
        return self._layering.xs[route[place]] + port

    def _reach(self, rows: range) -> tuple[float, float]:
        """How far some rows reach to the left of the column's middle and to the right."""
        ends = [(self._layering.xs[v], self._sizes[v][0] / 2) for row in rows for v in self._vertices[row]]
        return max(half - x for x, half in ends), max(half + x for x, half in ends)

    def _n_columns(self) -> int:
        height = sum(self._heights) + sum(self._gaps)
        if height <= _ONE_COLUMN:
            return 1
        width = sum(self._reach(range(len(self._heights)))) + 6 * _MARGIN
        return min(
            math.ceil(height / _COLUMN_HEIGHT), max(1, round(math.sqrt(_ASPECT * height / width))), len(self._heights)
        )

    def _broken(self, n_columns: int) -> list[range]:
        """Rows of each column, of about equal heights, broken where few lines pass."""
        ends = list(accumulate(height + gap for height, gap in zip(self._heights, self._gaps, strict=True)))
        breaks = [0]
        for number in range(1, n_columns):
            wanted = ends[-1] * number / n_columns
            last = len(ends) - (n_columns - number)  # a row is left for each of the other columns
            costs = {
                row: abs(ends[row - 1] - wanted) + _LINE_COSTS * len(self._between[row - 1])
                for row in range(breaks[-1] + 1, last + 1)
            }
            breaks.append(min(costs, key=costs.__getitem__))
        return [range(*rows) for rows in pairwise([*breaks, len(ends)])]

    def _place_columns(self) -> None:
        """Find where the columns stand, and the rows in them."""
        self._middles: list[float] = []
        self._tops = [0.0] * len(self._heights)
        self._bottoms: list[float] = []
        self._column_of = [0] * len(self._heights)
        x = 0.0
        for number, rows in enumerate(self._columns):
            n_out = len(self._between[rows[-1]])
            n_in = len(self._between[rows[0] - 1]) if number else 0
            left, right = self._reach(rows)
            self._middles.append(x + left)
            y = _MARGIN + n_in * _TRACK if n_in else 0.0
            for row in rows:
                self._column_of[row] = number
                self._tops[row] = y
                y += self._heights[row] + self._gaps[row]
            self._bottoms.append(y - self._gaps[rows[-1]] + (_MARGIN + n_out * _TRACK if n_out else 0.0))
            x += left + right
            self._width = x
            x += 2 * _MARGIN + (n_out - 1) * _TRACK

    def _x(self, vertex: int) -> float:
        return self._middles[self._column_of[self._rows[vertex]]] + self._layering.xs[vertex]

    def _middle(self, row: int) -> float:
        return self._tops[row] + self._heights[row] / 2

    def _course(self, number: int, route: Sequence[int]) -> Course:
        source, target = route[0], route[-1]
        x, y = self._place(number, 0), self._middle(self._rows[source]) + self._sizes[source][1] / 2
        course = [Stroke("move", ((x, y),))]
        for place, upper in enumerate(route[:-1]):
            row = self._rows[upper]
            x, bottom = self._place(number, place), self._tops[row] + self._heights[row]
            x1, top = self._place(number, place + 1), self._tops[row + 1]
            course.append(Stroke("line", ((x, bottom),)))
            if self._column_of[row] != self._column_of[row + 1]:
                course.extend(_rounded([(x, bottom), *self._gutter(number, place), (x1, top)]))
            elif x == x1:
                course.append(Stroke("line", ((x1, top),)))
            else:
                half = (bottom + top) / 2
                course.append(Stroke("curve", ((x, half), (x1, half), (x1, top))))
        y = self._middle(self._rows[target]) - self._sizes[target][1] / 2
        return [*course, Stroke("line", ((x1, y),))]

    def _place(self, number: int, place: int) -> float:
        vertex = self._layering.routes[number][place]
        return self._middles[self._column_of[self._rows[vertex]]] + self._end(number, place)

    def _gutter(self, number: int, place: int) -> list[Point]:
        """Corners of a line that leaves a column at its bottom and enters the next one at its top.

        Of several lines the rightmost turns first, and last where they all turn back down, so that they do not cross.
        """
        row = self._rows[self._layering.routes[number][place]]
        lines = sorted(self._between[row], key=lambda line: (-self._place(*line), line))
        rank, n_lines = lines.index((number, place)), len(lines)
        column = self._column_of[row]
        low = self._tops[row] + self._heights[row] + _MARGIN + rank * _TRACK
        high = self._tops[row + 1] - _MARGIN - (n_lines - 1 - rank) * _TRACK
        x = self._middles[column] + self._reach(self._columns[column])[1] + _MARGIN + rank * _TRACK
        return [(self._place(number, place), low), (x, low), (x, high), (self._place(number, place + 1), high)]


def _rounded(corners: Sequence[Point]) -> Course:
    """A way along corners, each rounded as far as its sides allow."""
    course: Course = []
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(_RADIUS, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        course.append(Stroke("line", (_towards(corner, before, radius),)))
        course.append(Stroke("corner", (corner, _towards(corner, after, radius))))
    return [*course, Stroke("line", (corners[-1],))]


def _towards(point: Point, other: Point, length: float) -> Point:
    share = length / (math.dist(point, other) or 1.0)
    return point[0] + share * (other[0] - point[0]), point[1] + share * (other[1] - point[1])
