"""The contract of a search space, and the registry that reads one back from a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from deap_nas.errors import UnknownNameError
from deap_nas.graph import Graph
from deap_nas.graph.operations import IMPORT_FIRST, taking_unknown_operations

__all__ = ["Edge", "Motif", "SearchSpace", "outside_spaces", "register_space", "space_from_dict"]


@dataclass(frozen=True)
class Edge:
    """One gene, read as an edge of its motif."""

    #: Node the edge leaves, from 1.
    predecessor: int
    #: Node it enters, larger than the predecessor.
    successor: int
    #: What lies on it: ``"none"``, an operation, or ``"motif K"`` of the level below.
    label: str
    #: Whether the network uses it.
    used: bool


@dataclass(frozen=True)
class Motif:
    """One small graph of a genotype, for reading and drawing."""

    #: Name, such as ``"level 2, motif 3"``.
    name: str
    level: int
    n_nodes: int
    #: One edge a gene, in gene order.
    edges: tuple[Edge, ...]

    @property
    def used(self) -> bool:
        """Whether the network uses any edge of the motif."""
        return any(edge.used for edge in self.edges)


class SearchSpace(ABC):
    """What is legal: genes in, a graph out. Immutable, comparable and picklable."""

    #: Number of genes.
    n_genes: int
    #: Smallest and largest value of each gene, as DEAP's operators want them.
    low: list[int]
    up: list[int]

    @abstractmethod
    def validate(self, genes: Sequence[int]) -> None:
        """Check that the genes belong to the space.

        Raises:
            GenotypeError: they do not; the message names the gene, its place, the allowed range and the value.
        """

    @abstractmethod
    def lower(self, genes: Sequence[int]) -> Graph:
        """Give the cell's graph as the genes describe it, dead parts included.

        Raises:
            GenotypeError: the genes do not belong to the space.
        """

    @abstractmethod
    def motifs_of(self, genes: Sequence[int]) -> tuple[Motif, ...]:
        """Read the genes as motifs, the cell first.

        Raises:
            GenotypeError: the genes do not belong to the space.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything that defines the space, as JSON can hold it; ``"kind"`` names its family."""

    def describe(self, genes: Sequence[int]) -> str:
        """Say in words, motif by motif, what the genes mean.

        Raises:
            GenotypeError: the genes do not belong to the space.
        """
        return "\n".join(map(_motif_in_words, self.motifs_of(genes)))


def _motif_in_words(motif: Motif) -> str:
    lines = [motif.name if motif.used else f"{motif.name} (unused)"]
    for edge in motif.edges:
        if edge.label != "none":
            dead = "" if edge.used or not motif.used else "  (dead)"
            lines.append(f"  {edge.predecessor} -> {edge.successor}  {edge.label}{dead}")
    return "\n".join(lines if len(lines) > 1 else [*lines, "  no edges"])


_Space = TypeVar("_Space", bound=type[Any])
_SPACES: dict[str, type[Any]] = {}


def register_space(kind: str) -> Callable[[_Space], _Space]:
    """Register a class of search spaces, with its ``from_dict``, under the ``"kind"`` of its ``to_dict``."""

    def decorate(space: _Space) -> _Space:
        _SPACES[kind] = space
        return space

    return decorate


def outside_spaces() -> dict[str, str]:
    """Modules that define the registered classes that are not of this package, by kind."""
    modules = {kind: space.__module__ for kind, space in _SPACES.items()}
    return {kind: module for kind, module in modules.items() if module.partition(".")[0] != __name__.partition(".")[0]}


def space_from_dict(fields: dict[str, Any], *, unknown_operations: bool = False) -> SearchSpace:
    """Make the search space that a ``to_dict`` described.

    Args:
        fields: what ``to_dict`` gave.
        unknown_operations: take operations of hierarchical and flat spaces that are not registered. Genes can then be
            checked, described and drawn; what needs the layers of such an operation raises an ``UnknownNameError``.

    Raises:
        UnknownNameError: its kind is not registered, or an operation is not.
    """
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in _SPACES:
        raise UnknownNameError("search space", kind, _SPACES, remedy=IMPORT_FIRST)
    with taking_unknown_operations() if unknown_operations else nullcontext():
        space: SearchSpace = _SPACES[kind].from_dict(fields)
    return space
