"""Networks to draw, with a backbone and skip connections, and a space whose genotypes are such graphs."""

import random
from dataclasses import dataclass

from deap_nas.graph import RESIZE, BatchNorm2d, Conv2d, Graph, Node, OperationValue, ReLU
from deap_nas.search_space import SearchSpace
from deap_nas.template import WholeNetwork, plan_network
from tests.graphs import GRAPHS

TEMPLATE = WholeNetwork(10, 3, 32)


@dataclass(frozen=True)
class Bare(OperationValue):
    """A convolution and nothing else."""

    channels: int
    kernel_size: int
    stride: int = 1

    def layers(self, in_channels, channels):
        return (Conv2d(in_channels, self.channels, self.kernel_size, self.stride),)


@dataclass(frozen=True)
class Norm(OperationValue):
    def layers(self, in_channels, channels):
        return BatchNorm2d(in_channels), ReLU()


def backbone(n_convolutions, skips=(), *, seed=0):
    """Convolutions, most with normalisation; each skip is added to the result of a later one, resized.

    Args:
        n_convolutions: of the backbone.
        skips: pairs of the convolution whose result is taken, 0 for the image, and the one it is added to.
        seed: of channels, windows and strides.
    """
    rng = random.Random(seed)
    nodes, values, channels = [Node("input")], [0], 8
    for number in range(1, n_convolutions + 1):
        if rng.random() < 0.4:
            channels = int(channels * rng.uniform(0.8, 1.7)) + 1
        convolution = Bare(channels, rng.choice((1, 3, 3, 5)), 2 if number % 8 == 4 else 1)
        nodes.append(Node(convolution, (values[-1],), path=(len(nodes),)))
        inputs = [len(nodes) - 1]
        for source in (source for source, target in skips if target == number):
            nodes.append(Node(RESIZE, (values[source], inputs[0])))
            inputs.append(len(nodes) - 1)
        if len(inputs) > 1:
            nodes.append(Node("add", tuple(inputs)))
        if rng.random() < 0.7:
            nodes.append(Node(Norm(), (len(nodes) - 1,), path=(len(nodes),)))
        values.append(len(nodes) - 1)
    return Graph(tuple(nodes), len(nodes) - 1)


#: As they might be in an individual of Real 2017.
LARGE = backbone(25, [(3, 9), (0, 2), (5, 7), (6, 14), (10, 20), (11, 13), (15, 25), (18, 22), (2, 12)])


def steps_of(graph, template=TEMPLATE):
    return plan_network(GRAPHS, graph, template).steps


class GraphSpace(SearchSpace):
    """Genotypes are graphs themselves, each a whole network."""

    is_network = True

    def validate(self, genotype):
        pass

    def lower(self, genotype):
        return genotype

    def to_dict(self):
        return {"kind": "graphs, for tests"}

    def default_template(self, *, n_classes=10, image_channels=3, image_size=32):
        return WholeNetwork(n_classes, image_channels, image_size)
