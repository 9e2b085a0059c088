"""Networks as numbers: what occurs in the graph of a genotype, and how often.

Of two genotypes that are the same network all numbers are the same, so a model of them sees one point. Patterns are
those of Weisfeiler and Leman (Ru 2021 <https://arxiv.org/abs/2006.07556>): an operation, then an operation with what it
takes; and walks along the graph, whole paths of small cells among them (White 2021 <https://arxiv.org/abs/1910.11858>).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from deap_nas.genotype import Genotype, content_of
from deap_nas.graph import JOINS, Graph, OperationValue, graphs_of, label_of, simplify
from deap_nas.search_space import SearchSpace
from deap_nas.surrogates.surrogate import Genotypes
from deap_nas.template.costs import cost_of

__all__ = ["Features", "GraphFeatures"]

#: Number of a pattern -> its value.
Pattern: TypeAlias = Mapping[int, float]
#: Operations along a graph, as numbers.
_Walk: TypeAlias = tuple[int, ...]
#: Genotypes whose features are kept, so that one that is asked for again and again is lowered once.
_N_KEPT = 2**15
#: What of a label says how wide an operation is.
_WIDTH = re.compile(r"_(times[\d.e+-]+|\d+)(?=$|_by)")
#: Marks of the output and, downwards, of the inputs; and the pattern of what is no network.
_OUTPUT, _FIRST_INPUT = -1, -2
_NO_NETWORK = (0,)


class Features(NamedTuple):
    """What is said of one genotype, in groups that count the same whatever their size."""

    #: Operations, and operations with what they take; logarithms of counts.
    patterns: Pattern
    #: Sequences of operations along the graph, without widths; likewise.
    walks: Pattern
    #: Logarithms of parameters and FLOPs in the space's own template.
    size: Pattern


class GraphFeatures:
    """Says of genotypes of any space what occurs in their graphs.

    Args:
        space: of the genotypes.
        longest_walk: operations of the longest walks, at least 1.
    """

    def __init__(self, space: SearchSpace, *, longest_walk: int = 3) -> None:
        """See the class."""
        self._space = space
        self._template = space.default_template()
        self._longest_walk = longest_walk
        self._known: dict[Any, Features] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What is kept of known genotypes is no part of it."""
        return vars(self) | {"_known": {}}

    def of(self, genotypes: Genotypes) -> list[Features]:
        """Features of each genotype.

        Raises:
            GenotypeError: one is no genotype of the space.
        """
        return [self._of(genotype) for genotype in _as_genotypes(genotypes)]

    def _of(self, genotype: Any) -> Features:
        content = content_of(genotype)
        key = content if isinstance(content, tuple) else repr(content)
        if (found := self._known.get(key)) is None:
            if len(self._known) >= _N_KEPT:
                self._known.clear()
            found = self._known[key] = self._lowered(genotype)
        return found

    def _lowered(self, genotype: Any) -> Features:
        patterns: dict[_Walk, int] = {}
        walks: dict[_Walk, int] = {}
        graphs = graphs_of(self._space.lower(genotype))
        for number, graph in enumerate(map(simplify, graphs)):
            patterns |= {(number, *pattern): count for pattern, count in _patterns(graph).items()}
            walks |= {(number, *walk): count for walk, count in _walks(graph, self._longest_walk).items()}
        return Features(_logarithms(patterns), _logarithms(walks), self._size(graphs))

    def _size(self, graphs: Sequence[Graph]) -> Pattern:
        if any(graph.output is None for graph in graphs):
            return {}
        size = cost_of(graphs, self._template)
        return {0: math.log2(1 + size.n_parameters), 1: math.log2(1 + size.flops)}


def _as_genotypes(genotypes: Genotypes) -> Iterator[Any]:
    return map(Genotype, genotypes.tolist()) if isinstance(genotypes, np.ndarray) else iter(genotypes)


def _logarithms(counts: Mapping[tuple[int, ...], int]) -> Pattern:
    """The same pattern has the same number in every process: that of a tuple of integers is its hash."""
    return {hash(pattern): math.log2(1 + count) for pattern, count in counts.items()}


@lru_cache(maxsize=65_536)
def _number_without_width(operation: str | OperationValue) -> int:
    return _number_of(_WIDTH.sub("", label_of(operation)))


@lru_cache(maxsize=65_536)
def _number_of(label: str) -> int:
    return int.from_bytes(blake2b(label.encode(), digest_size=7).digest(), "big")


def _patterns(graph: Graph) -> Counter[tuple[int, ...]]:
    """Operations, and operations with what they take; the output is marked, lest depth be lost."""
    if graph.output is None:
        return Counter([_NO_NETWORK])
    labels = [_number_of(label_of(node.operation)) for node in graph.nodes]
    labels[graph.output] = hash((labels[graph.output], _OUTPUT))
    found: list[tuple[int, ...]] = [(label,) for label in labels]
    for label, node in zip(labels[graph.n_inputs :], graph.nodes[graph.n_inputs :], strict=True):
        found.append((label, *sorted([labels[i] for i in node.inputs])))
    return Counter(found)


def _walks(graph: Graph, longest: int) -> dict[_Walk, int]:
    """Sequences of up to so many operations, those from an input and those to the output marked as such."""
    if graph.output is None:
        return {_NO_NETWORK: 1}
    # For each node, what walks to it end with: no operation, up to one, and so on; and the mark of the input before
    # them, if they begin there.
    ends: list[list[dict[_Walk, int]]] = []
    # For each operation, what walks end with that lead to it.
    before: dict[int, dict[_Walk, int]] = {}
    for index, (operation, inputs, _, _) in enumerate(graph.nodes):
        if index < graph.n_inputs:
            ends.append([{(_FIRST_INPUT - index,): 1}] * longest)
        elif operation in JOINS:
            ends.append([_sum(parts) for parts in zip(*[ends[i] for i in inputs], strict=True)])
        else:
            source, number = ends[inputs[0]], _number_without_width(operation)
            _add(before.setdefault(number, {(): 0}), source[-1])
            before[number][()] += 1  # which begins with the operation itself
            ends.append([{(): 1 + sum(source[0].values())}, *[_longer(walks, number) for walks in source[:-1]]])
    counts = {(*walk, number): count for number, walks in before.items() for walk, count in walks.items()}
    for walk, count in _walks_to(graph.output, graph, ends).items():
        counts[(*walk, _OUTPUT)] = count
    return counts


def _walks_to(index: int, graph: Graph, ends: list[list[dict[_Walk, int]]]) -> dict[_Walk, int]:
    """Walks to a node, of one operation more than is known of each."""
    operation, inputs, _, _ = graph.nodes[index]
    if index < graph.n_inputs:
        return ends[index][0]
    if operation in JOINS:
        return _sum([_walks_to(i, graph, ends) for i in inputs])
    return _longer(ends[inputs[0]][-1], _number_without_width(operation))


def _longer(walks: dict[_Walk, int], number: int) -> dict[_Walk, int]:
    """Walks, and none, followed by an operation."""
    longer = {(*walk, number): count for walk, count in walks.items()}
    longer[number,] = 1 + longer.get((number,), 0)
    return longer


def _sum(parts: Iterable[dict[_Walk, int]]) -> dict[_Walk, int]:
    whole: dict[_Walk, int] = {}
    for part in parts:
        _add(whole, part)
    return whole


def _add(whole: dict[_Walk, int], part: dict[_Walk, int]) -> None:
    for walk, count in part.items():
        whole[walk] = whole.get(walk, 0) + count
