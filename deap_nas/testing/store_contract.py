"""What a store must do."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

from deap_nas.algorithms import eaAsync
from deap_nas.evaluation import Evaluation, Job, Stage, Status, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import Genotype
from deap_nas.search_space import SearchSpace
from deap_nas.store import MemoryStore, Store, resume_population
from deap_nas.testing.small_search import SPACE, ContractIndividual, first_members, gene_sum, make_toolbox

__all__ = ["StoreContract"]

_SEED = 7


class StoreContract(ABC):
    """What :func:`deap_nas.eaAsync` and :func:`deap_nas.store.resume_population` need of a store."""

    @abstractmethod
    def make_store(
        self, space: SearchSpace, *, seed: int, n_repeats: int, n_rungs: int
    ) -> AbstractContextManager[Store]:
        """Make the store of a new run, used in a ``with`` block.

        Args:
            space: of the genotypes.
            seed: of the run.
            n_repeats: scores that an evaluation may have.
            n_rungs: rungs at which an evaluation may end early; its curve has one more score.
        """

    def reopen(self, store: Store) -> AbstractContextManager[Store]:
        """Open the run of a store again, whose ``with`` block has ended; the same store if it lives in memory only."""
        return nullcontext(store)

    def test_a_new_store_is_empty(self) -> None:
        """And knows its seed."""
        with self._new_store() as store:
            assert (store.n_submitted, store.n_evaluated, store.records(), store.pending()) == (0, 0, [], [])
            assert store.rng_state() is None
            assert store.seed == _SEED

    def test_submitted_jobs_are_pending_with_their_seeds(self) -> None:
        """In order of their ids."""
        with self._new_store() as store:
            jobs = _submitted(store, 5)
            assert store.n_submitted == 5
            assert store.pending() == jobs

    def test_evaluations_come_back_in_the_order_in_which_they_were_appended(self) -> None:
        """With all that they hold; their jobs are pending no more."""
        with self._new_store() as store:
            first, waits, second, third = _submitted(store, 4)
            told = {"n_parameters": 10, "flops": 20, "worker": 3, "host": "here", "threads": 2, "compute": 1.5e12}
            jobs = (third, first, second)
            evaluations = [
                _end(third, 0.5, scores=(0.4, 0.6), curve=(0.2, 0.5), **told),
                _end(first, 0.0, status=Status.FAILED, error="Traceback ...\nValueError: three", scores=(0.4,)),
                _end(second, 0.3, scores=(0.3, 0.3), curve=(0.3,), reused=third.id),
            ]
            for job, evaluation in zip(jobs, evaluations, strict=True):
                store.append(job.genes, evaluation)
            assert [asdict(record.evaluation) for record in store] == list(map(asdict, evaluations))
            assert [record.genes for record in store] == [tuple(job.genes) for job in jobs]
            assert store.records() == list(store)
            assert store.pending() == [waits]
            assert store.n_evaluated == 3

    def test_genes_are_found_by_id(self) -> None:
        """Of evaluated individuals only."""
        with self._new_store() as store:
            jobs = _submitted(store, 4)
            assert list(store.genes_of([0, 3])) == [None, None]
            for job in (jobs[3], jobs[1]):
                store.append(job.genes, _end(job, 1.0))
            expected = [tuple(jobs[1].genes), None, tuple(jobs[3].genes), tuple(jobs[1].genes), None, None]
            assert list(store.genes_of([1, 0, 3, 1, 99, -1])) == expected
            assert list(store.genes_of([])) == []

    def test_the_random_state_is_that_of_the_last_submission(self) -> None:
        """However many jobs it had, and with the second of two Gaussian numbers."""
        rng = random.Random(3)
        with self._new_store() as store:
            for n_jobs in (1, 1, 2, 2, 1, 3):
                rng.gauss(0, 1)
                _submitted(store, n_jobs, rng)
                assert store.rng_state() == rng.getstate()

    def test_killed_individuals_stay_recorded_as_dead(self) -> None:
        """Only those."""
        with self._new_store() as store:
            for job in _submitted(store, 3):
                store.append(job.genes, _end(job, 1.0))
            store.kill([1])
            assert [record.alive for record in store] == [True, False, True]
            assert store.n_evaluated == 3

    def test_a_resumed_population_is_the_living_then_the_pending(self) -> None:
        """And the generator goes on where the run was left."""
        rng = random.Random(5)
        with self._new_store() as store:
            jobs = _submitted(store, 4, rng)
            for job in (jobs[1], jobs[0]):
                store.append(job.genes, _end(job, float(job.id)))
            store.kill([0])
        expected = rng.random()
        with self.reopen(store) as store:
            population = resume_population(store, ContractIndividual, rng=rng)
        assert [list(individual) for individual in population] == [list(jobs[number].genes) for number in (1, 2, 3)]
        assert [individual.fitness.valid for individual in population] == [True, False, False]
        assert population[0].fitness.values == (1.0,)
        assert population[0].evaluation.id == 1
        assert [individual.job for individual in population[1:]] == jobs[2:]
        assert rng.random() == expected

    def test_stages_are_kept_with_their_submissions(self) -> None:
        """Of those jobs that have one; a pending job has it still."""
        stages = {1: Stage(1, 1), 2: Stage(2, 1, 0.25)}
        with self._new_store() as store:
            jobs = [Job(number, _genes(), 0, stage=stages.get(number)) for number in range(4)]
            store.submit(jobs[:2], random.Random(1).getstate())
            store.submit(jobs[2:], random.Random(1).getstate())
            store.append(jobs[0].genes, _end(jobs[0], 1.0))
        with self.reopen(store) as store:
            assert {number: stage[:2] for number, stage in store.stages().items()} == {1: (1, 1), 2: (2, 1)}
            assert math.isnan(store.stages()[1].predicted)
            assert store.stages()[2].predicted == 0.25
            assert [job.stage is None for job in store.pending()] == [False, False, True]

    def test_an_empty_population_leaves_the_generator_alone(self) -> None:
        """As a run that has not begun."""
        rng = random.Random(5)
        with self._new_store() as store:
            assert resume_population(store, ContractIndividual, rng=rng) == []
        assert rng.getstate() == random.Random(5).getstate()

    def test_a_resumed_search_ends_as_one_that_was_not_interrupted(self) -> None:
        """With the same individuals, of the same parents."""
        with self._new_store() as store:
            _search_in(store, 12)
        with self.reopen(store) as store:
            _search_in(store, 24)
            found = store.records()
        whole = MemoryStore(seed=_SEED)
        _search_in(whole, 24)
        assert found == whole.records()

    def _new_store(self) -> AbstractContextManager[Store]:
        return self.make_store(SPACE, seed=_SEED, n_repeats=2, n_rungs=1)


def _submitted(store: Store, n_jobs: int, rng: random.Random | None = None) -> list[Job]:
    """Jobs that a store has taken note of."""
    rng = random.Random(1) if rng is None else rng
    first, jobs = store.n_submitted, []
    for number in range(first, first + n_jobs):
        jobs.append(Job(number, _genes(rng), derive_seed(_SEED, number), first - 1))
    store.submit(jobs, rng.getstate())
    return jobs


def _genes(rng: random.Random | None = None) -> Genotype:
    rng = rng or random.Random(1)
    return Genotype(rng.randint(low, up) for low, up in zip(SPACE.low, SPACE.up, strict=True))


def _end(job: Job, *values: float, **fields: Any) -> Evaluation:
    return Evaluation(values, id=job.id, parent=job.parent, submitted=1.0, started=2.0, finished=4.5, **fields)


def _search_in(store: Store, n_evaluations: int) -> None:
    """Run a search, or go on with it, until so many evaluations have ended."""
    rng = random.Random(2)
    members = resume_population(store, ContractIndividual, rng=rng) or first_members()
    with SerialExecutor() as executor:
        eaAsync(members, make_toolbox(gene_sum, rng), executor, n_evaluations=n_evaluations, store=store, rng=rng)
