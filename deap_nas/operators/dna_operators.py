"""The linear model and the eleven mutations of Real 2017 <https://arxiv.org/abs/1703.01041>, section 3."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, TypeVar

from deap_nas.dna import DNA, Edge, Filters, Skip, Vertex
from deap_nas.errors import SettingsError
from deap_nas.search_space.dna_space import LEARNING_RATES, LIMITS, MOST_VERTICES, DNASpace, new_id

__all__ = [
    "add_skip",
    "check_dna_space",
    "has_place_for_skip",
    "initLinear",
    "mutAddSkip",
    "mutAlterLearningRate",
    "mutAlterNumberOfChannels",
    "mutAlterStride",
    "mutFilterSize",
    "mutIdentity",
    "mutInsertConvolution",
    "mutInsertOneToOne",
    "mutRemoveConvolution",
    "mutRemoveSkip",
    "mutResetWeights",
    "remove_convolution",
]

_Individual = TypeVar("_Individual", bound=DNA)
_Rng = random.Random | ModuleType


def initLinear(icls: Callable[[DNA], _Individual], space: DNASpace) -> _Individual:
    """Make the linear model that each member of the first population is (Real 2017, section 3.3).

    It has no convolution, and a learning rate of 0.1.

    Args:
        icls: class of the individual.
        space: its search space.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "initLinear")
    return icls(DNA())


def mutAlterLearningRate(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Multiply the learning rate by a factor between a half and two, whose logarithm is uniform.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutAlterLearningRate")
    individual.learning_rate = _within(individual.learning_rate * 2 ** rng.uniform(-1, 1), LEARNING_RATES)
    return (individual,)


def mutIdentity(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:  # noqa: ARG001 - as all
    """Change nothing: with inherited weights, train on.

    Args:
        individual: left as it is.
        space: its search space.
        rng: not drawn from.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutIdentity")
    return (individual,)


def mutResetWeights(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Give everything a new id, so that no weights are inherited.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the ids.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutResetWeights")
    image, *vertices = individual.vertices
    ids = {image.id: image.id, **{vertex.id: new_id(rng) for vertex in vertices}}
    individual.vertices = [Vertex(ids[vertex.id], vertex.has_relu) for vertex in individual.vertices]
    individual.edges = [Edge(new_id(rng), edge.filters) for edge in individual.edges]
    individual.skips = [
        Skip(new_id(rng), ids[skip.source], ids[skip.target], skip.has_gate) for skip in individual.skips
    ]
    individual.head = new_id(rng)
    return (individual,)


def mutInsertConvolution(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Insert a 3x3 convolution and the vertex that it leads to at a uniform place of the backbone.

    It has a stride of 1 or 2 and as many channels as its input; the vertex is linear, or has batch normalisation and
    ReLU. Each of both is as likely.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutInsertConvolution")
    _insert(individual, Filters(scale=float(rng.randrange(2))), rng)
    return (individual,)


def mutRemoveConvolution(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Remove a uniform convolution and the vertex that it leads to; without one, the individual stays as it is.

    Skips from or to that vertex then begin or end at the vertex before, but for those that would be parallel to an
    edge.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutRemoveConvolution")
    places = _convolutions(individual)
    if places:
        remove_convolution(individual, rng.choice(places))
    return (individual,)


def mutAlterStride(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Add a uniform number between -1 and 1 to the logarithm, to the base of 2, of a uniform convolution's stride.

    Args:
        individual: changed in place; without a convolution it stays as it is.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutAlterStride")
    _alter(individual, "scale", lambda value: value + rng.uniform(-1, 1), rng)
    return (individual,)


def mutAlterNumberOfChannels(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Give a uniform convolution a number of channels between half and twice as many, uniformly.

    The convolutions after it keep their number for each channel of their input.

    Args:
        individual: changed in place; without a convolution it stays as it is.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutAlterNumberOfChannels")
    _alter(individual, "channels", lambda value: rng.uniform(value / 2, 2 * value), rng)
    return (individual,)


def mutFilterSize(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Change the height or the width of a uniform convolution's window, each as likely.

    The half of it, besides the middle, becomes a uniform number between half and twice as many.

    Args:
        individual: changed in place; without a convolution it stays as it is.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutFilterSize")
    name = rng.choice(("half_height", "half_width"))
    _alter(individual, name, lambda value: rng.uniform(value / 2, 2 * value), rng)
    return (individual,)


def mutInsertOneToOne(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Insert an identity edge and the vertex that it leads to, as :func:`mutInsertConvolution` does a convolution.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutInsertOneToOne")
    _insert(individual, None, rng)
    return (individual,)


def mutAddSkip(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Add a skip from a vertex to a later one, of all pairs uniformly that no edge joins.

    Args:
        individual: changed in place; where no pair is left it stays as it is.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutAddSkip")
    add_skip(individual, rng)
    return (individual,)


def mutRemoveSkip(individual: _Individual, space: DNASpace, *, rng: _Rng = random) -> tuple[_Individual]:
    """Remove a uniform skip; without one, the individual stays as it is.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space is not that of DNA.
    """
    check_dna_space(space, "mutRemoveSkip")
    if individual.skips:
        del individual.skips[rng.randrange(len(individual.skips))]
    return (individual,)


def add_skip(dna: DNA, rng: _Rng, *, has_gate: bool = False) -> None:
    """Add a skip between a uniform pair of vertices that no edge joins, if there is one."""
    if not has_place_for_skip(dna):
        return
    taken = {(skip.source, skip.target) for skip in dna.skips}
    while True:
        source, target = sorted(rng.sample(range(len(dna.vertices)), 2))
        ends = dna.vertices[source].id, dna.vertices[target].id
        if target > source + 1 and ends not in taken:
            break
    dna.skips.append(Skip(new_id(rng), *ends, has_gate))


def remove_convolution(dna: DNA, place: int) -> None:
    """Remove an edge and the vertex that it leads to; its skips move to the vertex before."""
    before, removed = dna.vertices[place].id, dna.vertices[place + 1].id
    del dna.edges[place], dna.vertices[place + 1]
    dna.skips = list(_moved(dna, removed, before))


def has_place_for_skip(dna: DNA) -> bool:
    """Whether two vertices that are no neighbours have no skip between them."""
    n_edges = len(dna.edges)
    return len(dna.skips) < n_edges * (n_edges - 1) // 2


def _insert(dna: DNA, filters: Filters | None, rng: _Rng) -> None:
    if len(dna.vertices) == MOST_VERTICES:
        return
    place = rng.randrange(len(dna.vertices))
    dna.edges.insert(place, Edge(new_id(rng), filters))
    dna.vertices.insert(place + 1, Vertex(new_id(rng), rng.random() < 0.5))


def _convolutions(dna: DNA) -> list[int]:
    return [place for place, edge in enumerate(dna.edges) if edge.filters is not None]


def _alter(dna: DNA, name: str, change: Callable[[float], float], rng: _Rng) -> None:
    """Change a number of a uniform convolution."""
    places = _convolutions(dna)
    if places:
        place = rng.choice(places)
        number, filters = dna.edges[place]
        value = _within(change(getattr(filters, name)), LIMITS[name])
        dna.edges[place] = Edge(number, filters._replace(**{name: value}))  # type: ignore[union-attr]  # it is one


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def _moved(dna: DNA, removed: int, before: int) -> Iterator[Skip]:
    """Skips after a vertex has been removed: those that were its own are that before, if no edge is parallel."""
    place = {vertex.id: number for number, vertex in enumerate(dna.vertices)}
    taken = {(skip.source, skip.target) for skip in dna.skips}
    for skip in dna.skips:
        source, target = (before if end == removed else end for end in (skip.source, skip.target))
        ends = source, target
        is_changed = removed in (skip.source, skip.target)
        if place[ends[1]] >= place[ends[0]] + 2 and not (is_changed and ends in taken):
            taken.add(ends)
            yield Skip(skip.id, *ends, skip.has_gate)


def check_dna_space(space: Any, operator: str) -> None:
    """Check that an operator has been given the space that it is for.

    Raises:
        SettingsError: it is another.
    """
    if not isinstance(space, DNASpace):
        raise SettingsError(
            f"{operator} is for genotypes of DNASpace, and {type(space).__name__} has others: take an operator of that "
            "space, such as mutGene, for any space of lists of ints"
        )
