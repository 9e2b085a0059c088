from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from deap_nas import FlatSpace, Genotype, NetworkTemplate
from deap_nas.graph import operations, register_operation
from deap_nas.template import plan_network
from deap_nas.training import AccuracyFitness, Recipe
from deap_nas.training.seeding import StepDraws, seeded_draws
from deap_nas.training.trainer import Trainer, seeded_network
from tests.training.fitness.test_stacking import Dropout
from tests.training.test_trainer import make_batches

CPU = torch.device("cpu")
RECIPE = Recipe(steps=4, batch_size=16)
GENES = Genotype([1, 2, 3])


@pytest.fixture
def space(monkeypatch):
    """One whose networks draw random values in training."""
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))
    register_operation("dropout_with_a_seed")(lambda in_channels, channels: (Dropout(),))
    return FlatSpace(nodes=3, operations=("conv_1x1", "dropout_with_a_seed", "conv_3x3"))


def make_trainer(space, seed=0):
    template = NetworkTemplate.small_cifar(channels=2, image_size=8)
    network = seeded_network(plan_network(space, GENES, template), seed=seed, device=CPU)
    return Trainer(network, make_batches(seed), RECIPE, seed=seed)


def weights(trainer):
    return torch.cat([value.flatten() for value in trainer.network.state_dict().values()])


@pytest.mark.parametrize("stacked", [False, True])
def test_fitness_of_networks_that_draw_follows_from_the_seed(space, stacked):
    template = NetworkTemplate.small_cifar(channels=4)
    fitness = AccuracyFitness(space, template=template, recipe=RECIPE, repeats=2, stacked=stacked, device="cpu")
    first, *others = [fitness.evaluate(GENES, seed=3).scores for _ in range(3)]
    assert others == [first] * 2


def test_training_of_a_network_that_draws_leaves_torchs_generator_alone(space):
    before = torch.get_rng_state()
    make_trainer(space).advance(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_of_a_network_that_draws_goes_on_from_its_tensors(space):
    whole, begun, resumed = (make_trainer(space) for _ in range(3))
    whole.advance(4)
    begun.advance(2)
    resumed.restore(begun.tensors(), begun.numbers())
    resumed.advance(2)
    assert torch.equal(weights(resumed), weights(whole))


def test_networks_that_draw_are_trained_by_threads_as_alone(space):
    def trained(seed):
        trainer = make_trainer(space, seed)
        trainer.advance(4)
        return weights(trainer)

    with ThreadPoolExecutor(3) as executor:
        threaded = list(executor.map(trained, range(6)))
    assert all(map(torch.equal, threaded, map(trained, range(6))))


def test_steps_and_seeds_draw_values_of_their_own_and_the_same_again():
    def drawn(seed, step):
        with StepDraws(seed, CPU).of_step(step):
            return torch.rand(())

    values = {(seed, step): float(drawn(seed, step)) for seed in range(3) for step in range(1, 4)}
    assert len(set(values.values())) == 9
    assert all(float(drawn(*place)) == value for place, value in values.items())


def test_steps_of_a_network_that_draws_nothing_wait_for_no_other_thread():
    draws = StepDraws(0, CPU)
    with draws.of_step(1):
        pass

    def step():
        with draws.of_step(2):
            return True

    with ThreadPoolExecutor(1) as executor, seeded_draws(0):
        assert executor.submit(step).result(timeout=20)
