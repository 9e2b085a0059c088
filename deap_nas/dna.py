"""The genotype of Real 2017 <https://arxiv.org/abs/1703.01041>, section 3.2: a graph of convolutions, as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple, Self

from deap_nas.errors import GenotypeError

__all__ = ["DNA", "Edge", "Filters", "Skip", "Vertex"]


class Filters(NamedTuple):
    """Parameters of a convolution, each a float of which the network takes a rounded value."""

    #: Channels of the output for each channel of the input, above 0.
    channels: float = 1.0
    #: Height of the window, and its width, are twice as many pixels, and one; at least 0.
    half_height: float = 1.0
    half_width: float = 1.0
    #: Logarithm to the base of 2 of the stride, at least 0.
    scale: float = 0.0

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Height and width of the window in pixels; both are odd."""
        return 2 * round(self.half_height) + 1, 2 * round(self.half_width) + 1

    @property
    def stride(self) -> int:
        """A power of 2."""
        return 1 << round(self.scale)


class Edge(NamedTuple):
    """An edge of the backbone, from a vertex to the next one."""

    #: Stays for as long as the edge is there; its weights are known by it.
    id: int
    #: None for the identity.
    filters: Filters | None = None


class Vertex(NamedTuple):
    """A vertex of the backbone: the sum of what comes in, then batch normalisation and ReLU or nothing."""

    #: Stays for as long as the vertex is there; 0 for the image.
    id: int
    #: Whether it has batch normalisation and ReLU; else it is linear.
    has_relu: bool = False


class Skip(NamedTuple):
    """An identity edge from a vertex of the backbone to a later one that is not the next."""

    id: int
    #: Ids of its vertices.
    source: int
    target: int
    #: Whether what it brings is multiplied by a number that is learnt, 0 at first (:class:`~deap_nas.graph.Gated`), so
    #: that a trained network may be given it without a change of its function.
    has_gate: bool = False


class DNA:
    """A network as a backbone of vertices and edges, with skip connections, and its learning rate.

    Plain data: equal where the content is, copied by ``deepcopy``, pickled. ``creator.create("Individual", DNA,
    fitness=creator.FitnessMax)`` makes an individual of it. Operators such as :func:`~deap_nas.mutLargeScale` change it
    in place; what is legal is said by :class:`~deap_nas.DNASpace`.

    Args:
        genotype: another one, to be copied; by default the linear model of Real 2017, section 3.3.

    Attributes:
        learning_rate: of the training, above 0.
        head: id of the weights of the classifier.
        vertices: of the backbone, in order; the first is the image.
        edges: of the backbone, in order; edge i goes from vertex i to vertex i + 1. It is the primary edge of that
            vertex: its value says which size and how many channels the vertex has.
        skips: skip connections, in any order; what they bring is resized.
    """

    def __init__(self, genotype: DNA | None = None) -> None:
        """See the class."""
        if genotype is not None and not isinstance(genotype, DNA):
            raise GenotypeError(f"a DNA is made of another DNA, found {genotype!r}")
        self.learning_rate: float = 0.1 if genotype is None else genotype.learning_rate
        self.head: int = 0 if genotype is None else genotype.head
        self.vertices: list[Vertex] = [Vertex(0)] if genotype is None else list(genotype.vertices)
        self.edges: list[Edge] = [] if genotype is None else list(genotype.edges)
        self.skips: list[Skip] = [] if genotype is None else list(genotype.skips)

    @classmethod
    def of(
        cls,
        *,
        learning_rate: float,
        head: int,
        vertices: Iterable[Vertex],
        edges: Iterable[Edge],
        skips: Iterable[Skip] = (),
    ) -> Self:
        """Make one of its parts."""
        dna = cls()
        dna.learning_rate, dna.head = learning_rate, head
        dna.vertices, dna.edges, dna.skips = list(vertices), list(edges), list(skips)
        return dna

    @property
    def _content(self) -> tuple[Any, ...]:
        return self.learning_rate, self.head, self.vertices, self.edges, sorted(self.skips)

    def __eq__(self, other: object) -> bool:
        """Whether the content is the same; the fitness of an individual is not looked at."""
        return self._content == other._content if isinstance(other, DNA) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        """Name the class and the size."""
        n_convolutions = sum(edge.filters is not None for edge in self.edges)
        return (
            f"{type(self).__name__}(learning_rate={self.learning_rate:.4g}, vertices={len(self.vertices)}, "
            f"convolutions={n_convolutions}, skips={len(self.skips)})"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy it with all that an individual has besides; its parts never change, so its lists may share them."""
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        for name, value in vars(self).items():
            vars(copy)[name] = list(value) if name in ("vertices", "edges", "skips") else deepcopy(value, memo)
        return copy

    def to_genotype(self) -> DNA:
        """Give the plain genotype, without the fitness of an individual."""
        return DNA(self)

    def to_dict(self) -> dict[str, Any]:
        """Give the content as JSON can hold it."""
        return {
            "learning_rate": self.learning_rate,
            "head": self.head,
            "vertices": [vertex._asdict() for vertex in self.vertices],
            "edges": [
                {"id": edge.id, "filters": None if edge.filters is None else edge.filters._asdict()}
                for edge in self.edges
            ],
            "skips": [skip._asdict() for skip in self.skips],
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Make what :meth:`to_dict` described; whether it is legal is for a search space to say.

        Raises:
            GenotypeError: it did not describe it.
        """
        try:
            edges = [(each["id"], each["filters"]) for each in fields["edges"]]
            return cls.of(
                learning_rate=fields["learning_rate"],
                head=fields["head"],
                vertices=[Vertex(**each) for each in fields["vertices"]],
                edges=[Edge(number, None if filters is None else Filters(**filters)) for number, filters in edges],
                skips=[Skip(**each) for each in fields["skips"]],
            )
        except (LookupError, TypeError, ValueError) as error:
            raise GenotypeError(f"expected what DNA.to_dict gives, found {str(fields)[:60]}: {error}") from error

    def to_json(self) -> str:
        """Give the content as a JSON object."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a genotype that :meth:`to_json` wrote.

        Raises:
            GenotypeError: the text is no such object.
        """
        try:
            fields = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise GenotypeError(f"expected a JSON object, found {text[:40]!r}: {error}") from error
        return cls.from_dict(fields)
