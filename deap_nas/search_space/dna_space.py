"""The search space of Real 2017 <https://arxiv.org/abs/1703.01041>, section 3.2: networks of any depth and width."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from deap_nas.dna import DNA, Edge, Filters, Skip, Vertex
from deap_nas.errors import GenotypeError
from deap_nas.graph import RESIZE, BatchNormReLU, Gated, Graph, Node, OperationValue, ScaledConvolution
from deap_nas.search_space.dna_reading import changes_in_words, dna_in_words
from deap_nas.search_space.space import SearchSpace, register_space
from deap_nas.template import Template, WholeNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LEARNING_RATES", "LIMITS", "MOST_VERTICES", "DNASpace", "new_id"]

_Recipe = TypeVar("_Recipe")

#: Bits of an id; a 64-bit float holds it.
_ID_BITS = 48
#: Most vertices, so that a stranger's file cannot ask for more.
MOST_VERTICES = 10_000
#: Smallest and largest learning rate, and those of each number of :class:`~deap_nas.dna.Filters`. The paper knows no
#: limits, and no search comes near these: windows of 257 pixels, strides of 65,536.
LEARNING_RATES = (2.0**-60, 2.0**60)
LIMITS = {
    "channels": (2.0**-16, 2.0**16),
    "half_height": (0.0, 128.0),
    "half_width": (0.0, 128.0),
    "scale": (0.0, 16.0),
}
#: Numbers of a row before the backbone, of each edge with its vertex, and of each skip.
_HEADER, _STEP, _SKIP = 3, 8, 3
#: What a row holds for the filters of an identity.
_NO_FILTERS = (0.0, 0.0, 0.0, 0.0)


def new_id(rng: random.Random | ModuleType) -> int:
    """Draw the id of an edge, of a vertex or of a classifier: no other has it."""
    return 1 + int(rng.getrandbits(_ID_BITS))


@register_space("dna")
@dataclass(frozen=True)
class DNASpace(SearchSpace):
    """All :class:`~deap_nas.DNA`: backbones of convolutions and identities, with skip connections between them.

    A genotype says all channels, windows and strides itself, and its learning rate. Its network is the backbone, global
    average pooling and a linear layer; without convolutions that is a linear classifier of the mean colours.
    """

    #: Rows differ in length.
    n_genes = None
    is_network = True
    row_dtype = "float64"

    def validate(self, genotype: Any) -> None:
        """See :meth:`SearchSpace.validate`."""
        if not isinstance(genotype, DNA):
            raise GenotypeError(f"expected a DNA, found {genotype!r:.60}")
        _check_numbers(genotype)
        _check_ids(genotype)
        _check_skips(genotype)

    def lower(self, genotype: Any) -> Graph:
        """See :meth:`SearchSpace.lower`."""
        self.validate(genotype)
        return _Lowering(genotype).graph()

    def describe(self, genotype: Any) -> str:
        """Say in words, vertex by vertex, what a genotype means.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        self.validate(genotype)
        return dna_in_words(genotype)

    def changes(self, parent: Any, child: Any) -> list[str]:
        """Say in words what turned one genotype into another; nothing where they are equal."""
        return changes_in_words(parent, child)

    def adapt_recipe(self, genotype: Any, recipe: _Recipe) -> _Recipe:
        """Give the recipe with the genotype's learning rate."""
        return replace(recipe, learning_rate=genotype.learning_rate)  # type: ignore[type-var]  # recipes are dataclasses

    def default_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give a network of nothing but the genotype and a linear layer."""
        return WholeNetwork(n_classes, image_channels, image_size)

    def sample(self, *, rng: random.Random | ModuleType = random) -> DNA:
        """Draw a DNA of up to eight edges after the image, with up to four skips."""
        vertices, edges = [Vertex(0)], []
        for _ in range(rng.randint(0, 8)):
            filters = Filters(2 ** rng.uniform(-1, 1.5), rng.uniform(0, 2.5), rng.uniform(0, 2.5), rng.uniform(0, 1.5))
            edges.append(Edge(new_id(rng), filters if rng.random() < 0.75 else None))
            vertices.append(Vertex(new_id(rng), rng.random() < 0.5))
        pairs = [(source, target) for target in range(len(vertices)) for source in range(target - 1)]
        chosen = rng.sample(pairs, min(len(pairs), rng.randint(0, 4)))
        skips = [Skip(new_id(rng), vertices[source].id, vertices[target].id) for source, target in chosen]
        rate = 0.1 * 2 ** rng.uniform(-2, 2)
        return DNA.of(learning_rate=rate, head=new_id(rng), vertices=vertices, edges=edges, skips=skips)

    def encode(self, genotype: Any) -> NDArray[Any]:
        """Give a genotype as a row of numbers.

        Learning rate, id of the classifier and number of edges; for each edge its id, whether it is a convolution and
        its four numbers, then id and kind of the vertex that it leads to; for each skip its id, negative where it has a
        gate, and those of its ends.
        """
        import numpy as np

        row: list[float] = [genotype.learning_rate, genotype.head, len(genotype.edges)]
        for edge, vertex in zip(genotype.edges, genotype.vertices[1:], strict=True):
            row += (edge.id, edge.filters is not None, *(edge.filters or _NO_FILTERS), *vertex)
        for number, source, target, has_gate in sorted(genotype.skips):
            row += (-number if has_gate else number, source, target)
        return np.array(row, dtype=self.row_dtype)

    def decode(self, row: Sequence[Any] | NDArray[Any]) -> DNA:
        """See :meth:`SearchSpace.decode`."""
        numbers = list(getattr(row, "tolist", lambda: row)())
        n_edges = int(numbers[2]) if len(numbers) >= _HEADER and _is_count(numbers[2]) else -1
        n_skips, rest = divmod(len(numbers) - _HEADER - n_edges * _STEP, _SKIP)
        if not 0 <= n_edges < MOST_VERTICES or n_skips < 0 or rest:
            raise GenotypeError(f"a row of {len(numbers)} numbers, {str(numbers[:3])[:60]}, ... is that of no DNA")
        try:
            return _decoded(numbers, n_edges)
        except (OverflowError, TypeError, ValueError) as error:
            raise GenotypeError(f"a row is that of no DNA: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`SearchSpace.to_dict`."""
        return {"kind": "dna"}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> DNASpace:
        """Make the space that :meth:`to_dict` described.

        Raises:
            TypeError: there are other fields.
        """
        return cls(**{name: value for name, value in fields.items() if name != "kind"})


_BN_RELU = BatchNormReLU()
_GATED = Gated()


@lru_cache(maxsize=65_536)
def _convolution(filters: Filters, n_added: int) -> ScaledConvolution:
    return ScaledConvolution(filters.channels, filters.kernel_size, filters.stride, n_added)


class _Lowering:
    """The graph of a DNA in the making."""

    def __init__(self, dna: DNA) -> None:
        self._dna = dna
        self._nodes = [Node("input")]
        #: Index of the value of each vertex.
        self._place = {dna.vertices[0].id: 0}

    def graph(self) -> Graph:
        incoming: dict[int, list[Skip]] = defaultdict(list)
        for skip in self._dna.skips:
            incoming[skip.target].append(skip)
        value = 0
        for edge, vertex in zip(self._dna.edges, self._dna.vertices[1:], strict=True):
            skips = incoming.get(vertex.id, [])
            value = self._add_edge(edge, value, n_added=1 + sum(not skip.has_gate for skip in skips))
            if skips:
                value = self._add_skips(value, skips)
            if vertex.has_relu:
                value = self._add(_BN_RELU, (value,), (vertex.id,))
            self._place[vertex.id] = value
        return Graph(tuple(self._nodes), value, 1, (self._dna.head,))

    def _add_edge(self, edge: Edge, value: int, *, n_added: int) -> int:
        if edge.filters is None:
            return value
        return self._add(_convolution(edge.filters, n_added), (value,), (edge.id,))

    def _add_skips(self, value: int, skips: list[Skip]) -> int:
        """Add what skips bring, in the shape of the primary edge's value, those from the image first."""
        brought = []
        for skip in sorted(skips, key=lambda skip: self._place[skip.source]):
            brought.append(self._add(RESIZE, (self._place[skip.source], value)))
            if skip.has_gate:
                brought[-1] = self._add(_GATED, (brought[-1],), (skip.id,))
        return self._add("add", (value, *brought))

    def _add(self, operation: str | OperationValue, inputs: tuple[int, ...], path: tuple[int, ...] = ()) -> int:
        self._nodes.append(Node(operation, inputs, 0, path))
        return len(self._nodes) - 1


def _check_numbers(dna: DNA) -> None:
    _check_limits("the learning rate", dna.learning_rate, LEARNING_RATES)
    for number, edge in enumerate(dna.edges, start=1):
        if edge.filters is not None and not _is_sound(edge.filters):
            for name, value in edge.filters._asdict().items():
                _check_limits(f"{name} of edge {number}", value, LIMITS[name])


@lru_cache(maxsize=65_536)
def _is_sound(filters: Filters) -> bool:
    pairs = zip(filters, LIMITS.values(), strict=True)
    return all(type(value) in (float, int) and low <= value <= high for value, (low, high) in pairs)


def _check_limits(name: str, value: Any, limits: tuple[float, float]) -> None:
    if type(value) not in (float, int) or not limits[0] <= value <= limits[1]:
        raise GenotypeError(f"{name} must be a number from {limits[0]:g} to {limits[1]:g}, found {value!r}")


def _check_ids(dna: DNA) -> None:
    """Check that the backbone is one, and that each of its ids is there once."""
    if not dna.vertices or dna.vertices[0] != Vertex(0) or len(dna.vertices) != len(dna.edges) + 1:
        raise GenotypeError(
            f"a backbone is the image, Vertex(0), and a vertex after each edge, found {len(dna.vertices)} vertices, "
            f"the first {dna.vertices[:1]}, and {len(dna.edges)} edges"
        )
    if len(dna.vertices) > MOST_VERTICES:
        raise GenotypeError(f"a DNA has at most {MOST_VERTICES} vertices, found {len(dna.vertices)}")
    parts: list[Vertex | Edge | Skip] = [*dna.vertices[1:], *dna.edges, *dna.skips]
    ids = [*(part.id for part in parts), dna.head]
    wrong = next((number for number in ids if type(number) is not int or not 0 <= number <= 2**_ID_BITS), None)
    if wrong is not None or 0 in ids[:-1]:
        raise GenotypeError(f"ids must be integers from 1 to 2**{_ID_BITS}, found {0 if wrong is None else wrong!r}")
    if len(set(ids)) < len(ids):
        twice = next(number for place, number in enumerate(ids) if number in ids[:place])
        raise GenotypeError(f"ids of vertices, edges, skips and the classifier must differ, found {twice} twice")


def _check_skips(dna: DNA) -> None:
    place = {vertex.id: number for number, vertex in enumerate(dna.vertices)}
    ends = set()
    for skip in dna.skips:
        if skip.source not in place or skip.target not in place:
            raise GenotypeError(f"a skip leads from one vertex to another, found {skip}")
        if place[skip.target] < place[skip.source] + 2:
            raise GenotypeError(
                f"a skip leads forward past a vertex, found one from vertex {place[skip.source]} to vertex "
                f"{place[skip.target]}"
            )
        ends.add((skip.source, skip.target))
    if len(ends) < len(dna.skips):
        raise GenotypeError("skips must not be parallel, found two from one vertex to another")


def _is_count(number: Any) -> bool:
    return isinstance(number, (int, float)) and 0 <= number < math.inf and number == int(number)


def _decoded(numbers: list[Any], n_edges: int) -> DNA:
    """Make the DNA of a row of the right length.

    Raises:
        ValueError: an id or a sign is none; so do an OverflowError and a TypeError.
    """
    end = _HEADER + n_edges * _STEP
    vertices, edges = [Vertex(0)], []
    for start in range(_HEADER, end, _STEP):
        number, has_filters, *filters, vertex, has_relu = numbers[start : start + _STEP]
        if has_filters not in (0, 1) or has_relu not in (0, 1) or (not has_filters and tuple(filters) != _NO_FILTERS):
            raise ValueError(f"found {has_filters!r} and {has_relu!r} for yes or no, or an identity with {filters}")
        edges.append(Edge(_whole(number), Filters(*map(float, filters)) if has_filters else None))
        vertices.append(Vertex(_whole(vertex), bool(has_relu)))
    skips = [_skip(*numbers[start : start + _SKIP]) for start in range(end, len(numbers), _SKIP)]
    rate, head = float(numbers[0]), _whole(numbers[1])
    return DNA.of(learning_rate=rate, head=head, vertices=vertices, edges=edges, skips=skips)


def _skip(number: Any, source: Any, target: Any) -> Skip:
    has_gate = isinstance(number, (int, float)) and number < 0
    return Skip(_whole(-number if has_gate else number), _whole(source), _whole(target), has_gate)


def _whole(number: Any) -> int:
    if not _is_count(number):
        raise ValueError(f"an id must be an integer, found {number!r}")
    return int(number)
