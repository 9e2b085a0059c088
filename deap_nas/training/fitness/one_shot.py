"""The fitness of a genotype with the weights that all networks of its space share, without a training of its own.

Bender 2018, "Understanding and simplifying one-shot architecture search": networks that are drawn from a fixed
distribution train shared weights; whatever network then takes its part of them is only validated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from deap_nas.errors import DivergedError, NotViableError, SettingsError
from deap_nas.evaluation import Evaluation, Status, derive_seed
from deap_nas.genotype import plain_genotype, whole_numbers
from deap_nas.template import plan_network
from deap_nas.training.fitness.accuracy import AccuracyFitness
from deap_nas.training.fitness.latency import measured_latency
from deap_nas.training.fitness.objectives import values_of
from deap_nas.training.tensor_memory import release_freed_memory
from deap_nas.training.weights.shared_weights import SharedWeights, newest_tensors, take_from_bank

if TYPE_CHECKING:
    from deap_nas.training.fitness.candidate import Candidate

__all__ = ["OneShotFitness", "measure_statistics"]


class OneShotFitness:
    """Validation accuracy of a network with the weights of a bank, which stays as it is.

    The bank has been trained by a search with a fitness of :class:`~deap_nas.training.SharedWeights`, for example
    :class:`~deap_nas.strategies.RandomSearch` over ``space.sample``, which draws uniformly. The statistics of batch
    normalisation, which are those of whoever was trained last, are measured anew for each network, on batches of
    training images. What no training has used has the weights that the seed draws.

    A DEAP evaluate, and a :class:`~deap_nas.evaluation.DetailedFitness`, as the fitness that it is made of.

    Args:
        fitness: with which the bank was trained; its images, template, objectives and repeats are those of this one.
        n_batches: batches on which the statistics are measured, at least 1.

    Attributes:
        worst_values: fitness of an evaluation that failed.
        isolated: that MPI ranks validate in a child process.

    Raises:
        SettingsError: the weights of the fitness are not shared, or ``n_batches`` is below 1.
    """

    isolated = True
    deterministic = False

    def __init__(self, fitness: AccuracyFitness, *, n_batches: int = 20) -> None:
        """See the class."""
        if not isinstance(fitness.weights, SharedWeights):
            raise SettingsError(
                "a one-shot fitness is made of one with weights=SharedWeights(folder), whose bank it uses"
            )
        if not isinstance(n_batches, int) or n_batches < 1:
            raise SettingsError(f"n_batches must be an integer of at least 1, found {n_batches!r}")
        self.fitness = fitness
        self.n_batches = n_batches
        self.worst_values = fitness.worst_values
        self._folder = fitness.weights.folder

    def __call__(self, individual: Any) -> tuple[float, ...]:
        """Give the values of an individual; ``worst_values`` if it is no network.

        Raises:
            GenotypeError: the genotype does not belong to the space.
            StorageError: the bank cannot be read.
        """
        genotype, space = plain_genotype(individual), self.fitness.space
        space.validate(genotype)
        seed = derive_seed(self.fitness.seed, *whole_numbers(space.encode(genotype)))
        return self.evaluate(genotype, seed=seed).values or self.worst_values

    def evaluate(self, genotype: Any, *, seed: int) -> Evaluation:
        """Validate once for each repeat of the fitness, with the weights of that repeat.

        Raises:
            GenotypeError: the genotype does not belong to the space.
            StorageError: the bank cannot be read.
        """
        try:
            return self._evaluate(genotype, seed)
        finally:
            release_freed_memory()

    def _evaluate(self, genotype: Any, seed: int) -> Evaluation:
        fitness = self.fitness
        try:
            plan = plan_network(fitness.space, genotype, fitness.template)
        except NotViableError as error:
            return Evaluation(status=Status.NOT_VIABLE, error=str(error))
        known: dict[str, Any] = {"n_parameters": plan.cost.n_parameters, "flops": plan.cost.flops}
        tensors, scores, n_validated = newest_tensors(self._folder), [], 0
        for repeat in range(fitness.repeats):
            candidate = fitness.candidate(genotype, seed=derive_seed(seed, repeat))
            take_from_bank(candidate.network, tensors, repeat)
            measure_statistics(candidate, self.n_batches)
            try:
                scores.append(candidate.accuracy())
            except DivergedError as error:
                return Evaluation(status=Status.DIVERGED, error=str(error), scores=tuple(scores), **known)
            n_validated += candidate.n_validated + self.n_batches * fitness.recipe.batch_size
        latency = measured_latency(plan, device=fitness.device) if "latency" in fitness.objectives else math.nan
        values = values_of(fitness.objectives, sum(scores) / len(scores), plan.cost, latency=latency)
        compute = float(plan.compute.validation * n_validated)
        return Evaluation(values, scores=tuple(scores), compute=compute, **known)

    def to_dict(self) -> dict[str, Any]:
        """Everything that decides what the fitness means but for the bank, as JSON can hold it."""
        return self.fitness.to_dict() | {"one_shot": {"n_batches": self.n_batches}}


def measure_statistics(candidate: Candidate, n_batches: int) -> None:
    """Measure the statistics of all batch normalisations anew: their means over batches of training images."""
    import torch

    norms = [module for module in candidate.network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    candidate.network.train()
    with torch.no_grad():
        for _ in range(n_batches):
            candidate.network(candidate.batches.next()[0])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
