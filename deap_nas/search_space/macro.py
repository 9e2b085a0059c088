"""Whole networks whose layers read any of the layers before (Perez-Rua 2018, section 3, the macro search space)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deap_nas.graph import Graph, Node, prune
from deap_nas.search_space.growing import EPNAS_OPERATIONS, GrowingSpace, LevelGene, sum_in_words
from deap_nas.search_space.space import register_space
from deap_nas.template import Template, WholeNetwork

__all__ = ["MacroSpace"]


@register_space("macro")
@dataclass(frozen=True, kw_only=True)
class MacroSpace(GrowingSpace):
    """Networks of up to ``layers`` layers, each an operation on the sum of some layers before it.

    This is the macro search space of Perez-Rua 2018 <https://arxiv.org/abs/1808.00391>, section 3. A genotype is a
    list of integers, l of them for layer l: its operation, then for each layer before it, from the first, whether it
    reads that one (1) or not (0). A layer that reads none reads the layer before; the first layer reads the stem. What
    it reads passes a 1x1 convolution with batch normalisation and ReLU first. The last layer is the output, so layers
    from which no way leads there are dead.

    All layers have the channels of the stem; the operations must keep the size of their input. Weights are named by
    layer and operation, whatever the layer reads. With the defaults there are 6^12 * 2^66 = 1.6e29 genotypes of 12
    layers.

    Args:
        layers: most layers of a network, 1 to 256.
        operations: names of registered operations, in the order of their gene values from 0.

    Raises:
        SettingsError: an argument is out of its range.
        UnknownNameError: an operation is not registered.
    """

    layers: int = 12
    operations: tuple[str, ...] = EPNAS_OPERATIONS

    level_name: ClassVar[str] = "layer"
    is_network: ClassVar[bool] = True

    @property
    def n_levels(self) -> int:
        """Layers of the longest genotypes."""
        return self.layers

    def level_genes(self, level: int) -> tuple[LevelGene, ...]:
        """See :meth:`GrowingSpace.level_genes`."""
        n_operations = len(self.operations)
        bits = [LevelGene(f"whether it reads layer {before}", 2, n_operations) for before in range(1, level)]
        return LevelGene("operation", n_operations), *bits

    def _layers(self, genotype: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
        """Operation of each layer, and the layers that are chosen for it, which may be none."""
        for level in range(1, self.level_of(genotype) + 1):
            operation, *bits = genotype[self.genes_of(level)]
            yield self.operations[operation], [before for before, bit in enumerate(bits, start=1) if bit]

    def lower(self, genotype: Sequence[int]) -> Graph:
        """See :meth:`SearchSpace.lower`.

        The path of a layer's 1x1 convolution is (layer, 0), that of its operation (layer, 1).
        """
        self.validate(genotype)
        nodes = [Node("input")]
        outputs = [0]  # of the stem, then of each layer
        for layer, (operation, chosen) in enumerate(self._layers(genotype), start=1):
            read = tuple([outputs[before] for before in chosen]) or (outputs[-1],)
            if len(read) > 1:
                nodes.append(Node("add", read))
                read = (len(nodes) - 1,)
            nodes.append(Node("conv_1x1", read, 0, (layer, 0)))
            nodes.append(Node(operation, (len(nodes) - 1,), 0, (layer, 1)))
            outputs.append(len(nodes) - 1)
        return Graph(tuple(nodes), outputs[-1])

    def words_of(self, genotype: Sequence[int]) -> list[str]:
        """See :meth:`GrowingSpace.words_of`."""
        self.validate(genotype)
        return [
            f"{operation} of {_source(layer, chosen)}"
            for layer, (operation, chosen) in enumerate(self._layers(genotype), start=1)
        ]

    def describe(self, genotype: Sequence[int]) -> str:
        """Say in words, layer by layer, what a genotype means, and which layers are dead.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        alive = {node.path[0] for node in prune(self.lower(genotype)).nodes if node.path}
        words = enumerate(self.words_of(genotype), start=1)
        return "\n".join(f"layer {layer}: {text}{'' if layer in alive else '  (dead)'}" for layer, text in words)

    def default_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give a stem of 24 channels, as in the search of Perez-Rua 2018, section 5, and a linear layer."""
        return WholeNetwork(n_classes, image_channels, image_size, ((24, 1),))

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`SearchSpace.to_dict`."""
        return {"kind": "macro", "layers": self.layers, "operations": list(self.operations)}


def _source(layer: int, chosen: Sequence[int]) -> str:
    if not chosen:
        return "the stem" if layer == 1 else "the layer before"
    return sum_in_words("layer", chosen)
