"""Evaluation by training: what becomes of a job, from the genotype to the scores of its trainings.

Nothing here imports torch before a training starts, so a controller and an idle worker stay small.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from deap_nas.errors import DivergedError, NotViableError
from deap_nas.evaluation import Evaluation, Job, Status, derive_seed
from deap_nas.genotype import plain_genotype, whole_numbers
from deap_nas.search_space import SearchSpace
from deap_nas.template import Plan, Template, plan_network
from deap_nas.training.data.sources import Augmentation, Source
from deap_nas.training.devices import choose_device
from deap_nas.training.fitness.early_stopping import EarlyStopping
from deap_nas.training.fitness.latency import measured_latency
from deap_nas.training.fitness.memory_check import lack_of_memory
from deap_nas.training.fitness.objectives import values_of
from deap_nas.training.recipes import Recipe
from deap_nas.training.tensor_memory import release_freed_memory
from deap_nas.training.training_switches import Switches
from deap_nas.training.weights.weight_sources import FreshWeights, WeightsOfOne, WeightSource

if TYPE_CHECKING:
    from deap_nas.training.fitness.candidate import Candidate, Repeats

__all__ = ["TrainedFitness"]


class TrainedFitness(ABC):
    """A fitness that trains and validates the network of a genotype, under the conditions that its attributes name."""

    # that MPI ranks train in a child process
    isolated = True
    space: SearchSpace
    source: Source
    augmentation: Augmentation
    template: Template
    recipe: Recipe
    repeats: int
    device: str
    seed: int
    weights: WeightSource
    objectives: tuple[str, ...]
    # of an evaluation that failed
    worst_values: tuple[float, ...]
    stopping: EarlyStopping | None
    switches: Switches
    memory_bytes: int | None

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything that decides what the fitness means, as JSON can hold it."""

    @property
    def deterministic(self) -> bool:
        """Whether the values follow from genotype, seed and parent; a latency that is measured does not."""
        return self.weights.is_deterministic and "latency" not in self.objectives

    @property
    def reusable(self) -> bool:
        """Whether equal networks have one fitness; they do not where trainings start from inherited weights."""
        return self.weights.is_reusable

    @property
    def forget(self) -> Callable[[Sequence[int]], None] | None:
        """What lets go of the weights of evaluations; None where their source keeps none."""
        is_own = type(self.weights).forget is not WeightSource.forget
        return self.weights.forget if is_own else None

    def __call__(self, individual: Any) -> tuple[float, ...]:
        """Give the values of an individual, ``(accuracy,)``; ``worst_values`` if it is no network or diverged.

        The seed derives from the genotype's row, so the same individual has the same fitness.

        Raises:
            GenotypeError: the genotype does not belong to the space.
        """
        genotype = plain_genotype(individual)
        self.space.validate(genotype)
        evaluation = self.evaluate(genotype, seed=derive_seed(self.seed, *whole_numbers(self.space.encode(genotype))))
        return evaluation.values or self.worst_values

    def evaluate(self, genotype: Any, *, seed: int) -> Evaluation:
        """Train and validate ``repeats`` times; the seed of each derives from ``seed`` and its number.

        A genotype that is no network, whose training diverges or has no chance to fit into memory, is told by the
        status.

        Raises:
            GenotypeError: the genes do not belong to the space.
        """
        return self.evaluate_job(Job(-1, genotype, seed))

    def evaluate_job(self, job: Job) -> Evaluation:
        """Evaluate the genotype of a job; its training ends at a rung where it does not reach the job's cutoff.

        Raises:
            GenotypeError: the genes do not belong to the space.
            SettingsError: another run has left its weights in ``weights_dir``.
            StorageError: ``weights_dir`` is not there, or weights cannot be read or written.
        """
        try:
            return self._evaluate(job)
        finally:
            release_freed_memory()

    def _evaluate(self, job: Job) -> Evaluation:
        from deap_nas.training.fitness.candidate import forget_compiled

        try:
            plan = plan_network(self.space, job.genes, self.template)
        except NotViableError as error:
            return Evaluation(status=Status.NOT_VIABLE, error=str(error))
        done = Evaluation(n_parameters=plan.cost.n_parameters, flops=plan.cost.flops)
        recipe = self.space.adapt_recipe(job.genes, self.recipe)
        rungs = [] if self.stopping is None else self.stopping.steps(recipe.steps)
        if lack := self._lack_of_memory(plan, together=bool(rungs)):
            return replace(done, status=Status.OUT_OF_MEMORY, error=lack)
        if self.switches.compile:
            forget_compiled()
        seeds = (derive_seed(job.seed, repeat) for repeat in range(self.repeats))
        weights = self._weights_of(job)
        candidates = weights.given(self._candidate(plan, recipe, seed=seed) for seed in seeds)
        done = self._trained(done, plan, candidates, job, [*rungs, recipe.steps])
        if done.status is Status.OK:
            weights.save()
        return done

    def _weights_of(self, job: Job) -> WeightsOfOne:
        source = self.weights if job.id >= 0 else FreshWeights()  # outside of a run there are no parents
        return source.begin(job, fitness=self.to_dict(), genes=self.space.encode(job.genes).tolist())

    def _trained(
        self, done: Evaluation, plan: Plan, candidates: Iterable[Candidate], job: Job, ends: Sequence[int]
    ) -> Evaluation:
        """The evaluation of a network, of which its size is known, after its trainings."""
        from deap_nas.training.fitness.candidate import Repeats, stacked

        repeats = Repeats(stacked(candidates, self.switches) if self.switches.stacked else candidates)
        try:
            repeats.train(ends, goes_on=self._judge(job))
        except DivergedError as error:
            done = replace(done, status=Status.DIVERGED, error=str(error))
        else:
            latency = measured_latency(plan, device=self.device) if "latency" in self.objectives else math.nan
            done = replace(done, values=values_of(self.objectives, repeats.curve[-1], plan.cost, latency=latency))
        curve = tuple(repeats.curve) if len(ends) > 1 else ()
        return replace(done, scores=tuple(repeats.scores), curve=curve, compute=self._compute(plan, repeats))

    def _judge(self, job: Job) -> Callable[[Sequence[float]], bool]:
        """What says of a curve so far whether the training of a job goes on."""
        return (lambda _: True) if self.stopping is None else partial(self.stopping.goes_on, cutoffs=job.cutoffs)

    def _compute(self, plan: Plan, repeats: Repeats) -> float:
        """Floating-point operations of what was done, F_t N_t E + F_v N_v (Real 2017, section 3.5)."""
        training, validation = self._in_training(plan).compute.training, plan.compute.validation
        return float(training * repeats.n_trained + validation * repeats.n_validated)

    def _in_training(self, plan: Plan) -> Plan:
        """The network on images of the size that they have in training; validations are on whole images."""
        size = self.augmentation.crop or self.template.image_size
        return plan.within(replace(self.template, image_size=size))  # type: ignore[type-var]  # templates are dataclasses

    def _lack_of_memory(self, plan: Plan, *, together: bool) -> str:
        return lack_of_memory(
            self._in_training(plan),
            batch_size=self.recipe.batch_size,
            repeats=self.repeats,
            together=together,
            device=choose_device(self.device),
            memory_bytes=self.memory_bytes,
            switches=self.switches,
        )

    def candidate(self, genotype: Any, *, seed: int) -> Candidate:
        """The network of a genotype before its first step, with the images of the search.

        Raises:
            GenotypeError: the genotype does not belong to the space.
            NotViableError: no path leads from an input to the output.
        """
        plan = plan_network(self.space, genotype, self.template)
        return self._candidate(plan, self.space.adapt_recipe(genotype, self.recipe), seed=seed)

    def _candidate(self, plan: Plan, recipe: Recipe, *, seed: int) -> Candidate:
        from deap_nas.training.data.batches import search_sets
        from deap_nas.training.fitness.candidate import Candidate
        from deap_nas.training.trainer import seeded_network

        device = choose_device(self.device)
        training, validation = search_sets(self.source, self.seed, device)
        network = seeded_network(plan, seed=seed, device=device)
        return Candidate(network, training, validation, self.augmentation, recipe, seed=seed, switches=self.switches)
