"""What a survival rule must do."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import Any

from deap_nas.algorithms import Survival, eaAsync
from deap_nas.evaluation import Evaluation
from deap_nas.executors import SerialExecutor
from deap_nas.operators.ranking import RankedPopulation
from deap_nas.store import MemoryStore, resume_population
from deap_nas.testing.small_search import ContractIndividual, first_members, gene_sum, make_toolbox

__all__ = ["SurvivalContract"]

_SEED = 7
_N_EVALUATIONS = 40


class SurvivalContract(ABC):
    """What :func:`deap_nas.eaAsync` needs of a rule that says which members leave."""

    @abstractmethod
    def make_rule(self) -> Survival:
        """Make a rule under which some of 30 members leave, and all of one or two stay."""

    def test_some_members_leave_and_some_stay(self) -> None:
        """None of those who leave is named twice, and nobody else is."""
        members = _members(30)
        leaving = list(map(id, self.make_rule()(members)))
        assert 0 < len(set(leaving)) == len(leaving) < len(members)
        assert set(leaving) <= set(map(id, members))

    def test_few_members_stay(self) -> None:
        """One, and two: the search cannot go on without any."""
        for n_members in (1, 2):
            assert list(self.make_rule()(_members(n_members))) == []

    def test_it_only_names_them(self) -> None:
        """The members, their order and their fitness are as before."""
        members = _members(30)
        before = [(id(member), list(member), member.fitness.values) for member in members]
        list(self.make_rule()(members))
        assert [(id(member), list(member), member.fitness.values) for member in members] == before

    def test_it_is_repeatable(self) -> None:
        """What it says follows from the members, however often it was asked before."""
        members = _members(30)
        rule = self.make_rule()
        first, again, anew = (list(map(id, ask(members))) for ask in (rule, rule, self.make_rule()))
        assert first == again == anew

    def test_equally_fit_members_are_no_trouble(self) -> None:
        """As many leave as if they differed."""
        members = _members(30)
        expected = len(list(self.make_rule()(members)))
        alike = RankedPopulation(_evaluated(number, 1.0) for number in range(30))
        assert len(list(self.make_rule()(alike))) == expected

    def test_a_resumed_search_ends_as_one_that_was_not_interrupted(self) -> None:
        """With the same members, alive or dead."""
        whole, left = self._searched(MemoryStore(seed=_SEED), _N_EVALUATIONS)
        assert any(not record.alive for record in whole)
        assert sorted(member.evaluation.id for member in left) == [
            record.evaluation.id for record in whole if record.alive
        ]
        for n_before in (5, 9, 23, 39):
            store, _ = self._searched(MemoryStore(seed=_SEED), n_before)
            self._searched(store, _N_EVALUATIONS)
            assert store.records() == whole.records()

    def _searched(self, store: MemoryStore, n_evaluations: int) -> tuple[MemoryStore, Any]:
        rng = random.Random(2)
        members = resume_population(store, ContractIndividual, rng=rng) or first_members()
        options: dict[str, Any] = {"n_evaluations": n_evaluations, "store": store, "survival": self.make_rule()}
        with SerialExecutor() as executor:
            eaAsync(members, make_toolbox(gene_sum, rng), executor, rng=rng, **options)
        return store, members


def _members(n_members: int) -> RankedPopulation:
    rng = random.Random(n_members)
    return RankedPopulation(_evaluated(number, rng.random()) for number in range(n_members))


def _evaluated(number: int, value: float) -> Any:
    individual: Any = ContractIndividual([number, 0, 0])
    individual.fitness.values = (value,)
    individual.evaluation = Evaluation((value,), id=number)
    return individual
