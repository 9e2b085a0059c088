"""What an estimator of performance must do: the fitness of a search."""

from __future__ import annotations

import json
import math
import pickle
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from deap_nas.evaluation import Evaluation, Job, Runner, Status
from deap_nas.evaluation.adapter import AdaptedFitness
from deap_nas.genotype import content_of
from deap_nas.store import MemoryStore

__all__ = ["EstimatorContract"]

_SEED = 7


class EstimatorContract(ABC):
    """What :func:`deap_nas.eaAsync`, its workers and a population file need of a fitness.

    It is asked through what calls it in a worker, so a function that takes an individual may be tested as well as an
    object with ``evaluate`` or ``evaluate_job``. Sums may differ in their last digits from process to process, so
    fitness values are compared to six digits.
    """

    #: Of the fitness, one for each value.
    weights: tuple[float, ...] = (1.0,)

    @abstractmethod
    def make_fitness(self) -> Any:
        """Make the fitness; small and quick, as it evaluates some twenty times."""

    @abstractmethod
    def genotypes(self) -> Sequence[Any]:
        """Give at least two plain genotypes that can be evaluated."""

    def not_viable(self) -> Any:
        """Give a legal genotype that cannot be evaluated, such as one without a path; None if there is none."""
        return None

    def test_it_gives_a_finite_value_for_each_weight(self) -> None:
        """With the ids of the job."""
        for number, genotype in enumerate(self.genotypes()):
            evaluation = self._evaluated(self.make_fitness(), genotype, number=number)
            assert evaluation.status is Status.OK, evaluation.error
            assert len(evaluation.values) == len(self.weights)
            assert all(map(math.isfinite, evaluation.values))
            assert (evaluation.id, evaluation.parent) == (number, -1)

    def test_it_evaluates_for_deap(self) -> None:
        """Called with an individual, as ``toolbox.evaluate`` is."""
        found = self.make_fitness()(self.genotypes()[0])
        assert isinstance(found, Sequence)
        assert [float(value) for value in found] == list(found)
        assert len(found) == len(self.weights)

    def test_it_crosses_processes(self) -> None:
        """By pickle, small, and is the same there."""
        fitness, genotype = self.make_fitness(), self.genotypes()[0]
        pickled = pickle.dumps(fitness)
        assert len(pickled) < 1_000_000
        there = pickle.loads(pickled)
        if self._is_deterministic:
            assert _close(self._evaluated(there, genotype), self._evaluated(fitness, genotype))

    def test_the_seed_decides(self) -> None:
        """If it says that it is deterministic: whatever was evaluated before, and whatever was drawn elsewhere."""
        first, second = self.genotypes()[:2]
        fitness = self.make_fitness()
        found = self._evaluated(fitness, first)
        self._evaluated(fitness, second)
        random.random()
        if self._is_deterministic:
            assert _close(self._evaluated(fitness, first), found)
            assert _close(self._evaluated(self.make_fitness(), first), found)

    def test_it_leaves_the_genotype_and_the_global_generator_alone(self) -> None:
        """As others use them."""
        genotype = self.genotypes()[0]
        before, state = content_of(deepcopy(genotype)), random.getstate()
        self._evaluated(self.make_fitness(), genotype)
        assert content_of(genotype) == before
        assert random.getstate() == state

    def test_its_worst_values_are_finite_and_bad(self) -> None:
        """No evaluation that ends well is worse."""
        worst = AdaptedFitness(self.make_fitness()).worst_values(self.weights)
        assert len(worst) == len(self.weights)
        assert all(map(math.isfinite, worst))
        for genotype in self.genotypes():
            values = self._evaluated(self.make_fitness(), genotype).values
            for value, bad, weight in zip(values, worst, self.weights, strict=True):
                assert value * weight >= bad * weight

    def test_what_is_no_network_is_told_by_the_status(self) -> None:
        """And takes no worker with it."""
        genotype = self.not_viable()
        if genotype is not None:
            evaluation = self._evaluated(self.make_fitness(), genotype)
            assert evaluation.status is Status.NOT_VIABLE
            assert evaluation.error

    def test_it_takes_the_store_of_a_new_run(self) -> None:
        """If it wants to see one at all."""
        check = AdaptedFitness(self.make_fitness()).check_store
        assert check is None or check(MemoryStore(seed=_SEED)) is None

    def test_it_forgets_what_it_knows_and_what_it_does_not(self) -> None:
        """If it keeps anything of evaluations: also those that have left nothing, and twice."""
        fitness = self.make_fitness()
        forget = AdaptedFitness(fitness).forget
        self._evaluated(fitness, self.genotypes()[0], number=3)
        if forget is not None:
            for ids in ([3, 4], [3], list(range(1000))):
                forget(ids)

    def test_its_description_is_plain_data(self) -> None:
        """If it has one for a population file: as JSON can hold it."""
        fitness = self.make_fitness()
        if hasattr(fitness, "to_dict"):
            fields = fitness.to_dict()
            assert json.loads(json.dumps(fields, allow_nan=False)) == fields

    @property
    def _is_deterministic(self) -> bool:
        return AdaptedFitness(self.make_fitness()).deterministic

    def _evaluated(self, fitness: Any, genotype: Any, *, number: int = 0) -> Evaluation:
        """By the worker's side of a search."""
        return Runner(fitness)(Job(number, genotype, _SEED))


def _close(found: Evaluation, expected: Evaluation) -> bool:
    pairs = zip(found.values, expected.values, strict=True)
    return found.status is expected.status and all(math.isclose(one, other, rel_tol=1e-6) for one, other in pairs)
