"""How alike two networks are, whatever space they come from, and a fitness made of nothing else.

A network is read as a graph of a few words: convolutions by their windows, poolings, places where values meet, the
input. Channels, strides, normalisations, and what gives one value the shape of another are left out; a sum and a
concatenation are the same; a separable, a depthwise and a full convolution are the same. What is counted are the
neighbourhoods of its nodes, by the refinement of Weisfeiler and Lehman (Shervashidze 2011, "Weisfeiler-Lehman Graph
Kernels"), in both directions at once.
"""

import math
import random
from collections import Counter
from hashlib import blake2b

from deap_nas.errors import NotViableError
from deap_nas.graph import MERGES, RESIZE, graphs_of, label_of, simplify

#: Rounds of the refinement: how far around a node one looks.
ROUNDS = 3


def graph_of(space, genotype):
    """Read a genotype as ``(labels, predecessors)`` of its nodes, in topological order, of one graph after the other.

    Raises:
        NotViableError: no path leads from the input to the output.
    """
    labels, predecessors = [], []
    for graph in graphs_of(space.lower(genotype)):
        plain = simplify(graph)
        if plain.output is None:
            raise NotViableError("no path leads from the input to the output")
        read = _Reading(labels, predecessors)
        for node in plain.nodes:
            read.add(node)
        labels.append("output")
        predecessors.append((read.places[plain.output],))
    return labels, predecessors


class _Reading:
    """Adds the nodes of a graph to those that were read before."""

    def __init__(self, labels, predecessors):
        self.labels, self.predecessors = labels, predecessors
        #: Where each node's value comes from.
        self.places = []

    def add(self, node):
        sources = [self.places[index] for index in node.inputs]
        if node.operation == RESIZE:
            self.places.append(sources[0])
        elif node.operation in MERGES:
            self.places.append(self._meeting(sources))
        elif (label := word_of(node.operation)) is None:
            self.places.append(sources[0])
        else:
            self.places.append(self._new(label, sources))

    def _meeting(self, sources):
        """Values that meet; those that have met before meet here one by one."""
        flat = set()
        for source in sources:
            flat.update(self.predecessors[source] if self.labels[source] == "meeting" else (source,))
        return self._new("meeting", sorted(flat)) if len(flat) > 1 else flat.pop()

    def _new(self, label, sources):
        self.labels.append(label)
        self.predecessors.append(tuple(sources))
        return len(self.labels) - 1


def word_of(operation):
    """What an operation is called here; None for one that is left out."""
    name = operation if isinstance(operation, str) else label_of(operation)
    if name == "input":
        return name
    if "pool" in name:
        return "max pool" if name.startswith("max") else "avg pool"
    size = getattr(operation, "kernel_size", None)
    if size is None:
        size = next((part for part in name.split("_") if "x" in part and part.replace("x", "").isdigit()), None)
        return f"conv {size}" if size else None
    height, width = (size, size) if isinstance(size, int) else size
    return f"conv {height}x{width}"


def neighbourhoods(labels, predecessors, *, rounds=ROUNDS):
    """Count the neighbourhoods of all nodes, those of no radius up to those of ``rounds``; a living node's only."""
    alive = _alive(predecessors, [index for index, label in enumerate(labels) if label == "output"])
    successors = [[] for _ in labels]
    for index in alive:
        for source in predecessors[index]:
            successors[source].append(index)
    words = {index: labels[index] for index in alive}
    found = Counter(words.values())
    for _ in range(rounds):
        words = {
            index: _stable_hash(
                words[index],
                sorted(words[source] for source in predecessors[index]),
                sorted(words[target] for target in successors[index]),
            )
            for index in alive
        }
        found.update(words.values())
    return found


def _stable_hash(*parts):
    return blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def _alive(predecessors, ends):
    found, waiting = set(), list(ends)
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting.extend(predecessors[index])
    return sorted(found)


def distance(one, other):
    """Neighbourhoods that one network has and the other one lacks; 0 where these cannot tell them apart."""
    return sum(((one - other) + (other - one)).values())


class SyntheticFitness:
    """A random smooth function of a network: networks with many neighbourhoods in common have nearly the same fitness.

    Each neighbourhood has a weight of its own, drawn from a normal distribution; the fitness is their mean over the
    network's, with the norm of its counts below, so that it does not grow with the network.

    Args:
        space: of the genotypes.
        seed: of the weights.
    """

    def __init__(self, space, seed=0):
        """See the class."""
        self.space = space
        self.seed = seed
        self._weights = {}

    def __call__(self, genotype):
        """Give the fitness; about as large as a draw from the standard normal distribution.

        Raises:
            NotViableError: no path leads from the input to the output.
        """
        found = neighbourhoods(*graph_of(self.space, genotype))
        norm = math.sqrt(sum(count**2 for count in found.values()))
        return sum(count * self._weight(word) for word, count in found.items()) / norm

    def _weight(self, word):
        if word not in self._weights:
            self._weights[word] = random.Random(f"{self.seed} {word}").gauss(0, 1)
        return self._weights[word]
