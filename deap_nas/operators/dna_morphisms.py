"""Mutations of DNA that a trained function survives, Elsken 2017 <https://arxiv.org/abs/1711.04528>, or that shrink it.

They change the genotype only. The weights that keep the function are the business of
:class:`~deap_nas.training.MorphedWeights`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import ModuleType
from typing import TypeVar

from deap_nas.dna import DNA, Edge, Filters, Vertex
from deap_nas.errors import SettingsError
from deap_nas.graph import ScaledConvolution
from deap_nas.operators.dna_operators import (
    add_skip,
    check_dna_space,
    has_place_for_skip,
    mutRemoveSkip,
    remove_convolution,
)
from deap_nas.search_space.dna_space import LIMITS, MOST_VERTICES, DNASpace, new_id

__all__ = ["initConvolutions", "mutAddGatedSkip", "mutDeepen", "mutMorph", "mutNarrow", "mutShrink", "mutWiden"]

_Individual = TypeVar("_Individual", bound=DNA)
_Rng = random.Random | ModuleType
#: Times as many filters as before: of a convolution that is widened, and of one that is narrowed.
_WIDER, _NARROWER = (2.0, 4.0), (0.5, 0.75)


def initConvolutions(
    icls: Callable[[DNA], _Individual],
    space: DNASpace,
    *,
    channels: Sequence[int] = (64, 128, 256),
    learning_rate: float = 0.05,
    image_channels: int = 3,
    rng: _Rng = random,
) -> _Individual:
    """Make a chain of 3x3 convolutions with batch normalisation and ReLU, all but the first of stride 2.

    Elsken 2017 begins with three convolutions and two poolings; here strides are in the place of the poolings.

    Args:
        icls: class of the individual.
        space: its search space.
        channels: of each convolution, at least one of them.
        learning_rate: of the individual.
        image_channels: of the template.
        rng: source of the ids.

    Raises:
        SettingsError: the space is not that of DNA, or there are no channels.
    """
    check_dna_space(space, "initConvolutions")
    if not channels or min(channels) < 1:
        raise SettingsError(f"channels must be those of at least one convolution, each at least 1, found {channels!r}")
    vertices, edges = [Vertex(0)], []
    for place, (before, after) in enumerate(pairwise((image_channels, *channels))):
        edges.append(Edge(new_id(rng), Filters(after / before, scale=float(place > 0))))
        vertices.append(Vertex(new_id(rng), has_relu=True))
    return icls(DNA.of(learning_rate=learning_rate, head=new_id(rng), vertices=vertices, edges=edges))


def mutDeepen(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Insert a convolution that may be an identity, and its vertex, at a uniform place of the backbone.

    Its window is 3x3 or 5x5, each as likely, its stride 1, and it has as many channels as its input. Its vertex has
    batch normalisation and ReLU where no number that comes in is negative; elsewhere it is linear.

    Args:
        individual: changed in place; a DNA of as many vertices as there may be stays as it is.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutDeepen")
    if _can_deepen(individual):
        place, half = rng.randrange(len(individual.vertices)), float(rng.choice((1, 2)))
        has_relu = _are_positive(individual)[place]
        individual.edges.insert(place, Edge(new_id(rng), Filters(half_height=half, half_width=half)))
        individual.vertices.insert(place + 1, Vertex(new_id(rng), has_relu))
    return (individual,)


def mutWiden(
    individual: _Individual, space: DNASpace, *, image_channels: int = 3, rng: _Rng = random
) -> tuple[_Individual]:
    """Give a uniform convolution two or four times as many filters, each as likely; all others keep theirs.

    The convolution after it has fewer channels for each of its input, so that it has as many as before. One whose
    channels are brought by a skip to where there are others is not widened: they would be added there.

    Args:
        individual: changed in place; it stays as it is where nothing can be widened.
        space: its search space.
        image_channels: of the template. With other images the channels after the convolution may be rounded otherwise.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutWiden")
    places = _widenable(individual, image_channels)
    if places:
        place = rng.choice(places)
        n_channels = _channels(individual, image_channels)[place + 1]
        _set_channels(individual, place, round(n_channels * rng.choice(_WIDER)), image_channels)
    return (individual,)


def mutAddGatedSkip(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Add a skip as :func:`~deap_nas.mutAddSkip` does, whose values are multiplied by a number that is learnt from 0.

    Args:
        individual: changed in place; where no pair is left it stays as it is.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutAddGatedSkip")
    add_skip(individual, rng, has_gate=True)
    return (individual,)


def mutMorph(
    individual: _Individual, space: DNASpace, *, image_channels: int = 3, rng: _Rng = random
) -> tuple[_Individual]:
    """Make the network deeper, wider, or give it a skip with a gate, each as likely, of what is possible.

    With :class:`~deap_nas.training.MorphedWeights` the child computes what its parent computes.

    Args:
        individual: changed in place.
        space: its search space.
        image_channels: see :func:`mutWiden`.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutMorph")
    possible: list[Callable[[], object]] = []
    if _can_deepen(individual):
        possible.append(lambda: mutDeepen(individual, space, rng=rng))
    if _widenable(individual, image_channels):
        possible.append(lambda: mutWiden(individual, space, image_channels=image_channels, rng=rng))
    if has_place_for_skip(individual):
        possible.append(lambda: mutAddGatedSkip(individual, space, rng=rng))
    if possible:
        rng.choice(possible)()
    return (individual,)


def mutNarrow(
    individual: _Individual, space: DNASpace, *, image_channels: int = 3, rng: _Rng = random
) -> tuple[_Individual]:
    """Leave a uniform convolution half or three quarters of its filters (Elsken 2018); all others keep theirs.

    Args:
        individual: changed in place; it stays as it is where no convolution has two filters.
        space: its search space.
        image_channels: see :func:`mutWiden`.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutNarrow")
    places = _narrowable(individual, image_channels)
    if places:
        place = rng.choice(places)
        n_channels = _channels(individual, image_channels)[place + 1]
        _set_channels(individual, place, int(n_channels * rng.choice(_NARROWER)), image_channels)
    return (individual,)


def mutShrink(
    individual: _Individual, space: DNASpace, *, image_channels: int = 3, rng: _Rng = random
) -> tuple[_Individual]:
    """Narrow a convolution, remove one, or remove a skip, each as likely, of what is possible (Elsken 2018).

    The convolution after one that is removed keeps its channels. :class:`~deap_nas.training.MorphedWeights` keeps what
    it can of the parent's function.

    Args:
        individual: changed in place; a linear model stays as it is.
        space: its search space.
        image_channels: see :func:`mutWiden`.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutShrink")
    convolutions = [place for place, edge in enumerate(individual.edges) if edge.filters is not None]
    possible: list[Callable[[], object]] = []
    if _narrowable(individual, image_channels):
        possible.append(lambda: mutNarrow(individual, space, image_channels=image_channels, rng=rng))
    if convolutions:
        possible.append(lambda: _remove(individual, rng.choice(convolutions), image_channels))
    if individual.skips:
        possible.append(lambda: mutRemoveSkip(individual, space, rng=rng))
    if possible:
        rng.choice(possible)()
    return (individual,)


def _can_deepen(dna: DNA) -> bool:
    return len(dna.vertices) < MOST_VERTICES


def _are_positive(dna: DNA) -> list[bool]:
    """For each vertex, whether none of its numbers can be negative."""
    positive: list[bool] = []
    place = {vertex.id: number for number, vertex in enumerate(dna.vertices)}
    for number, vertex in enumerate(dna.vertices):
        skips = [skip for skip in dna.skips if skip.target == vertex.id]
        is_sum = number > 0 and dna.edges[number - 1].filters is None and positive[number - 1]
        adds = all(positive[place[skip.source]] and not skip.has_gate for skip in skips)
        positive.append(vertex.has_relu or (is_sum and adds))
    return positive


def _channels(dna: DNA, image_channels: int) -> list[int]:
    """Channels of each vertex."""
    channels = [image_channels]
    for edge in dna.edges:
        channels.append(channels[-1] if edge.filters is None else _times(edge.filters.channels, channels[-1]))
    return channels


def _times(factor: float, n_channels: int) -> int:
    return ScaledConvolution(factor, 1).channels(n_channels)


def _next_convolution(dna: DNA, place: int) -> int:
    """Place of the convolution after that at a place; that behind the last edge if there is none."""
    edges = enumerate(dna.edges[place + 1 :], start=place + 1)
    return next((number for number, edge in edges if edge.filters is not None), len(dna.edges))


def _widenable(dna: DNA, image_channels: int) -> list[int]:
    """Places of the convolutions whose channels no skip brings to where there are others, and may be four times."""
    channels, number = _channels(dna, image_channels), {vertex.id: n for n, vertex in enumerate(dna.vertices)}
    places = []
    for place, edge in enumerate(dna.edges):
        last = _next_convolution(dna, place)  # the last vertex with these channels
        leaks = any(place < number[skip.source] <= last < number[skip.target] for skip in dna.skips)
        is_small = channels[place + 1] * max(_WIDER) <= LIMITS["channels"][1]
        if edge.filters is not None and not leaks and is_small:
            places.append(place)
    return places


def _narrowable(dna: DNA, image_channels: int) -> list[int]:
    channels = _channels(dna, image_channels)
    return [place for place, edge in enumerate(dna.edges) if edge.filters is not None and channels[place + 1] > 1]


def _set_channels(dna: DNA, place: int, n_channels: int, image_channels: int) -> None:
    """Give a convolution so many channels, and leave the one after it as many as it has."""
    before, after = _channels(dna, image_channels), _next_convolution(dna, place)
    _scale(dna, place, n_channels / before[place])
    if after < len(dna.edges):
        _scale(dna, after, before[after + 1] / n_channels)


def _remove(dna: DNA, place: int, image_channels: int) -> None:
    """Remove a convolution, and leave the one after it as many channels as it has."""
    before, after = _channels(dna, image_channels), _next_convolution(dna, place)
    if after < len(dna.edges):
        _scale(dna, after, before[after + 1] / before[place])
    remove_convolution(dna, place)


def _scale(dna: DNA, place: int, factor: float) -> None:
    number, filters = dna.edges[place]
    if filters is None:
        raise SettingsError(f"edge {place} is no convolution")
    low, high = LIMITS["channels"]
    dna.edges[place] = Edge(number, filters._replace(channels=min(max(factor, low), high)))
