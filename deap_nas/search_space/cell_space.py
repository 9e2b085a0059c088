"""Two cells of blocks, a normal and a reduction cell, stacked to a network (Zoph 2018; Real 2018; Liu 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deap_nas.errors import GenotypeError, SettingsError
from deap_nas.graph import NASNET_OPERATIONS, Graph, Node, Strided, living
from deap_nas.search_space.blocks import (
    N_INPUTS,
    Blocks,
    Operand,
    blocks_in_words,
    names_of,
    nodes_of,
    operand_edges,
    operand_in_words,
    unused_blocks,
    value_in_words,
)
from deap_nas.search_space.changes import first_of
from deap_nas.search_space.growing import settled_operations
from deap_nas.search_space.reading import Edge, Motif
from deap_nas.search_space.space import SearchSpace, register_space
from deap_nas.template import CellStack, Template

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CellSpace"]

#: A file that asks for more is refused before they are laid out.
_MOST_BLOCKS = 256
_CELL_NAMES = ("normal cell", "reduction cell")
_RULES = ("unused", "all")
#: What each gene of a block says.
_MEANINGS = ("input 1", "operation 1", "input 2", "operation 2")


@register_space("cells")
@dataclass(frozen=True, kw_only=True)
class CellSpace(SearchSpace):
    """A normal cell and a reduction cell of ``blocks`` blocks each, every block the sum of two operations.

    This is the search space of NASNet, Zoph 2018 <https://arxiv.org/abs/1707.07012>, in which Real 2018
    <https://arxiv.org/abs/1802.01548> evolves and which Liu 2019, "DARTS" <https://arxiv.org/abs/1806.09055>, varies:
    ``CellSpace(operations=AMOEBANET_OPERATIONS)``, and ``CellSpace(blocks=4, operations=DARTS_OPERATIONS, output="all",
    distinct_inputs=True)``; the names are in ``deap_nas.graph``. Every genotype is a network.

    A genotype is a list of 8 * ``blocks`` integers: block by block the normal cell, then the reduction cell. The four
    genes of a block are the input and the operation of its first operand, then those of its second. Input 0 is the
    output of the cell before the last, 1 that of the last cell, 2 that of block 1 of the cell, and so on. With
    ``distinct_inputs`` the second input counts those that the first is not.

    In the reduction cell operations on the inputs of the cell have a stride of 2, and an identity becomes a 1x1
    convolution with that stride (:class:`~deap_nas.graph.Strided`); blocks are small as they are. The operations must
    keep the size of their input, and its channels where that is as wide as the cell.

    Args:
        blocks: of each cell, 1 to 256; "nodes" in Liu 2019.
        operations: names of registered operations, in the order of their gene values from 0.
        output: which values are concatenated as the output of a cell: ``"unused"``, the blocks that no other block
            reads; ``"all"`` blocks; or the numbers of those of the normal and of the reduction cell, counted as inputs
            are, as ``((2, 3), (1, 3))``.
        distinct_inputs: whether the operands of a block read different values.

    Raises:
        SettingsError: an argument is out of its range.
        UnknownNameError: an operation is not registered.
    """

    blocks: int = 5
    operations: tuple[str, ...] = NASNET_OPERATIONS
    output: str | tuple[tuple[int, ...], tuple[int, ...]] = "unused"
    distinct_inputs: bool = False

    evaluation_recipe = "amoebanet"

    def __post_init__(self) -> None:
        """Check the arguments, and make tuples of lists."""
        if type(self.blocks) is not int or not 1 <= self.blocks <= _MOST_BLOCKS:
            raise SettingsError(f"blocks must be an integer in 1..{_MOST_BLOCKS}, found {self.blocks!r}")
        if type(self.distinct_inputs) is not bool:
            raise SettingsError(f"distinct_inputs must be True or False, found {self.distinct_inputs!r}")
        object.__setattr__(self, "operations", settled_operations(self.operations))
        object.__setattr__(self, "output", _settled_output(self.output, self.blocks + N_INPUTS))

    @property
    def n_genes(self) -> int:  # type: ignore[override]
        """Genes of both cells."""
        return 8 * self.blocks

    @cached_property
    def low(self) -> list[int]:  # type: ignore[override]
        """Smallest value of each gene, which is 0."""
        return [0] * self.n_genes

    @cached_property
    def up(self) -> list[int]:  # type: ignore[override]
        """Largest value of each gene."""
        last = len(self.operations) - 1
        genes = [
            gene
            for n_values in range(N_INPUTS, N_INPUTS + self.blocks)
            for gene in (n_values - 1, last, n_values - 1 - self.distinct_inputs, last)
        ]
        return 2 * genes

    @property
    def token_offsets(self) -> NDArray[Any]:
        """See :attr:`SearchSpace.token_offsets`: operations and inputs are different tokens, those of cells the same.

        With ``distinct_inputs`` a second input has tokens of its own, since it is counted otherwise.
        """
        import numpy as np

        first = len(self.operations)
        second = first + self.distinct_inputs * (self.blocks + 1)
        return np.tile([first, 0, second, 0], 2 * self.blocks)

    @property
    def n_tokens(self) -> int:
        """See :attr:`SearchSpace.n_tokens`."""
        return len(self.operations) + self.blocks + 1 + self.distinct_inputs * self.blocks

    def validate(self, genotype: Sequence[int]) -> None:
        """See :meth:`SearchSpace.validate`."""
        if len(genotype) != self.n_genes:
            raise GenotypeError(
                f"expected {self.n_genes} genes, four for each of {self.blocks} blocks of two cells, "
                f"found {len(genotype)}"
            )
        for place, (gene, up) in enumerate(zip(genotype, self.up, strict=True)):
            if type(gene) is not int or not 0 <= gene <= up:
                cell, rest = divmod(place, 4 * self.blocks)
                what = f"{_CELL_NAMES[cell]}, block {rest // 4 + 1}, {_MEANINGS[place % 4]}"
                raise GenotypeError(f"gene {place} ({what}) must be an integer in 0..{up}, found {gene!r}")

    def inputs_of(self, genotype: Sequence[int], block: int) -> tuple[int, int]:
        """Give the two values that a block reads, counted as in :class:`CellSpace`.

        Args:
            genotype: of the space.
            block: from 0; those of the reduction cell follow those of the normal one.
        """
        first, second = genotype[4 * block], genotype[4 * block + 2]
        return first, second + (self.distinct_inputs and second >= first)

    def input_genes(self, first: int, second: int) -> tuple[int, int]:
        """Give the two genes by which a block reads two values, different ones if inputs are distinct."""
        return first, second - (self.distinct_inputs and second > first)

    def cells_of(self, genotype: Sequence[int]) -> tuple[Blocks, Blocks]:
        """Give the blocks of the normal and of the reduction cell: each two operands, a source and an operation.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        self.validate(genotype)
        blocks = []
        for block in range(2 * self.blocks):
            pair = zip(self.inputs_of(genotype, block), (1, 3), strict=True)
            one, other = [Operand(source, self.operations[genotype[4 * block + gene]]) for source, gene in pair]
            blocks.append((one, other))
        return blocks[: self.blocks], blocks[self.blocks :]

    def _outputs_of(self, cells: tuple[Blocks, Blocks]) -> tuple[Sequence[int], Sequence[int]]:
        """Values that the output of each cell concatenates."""
        if not isinstance(self.output, str):
            return self.output
        if self.output == "all":
            numbers = range(N_INPUTS, N_INPUTS + self.blocks)
            return numbers, numbers
        normal, reduction = ([block + 1 for block in unused_blocks(cell)] for cell in cells)
        return normal, reduction

    def lower(self, genotype: Sequence[int]) -> tuple[Graph, Graph]:
        """Give the normal and the reduction cell.

        The path of an operation is (block, 0) or (block, 1), of blocks from 1; that of an input that the output of a
        reduction cell concatenates is (0, 1) or (0, 2).

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        cells = self.cells_of(genotype)
        normal, reduction = self._outputs_of(cells)
        return _cell(cells[0], normal, stride=1), _cell(cells[1], reduction, stride=2)

    def describe(self, genotype: Sequence[int]) -> str:
        """Say in words, block by block, what a genotype means; cell -1 is the last one, cell -2 that before it.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        cells, lines = self.cells_of(genotype), []
        for name, blocks, output in zip(_CELL_NAMES, cells, self._outputs_of(cells), strict=True):
            words = enumerate(blocks_in_words(blocks), start=1)
            lines += [name, *(f"  block {block}: {text}" for block, text in words)]
            lines.append("  output: " + ", ".join(map(value_in_words, output)))
        return "\n".join(lines)

    def motifs_of(self, genotype: Sequence[int]) -> tuple[Motif, Motif]:
        """Read a genotype as two motifs, whose nodes are the two cells before, the blocks and the output.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        cells = self.cells_of(genotype)
        parts = zip(_CELL_NAMES, cells, self._outputs_of(cells), self.lower(genotype), strict=True)
        normal, reduction = (_motif(*each) for each in parts)
        return normal, reduction

    def changes(self, parent: Sequence[int], child: Sequence[int]) -> list[str]:
        """See :meth:`SearchSpace.changes`: operands that are others."""
        told = []
        for name, before, after in zip(_CELL_NAMES, self.cells_of(parent), self.cells_of(child), strict=True):
            for number, pairs in enumerate(zip(before, after, strict=True), start=1):
                words = [list(map(operand_in_words, block)) for block in pairs]
                both = zip(*words, strict=True)
                told += [f"{name}, block {number}: {new}, was {old}" for old, new in both if old != new]
        return first_of(told)

    def default_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give cells of 24 channels at first, three normal ones a stage, as Real 2018 has them in a search."""
        return CellStack(n_classes, image_channels, image_size, channels=24, n_normal=3, relu_first=True)

    def evaluation_template(self, *, n_classes: int = 10, image_channels: int = 3, image_size: int = 32) -> Template:
        """Give cells of 36 channels at first, six normal ones a stage, as Real 2018, table 1, and Liu 2019 have."""
        return CellStack(n_classes, image_channels, image_size, channels=36, n_normal=6, relu_first=True)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`SearchSpace.to_dict`."""
        output = self.output if isinstance(self.output, str) else [list(values) for values in self.output]
        return {"kind": "cells", **asdict(self), "operations": list(self.operations), "output": output}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> CellSpace:
        """Make the space that :meth:`to_dict` described; what is missing takes its default.

        Raises:
            TypeError: a field is unknown.
            SettingsError: a field is out of its range.
            UnknownNameError: an operation is not registered.
        """
        return cls(**{name: value for name, value in fields.items() if name != "kind"})


def _settled_output(output: Any, n_values: int) -> str | tuple[tuple[int, ...], ...]:
    """Check which values a cell gives; lists become tuples.

    Raises:
        SettingsError: it is neither a rule nor ascending numbers of values for each of the two cells.
    """
    if isinstance(output, str) and output in _RULES:
        return output
    is_pair = isinstance(output, list | tuple) and len(output) == 2
    if is_pair and all(_are_values(values, n_values) for values in output):
        return tuple(map(tuple, output))
    raise SettingsError(
        f"output must be one of {', '.join(map(repr, _RULES))}, or for each of the two cells ascending numbers in "
        f"0..{n_values - 1}, found {output!r:.200}"
    )


def _are_values(numbers: Any, n_values: int) -> bool:
    if not isinstance(numbers, list | tuple) or not numbers or any(type(number) is not int for number in numbers):
        return False
    return sorted(set(numbers)) == list(numbers) and numbers[0] >= 0 and numbers[-1] < n_values


def _cell(blocks: Blocks, output: Sequence[int], *, stride: int) -> Graph:
    """Lower a cell whose operations on its inputs have this stride."""
    nodes, values = nodes_of(blocks, stride=stride)
    parts = []
    for source in output:
        if source < N_INPUTS and stride > 1:
            nodes.append(Node(Strided("identity", stride), (values[source],), 0, (0, source + 1)))
            parts.append(len(nodes) - 1)
        else:
            parts.append(values[source])
    if len(parts) == 1:
        return Graph(tuple(nodes), parts[0], N_INPUTS)
    return Graph((*nodes, Node("concat", tuple(parts))), len(nodes), N_INPUTS)


def _motif(name: str, blocks: Blocks, output: Sequence[int], graph: Graph) -> Motif:
    used = {graph.nodes[index].path[0] for index in living(graph) if graph.nodes[index].path}
    names = names_of(blocks)
    edges = operand_edges(blocks, used=sorted(used))
    edges += [Edge(source + 1, len(names), "concat", used=True) for source in output]
    return Motif(name, 2, len(names), tuple(edges), names)
