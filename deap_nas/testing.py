"""Contracts as test classes: what the package relies on in a part that somebody else writes.

Inherit one in a test module of your own and say how the part is made; pytest then runs its tests::

    class TestMyExecutor(ExecutorContract):
        def make_executor(self):
            return MyExecutor(n_workers=2)
"""

from __future__ import annotations

import json
import os
import pickle
import random
import time
from abc import ABC, abstractmethod
from concurrent.futures import Executor, wait
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

from deap import base, tools

from deap_nas.algorithms import eaAsync
from deap_nas.evaluators import Status
from deap_nas.genotype import Genotype
from deap_nas.graph import Graph
from deap_nas.operators import initTrivial, mutEdge, selTournamentFraction
from deap_nas.search_space import FlatSpace, SearchSpace, space_from_dict
from deap_nas.store import MemoryStore

__all__ = ["ExecutorContract", "SpaceContract"]


class _Fitness(base.Fitness):  # type: ignore[misc]  # DEAP has no types
    weights = (1.0,)


class _Individual(Genotype):
    """What ``creator.create`` would make."""

    def __init__(self, genes: Any = ()) -> None:
        super().__init__(genes)
        self.fitness = _Fitness()


def _double(number: int) -> int:
    return 2 * number


def _divide_by(number: int) -> float:
    return 1 / number


def _gene_sum(genotype: Genotype) -> tuple[float, ...]:
    if type(genotype) is not Genotype:
        raise TypeError(f"expected a plain genotype, found {type(genotype).__name__}")
    return (float(sum(genotype)),)


def _fail_now_and_then(genotype: Genotype) -> tuple[float, ...]:
    return (1 / (sum(genotype) % 3),)


def _short_wait(_: object) -> int:
    time.sleep(0.05)
    return os.getpid()


class ExecutorContract(ABC):
    """What :func:`deap_nas.eaAsync` and ``toolbox.map`` need of an executor.

    An executor must run each call once, give results and exceptions through standard futures, tell by callback when
    one has ended, and keep the order and the number of what it maps.
    """

    #: Workers of the executor, for ``eaAsync`` where the executor does not say it.
    n_workers: int | None = None

    @abstractmethod
    def make_executor(self) -> AbstractContextManager[Executor]:
        """Make an executor with at least one worker, used in a ``with`` block."""

    def test_a_call_gives_its_result(self) -> None:
        """Through ``result``."""
        with self.make_executor() as executor:
            assert executor.submit(_double, 21).result(timeout=60) == 42

    def test_an_exception_arrives_as_it_is(self) -> None:
        """Of the same kind; it harms no other call."""
        with self.make_executor() as executor:
            assert isinstance(executor.submit(_divide_by, 0).exception(timeout=60), ZeroDivisionError)
            assert executor.submit(_divide_by, 2).result(timeout=60) == 0.5

    def test_many_calls_are_done_once_each(self) -> None:
        """Whatever the order in which they end."""
        with self.make_executor() as executor:
            futures = [executor.submit(_double, number) for number in range(50)]
            assert not wait(futures, timeout=60).not_done
            assert [future.result() for future in futures] == [2 * number for number in range(50)]

    def test_a_callback_tells_of_the_end(self) -> None:
        """With the future, which is done by then."""
        told: list[bool] = []
        with self.make_executor() as executor:
            future = executor.submit(_double, 1)
            future.add_done_callback(lambda ended: told.append(ended.done()))
            future.result(timeout=60)
            deadline = time.monotonic() + 10
            while not told and time.monotonic() < deadline:
                time.sleep(0.01)
        assert told == [True]

    def test_map_keeps_order_and_number(self) -> None:
        """As the builtin does."""
        with self.make_executor() as executor:
            assert list(executor.map(_double, range(20))) == [2 * number for number in range(20)]
            assert list(executor.map(_double, [])) == []

    def test_the_search_runs_unchanged(self) -> None:
        """To its budget, with every evaluation recorded once."""
        population, store = self._search(_gene_sum)
        assert sorted(record.evaluation.id for record in store.records()) == list(range(40))
        assert {record.evaluation.status for record in store.records()} == {Status.OK}
        assert all(member.fitness.values == (float(sum(member)),) for member in population)

    def test_failures_become_statuses(self) -> None:
        """And do not end the search."""
        population, _ = self._search(_fail_now_and_then)
        for member in population:
            expected = Status.OK if sum(member) % 3 else Status.FAILED
            assert member.evaluation.status is expected

    def test_workers_work_at_the_same_time(self) -> None:
        """As far as there are several."""
        with self.make_executor() as executor:
            list(executor.map(_short_wait, range(4)))  # workers have started
            begin = time.monotonic()
            processes = set(executor.map(_short_wait, range(12)))
            if len(processes) > 1:
                assert time.monotonic() - begin < 12 * 0.05

    def _search(self, evaluate: Any) -> tuple[Any, MemoryStore]:
        space, rng, store = FlatSpace(nodes=4), random.Random(1), MemoryStore(seed=5)
        toolbox = base.Toolbox()
        toolbox.register("select", selTournamentFraction, fraction=0.2, rng=rng)
        toolbox.register("mutate", mutEdge, space=space, rng=rng)
        toolbox.register("evaluate", evaluate)
        first = tools.initRepeat(list, lambda: initTrivial(_Individual, space), 8)
        for number, individual in enumerate(first):
            individual[0] = number % (space.up[0] + 1)
        with self.make_executor() as executor:
            population, _ = eaAsync(
                first, toolbox, executor, n_evaluations=40, store=store, rng=rng, n_workers=self.n_workers
            )
        return population, store


class SpaceContract(ABC):
    """What operators, cost, drawing, assembly and population files need of a search space."""

    @abstractmethod
    def make_space(self) -> SearchSpace:
        """Make a space whose class is registered by :func:`deap_nas.search_space.register_space`."""

    def test_genes_within_the_bounds_are_legal(self) -> None:
        """And have a graph."""
        space, rng = self.make_space(), random.Random(1)
        assert len(space.low) == len(space.up) == space.n_genes
        for _ in range(50):
            genes = [rng.randint(low, up) for low, up in zip(space.low, space.up, strict=True)]
            space.validate(genes)
            assert isinstance(space.lower(genes), Graph)
            edges = [edge for motif in space.motifs_of(genes) for edge in motif.edges]
            assert len(edges) == space.n_genes
            assert space.describe(genes)

    def test_genes_out_of_the_bounds_are_refused(self) -> None:
        """By a ``GenotypeError``, which is a ``ValueError``; so is a wrong number of them."""
        space = self.make_space()
        for genes in ([up + 1 for up in space.up], [low - 1 for low in space.low], space.low[1:], [*space.low, 0]):
            for method in (space.validate, space.lower, space.motifs_of):
                assert _refuses(method, genes), f"{method.__name__} accepts {genes}"

    def test_a_described_space_is_read_back(self) -> None:
        """Equal, through JSON, pickle and deepcopy."""
        space = self.make_space()
        assert space_from_dict(json.loads(json.dumps(space.to_dict()))) == space
        assert pickle.loads(pickle.dumps(space)) == space
        assert deepcopy(space) == space


def _refuses(method: Any, genes: list[int]) -> bool:
    try:
        method(genes)
    except ValueError:
        return True
    return False
