import math
from dataclasses import replace

import pytest
import torch

from deap_nas import FlatSpace, Genotype, NetworkTemplate
from deap_nas.errors import DivergedError
from deap_nas.evaluation import Job, Status
from deap_nas.template import compute
from deap_nas.training import SEARCH, AccuracyFitness, EarlyStopping
from deap_nas.training.data.batches import search_sets
from deap_nas.training.data.sources import Augmentation
from deap_nas.training.fitness import candidate

SPACE = FlatSpace(nodes=3, operations=("conv_1x1", "identity"))
GENES = Genotype([1, 1, 0])
RECIPE = replace(SEARCH, steps=9, batch_size=32)


def make_fitness(**changes):
    template = NetworkTemplate.small_cifar(channels=2)
    options = {"recipe": RECIPE, "template": template, "repeats": 2, "device": "cpu", "n_images": 300} | changes
    return AccuracyFitness(SPACE, **options)


def work(fitness, *, n_steps, n_validations, size=8):
    """F_t N_t E + F_v N_v of Real 2017, of steps and validations of all repeats together."""
    training = compute(SPACE, GENES, replace(fitness.template, image_size=size)).training
    validation = compute(SPACE, GENES, fitness.template).validation
    _, kept = search_sets(fitness.source, fitness.seed, torch.device("cpu"))
    return training * n_steps * RECIPE.batch_size + validation * n_validations * len(kept.labels)


@pytest.mark.parametrize("stacked", [False, True])
def test_an_evaluation_tells_the_work_of_all_its_steps_and_validations(stacked):
    fitness = make_fitness(stacked=stacked)
    assert fitness.evaluate(GENES, seed=4).compute == work(fitness, n_steps=18, n_validations=2)


def test_images_in_training_count_as_the_crops_that_they_are_and_those_in_validation_whole():
    fitness = make_fitness()
    fitness.augmentation = Augmentation(crop=6)
    assert fitness.evaluate(GENES, seed=4).compute == work(fitness, n_steps=18, n_validations=2, size=6)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_training_that_is_stopped_at_a_rung_counts_as_far_as_it_came(stacked):
    fitness = make_fitness(stopping=EarlyStopping((1 / 3, 2 / 3)), stacked=stacked)
    whole = fitness.evaluate_job(Job(0, GENES, seed=4))
    stopped = fitness.evaluate_job(Job(0, GENES, seed=4, cutoffs=(-math.inf, math.inf)))
    assert whole.compute == work(fitness, n_steps=18, n_validations=6)
    assert stopped.compute == work(fitness, n_steps=12, n_validations=4)


def test_a_training_that_diverges_counts_as_far_as_it_came():
    fitness = make_fitness(recipe=replace(RECIPE, learning_rate=1e30))
    ended = fitness.evaluate(GENES, seed=4)
    assert ended.status is Status.DIVERGED
    assert ended.compute == work(fitness, n_steps=9, n_validations=0)


def test_of_stacked_trainings_one_of_which_diverges_all_count():
    fitness = make_fitness(recipe=replace(RECIPE, learning_rate=1e30), repeats=3, stacked=True)
    ended = fitness.evaluate(GENES, seed=4)
    assert ended.status is Status.DIVERGED
    assert ended.compute == work(fitness, n_steps=27, n_validations=0)


def test_a_validation_that_gives_no_numbers_counts(monkeypatch):
    def diverge(*arguments, **keywords):
        raise DivergedError("the trained network gives numbers that are not finite")

    monkeypatch.setattr(candidate, "accuracy", diverge)
    fitness = make_fitness()
    ended = fitness.evaluate(GENES, seed=4)
    assert ended.status is Status.DIVERGED
    assert ended.compute == work(fitness, n_steps=9, n_validations=1)


def test_what_is_not_trained_takes_nothing():
    fitness = make_fitness(memory_bytes=1)
    assert fitness.evaluate(GENES, seed=4).status is Status.OUT_OF_MEMORY
    assert fitness.evaluate(GENES, seed=4).compute == 0
    assert fitness.evaluate(Genotype([0, 0, 0]), seed=4).compute == 0
