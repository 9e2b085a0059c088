"""Mutations of cells of blocks (Real 2018): another input of an operation, another operation.

The paper is at <https://arxiv.org/abs/1802.01548>.
"""

from __future__ import annotations

import random
from collections.abc import MutableSequence
from types import ModuleType
from typing import Any, TypeVar

from deap_nas.errors import SettingsError
from deap_nas.search_space import CellSpace

__all__ = ["mutCell", "mutHiddenState", "mutOperation"]

_Individual = TypeVar("_Individual", bound=MutableSequence[int])


def mutHiddenState(
    individual: _Individual, space: CellSpace, *, rng: random.Random | ModuleType = random
) -> tuple[_Individual]:
    """Let one operand of a block read another value (Real 2018, "Evolutionary algorithm").

    The cell, one of its blocks and one of its two operands are drawn uniformly; then the value, uniformly among the
    other ones that stand before the block, so that there is no loop. Where operands read distinct values, that of the
    other operand is left out, and so are blocks that have no choice.

    Args:
        individual: changed in place.
        space: its search space.
        rng: source of the random draws.

    Returns:
        A tuple of the individual, which is unchanged if no block has a choice.

    Raises:
        SettingsError: the space has no normal and reduction cell.
    """
    _check_cells(space, "mutHiddenState")
    n_without_choice = int(space.distinct_inputs)  # the first block of a cell
    if space.blocks > n_without_choice:
        cell, slot = rng.randrange(2), rng.randrange(2)
        number = rng.randrange(n_without_choice, space.blocks)
        block = cell * space.blocks + number
        inputs = list(space.inputs_of(individual, block))
        taken = inputs if space.distinct_inputs else [inputs[slot]]
        inputs[slot] = rng.choice([source for source in range(2 + number) if source not in taken])
        individual[4 * block], individual[4 * block + 2] = space.input_genes(*inputs)
    return (individual,)


def mutOperation(
    individual: _Individual,
    space: CellSpace,
    *,
    must_change: bool = False,
    rng: random.Random | ModuleType = random,
) -> tuple[_Individual]:
    """Give one operand of a block a random operation (Real 2018, "Evolutionary algorithm").

    The cell, one of its blocks and one of its two operands are drawn uniformly, then the operation, uniformly among
    all: it may be the current one, so a mutation may change nothing.

    Args:
        individual: changed in place.
        space: its search space.
        must_change: draw the operation among the others only.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no normal and reduction cell, or ``must_change`` and a single operation.
    """
    _check_cells(space, "mutOperation")
    n_choices = len(space.operations) - must_change
    if not n_choices:
        raise SettingsError(f"mutOperation finds no other operation than {space.operations[0]!r}: give the space more")
    gene = 2 * rng.randrange(4 * space.blocks) + 1
    value = rng.randrange(n_choices)
    individual[gene] = value + (must_change and value >= individual[gene])
    return (individual,)


def mutCell(
    individual: _Individual,
    space: CellSpace,
    *,
    identitypb: float = 0.05,
    rng: random.Random | ModuleType = random,
) -> tuple[_Individual]:
    """Change nothing, the input of an operand or its operation, as Real 2018 does.

    Args:
        individual: changed in place.
        space: its search space.
        identitypb: probability that nothing is changed, in [0, 1]; :func:`mutHiddenState` and :func:`mutOperation`
            share the rest equally.
        rng: source of the random draws.

    Returns:
        A tuple of the individual.

    Raises:
        SettingsError: the space has no normal and reduction cell, or ``identitypb`` is out of its range.
    """
    _check_cells(space, "mutCell")
    if not 0 <= identitypb <= 1:
        raise SettingsError(f"identitypb must lie in [0, 1], found {identitypb}")
    if rng.random() < identitypb:
        return (individual,)
    return rng.choice((mutHiddenState, mutOperation))(individual, space, rng=rng)


def _check_cells(space: Any, operator: str) -> None:
    if not hasattr(space, "input_genes"):
        raise SettingsError(
            f"{operator} is for a normal and a reduction cell, the genotypes of CellSpace, and {type(space).__name__} "
            f"has none: take mutGene, for any space of lists of ints"
        )
