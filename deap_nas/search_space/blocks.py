"""Cells of blocks, each the sum of two operations on earlier values (Zoph 2018, section 3), for the spaces of them.

The paper is at <https://arxiv.org/abs/1707.07012>. The values of a cell are its two inputs, 0 and 1, which are what the
cell before the last and the last cell have given, then those of its blocks: b + 1 is block b, which counts from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from deap_nas.graph import Node, Strided
from deap_nas.search_space.reading import Edge

__all__ = [
    "N_INPUTS",
    "Blocks",
    "Operand",
    "blocks_in_words",
    "names_of",
    "nodes_of",
    "operand_edges",
    "operand_in_words",
    "unused_blocks",
    "value_in_words",
]

#: Inputs of a cell.
N_INPUTS = 2
#: Their names.
_CELLS = ("cell -2", "cell -1")
#: Their names in a drawing.
_DRAWN_CELLS = ("c-2", "c-1")


class Operand(NamedTuple):
    """One of the two values that a block adds."""

    #: Value that it reads.
    source: int
    operation: str


#: The blocks of a cell.
Blocks = Sequence[tuple[Operand, Operand]]


def blocks_in_words(blocks: Blocks) -> list[str]:
    """What each block adds."""
    return [" + ".join(map(operand_in_words, block)) for block in blocks]


def operand_in_words(operand: Operand) -> str:
    """Such as ``"conv_3x3 of cell -1"``."""
    return f"{operand.operation} of {value_in_words(operand.source)}"


def value_in_words(source: int) -> str:
    """What a value is called."""
    return _CELLS[source] if source < N_INPUTS else f"block {source - 1}"


def unused_blocks(blocks: Blocks) -> list[int]:
    """Blocks, from 1, that no other block reads; the last is one of them."""
    read = {operand.source - 1 for block in blocks for operand in block}
    return [block for block in range(1, len(blocks) + 1) if block not in read]


def names_of(blocks: Blocks) -> tuple[str, ...]:
    """What a drawing calls the values and the output."""
    return (*_DRAWN_CELLS, *map(str, range(1, len(blocks) + 1)), "out")


def operand_edges(blocks: Blocks, *, used: Sequence[int]) -> list[Edge]:
    """The operands as edges between values, which are nodes from 1.

    Args:
        blocks: of the cell.
        used: blocks, from 1, on which the output of the cell depends.
    """
    return [
        Edge(operand.source + 1, block + N_INPUTS, operand.operation, used=block in used)
        for block, operands in enumerate(blocks, start=1)
        for operand in operands
    ]


def nodes_of(blocks: Blocks, *, stride: int) -> tuple[list[Node], list[int]]:
    """Lower blocks whose operations on the inputs of the cell have a stride.

    Returns:
        The nodes, of which the path of an operation is its block and 0 or 1, and the index of each value.
    """
    nodes, values = [Node("input")] * N_INPUTS, list(range(N_INPUTS))
    for block, operands in enumerate(blocks, start=1):
        for slot, (source, name) in enumerate(operands):
            operation = Strided(name, stride) if stride > 1 and source < N_INPUTS else name
            nodes.append(Node(operation, (values[source],), 0, (block, slot)))
        nodes.append(Node("add", (len(nodes) - 2, len(nodes) - 1)))
        values.append(len(nodes) - 1)
    return nodes, values
