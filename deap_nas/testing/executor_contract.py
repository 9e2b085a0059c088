"""What an executor must do."""

from __future__ import annotations

import random
import tempfile
import time
from abc import ABC, abstractmethod
from concurrent.futures import Executor, wait
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

from deap_nas.algorithms import eaAsync
from deap_nas.evaluation import Status
from deap_nas.executors.channel import count_workers
from deap_nas.genotype import Genotype
from deap_nas.store import MemoryStore
from deap_nas.testing.small_search import first_members, gene_sum, make_toolbox

__all__ = ["ExecutorContract"]


def _double(number: int) -> int:
    return 2 * number


def _double_and_note(number: int, path: str) -> int:
    with open(path, "a", encoding="ascii") as file:
        file.write(f"{number}\n")
    return 2 * number


def _divide_by(number: int) -> float:
    return 1 / number


def _fail_now_and_then(genotype: Genotype) -> tuple[float, ...]:
    return (1 / (sum(genotype) % 3),)


def _short_wait(_: object) -> tuple[float, float]:
    begin = time.time()
    time.sleep(0.05)
    return begin, time.time()


class ExecutorContract(ABC):
    """What :func:`deap_nas.eaAsync` and ``toolbox.map`` need of an executor.

    An executor must run each call once, give results and exceptions through standard futures, tell by callback when
    one has ended, and keep the order and the number of what it maps. Its workers must see the temporary files of this
    machine.
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
        with tempfile.TemporaryDirectory() as folder, self.make_executor() as executor:
            path = str(Path(folder) / "calls")
            futures = [executor.submit(_double_and_note, number, path) for number in range(50)]
            assert not wait(futures, timeout=60).not_done
            assert [future.result() for future in futures] == [2 * number for number in range(50)]
            done = Path(path).read_text(encoding="ascii").split()
        assert sorted(map(int, done)) == list(range(50))

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
        population, store = self._search(gene_sum)
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
        """Where there are several."""
        with self.make_executor() as executor:
            n_workers = self.n_workers or count_workers(executor)
            list(executor.map(_short_wait, range(4)))  # workers have started
            waits = sorted(executor.map(_short_wait, range(12)))
        assert any(end > begin for (_, end), (begin, _) in pairwise(waits)) == (n_workers > 1)

    def _search(self, evaluate: Any) -> tuple[Any, MemoryStore]:
        rng, store = random.Random(1), MemoryStore(seed=5)
        toolbox = make_toolbox(evaluate, rng)
        with self.make_executor() as executor:
            run: dict[str, Any] = {"n_evaluations": 40, "store": store, "rng": rng, "n_workers": self.n_workers}
            population, _ = eaAsync(first_members(), toolbox, executor, **run)
        return population, store
