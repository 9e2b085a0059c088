"""Networks made by people, for evolution to find: as a graph, and as a genotype of each representation that has them.

To add one, add a :class:`Target` to ``TARGETS``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compared import REPRESENTATIONS
from likeness import MEETING, Sketch

from deap_nas import DNA, Genotype
from deap_nas.dna import Edge, Filters, Skip, Vertex
from deap_nas.search_space import GenePlace

C1, C3, POOL, IDENTITY = "conv_1x1", "separable_conv_3x3", "max_pool_3x3", "identity"


@dataclass(frozen=True)
class Target:
    """A network, and who can say it."""

    network: Sketch
    #: Name of a representation -> a genotype of it that is the network.
    by_hand: Mapping[str, Any]
    #: Name of a representation -> why none of its genotypes is.
    missing: Mapping[str, str]


def plain(n_convolutions=6):
    """3x3 convolutions, one after the other, as in VGG (Simonyan 2015)."""
    network = Sketch()
    value = network.add("input")
    for _ in range(n_convolutions):
        value = network.add("conv 3x3", value)
    network.add("output", value)
    return network


def residual(n_blocks=3):
    """Blocks of two 3x3 convolutions, which each block's input passes by, as in ResNet (He 2016)."""
    network = Sketch()
    value = network.add("input")
    for _ in range(n_blocks):
        inner = network.add("conv 3x3", network.add("conv 3x3", value))
        value = network.add(MEETING, value, inner)
    network.add("output", value)
    return network


def inception():
    """Four branches that meet, as in an Inception module (Szegedy 2015), its 5x5 convolution as two of 3x3."""
    network = Sketch()
    image = network.add("input")
    branches = [("conv 1x1",), ("conv 1x1", "conv 3x3"), ("conv 1x1", "conv 3x3", "conv 3x3"), ("max pool", "conv 1x1")]
    ends = []
    for branch in branches:
        value = image
        for word in branch:
            value = network.add(word, value)
        ends.append(value)
    network.add("output", network.add(MEETING, *ends))
    return network


def of_motifs(name, motifs):
    """Make a genotype of motifs.

    Args:
        name: of its representation.
        motifs: (level, motif) -> (predecessor, successor) -> label, of the edges that are there; all from 1 on.
    """
    space = REPRESENTATIONS[name].space
    genes = [0] * space.n_genes
    for (level, motif), edges in motifs.items():
        for (predecessor, successor), label in edges.items():
            gene = space.index(GenePlace(level, motif, successor, predecessor))
            genes[gene] = space.labels(level).index(label)
    return Genotype(genes)


def dna(n_convolutions, skips=()):
    """Make a DNA of 3x3 convolutions, and of skips from a vertex to another; 0 is the image."""
    ids = range(1, 1 + n_convolutions)
    return DNA.of(
        learning_rate=0.1,
        head=0,
        vertices=[Vertex(0), *(Vertex(number, has_relu=True) for number in ids)],
        edges=[Edge(100 + number, Filters()) for number in ids],
        skips=[Skip(200 + source, source, target) for source, target in skips],
    )


def chain(*labels):
    """Label the edges from one node to the next: a motif of layers that follow each other."""
    return {(place, place + 1): label for place, label in enumerate(labels, start=1)}


NO_MEETINGS = "values never meet in a chain"

PLAIN = Target(
    plain(),
    {
        "hierarchical": of_motifs("hierarchical", {
            (2, 1): chain(C3, C3, C3),
            (3, 1): {(1, 2): "motif 1", (2, 5): "motif 1"},
        }),
        "flat": of_motifs("flat", {(2, 1): chain(*[C3] * 6, *[IDENTITY] * 4)}),
        "DNA": dna(6),
        "chain": Genotype([0, 0, 1, 0] * 6),  # a convolution with the second of the windows, 3x3
    },
    {},
)  # fmt: skip

RESIDUAL = Target(
    residual(),
    {
        "hierarchical": of_motifs("hierarchical", {
            (2, 1): chain(C3, C3, IDENTITY) | {(1, 4): IDENTITY},
            (3, 1): {(1, 2): "motif 1", (2, 3): "motif 1", (3, 5): "motif 1"},
        }),
        "flat": of_motifs("flat", {
            (2, 1): chain(*[C3] * 6, *[IDENTITY] * 4) | {(1, 3): IDENTITY, (3, 5): IDENTITY, (5, 7): IDENTITY},
        }),
        "DNA": dna(6, [(0, 2), (2, 4), (4, 6)]),
    },
    {"chain": NO_MEETINGS},
)  # fmt: skip

INCEPTION = Target(
    inception(),
    {
        "hierarchical": of_motifs("hierarchical", {
            (2, 1): {(1, 4): C1},
            (2, 2): {(1, 2): C1, (2, 4): C3},
            (2, 3): chain(C1, C3, C3),
            (2, 4): {(1, 2): POOL, (2, 4): C1},
            (2, 5): {(1, 4): IDENTITY},
            (3, 1): {
                (1, 5): "motif 1",
                (1, 2): "motif 2", (2, 5): "motif 5",
                (1, 3): "motif 3", (3, 5): "motif 5",
                (1, 4): "motif 4", (4, 5): "motif 5",
            },
        }),
        "flat": of_motifs("flat", {
            (2, 1): {
                (1, 11): C1,
                (1, 2): C1, (2, 11): C3,
                (1, 3): C1, (3, 4): C3, (4, 11): C3,
                (1, 5): POOL, (5, 11): C1,
            },
        }),
    },
    {"DNA": "a DNA has no poolings", "chain": NO_MEETINGS},
)  # fmt: skip

#: Name -> network.
TARGETS = {"plain chain": PLAIN, "residual blocks": RESIDUAL, "Inception module": INCEPTION}
