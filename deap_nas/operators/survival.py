"""Survival rules: which members of a population leave when one has joined.

``functools.partial`` fixes their settings for :func:`deap_nas.eaAsync`, as in
``eaAsync(..., survival=partial(killOldest, size=100))``. None of them draws from a generator with a state, so a
search that is killed and resumed goes on as if it had not been.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from deap_nas.deap_protocols import Individual
from deap_nas.errors import SettingsError
from deap_nas.evaluation import derive_seed

__all__ = ["killLoser", "killOldest", "killUnselected"]

_Individual = TypeVar("_Individual", bound=Individual)


def killOldest(evaluated: Sequence[_Individual], *, size: int) -> Sequence[_Individual]:
    """Name those who joined first, as regularised evolution does (Real 2018 <https://arxiv.org/abs/1802.01548>).

    Args:
        evaluated: the members, in the order in which they joined.
        size: members that may stay, at least 1.

    Raises:
        SettingsError: ``size`` is not positive.
    """
    return evaluated[: _n_too_many(evaluated, size)]


def killLoser(evaluated: Sequence[_Individual], *, size: int, seed: int = 0) -> list[_Individual]:
    """Name the less fit of pairs drawn at random (Real 2017 <https://arxiv.org/abs/1703.01041>, section 3.1).

    There one pair gives the parent and the dead; here the parent comes from ``toolbox.select``, for which
    :func:`deap.tools.selTournament` with ``tournsize=2`` is the counterpart, and another pair gives the dead. Of two
    equally fit members the one drawn first stays.

    Args:
        evaluated: the members, in the order in which they joined.
        size: members that may stay, at least 1.
        seed: of the pairs, together with the id of the newest member.

    Raises:
        SettingsError: ``size`` is not positive.
    """
    n_dead = _n_too_many(evaluated, size)
    newest = getattr(evaluated[-1], "evaluation", None)
    rng = random.Random(derive_seed(seed, -1 if newest is None else newest.id))
    alive, dead = list(evaluated), []
    for _ in range(n_dead):
        first, second = rng.sample(range(len(alive)), 2)
        dead.append(alive.pop(first if alive[second].fitness > alive[first].fitness else second))
    return dead


def killUnselected(
    evaluated: Sequence[_Individual],
    *,
    size: int,
    select: Callable[[Sequence[_Individual], int], Sequence[_Individual]],
) -> list[_Individual]:
    """Name those that a selection of DEAP leaves out.

    With :func:`deap.tools.selNSGA2` it makes the search a steady-state NSGA-II, with :func:`deap.tools.selBest` one
    whose least fit member leaves.

    Args:
        evaluated: the members, in the order in which they joined.
        size: members that may stay, at least 1.
        select: takes individuals and how many of them to select; selects nobody twice, and draws nothing at random.

    Raises:
        SettingsError: ``size`` is not positive.
    """
    n_staying = len(evaluated) - _n_too_many(evaluated, size)
    selected = {id(member) for member in select(evaluated, n_staying)}
    staying = [member for member in evaluated if id(member) in selected]
    if len(staying) < len(evaluated):
        select(staying, n_staying)  # what it notes on individuals, such as crowding, then holds for those who stay
    return [member for member in evaluated if id(member) not in selected]


def _n_too_many(evaluated: Sequence[Individual], size: int) -> int:
    if size < 1:
        raise SettingsError(f"size must be at least 1, found {size}")
    return max(0, len(evaluated) - size)
