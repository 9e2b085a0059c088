"""Cells of blocks, stacked to a network (Perez-Rua 2018, section 3, the micro search space)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deap_nas.graph import BatchNormReLU, Graph, Node, ScaledConvolution
from deap_nas.search_space.blocks import (
    N_INPUTS,
    Blocks,
    Operand,
    blocks_in_words,
    names_of,
    nodes_of,
    operand_edges,
    unused_blocks,
)
from deap_nas.search_space.growing import EPNAS_OPERATIONS, GrowingSpace, LevelGene, sum_in_words
from deap_nas.search_space.reading import Edge, Motif
from deap_nas.search_space.space import register_space
from deap_nas.template import CellStack, Template

__all__ = ["MicroSpace"]

#: Path of the batch normalisation at the end of a cell; blocks count from 1.
_END = (0,)


@register_space("micro")
@dataclass(frozen=True, kw_only=True)
class MicroSpace(GrowingSpace):
    """Cells of up to ``blocks`` blocks, each the sum of two operations.

    This is the micro search space of Perez-Rua 2018 <https://arxiv.org/abs/1808.00391>, section 3. A genotype is a
    list of integers, four for each block: the input and the operation of its first operand, then those of its second.
    Input 0 is the output of the cell before the last, 1 that of the last cell, 2 that of block 1, and so on. The blocks
    that no other block reads are the cell's output: their concatenation passes a 1x1 convolution to the channels of a
    block, batch normalisation and ReLU. The convolution is made as the sum of one for each such block, which is the
    same, and its weights have one shape whatever blocks are unused.

    A genotype is two cells, a normal one and one that halves height and width, as :class:`~deap_nas.CellStack` takes
    them. There operations on the inputs of the cell have a stride of 2, an identity becomes a 1x1 convolution with that
    stride, batch normalisation and ReLU (:class:`~deap_nas.graph.Strided`), and blocks are small as they are. The
    operations must keep the size of their input.

    Weights are named by the cell's place in the network, block, operand and operation, whatever the operand reads. With
    the defaults, seven operations, there are 1.46e14 genotypes of 5 blocks; the paper counts 5e14, the 5.57e14 of eight
    operations. Operands that change places are the same network, and so are blocks that do.

    Args:
        blocks: most blocks of a cell, 1 to 256.
        operations: names of registered operations, in the order of their gene values from 0.

    Raises:
        SettingsError: an argument is out of its range.
        UnknownNameError: an operation is not registered.
    """

    blocks: int = 5
    operations: tuple[str, ...] = (*EPNAS_OPERATIONS, "identity")

    level_name: ClassVar[str] = "block"

    @property
    def n_levels(self) -> int:
        """Blocks of the longest genotypes."""
        return self.blocks

    def level_genes(self, level: int) -> tuple[LevelGene, ...]:
        """See :meth:`GrowingSpace.level_genes`."""
        n_operations, n_inputs = len(self.operations), level + 1
        return (
            LevelGene("input 1", n_inputs, n_operations),
            LevelGene("operation 1", n_operations),
            LevelGene("input 2", n_inputs, n_operations),
            LevelGene("operation 2", n_operations),
        )

    def _blocks(self, genotype: Sequence[int]) -> list[tuple[Operand, Operand]]:
        """The two operands of each block."""
        self.validate(genotype)
        names = self.operations
        fours = (genotype[start : start + 4] for start in range(0, len(genotype), 4))
        return [(Operand(one, names[first]), Operand(other, names[second])) for one, first, other, second in fours]

    def lower(self, genotype: Sequence[int]) -> tuple[Graph, Graph]:
        """Give the normal and the reduction cell.

        The path of an operation is (block, 0) or (block, 1), that of the 1x1 convolution of a block's output is
        (block, 2), and that of the batch normalisation at the end (0,).

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        blocks = self._blocks(genotype)
        return _cell(blocks, stride=1), _cell(blocks, stride=2)

    def words_of(self, genotype: Sequence[int]) -> list[str]:
        """See :meth:`GrowingSpace.words_of`."""
        return blocks_in_words(self._blocks(genotype))

    def describe(self, genotype: Sequence[int]) -> str:
        """Say in words, block by block, what a genotype means; cell -1 is the last one, cell -2 that before it.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        blocks = self._blocks(genotype)
        lines = [f"block {block}: {words}" for block, words in enumerate(blocks_in_words(blocks), start=1)]
        return "\n".join([*lines, f"output: 1x1 convolution of {sum_in_words('block', unused_blocks(blocks))}"])

    def motifs_of(self, genotype: Sequence[int]) -> tuple[Motif]:
        """Read a genotype as one motif, the cell: its nodes are the two cells before, the blocks and the output.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        blocks = self._blocks(genotype)
        names = names_of(blocks)
        edges = operand_edges(blocks, used=range(1, len(blocks) + 1))
        edges += [Edge(block + N_INPUTS, len(names), "conv_1x1", used=True) for block in unused_blocks(blocks)]
        return (Motif("cell", 2, len(names), tuple(edges), names),)

    def default_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give cells of 24 channels at first, two normal ones a stage, as in Perez-Rua 2018, section 5."""
        return CellStack(n_classes, image_channels, image_size, channels=24, n_normal=2)

    def evaluation_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give cells of 96 channels at first, three normal ones a stage, as in Perez-Rua 2018, section 5."""
        return CellStack(n_classes, image_channels, image_size, channels=96, n_normal=3)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`SearchSpace.to_dict`."""
        return {"kind": "micro", "blocks": self.blocks, "operations": list(self.operations)}


def _cell(blocks: Blocks, *, stride: int) -> Graph:
    """Lower a cell whose operations on its inputs have this stride."""
    nodes, values = nodes_of(blocks, stride=stride)
    unused = unused_blocks(blocks)
    for block in unused:
        projection = ScaledConvolution(1.0, 1, n_added=len(unused))
        nodes.append(Node(projection, (values[block + 1],), 0, (block, 2)))
    if len(unused) > 1:
        nodes.append(Node("add", tuple(range(len(nodes) - len(unused), len(nodes)))))
    nodes.append(Node(BatchNormReLU(), (len(nodes) - 1,), 0, _END))
    return Graph(tuple(nodes), len(nodes) - 1, N_INPUTS)
