"""Where the boxes of a network stand and where its lines run: geometry only, without a plotting library.

A layered drawing, as Sugiyama 1981 <https://doi.org/10.1109/TSMC.1981.4308636> has it: igraph orders what is side by
side so that few lines cross. The longest way through the network is one straight column here, and all else stands as
near to it as there is room, lines as straight as they can be. igraph would place everything at equal distances, and
bend the column.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise

from deap_nas.errors import SettingsError
from deap_nas.extras import require

__all__ = ["Edge", "Layering", "layered"]

#: An edge from a box to a later one.
Edge = tuple[int, int]
#: Between a box or a line and what is beside it, in points.
_GAP = 8.0
#: Starts from which few crossings are looked for, at most, and fewer where boxes and points are many.
_MOST_TRIES = 60
_MOST_WORK = 20_000
_MOST_POINTS = 50_000


@dataclass(frozen=True)
class Layering:
    """Boxes, and the points beside boxes through which lines run, each in a row at a horizontal place."""

    #: Row of each box, from 0 at the top, then of each point.
    rows: tuple[int, ...]
    #: Centre of each, in points; the column is at 0.
    xs: tuple[float, ...]
    #: Of each edge: the box it leaves, the point in each row between, the box it enters.
    routes: tuple[tuple[int, ...], ...]
    #: Box of the column in each row.
    column: tuple[int, ...]


def layered(widths: Sequence[float], edges: Sequence[Edge], *, small: Sequence[bool]) -> Layering:
    """Give each box and each line its place.

    Args:
        widths: of each box, in points. The first box is the one that all others follow from, the last one follows
            from all others.
        edges: from boxes to later ones; the same edge may be there several times.
        small: of each box, whether it had better not be in the column where another could be.

    Raises:
        SettingsError: lines pass by boxes more than 50,000 times, which no picture could show.
        MissingExtraError: igraph is not installed.
    """
    rows, column = _rows(len(widths), edges, small)
    n_points = sum(rows[target] - rows[source] - 1 for source, target in edges)
    if n_points > _MOST_POINTS:
        raise SettingsError(f"lines of a drawn network may pass {_MOST_POINTS:,} boxes in all, found {n_points:,}")
    routes = []
    for source, target in edges:
        first = len(rows)
        rows.extend(range(rows[source] + 1, rows[target]))
        routes.append((source, *range(first, len(rows)), target))
    segments = [segment for route in routes for segment in pairwise(route)]
    order = _order(rows, segments, _strands(routes, column))
    halves = [width / 2 for width in widths] + [0.0] * (len(rows) - len(widths))
    xs = [0.0] * len(rows)
    for side in (-1, 1):
        beside = [_beside(row, column[number], side) for number, row in enumerate(order)]
        for vertex, distance in _distances(beside, column, segments, halves).items():
            xs[vertex] = side * distance
    return Layering(tuple(rows), tuple(xs), tuple(routes), column)


def _rows(n_boxes: int, edges: Sequence[Edge], small: Sequence[bool]) -> tuple[list[int], tuple[int, ...]]:
    """Row of each box, and the boxes of the column; the others are as far down as they can be."""
    before, after = defaultdict(list), defaultdict(list)
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    rows: list[int] = []
    for box in range(n_boxes):
        rows.append(max((rows[source] + 1 for source in before[box]), default=0))
    column = [n_boxes - 1]
    while before[column[-1]]:
        above = [source for source in before[column[-1]] if rows[source] == rows[column[-1]] - 1]
        column.append(min(above, key=lambda source: small[source]))
    in_column = set(column)
    for box in reversed(range(n_boxes)):
        if box not in in_column and after[box]:
            rows[box] = min(rows[target] for target in after[box]) - 1
    return rows, tuple(reversed(column))


def _strands(routes: Sequence[Sequence[int]], column: Sequence[int]) -> list[list[int]]:
    """What is not in the column, in parts that may go left or right: a line around it, with the boxes on that line."""
    in_column = set(column)
    strands: dict[int | tuple[int, ...], list[int]] = {}
    for route in routes:
        source, *points, target = route
        ends = [box for box in (target, source) if box not in in_column]
        strand = strands.setdefault(ends[0] if ends else tuple(route), ends[:1])
        strand.extend(points)
    return [strand for strand in strands.values() if strand]


def _order(rows: Sequence[int], segments: Sequence[Edge], strands: Sequence[Sequence[int]]) -> list[list[int]]:
    """What is in each row, from left to right, with few crossings: the best of what igraph makes of several starts."""

    def order(sides: Sequence[int]) -> tuple[int, list[list[int]]]:
        pairs = list(zip(sides, strands, strict=True))
        left, right = ([v for own, strand in pairs if own == side for v in strand] for side in (-1, 1))
        found = _order_from(rows, segments, left, right)
        return _n_crossings(rows, segments, found), found

    sides = [1] * len(strands)
    best = order(sides)
    n_tries = min(_MOST_TRIES, _MOST_WORK // len(rows))
    tries = iter(range(n_tries))
    for run in (1, 2, 3):
        start = [1 if number // run % 2 else -1 for number in range(len(strands))]
        if best[0] and next(tries, None) is not None and (found := order(start))[0] < best[0]:
            sides, best = start, found
    for number in range(len(strands)):
        changed = [*sides[:number], -sides[number], *sides[number + 1 :]]
        if best[0] and next(tries, None) is not None and (found := order(changed))[0] < best[0]:
            sides, best = changed, found
    return best[1]


def _order_from(
    rows: Sequence[int], segments: Sequence[Edge], left: Sequence[int], right: Sequence[int]
) -> list[list[int]]:
    """What igraph makes of a start. It draws no random numbers where the rows are given."""
    aside = {*left, *right}
    start = [*left, *(vertex for vertex in range(len(rows)) if vertex not in aside), *right]
    number_of = {vertex: number for number, vertex in enumerate(start)}
    edges = [(number_of[upper], number_of[lower]) for upper, lower in segments]
    graph = require("igraph", extra="report").Graph(n=len(rows), edges=edges, directed=True)
    places = graph.layout_sugiyama(layers=[rows[vertex] for vertex in start]).coords
    order: list[list[int]] = [[] for _ in range(max(rows) + 1)]
    for vertex in sorted(range(len(rows)), key=lambda vertex: places[number_of[vertex]][0]):
        order[rows[vertex]].append(vertex)
    return order


def _n_crossings(rows: Sequence[int], segments: Sequence[Edge], order: Sequence[Sequence[int]]) -> int:
    place = {vertex: number for row in order for number, vertex in enumerate(row)}
    between = defaultdict(list)
    for upper, lower in segments:
        between[rows[upper]].append((place[upper], place[lower]))
    count = 0
    for lines in between.values():
        before: list[int] = []  # where the lines end that begin further left
        for _, end in sorted(lines):
            count += len(before) - bisect_right(before, end)
            insort(before, end)
    return count


def _beside(row: Sequence[int], middle: int, side: int) -> list[int]:
    """What is on one side of the column in a row, from the inside out."""
    place = row.index(middle)
    return list(row[place + 1 :]) if side > 0 else list(reversed(row[:place]))


def _distances(
    beside: Sequence[Sequence[int]], column: Sequence[int], segments: Sequence[Edge], halves: Sequence[float]
) -> Mapping[int, float]:
    """Distance of everything on one side from the column, as small as it can be with straight lines."""
    block = _blocks(beside, segments)
    inner: dict[int, dict[int, float]] = {root: {} for root in block.values()}
    least: dict[int, float] = dict.fromkeys(inner, 0.0)
    for middle, row in zip(column, beside, strict=True):
        for before, vertex in pairwise((middle, *row)):
            room = halves[before] + _GAP + halves[vertex]
            root = block[vertex]
            if before == middle:
                least[root] = max(least[root], room)
            else:
                inner[root][block[before]] = max(inner[root].get(block[before], 0.0), room)
    for root in TopologicalSorter(inner).static_order():
        least[root] = max([least[root], *(least[before] + room for before, room in inner[root].items())])
    return {vertex: least[root] for vertex, root in block.items()}


def _blocks(beside: Sequence[Sequence[int]], segments: Sequence[Edge]) -> dict[int, int]:
    """What is to be straight below each other, by the first of each; such lines do not cross.

    So blocks can be placed one after the other, from the inside out: Brandes 2002
    <https://doi.org/10.1007/3-540-45848-4_3>, section 4.
    """
    place = {vertex: number for row in beside for number, vertex in enumerate(row)}
    below = defaultdict(list)
    for upper, lower in segments:
        if upper in place and lower in place:
            below[upper].append(lower)
    block = {vertex: vertex for vertex in place}
    for row in beside:
        last = -1
        for vertex in row:
            free = [lower for lower in below[vertex] if place[lower] > last and block[lower] == lower]
            if free:
                lower = min(free, key=lambda lower: place[lower])
                last = place[lower]
                block[lower] = block[vertex]
    return block
