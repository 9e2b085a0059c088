"""The strategy of Liu 2018, algorithms 1 and 2: a changed clone of whoever wins a selection, and nobody waits."""

from __future__ import annotations

import random
from collections.abc import MutableSequence
from types import ModuleType
from typing import Any

from deap_nas.deap_protocols import Individual, VariationToolbox
from deap_nas.strategies.proposals import Proposal

__all__ = ["Tournaments"]


class Tournaments:
    """Clones who is selected among the evaluated members, and changes the clone by the operators of a toolbox.

    Args:
        members: the evaluated members; whoever keeps them adds to them and removes from them.
        toolbox: with ``select``, ``clone``, ``mutate``, and ``mate`` if there is crossover.
        cxpb: probability that the clone is first crossed with that of another selected member, in [0, 1].
        rng: that ``cxpb`` is drawn from.
    """

    def __init__(
        self,
        members: MutableSequence[Individual],
        toolbox: VariationToolbox,
        *,
        cxpb: float = 0.0,
        rng: random.Random | ModuleType = random,
    ) -> None:
        """See the class."""
        self._members = members
        self._toolbox: Any = toolbox  # with mate, or without
        self._cxpb = cxpb
        self._rng = rng

    def generate(self) -> Proposal | None:
        """Give a child of members; None while there are none."""
        if not self._members:
            return None
        select, clone = self._toolbox.select, self._toolbox.clone
        parents = [select(self._members, 1)[0]]
        child = clone(parents[0])
        if self._cxpb and self._rng.random() < self._cxpb:
            parents.append(select(self._members, 1)[0])
            child, _ = self._toolbox.mate(child, clone(parents[1]))
        (child,) = self._toolbox.mutate(child)
        return Proposal(child, parents)
