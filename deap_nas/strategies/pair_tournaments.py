"""The strategy of Real 2017 <https://arxiv.org/abs/1703.01041>, section 3.1: of a pair one dies, one has a child."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any

from deap_nas.deap_protocols import EvaluatedIndividual, Individual, VariationToolbox
from deap_nas.errors import SettingsError
from deap_nas.strategies.proposals import Proposal

__all__ = ["PairTournaments"]


class PairTournaments:
    """Draws two members: the less fit one is removed, and a changed clone of the other one is proposed.

    Until there are ``size`` members, those whose evaluation goes on included, and where nobody has been evaluated, a
    first individual is proposed instead. A member that is alone has a child, and stays.

    Register ``strategy.generate`` and ``strategy.update`` in a toolbox for :func:`deap_nas.eaAsyncGenerateUpdate`, any
    search space will do::

        strategy = PairTournaments(toolbox, size=1000, rng=rng)
        toolbox.register("generate", strategy.generate)
        toolbox.register("update", strategy.update)

    The two ways out of local optima of section 5 are ``bursts`` and ``resets``. Both go by the number of the evaluation
    in the run.

    Args:
        toolbox: with ``individual()``, which makes a member of the first population, ``clone`` and ``mutate``; with
            ``reset`` where there are resets, such as :func:`deap_nas.mutResetWeights`.
        size: members of the population, at least 2; the paper's is 1000.
        selects: whether fitness decides who of a pair is removed; without, chance does, as in the control of section 4.
        bursts: periods in which a child has several mutations, each as (first evaluation, evaluation after the last,
            mutations).
        resets: evaluations before which all members at that time are replaced, each by a clone that ``toolbox.reset``
            has changed and that is evaluated anew; members whose evaluation went on are replaced when it has ended.
        rng: that pairs are drawn from.

    Raises:
        SettingsError: ``size`` is below 2, a burst is none, or the toolbox lacks something.
    """

    def __init__(
        self,
        toolbox: VariationToolbox,
        *,
        size: int = 1000,
        selects: bool = True,
        bursts: Sequence[tuple[int, int, int]] = (),
        resets: Collection[int] = (),
        rng: random.Random | ModuleType = random,
    ) -> None:
        """See the class."""
        if not isinstance(size, int) or size < 2:
            raise SettingsError(f"size must be an integer of at least 2, found {size!r}")
        names = ("individual", "clone", "mutate", *(["reset"] if resets else []))
        if missing := [name for name in names if not hasattr(toolbox, name)]:
            raise SettingsError(f"the toolbox has no {missing[0]}: toolbox.register({missing[0]!r}, ...)")
        self._toolbox: Any = toolbox
        self._size = size
        self._selects = selects
        self._bursts = [_checked(burst) for burst in bursts]
        self._resets = sorted(resets)
        self._rng = rng
        self._members: list[EvaluatedIndividual] = []
        #: Proposals so far, and updates.
        self._n_proposed = 0
        self._n_updated = 0

    def generate(self) -> Proposal:
        """Propose a child of a member and whom it replaces; or a first individual; or a member with new weights."""
        number = self._n_proposed
        self._n_proposed += 1
        if (stale := self._stale(number)) is not None:
            return Proposal(self._toolbox.reset(self._toolbox.clone(stale))[0], [stale], [stale])
        n_running = number - self._n_updated
        if not self._members or len(self._members) + n_running < self._size:
            return Proposal(self._toolbox.individual())
        parent, dead = self._pair()
        child = self._toolbox.clone(parent)
        for _ in range(self._n_mutations(number)):
            (child,) = self._toolbox.mutate(child)
        return Proposal(child, [parent], dead)

    def update(self, individual: EvaluatedIndividual) -> None:
        """Let an individual join the members."""
        self._n_updated += 1
        self._members.append(individual)

    def remove(self, individuals: Sequence[Individual]) -> None:
        """Let members leave."""
        leaving = set(map(id, individuals))
        self._members = [member for member in self._members if id(member) not in leaving]

    def getstate(self) -> dict[str, int]:
        """Give the number of proposals, which says how many are being evaluated."""
        return {"n_proposed": self._n_proposed}

    def setstate(self, state: dict[str, int]) -> None:
        """Go on from a state."""
        self._n_proposed = state["n_proposed"]

    def _stale(self, number: int) -> EvaluatedIndividual | None:
        """The first member from before the last reset; None where there is none."""
        last = max((reset for reset in self._resets if reset <= number), default=0)
        members = self._members if last else []
        return next((member for member in members if member.evaluation.id < last), None)

    def _pair(self) -> tuple[EvaluatedIndividual, list[EvaluatedIndividual]]:
        """A parent, and who is removed; of two equally fit members the one drawn first is the parent."""
        if len(self._members) == 1:
            return self._members[0], []
        first, second = self._rng.sample(self._members, 2)
        if self._selects and second.fitness > first.fitness:
            first, second = second, first
        return first, [second]

    def _n_mutations(self, number: int) -> int:
        return next((n_mutations for first, end, n_mutations in self._bursts if first <= number < end), 1)


def _checked(burst: Sequence[int]) -> tuple[int, int, int]:
    if (
        len(burst) != 3
        or any(type(number) is not int for number in burst)
        or not 0 <= burst[0] < burst[1]
        or burst[2] < 1
    ):
        raise SettingsError(
            f"a burst is (first evaluation, evaluation after the last, mutations of a child), found {burst!r}"
        )
    first, end, n_mutations = burst
    return first, end, n_mutations
