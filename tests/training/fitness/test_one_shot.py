"""Fitness with the weights of a bank, without a training."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from deap import base

from deap_nas import ChainSpace, FlatSpace, Status, eaAsyncGenerateUpdate
from deap_nas.errors import SettingsError
from deap_nas.evaluation import Job, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.genotype import Genotype
from deap_nas.store import MemoryStore
from deap_nas.strategies import RandomSearch
from deap_nas.training import SEARCH, AccuracyFitness, OneShotFitness, SharedWeights
from deap_nas.training.fitness.one_shot import measure_statistics
from deap_nas.training.weights.shared_weights import Bank, newest_tensors, take_from_bank
from tests.toolboxes import MaxIndividual

SPACE = ChainSpace(max_layers=2, operations=("conv",), channels=(4, 12), kernel_sizes=(1, 3), strides=(1,))
GENES = Genotype([0, 1, 1, 0] * 2)


def make_fitness(folder, space=SPACE, **changes):
    options = {"recipe": replace(SEARCH, steps=150, batch_size=32), "repeats": 1, "device": "cpu"}
    return AccuracyFitness(space, **(options | {"weights": SharedWeights(folder)} | changes))


def test_the_weights_of_the_bank_classify_without_another_training(tmp_path):
    fitness = make_fitness(tmp_path)
    trained = fitness.evaluate_job(Job(0, GENES, 0))
    before = [path.read_bytes() for path in Bank(tmp_path).generations()]
    found = OneShotFitness(fitness).evaluate(GENES, seed=5)
    assert found.status is Status.OK
    assert found.values[0] == pytest.approx(trained.values[0], abs=0.08)  # other statistics, the same weights
    assert found.values[0] > 0.4
    assert (found.n_parameters, found.flops) == (trained.n_parameters, trained.flops)
    assert 0 < found.compute < trained.compute
    assert [path.read_bytes() for path in Bank(tmp_path).generations()] == before
    assert OneShotFitness(fitness).evaluate(GENES, seed=5) == found
    untrained = OneShotFitness(make_fitness(tmp_path / "empty")).evaluate(GENES, seed=5)
    assert untrained.values[0] < 0.3


def test_statistics_are_the_means_over_batches_and_weights_stay(tmp_path):
    fitness = make_fitness(tmp_path)
    fitness.evaluate_job(Job(0, GENES, 0))
    first, second = (fitness.candidate(GENES, seed=1) for _ in range(2))
    for candidate in (first, second):
        take_from_bank(candidate.network, newest_tensors(tmp_path), 0)
    weights = {name: value.clone() for name, value in first.network.named_parameters()}
    measure_statistics(first, 3)
    norm = next(module for module in first.network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    assert norm.num_batches_tracked == 3
    assert norm.momentum == 0.1
    assert all(torch.equal(value, weights[name]) for name, value in first.network.named_parameters())
    seen = []
    other = next(module for module in second.network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    other.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean(dim=(0, 2, 3))))
    second.network.train()
    with torch.no_grad():
        for _ in range(3):
            second.network(second.batches.next()[0])
    torch.testing.assert_close(norm.running_mean, torch.stack(seen).mean(dim=0))


def test_random_search_trains_a_bank_whose_networks_are_ranked_by_it(tmp_path):
    fitness = make_fitness(tmp_path, recipe=replace(SEARCH, steps=10, batch_size=32))
    rng = random.Random(0)
    toolbox = base.Toolbox()
    toolbox.register("individual", lambda: MaxIndividual(SPACE.sample(rng=rng)))
    strategy = RandomSearch(toolbox)
    toolbox.register("generate", strategy.generate)
    toolbox.register("update", strategy.update)
    toolbox.register("evaluate", fitness)
    with SerialExecutor() as executor:
        eaAsyncGenerateUpdate(toolbox, executor, n_evaluations=25, store=MemoryStore(seed=3), rng=rng)
    one_shot = OneShotFitness(fitness)
    small, large = ([one_shot([0, 0, 0, 0])[0]], [one_shot(GENES)[0]])
    assert np.mean(large) > np.mean(small)  # windows of 3x3 see more than the mean colour of 8x8 pixels


def test_repeats_have_weights_of_their_own(tmp_path):
    fitness = make_fitness(tmp_path, repeats=2)
    fitness.evaluate_job(Job(0, GENES, 0))
    found = OneShotFitness(fitness, n_batches=5).evaluate(GENES, seed=1)
    assert len(found.scores) == 2
    assert found.values[0] == pytest.approx(sum(found.scores) / 2)
    alone = fitness.candidate(GENES, seed=derive_seed(1, 1))
    take_from_bank(alone.network, newest_tensors(tmp_path), 1)
    measure_statistics(alone, 5)
    assert alone.accuracy() == found.scores[1]


def test_what_is_no_network_and_what_has_no_bank_are_told(tmp_path):
    space = FlatSpace(nodes=3)
    one_shot = OneShotFitness(make_fitness(tmp_path, space, template=space.default_template().with_channels(2)))
    found = one_shot.evaluate(Genotype([0, 0, 0]), seed=0)
    assert (found.status, found.values) == (Status.NOT_VIABLE, ())
    assert one_shot(Genotype([0, 0, 0])) == one_shot.worst_values
    with pytest.raises(SettingsError, match="made of one with weights=SharedWeights"):
        OneShotFitness(make_fitness(tmp_path, weights=None))
    with pytest.raises(SettingsError, match="n_batches must be an integer of at least 1, found 0"):
        OneShotFitness(make_fitness(tmp_path), n_batches=0)


def test_it_says_what_it_is(tmp_path):
    fitness = make_fitness(tmp_path)
    one_shot = OneShotFitness(fitness, n_batches=7)
    assert one_shot.to_dict() == fitness.to_dict() | {"one_shot": {"n_batches": 7}}
    assert (one_shot.deterministic, one_shot.isolated) == (False, True)
