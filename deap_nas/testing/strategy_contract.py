"""What a search strategy must do."""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from deap_nas.algorithms import eaAsyncGenerateUpdate
from deap_nas.evaluation import Status
from deap_nas.executors import SerialExecutor
from deap_nas.store import MemoryStore, resume_population

__all__ = ["StrategyContract"]

_SEED = 7


class StrategyContract(ABC):
    """What :func:`deap_nas.eaAsyncGenerateUpdate` needs of a strategy, and a resumed search of its state.

    The fitness in its toolbox is to be a quick one, of a plain genotype, without chance.
    """

    #: Class of the individuals that it generates.
    icls: Any
    #: Evaluations of a search that is long enough to show everything that the strategy does.
    n_evaluations = 40

    @abstractmethod
    def make_toolbox(self, rng: random.Random) -> Any:
        """Register a new strategy, which draws from the generator, as ``generate`` and ``update``; and ``evaluate``."""

    def test_a_search_comes_to_its_end(self) -> None:
        """With as many evaluations as were asked for, all of which have ended well."""
        store = self._searched(self.n_evaluations)
        assert [record.evaluation.status for record in store] == [Status.OK] * self.n_evaluations

    def test_a_search_with_several_workers_comes_to_its_end(self) -> None:
        """Though evaluations end in another order than that in which they began."""
        store = self._searched(self.n_evaluations, executor=ThreadPoolExecutor(3))
        assert sorted(record.evaluation.id for record in store) == list(range(self.n_evaluations))

    def test_the_same_seed_gives_the_same_search(self) -> None:
        """Down to parents and removals, and nothing is drawn from elsewhere."""
        before = random.getstate()
        first = self._searched(self.n_evaluations)
        random.seed(1)
        second = self._searched(self.n_evaluations)
        random.setstate(before)
        assert first.records() == second.records()
        assert first.mates() == second.mates()

    def test_a_resumed_search_ends_as_one_that_was_not_interrupted(self) -> None:
        """Wherever it was interrupted."""
        whole = self._searched(self.n_evaluations)
        for n_before in range(1, self.n_evaluations, max(1, self.n_evaluations // 8)):
            store = self._searched(n_before)
            self._searched(self.n_evaluations, store=store)
            assert store.records() == whole.records()
            assert store.mates() == whole.mates()

    def test_those_who_are_left_are_those_who_were_not_removed(self) -> None:
        """For the store as for the caller."""
        store = MemoryStore(seed=_SEED)
        left = self._search(store, self.n_evaluations, SerialExecutor())
        alive = [record.evaluation.id for record in store if record.alive]
        assert sorted(individual.evaluation.id for individual in left) == sorted(alive)

    def test_evaluations_that_fail_are_taken_back_as_well(self) -> None:
        """With the worst fitness; the search goes on."""
        store = MemoryStore(seed=_SEED)
        toolbox = self._toolbox_of(store)[0]
        evaluate, numbers = toolbox.evaluate, iter(range(10 * self.n_evaluations))

        def fail_now_and_then(genotype: Any) -> Any:
            if next(numbers) % 3 == 1:
                raise ArithmeticError("of the contract")
            return evaluate(genotype)

        toolbox.register("evaluate", fail_now_and_then)
        with SerialExecutor() as executor:
            options: dict[str, Any] = {"n_evaluations": self.n_evaluations, "store": store, "retries": 0}
            eaAsyncGenerateUpdate(toolbox, executor, rng=random.Random(2), **options)
        statuses = [record.evaluation.status for record in store]
        assert len(statuses) == self.n_evaluations
        assert {Status.OK, Status.FAILED} == set(statuses)

    def test_a_state_is_plain_data(self) -> None:
        """As JSON can hold it, and small enough to be written at each submission."""
        store = self._searched(self.n_evaluations)
        found = store.strategy_state()
        if found is not None and found[0] is not None:
            assert len(json.dumps(found[0], allow_nan=False)) < 65_536  # numbers that are none raise a ValueError

    def _toolbox_of(self, store: MemoryStore) -> tuple[Any, list[Any], random.Random]:
        """A toolbox, the population that a run was left with, and the generator as it was left."""
        rng = random.Random(2)
        toolbox = self.make_toolbox(rng)
        return toolbox, resume_population(store, self.icls, rng=rng), rng

    def _search(self, store: MemoryStore, n_evaluations: int, executor: AbstractContextManager[Executor]) -> Any:
        toolbox, population, rng = self._toolbox_of(store)
        with executor as workers:
            options: dict[str, Any] = {"n_evaluations": n_evaluations, "store": store, "population": population}
            return eaAsyncGenerateUpdate(toolbox, workers, rng=rng, **options)[0]

    def _searched(self, n_evaluations: int, *, store: MemoryStore | None = None, executor: Any = None) -> MemoryStore:
        """The store of a run that has had so many evaluations."""
        store = MemoryStore(seed=_SEED) if store is None else store
        self._search(store, n_evaluations, SerialExecutor() if executor is None else executor)
        return store
