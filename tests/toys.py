"""A search space whose genotypes are no lists: small graphs, frozen once they are made, with numbers that are none."""

import random
from dataclasses import dataclass

import numpy as np
from deap import base, creator, tools

from deap_nas.errors import GenotypeError
from deap_nas.graph import RESIZE, Convolution, Graph, Node
from deap_nas.search_space import SearchSpace, register_space
from deap_nas.template import WholeNetwork


class Wiring:
    """Layers as (where each takes its input from, channels as a share of the most, stride); nothing changes them."""

    def __init__(self, layers=()):
        if isinstance(layers, Wiring):
            layers = layers.layers
        self._layers = tuple((int(source), float(share), int(stride)) for source, share, stride in layers)

    @property
    def layers(self):
        return self._layers

    def __eq__(self, other):
        return isinstance(other, Wiring) and self.layers == other.layers

    def __hash__(self):
        return hash(self.layers)

    def __repr__(self):
        return f"Wiring({self.layers})"

    def to_genotype(self):
        return Wiring(self)


@register_space("wiring, for tests")
@dataclass(frozen=True)
class WiringSpace(SearchSpace):
    """Each layer adds itself to the value that the one before it gave, resized where need be."""

    most_layers: int = 4
    most_channels: int = 8

    n_genes = None
    row_dtype = "float64"

    def validate(self, genotype):
        if not isinstance(genotype, Wiring) or not 1 <= len(genotype.layers) <= self.most_layers:
            raise GenotypeError(f"expected a wiring of 1 to {self.most_layers} layers, found {genotype!r}")
        for place, (source, share, stride) in enumerate(genotype.layers):
            if not (0 <= source <= place and 0 < share <= 1 and stride in (1, 2)):
                raise GenotypeError(f"layer {place} of the wiring is wrong: {(source, share, stride)}")

    def lower(self, genotype):
        self.validate(genotype)
        nodes, values = [Node("input")], [0]
        for place, (source, share, stride) in enumerate(genotype.layers):
            channels = max(1, round(share * self.most_channels))
            nodes.append(Node(Convolution(channels, (3, 1), stride), (values[source],), 0, (place,)))
            new = len(nodes) - 1
            if place:
                nodes.append(Node(RESIZE, (values[-1], new)))
                nodes.append(Node("add", (new, new + 1)))
            values.append(len(nodes) - 1)
        return Graph(tuple(nodes), values[-1])

    def encode(self, genotype):
        return np.array(genotype.layers, dtype="float64").reshape(-1)

    def decode(self, row):
        row = np.asarray(row, dtype="float64")
        if row.ndim != 1 or len(row) % 3 or not np.isfinite(row).all():
            raise GenotypeError(f"expected three numbers a layer, found {row}")
        return Wiring(row.reshape(-1, 3).tolist())

    def sample(self, *, rng=random):
        n_layers = rng.randint(1, self.most_layers)
        return Wiring((rng.randint(0, place), 1 - rng.random(), rng.randint(1, 2)) for place in range(n_layers))

    def default_template(self, *, n_classes=10, image_channels=3, image_size=32):
        return WholeNetwork(n_classes, image_channels, image_size)

    def to_dict(self):
        return {"kind": "wiring, for tests", "most_layers": self.most_layers, "most_channels": self.most_channels}

    @classmethod
    def from_dict(cls, fields):
        return cls(most_layers=fields["most_layers"], most_channels=fields["most_channels"])


SPACE = WiringSpace()

creator.create("WiringFitness", base.Fitness, weights=(1.0,))
creator.create("WiringIndividual", Wiring, fitness=creator.WiringFitness)

WiringIndividual = creator.WiringIndividual


def mutate_wiring(individual, space=SPACE, *, rng=random):
    """Draw the last layers anew; nothing changes in place, so another individual comes back."""
    whole = space.sample(rng=rng).layers
    kept = rng.randrange(len(individual.layers))
    return (type(individual)((*individual.layers[:kept], *whole[kept:]) or whole),)


def cross_wirings(ind1, ind2):
    """Exchange what follows the first layer."""
    one, other = ind1.layers, ind2.layers
    return type(ind1)((*one[:1], *other[1:])), type(ind2)((*other[:1], *one[1:]))


def share_sum(genotype):
    """Plain DEAP evaluate; nothing but a plain genotype may reach a worker."""
    if type(genotype) is not Wiring:
        raise TypeError(f"expected a plain Wiring, found {type(genotype).__name__}")
    return (sum(share for _, share, _ in genotype.layers),)


def select_of_two(individuals, k, *, rng=random):
    """Tournaments of two, drawn by ``rng``."""
    pairs = [[rng.choice(individuals) for _ in range(2)] for _ in range(k)]
    return [max(pair, key=lambda individual: individual.fitness) for pair in pairs]


def make_toolbox(evaluate=share_sum, *, rng=random):
    toolbox = base.Toolbox()
    toolbox.register("individual", lambda: WiringIndividual(SPACE.sample(rng=rng)))
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("select", select_of_two, rng=rng)
    toolbox.register("mate", cross_wirings)
    toolbox.register("mutate", mutate_wiring, rng=rng)
    toolbox.register("evaluate", evaluate)
    return toolbox
