"""Networks as numbers: what occurs in the graph of a genotype, and how often.

Of two genotypes that are the same network all numbers are the same, so a model of them sees one point. Patterns are
those of Weisfeiler and Leman (Ru 2021 <https://arxiv.org/abs/2006.07556>): an operation, then an operation with what it
takes; and walks along the graph, whole paths of small cells among them (White 2021 <https://arxiv.org/abs/1910.11858>).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from deap_nas.errors import NotViableError
from deap_nas.genotype import Genotype, content_of
from deap_nas.graph import JOINS, Graph, graphs_of, label_of, simplify
from deap_nas.search_space import SearchSpace
from deap_nas.surrogates.surrogate import Genotypes
from deap_nas.template import cost

__all__ = ["Features", "GraphFeatures"]

#: Number of a pattern -> its value.
Pattern: TypeAlias = Mapping[int, float]
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
        patterns: Counter[Any] = Counter()
        walks: Counter[Any] = Counter()
        for number, graph in enumerate(map(simplify, graphs_of(self._space.lower(genotype)))):
            patterns.update({(number, *pattern): count for pattern, count in _patterns(graph).items()})
            walks.update({(number, *walk): count for walk, count in _walks(graph, self._longest_walk).items()})
        return Features(_logarithms(patterns), _logarithms(walks), self._size(genotype))

    def _size(self, genotype: Any) -> Pattern:
        try:
            size = cost(self._space, genotype, self._template)
        except NotViableError:
            return {}
        return {0: math.log2(1 + size.n_parameters), 1: math.log2(1 + size.flops)}


def _as_genotypes(genotypes: Genotypes) -> Iterator[Any]:
    return map(Genotype, genotypes.tolist()) if isinstance(genotypes, np.ndarray) else iter(genotypes)


def _logarithms(counts: Counter[tuple[int, ...]]) -> Pattern:
    """The same pattern has the same number in every process: that of a tuple of integers is its hash."""
    return {hash(pattern): math.log2(1 + count) for pattern, count in counts.items()}


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


def _walks(graph: Graph, longest: int) -> Counter[tuple[int, ...]]:
    """Sequences of up to so many operations, those from an input and those to the output marked as such."""
    if graph.output is None:
        return Counter([_NO_NETWORK])
    counts: Counter[tuple[int, ...]] = Counter()
    ending: list[Counter[tuple[int, ...]]] = []  # at each node
    for index, node in enumerate(graph.nodes):
        here: Counter[tuple[int, ...]] = Counter()
        if index < graph.n_inputs:
            here[_FIRST_INPUT - index,] = 1
        elif node.operation in JOINS:
            for i in node.inputs:
                here.update(ending[i])
        else:
            operation = _number_of(_WIDTH.sub("", label_of(node.operation)))
            here[operation,] = 1
            for walk, count in ending[node.inputs[0]].items():
                here[(*_last(walk, longest - 1), operation)] += count
            counts.update(here)
        ending.append(here)
    counts.update({(*walk, _OUTPUT): count for walk, count in ending[graph.output].items()})
    return counts


def _last(walk: tuple[int, ...], n_operations: int) -> tuple[int, ...]:
    """The end of a walk: so many operations, with the mark of the input if there are no more."""
    is_marked = walk[0] <= _FIRST_INPUT
    return walk if len(walk) - is_marked <= n_operations else walk[len(walk) - n_operations :]
