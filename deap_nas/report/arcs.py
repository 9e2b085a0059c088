"""Where the edges of a drawn motif run: geometry only, without a plotting library.

The nodes of a motif stand in one column. An edge between neighbours is straight; a longer one, or a second one between
them, is an arc to the left or to the right of the column, as far out as the arcs that it spans or crosses demand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deap_nas.search_space import Edge

__all__ = ["Arc", "arrange"]

#: Tracks of edges on their sides.
_Measure = Callable[[Sequence[Edge], Sequence[int]], list[float]]


@dataclass(frozen=True)
class Arc:
    """One drawn edge and its place beside the column of nodes."""

    edge: Edge
    #: -1 left of the nodes, 1 right of them, 0 straight down from a node to the next.
    side: int
    #: Distance from the nodes, from 1; 0 for a straight edge. Arcs on a side that overlap differ.
    track: float
    #: Where it leaves its predecessor among the arcs that leave there on that side: 0 is innermost, 1 outermost.
    leaves: float = 0.5
    #: Where it enters its successor, likewise.
    enters: float = 0.5


def arrange(edges: Sequence[Edge], *, compact: bool = True) -> tuple[Arc, ...]:
    """Give each edge that is not ``"none"`` its place, with few crossings.

    Args:
        edges: the edges of a motif.
        compact: whether each arc runs as near to the nodes as the others let it; else its distance grows with its
            length, which is calmer where arcs are many.
    """
    drawn = sorted((edge for edge in edges if edge.label != "none"), key=lambda edge: (_span(edge), edge.predecessor))
    straight: list[Edge] = []
    long: list[Edge] = []
    for edge in drawn:
        is_second = bool(straight) and straight[-1].predecessor == edge.predecessor
        (long if _span(edge) > 1 or is_second else straight).append(edge)
    arcs = [Arc(edge, 0, 0) for edge in straight]
    measure = _tracks if compact else _spans
    sides = _sides(long, measure)
    arcs += [Arc(edge, side, track) for edge, side, track in zip(long, sides, measure(long, sides), strict=True)]
    leaving = _ranks(arcs, lambda arc: arc.edge.predecessor)
    entering = _ranks(arcs, lambda arc: arc.edge.successor)
    return tuple(
        replace(arc, leaves=leaves, enters=enters) for arc, leaves, enters in zip(arcs, leaving, entering, strict=True)
    )


def _span(edge: Edge) -> int:
    return edge.successor - edge.predecessor


def _overlap(one: Edge, other: Edge) -> bool:
    return one.predecessor < other.successor and other.predecessor < one.successor


def _cross(one: Edge, other: Edge) -> bool:
    first, second = sorted((one, other), key=lambda edge: edge.predecessor)
    return first.predecessor < second.predecessor < first.successor < second.successor


def _sides(edges: Sequence[Edge], measure: _Measure) -> list[int]:
    """Side of each edge, found by moving edges one by one from several starts; the wider side is the left one."""
    crossings = [(i, j) for i in range(len(edges)) for j in range(i) if _cross(edges[i], edges[j])]

    def cost(sides: Sequence[int]) -> tuple[int, float, float]:
        left, right = _reach(measure(edges, sides), sides)
        return sum(sides[i] == sides[j] for i, j in crossings), left + right, abs(left - right)

    starts = [[1 if index // run % 2 else -1 for index in range(len(edges))] for run in (1, 2, 3, 4, 5)]
    sides = min((_improved(start, cost) for start in starts), key=cost)
    left, right = _reach(measure(edges, sides), sides)
    return [-side for side in sides] if right > left else sides


def _improved(sides: list[int], cost: Callable[[Sequence[int]], tuple[int, float, float]]) -> list[int]:
    """Change sides one by one for as long as that lowers the cost."""
    best, improved = cost(sides), True
    while improved:
        improved = False
        for index in range(len(sides)):
            changed = [*sides[:index], -sides[index], *sides[index + 1 :]]
            if (found := cost(changed)) < best:
                sides, best, improved = changed, found, True
    return sides


def _reach(tracks: Sequence[float], sides: Sequence[int]) -> tuple[float, float]:
    """Outermost track on the left and on the right."""
    left, right = (max((t for t, s in zip(tracks, sides, strict=True) if s == side), default=0.0) for side in (-1, 1))
    return left, right


def _tracks(edges: Sequence[Edge], sides: Sequence[int]) -> list[float]:
    """Track of each edge, from the shortest edge up: outside all shorter ones that it overlaps."""
    tracks: list[float] = []
    for index, edge in enumerate(edges):
        below = [tracks[k] for k in range(index) if sides[k] == sides[index] and _overlap(edges[k], edge)]
        tracks.append(max(below, default=0) + 1)
    return tracks


def _spans(edges: Sequence[Edge], _: Sequence[int]) -> list[float]:
    """Track of each edge: the nodes it passes by, and a part of a track that keeps it off those beside it."""
    tracks: list[float] = []
    for index, edge in enumerate(edges):
        ends = (edge.predecessor, edge.successor)
        n_twins = sum((other.predecessor, other.successor) == ends for other in edges[:index])
        tracks.append(max(_span(edge) - 1, 0.5) + edge.predecessor % 3 / 3 + n_twins / 6)
    return tracks


def _ranks(arcs: Sequence[Arc], node_of: Callable[[Arc], int]) -> list[float]:
    """Place of each arc among those at the same node and side, in 0..1 from the innermost; 0.5 when alone."""
    ranks = []
    for arc in arcs:
        tracks = sorted(other.track for other in arcs if other.side == arc.side and node_of(other) == node_of(arc))
        ranks.append(tracks.index(arc.track) / (len(tracks) - 1) if len(tracks) > 1 else 0.5)
    return ranks
