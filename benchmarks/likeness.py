"""How alike two networks are, whatever space they come from, and a fitness made of nothing else.

A network is said in a few words: convolutions by their windows, poolings by their kind, places where values meet, the
input, the output. Channels, strides, normalisations, and what gives one value the shape of another are left out; a sum
and a concatenation are the same; a separable, a depthwise and a full convolution are the same. What is counted are the
neighbourhoods of its nodes, by the refinement of Weisfeiler and Lehman (Shervashidze 2011, "Weisfeiler-Lehman Graph
Kernels"), in both directions at once.
"""

import math
import random
from collections import Counter
from functools import lru_cache
from hashlib import blake2b

from deap_nas.errors import NotViableError
from deap_nas.graph import JOINS, RESIZE, AvgPool2d, Conv2d, MaxPool2d, graphs_of, layers_of, pair

#: Rounds of the refinement: how far around a node one looks.
ROUNDS = 3
#: Where values are added or concatenated.
MEETING = "meeting"
#: Words of values without weights: of the same values they are the same value.
SHARED = (MEETING, "max pool", "avg pool")
#: Channels of an operation's input, for which it is asked what it is.
CHANNELS = 64


class Sketch:
    """A network in these words, said node by node in topological order, in one form for all ways to say it.

    Values that have met before meet one by one, a value comes to a meeting once, and a meeting of one value is that
    value. Equal values without weights are one node.

    Attributes:
        words: of the nodes.
        sources: of each node, the numbers of the nodes whose values it takes.
    """

    def __init__(self):
        """See the class."""
        self.words, self.sources = [], []
        self._known = {}

    def add(self, word, *sources):
        """Add a node; gives its number, or that of the node that has its value already."""
        if word == MEETING:
            sources = self._apart(sources)
            if len(sources) == 1:
                return sources[0]
        number = len(self.words)
        if word in SHARED:
            number = self._known.setdefault((word, sources), number)
        if number == len(self.words):
            self.words.append(word)
            self.sources.append(sources)
        return number

    def _apart(self, sources):
        """Values that meet, each once."""
        met = (self.sources[source] if self.words[source] == MEETING else (source,) for source in sources)
        return tuple(sorted({source for each in met for source in each}))

    def living(self):
        """Numbers of the nodes on which an output depends, in order."""
        needed = [word == "output" for word in self.words]
        for number in reversed(range(len(needed))):
            if needed[number]:
                for source in self.sources[number]:
                    needed[source] = True
        return [number for number, is_needed in enumerate(needed) if is_needed]


def graph_of(space, genotype):
    """Say a genotype as a :class:`Sketch`; where it stands for several graphs, one after the other.

    Raises:
        NotViableError: no path leads from the input to the output.
    """
    sketch = Sketch()
    for graph in graphs_of(space.lower(genotype)):
        if graph.output is None:
            raise NotViableError("no path leads from the input to the output")
        places = []
        for operation, inputs, _, _ in graph.nodes:
            word = word_of(operation)
            sources = [places[index] for index in inputs]
            places.append(sources[0] if word is None else sketch.add(word, *sources))
        sketch.add("output", places[graph.output])
    return sketch


@lru_cache(maxsize=65_536)
def word_of(operation):
    """What an operation is called here, by its layers; None for one that is left out."""
    if operation == "input":
        return operation
    if operation in JOINS:
        return None if operation == RESIZE else MEETING
    layers = layers_of(operation, CHANNELS, CHANNELS)
    windows = [pair(layer.kernel_size) for layer in layers if isinstance(layer, Conv2d)]
    if windows:
        return "conv {}x{}".format(*map(max, zip(*windows, strict=True)))
    if any(isinstance(layer, MaxPool2d) for layer in layers):
        return "max pool"
    return "avg pool" if any(isinstance(layer, AvgPool2d) for layer in layers) else None


def neighbourhoods(sketch, *, rounds=ROUNDS):
    """Count the neighbourhoods of the living nodes, from those of no radius up to those of ``rounds``.

    A neighbourhood is a number, the same in every process: one hash a node and round.
    """
    living = sketch.living()
    takers = {number: [] for number in living}
    for number in living:
        for source in sketch.sources[number]:
            takers[source].append(number)
    names = {number: _number_of(sketch.words[number]) for number in living}
    found = Counter(names.values())
    for _ in range(rounds):
        names = {
            number: hash((
                names[number],
                *sorted([names[source] for source in sketch.sources[number]]),
                0,  # between those before and those after
                *sorted([names[taker] for taker in takers[number]]),
            ))
            for number in living
        }  # fmt: skip
        found.update(names.values())
    return found


@lru_cache(maxsize=1024)
def _number_of(word):
    return int.from_bytes(blake2b(word.encode(), digest_size=7).digest(), "big")


def distance(one, other):
    """Share of the neighbourhoods of two networks that they do not have in common; 0 where these are all the same.

    The Jaccard distance of multisets, a metric of what :func:`neighbourhoods` gives; 1 where nothing is in common. It
    is a share, since by their mere number a network without layers is nearer to most than nearly all others.
    """
    if len(one) > len(other):
        one, other = other, one
    n_shared = sum(min(count, other[name]) for name, count in one.items() if name in other)
    return 1 - n_shared / (one.total() + other.total() - n_shared)


class SyntheticFitness:
    """A random smooth function of a network: networks with many neighbourhoods in common have nearly the same fitness.

    Each neighbourhood has a weight of its own, drawn from a normal distribution; the fitness is the sum of those of
    the network's, over the norm of its counts, so that it does not grow with the network. Over all seeds, that of any
    network is a draw from the standard normal distribution, and that of two networks is correlated by the cosine of
    their counts.

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
        found = neighbourhoods(graph_of(self.space, genotype))
        norm = math.sqrt(sum(count**2 for count in found.values()))
        return sum(count * self._weight(word) for word, count in found.items()) / norm

    def _weight(self, word):
        if word not in self._weights:
            self._weights[word] = random.Random(f"{self.seed} {word}").gauss(0, 1)
        return self._weights[word]
