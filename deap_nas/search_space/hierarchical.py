"""Hierarchical genotypes (Liu 2018, sections 2.1 and 2.2).

A motif is a small graph whose edges are labelled with operations (level 2) or with the motifs of the level below.
The genes are those labels, level by level, motif by motif, edge by edge; 0 stands for no edge.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from deap_nas.errors import GenotypeError, SettingsError, UnknownNameError
from deap_nas.graph import MERGES, PAPER_OPERATIONS, Graph, Node, prune
from deap_nas.graph.operations import check_operation
from deap_nas.search_space.changes import first_of
from deap_nas.search_space.reading import Edge, Motif
from deap_nas.search_space.space import SearchSpace, register_space

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GenePlace", "HierarchicalSpace"]

#: As many as a population file can hold; a file that asks for a vast space is refused before that is laid out.
_MOST_GENES = 2**16


@dataclass(frozen=True)
class GenePlace:
    """Where a gene sits; every number counts from 1, as in the paper, and the lowest level is 2."""

    level: int
    motif: int
    successor: int
    predecessor: int


@register_space("hierarchical")
@dataclass(frozen=True, kw_only=True, eq=False)
class HierarchicalSpace(SearchSpace):
    """Hierarchical genotypes of any number of levels.

    Args:
        motifs: motifs of each level from level 2 up; the last is 1, the cell.
        nodes: nodes of a motif of each level from level 2 up, at least 2.
        operations: names of registered operations, in the order of their gene values from 1.
        merge: how a node joins its incoming values, ``"concat"`` or ``"add"``.
        projected_levels: levels whose motifs, where used, are followed by a 1x1 convolution to the channels of the
            motif's input (Liu 2018, section 4.2: level 2).

    Raises:
        SettingsError: an argument is out of its range.
        UnknownNameError: an operation is not registered.
    """

    motifs: tuple[int, ...] = (6, 1)
    nodes: tuple[int, ...] = (4, 5)
    operations: tuple[str, ...] = PAPER_OPERATIONS
    merge: str = "concat"
    projected_levels: tuple[int, ...] = (2,)
    #: Number of genes.
    n_genes: int = field(init=False, repr=False)
    #: Smallest value of each gene: 0.
    low: list[int] = field(init=False, repr=False)
    #: Largest value of each gene.
    up: list[int] = field(init=False, repr=False)
    _places: tuple[GenePlace, ...] = field(init=False, repr=False)
    _offsets: dict[tuple[int, int], int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the arguments and lay out the genes."""
        for name in ("motifs", "nodes", "operations", "projected_levels"):
            object.__setattr__(self, name, _plain_tuple(name, getattr(self, name)))
        self._check()
        places: list[GenePlace] = []
        offsets: dict[tuple[int, int], int] = {}
        up: list[int] = []
        for level, (n_motifs, n_nodes) in enumerate(zip(self.motifs, self.nodes, strict=True), start=2):
            for motif in range(1, n_motifs + 1):
                offsets[level, motif] = len(places)
                edges = ((i, j) for i in range(2, n_nodes + 1) for j in range(1, i))
                places.extend(GenePlace(level, motif, i, j) for i, j in edges)
            up.extend([len(self.labels(level)) - 1] * (len(places) - len(up)))
        layout = {
            "_places": tuple(places),
            "_offsets": offsets,
            "n_genes": len(places),
            "low": [0] * len(places),
            "up": up,
        }
        for name, value in layout.items():
            object.__setattr__(self, name, value)

    def _check(self) -> None:
        if not self.motifs or len(self.motifs) != len(self.nodes):
            raise SettingsError(
                f"motifs and nodes need one entry a level, from level 2 up; found {self.motifs} and {self.nodes}"
            )
        if any(type(n) is not int or n < 1 for n in self.motifs) or self.motifs[-1] != 1:
            raise SettingsError(f"motifs must be positive and end with 1, the cell; found {self.motifs}")
        if any(type(n) is not int or n < 2 for n in self.nodes):
            raise SettingsError(f"a motif needs at least 2 nodes, its source and its sink; found nodes={self.nodes}")
        n_genes = sum(m * n * (n - 1) // 2 for m, n in zip(self.motifs, self.nodes, strict=True))
        if n_genes > _MOST_GENES:
            raise SettingsError(
                f"a space has at most {_MOST_GENES} genes, found {n_genes}: choose fewer motifs or nodes"
            )
        if not self.operations or len(set(self.operations)) != len(self.operations):
            raise SettingsError(f"operations must be different names, at least one; found {self.operations}")
        for name in self.operations:
            check_operation(name)
        if self.merge not in MERGES:
            raise UnknownNameError("merge", self.merge, MERGES)
        if any(type(n) is not int or not 2 <= n <= self.n_levels for n in self.projected_levels):
            raise SettingsError(f"projected_levels must lie in 2..{self.n_levels}, found {self.projected_levels}")

    def __eq__(self, other: object) -> bool:
        """Two spaces are equal when they have the same genes with the same meaning."""
        return isinstance(other, HierarchicalSpace) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self.motifs, self.nodes, self.operations, self.merge))

    @property
    def n_levels(self) -> int:
        """Levels, the operations (level 1) included."""
        return len(self.motifs) + 1

    def labels(self, level: int) -> tuple[str, ...]:
        """What the gene values of a level mean, from value 0 up."""
        if level == 2:
            return ("none", *self.operations)
        return ("none", *(f"motif {k}" for k in range(1, self.motifs[level - 3] + 1)))

    def place(self, gene: int) -> GenePlace:
        """Where the gene with this index sits."""
        return self._places[gene]

    def index(self, place: GenePlace) -> int:
        """Index of the gene that sits at a place."""
        i, j = place.successor, place.predecessor
        return self._offsets[place.level, place.motif] + (i - 1) * (i - 2) // 2 + j - 1

    def motif_genes(self, level: int, motif: int) -> slice:
        """Where the genes of a motif stand; ``level`` counts from 2, ``motif`` from 1."""
        start = self._offsets[level, motif]
        n_nodes = self.nodes[level - 2]
        return slice(start, start + n_nodes * (n_nodes - 1) // 2)

    @property
    def token_offsets(self) -> NDArray[Any]:
        """See :attr:`SearchSpace.token_offsets`: each level has tokens of its own."""
        import numpy as np

        counts = [len(self.labels(level)) for level in range(2, self.n_levels + 1)]
        of_levels = np.cumsum([0, *counts[:-1]])
        return of_levels[[place.level - 2 for place in self._places]]

    @property
    def n_tokens(self) -> int:
        """See :attr:`SearchSpace.n_tokens`."""
        return sum(len(self.labels(level)) for level in range(2, self.n_levels + 1))

    def validate(self, genes: Sequence[int]) -> None:
        """See :meth:`SearchSpace.validate`."""
        if len(genes) != self.n_genes:
            raise GenotypeError(f"expected {self.n_genes} genes, found {len(genes)}")
        for index, (gene, up) in enumerate(zip(genes, self.up, strict=True)):
            if type(gene) is not int or not 0 <= gene <= up:
                self._check_gene(index, _plain(gene))

    def _check_gene(self, index: int, gene: Any) -> None:
        up, place = self.up[index], self._places[index]
        if type(gene) is not int or not 0 <= gene <= up:
            raise GenotypeError(
                f"gene {index} (level {place.level}, motif {place.motif}, edge {place.predecessor} -> "
                f"{place.successor}) must be an integer in 0..{up}, found {gene!r}"
            )

    def lower(self, genes: Sequence[int]) -> Graph:
        """See :meth:`SearchSpace.lower`."""
        self.validate(genes)
        lowering = _Lowering(self, genes)
        output = lowering.motif(self.n_levels, 1, 0, ())
        return Graph(lowering.nodes(), output)

    def motifs_of(self, genes: Sequence[int]) -> tuple[Motif, ...]:
        """See :meth:`SearchSpace.motifs_of`."""
        used = {gene for node in prune(self.lower(genes)).nodes for gene in node.path}
        return tuple(self._motif(level, motif, genes, used) for level, motif in self._top_down())

    def _top_down(self) -> Iterator[tuple[int, int]]:
        for level in range(self.n_levels, 1, -1):
            for motif in range(1, self.motifs[level - 2] + 1):
                yield level, motif

    def _motif(self, level: int, motif: int, genes: Sequence[int], used: set[int]) -> Motif:
        labels = self.labels(level)
        where = self.motif_genes(level, motif)
        edges = tuple(
            Edge(self._places[gene].predecessor, self._places[gene].successor, labels[genes[gene]], gene in used)
            for gene in range(where.start, where.stop)
        )
        return Motif(self._name(level, motif), level, self.nodes[level - 2], edges)

    def _name(self, level: int, motif: int) -> str:
        return f"level {level}, " + ("cell" if level == self.n_levels else f"motif {motif}")

    def changes(self, parent: Sequence[int], child: Sequence[int]) -> list[str]:
        """See :meth:`SearchSpace.changes`: edge by edge, ``"level 2, motif 3: 1 -> 2 conv_1x1, was identity"``."""
        self.validate(parent)
        self.validate(child)
        changes = []
        for place, before, after in zip(self._places, parent, child, strict=True):
            if before != after:
                labels = self.labels(place.level)
                edge = f"{self._name(place.level, place.motif)}: {place.predecessor} -> {place.successor}"
                changes.append(f"{edge} {labels[after]}, was {labels[before]}")
        return first_of(changes)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`SearchSpace.to_dict`."""
        return {
            "kind": "hierarchical",
            "motifs": list(self.motifs),
            "nodes": list(self.nodes),
            "operations": list(self.operations),
            "merge": self.merge,
            "projected_levels": list(self.projected_levels),
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> HierarchicalSpace:
        """Make the space that :meth:`to_dict` described; what is missing takes its default.

        Raises:
            SettingsError: a field is unknown, or out of its range.
            UnknownNameError: an operation is not registered.
        """
        known = ("motifs", "nodes", "operations", "merge", "projected_levels")
        arguments = {name: value for name, value in fields.items() if name != "kind"}
        unknown = [name for name in arguments if name not in known]
        if unknown:
            raise SettingsError(f"unknown {', '.join(map(repr, unknown))}: a space is described by {', '.join(known)}")
        return HierarchicalSpace(**arguments)


def _plain(value: Any) -> Any:
    """A plain int for an integer of any type, such as NumPy's, but no bool; anything else unchanged."""
    try:
        return value if isinstance(value, bool) else int(operator.index(value))
    except TypeError:
        return value


def _plain_tuple(name: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SettingsError(f"{name} must be a sequence, found {values!r}")
    return tuple(map(_plain, values))


class _Lowering:
    """Writes the nodes of a genotype's graph, motif inside motif, as tuples of their fields."""

    def __init__(self, space: HierarchicalSpace, genes: Sequence[int]) -> None:
        self._space = space
        self._genes = list(genes)
        self._rows: list[tuple[str, tuple[int, ...], int, tuple[int, ...]]] = [("input", (), 0, ())]

    def nodes(self) -> tuple[Node, ...]:
        """Give what has been written."""
        return tuple(map(_node, self._rows))

    def motif(self, level: int, motif: int, source: int, path: tuple[int, ...]) -> int | None:
        """Value at the motif's sink for the value ``source`` at its source; None when no path leads there."""
        space, genes, rows = self._space, self._genes, self._rows
        operations = space.operations
        gene = space._offsets[level, motif]
        values: list[int | None] = [source]
        for _ in range(1, space.nodes[level - 2]):
            incoming = []
            for value in values:
                label = genes[gene]
                if label and value is not None:
                    if level == 2:  # most edges of most genotypes
                        incoming.append(len(rows))
                        rows.append((operations[label - 1], (value,), 0, (*path, gene)))
                    elif (passed := self._motif_edge(level - 1, label, value, (*path, gene))) is not None:
                        incoming.append(passed)
                gene += 1
            if len(incoming) > 1:
                rows.append((space.merge, tuple(incoming), 0, ()))
                incoming = [len(rows) - 1]
            values.append(incoming[0] if incoming else None)
        return values[-1]

    def _motif_edge(self, level: int, motif: int, source: int, path: tuple[int, ...]) -> int | None:
        """Value that a motif on an edge passes on; None when it passes nothing."""
        value = self.motif(level, motif, source, path)
        if value is None or level not in self._space.projected_levels:
            return value
        self._rows.append(("conv_1x1", (value,), source, path))
        return len(self._rows) - 1


#: A node from a tuple of its fields; quicker than ``Node(...)``, and a genotype has many.
_node = partial(tuple.__new__, Node)
