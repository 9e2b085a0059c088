"""Cells of blocks, stacked to a network (Perez-Rua 2018, section 3, the micro search space)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from deap_nas.graph import BatchNormReLU, Graph, Node, ScaledConvolution, Strided
from deap_nas.search_space.growing import EPNAS_OPERATIONS, GrowingSpace, LevelGene, sum_in_words
from deap_nas.search_space.reading import Edge, Motif
from deap_nas.search_space.space import register_space
from deap_nas.template import CellStack, Template

__all__ = ["MicroSpace"]

#: Inputs of a cell: what the two cells before have given; -1 is the last.
_CELLS = ("cell -2", "cell -1")
#: Their names in a drawing.
_DRAWN_CELLS = ("c-2", "c-1")
#: Path of the batch normalisation at the end of a cell; blocks count from 1.
_END = (0,)


class _Operand(NamedTuple):
    """One of the two values that a block adds."""

    #: Value that it reads: 0 and 1 are the inputs of the cell, b + 1 is block b.
    source: int
    operation: str


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

    def _blocks(self, genotype: Sequence[int]) -> list[tuple[_Operand, _Operand]]:
        """The two operands of each block."""
        self.validate(genotype)
        names = self.operations
        fours = (genotype[start : start + 4] for start in range(0, len(genotype), 4))
        return [(_Operand(one, names[first]), _Operand(other, names[second])) for one, first, other, second in fours]

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
        return [
            " + ".join(f"{operand.operation} of {_source(operand.source)}" for operand in block)
            for block in self._blocks(genotype)
        ]

    def describe(self, genotype: Sequence[int]) -> str:
        """Say in words, block by block, what a genotype means; cell -1 is the last one, cell -2 that before it.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        unused = sum_in_words("block", _unused(self._blocks(genotype)))
        lines = [f"block {block}: {words}" for block, words in enumerate(self.words_of(genotype), start=1)]
        return "\n".join([*lines, f"output: 1x1 convolution of {unused}"])

    def motifs_of(self, genotype: Sequence[int]) -> tuple[Motif]:
        """Read a genotype as one motif, the cell: its nodes are the two cells before, the blocks and the output.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        blocks = self._blocks(genotype)
        names = (*_DRAWN_CELLS, *map(str, range(1, len(blocks) + 1)), "out")
        edges = [
            Edge(operand.source + 1, node, operand.operation, used=True)
            for node, block in enumerate(blocks, start=3)
            for operand in block
        ]
        edges += [Edge(block + 2, len(names), "conv_1x1", used=True) for block in _unused(blocks)]
        return (Motif("cell", 2, len(names), tuple(edges), names),)

    def default_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give cells of 24 channels at first, two normal ones a stage, as in Perez-Rua 2018, section 5."""
        return CellStack(n_classes, image_channels, image_size, channels=24, n_normal=2)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`SearchSpace.to_dict`."""
        return {"kind": "micro", "blocks": self.blocks, "operations": list(self.operations)}


def _unused(blocks: Sequence[tuple[_Operand, _Operand]]) -> list[int]:
    """Blocks, from 1, that no other block reads; the last is one of them."""
    read = {operand.source - 1 for block in blocks for operand in block}
    return [block for block in range(1, len(blocks) + 1) if block not in read]


def _cell(blocks: Sequence[tuple[_Operand, _Operand]], *, stride: int) -> Graph:
    """Lower a cell whose operations on its inputs have this stride."""
    nodes = [Node("input"), Node("input")]
    values = [0, 1]  # of each source
    for block, operands in enumerate(blocks, start=1):
        for slot, (source, name) in enumerate(operands):
            operation = Strided(name, stride) if stride > 1 and source < len(_CELLS) else name
            nodes.append(Node(operation, (values[source],), 0, (block, slot)))
        values.append(_add(nodes, (len(nodes) - 2, len(nodes) - 1)))
    unused = _unused(blocks)
    for block in unused:
        projection = ScaledConvolution(1.0, 1, n_added=len(unused))
        nodes.append(Node(projection, (values[block + 1],), 0, (block, 2)))
    last = tuple(range(len(nodes) - len(unused), len(nodes)))
    nodes.append(Node(BatchNormReLU(), (_add(nodes, last),), 0, _END))
    return Graph(tuple(nodes), len(nodes) - 1, len(_CELLS))


def _add(nodes: list[Node], values: tuple[int, ...]) -> int:
    """Add the sum of values to a graph, unless it is one value; gives its index."""
    if len(values) > 1:
        nodes.append(Node("add", values))
    return len(nodes) - 1


def _source(source: int) -> str:
    return _CELLS[source] if source < len(_CELLS) else f"block {source - 1}"
