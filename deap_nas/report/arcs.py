"""Where the edges of a drawn motif run: geometry only, without a plotting library.

The nodes of a motif stand in one column. An edge between neighbours is straight; a longer one is an arc to the left
or to the right of the column, as far out as the arcs that it spans or crosses demand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deap_nas.search_space import Edge

__all__ = ["Arc", "arrange"]


@dataclass(frozen=True)
class Arc:
    """One drawn edge and its place beside the column of nodes."""

    edge: Edge
    #: -1 left of the nodes, 1 right of them, 0 straight down from a node to the next.
    side: int
    #: Distance from the nodes, from 1; 0 for a straight edge. Arcs that overlap on a side differ.
    track: int
    #: Where it leaves its predecessor among the arcs that leave there on that side: 0 is the innermost, 1 the outermost.
    leaves: float = 0.5
    #: Where it enters its successor, likewise.
    enters: float = 0.5


def arrange(edges: Sequence[Edge]) -> tuple[Arc, ...]:
    """Give each edge that is not ``"none"`` its place, with few crossings."""
    drawn = sorted((edge for edge in edges if edge.label != "none"), key=lambda edge: (_span(edge), edge.predecessor))
    short = [edge for edge in drawn if _span(edge) == 1]
    long = [edge for edge in drawn if _span(edge) > 1]
    sides = _sides(long)
    arcs = [Arc(edge, 0, 0) for edge in short]
    arcs += [Arc(edge, side, track) for edge, side, track in zip(long, sides, _tracks(long, sides), strict=True)]
    leaving = _ranks(arcs, lambda arc: arc.edge.predecessor)
    entering = _ranks(arcs, lambda arc: arc.edge.successor)
    return tuple(
        Arc(arc.edge, arc.side, arc.track, leaves, enters)
        for arc, leaves, enters in zip(arcs, leaving, entering, strict=True)
    )


def _span(edge: Edge) -> int:
    return edge.successor - edge.predecessor


def _overlap(one: Edge, other: Edge) -> bool:
    return one.predecessor < other.successor and other.predecessor < one.successor


def _cross(one: Edge, other: Edge) -> bool:
    first, second = sorted((one, other), key=lambda edge: edge.predecessor)
    return first.predecessor < second.predecessor < first.successor < second.successor


def _sides(edges: Sequence[Edge]) -> list[int]:
    """Side of each edge: alternately at first, then moved one by one for as long as that helps."""
    sides = [1 if index % 2 else -1 for index in range(len(edges))]
    best = _cost(edges, sides)
    improved = True
    while improved:
        improved = False
        for index in range(len(edges)):
            sides[index] *= -1
            cost = _cost(edges, sides)
            if cost < best:
                best, improved = cost, True
            else:
                sides[index] *= -1
    return sides


def _cost(edges: Sequence[Edge], sides: Sequence[int]) -> tuple[int, int, int]:
    """Crossings, then the width of the drawing, then its lopsidedness."""
    crossings = sum(sides[i] == sides[j] and _cross(edges[i], edges[j]) for i in range(len(edges)) for j in range(i))
    tracks = _tracks(edges, sides)
    left, right = (max((t for t, s in zip(tracks, sides, strict=True) if s == side), default=0) for side in (-1, 1))
    return crossings, left + right, abs(left - right)


def _tracks(edges: Sequence[Edge], sides: Sequence[int]) -> list[int]:
    """Track of each edge, from the shortest up: outside all shorter ones that it overlaps."""
    tracks: list[int] = []
    for index, edge in enumerate(edges):
        below = [tracks[k] for k in range(index) if sides[k] == sides[index] and _overlap(edges[k], edge)]
        tracks.append(max(below, default=0) + 1)
    return tracks


def _ranks(arcs: Sequence[Arc], node_of: Callable[[Arc], int]) -> list[float]:
    """Place of each arc among those at the same node and side, in 0..1 from the innermost; 0.5 when alone."""
    ranks = []
    for arc in arcs:
        tracks = sorted(other.track for other in arcs if other.side == arc.side and node_of(other) == node_of(arc))
        ranks.append(tracks.index(arc.track) / (len(tracks) - 1) if len(tracks) > 1 else 0.5)
    return ranks
