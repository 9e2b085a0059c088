import copy
import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, initDiversified
from deap_nas.assembly import build_network
from deap_nas.errors import DivergedError
from deap_nas.graph import Layer, operations, register_operation
from deap_nas.training import Augmentation, Recipe
from deap_nas.training.data.batches import DeviceBatches, DeviceImages
from deap_nas.training.fitness.stacking import StackedBatches, StackedNetwork, StackedTrainer, StackedTraining
from deap_nas.training.trainer import Trainer, compiled_form

TEMPLATE = NetworkTemplate.small_cifar(channels=2, image_size=8)
RECIPE = Recipe(steps=10, batch_size=8, learning_rate=0.02)
N_NETWORKS = 3


def random_genotype(space, seed):
    rng = random.Random(seed)
    while True:
        genes = initDiversified(Genotype, space, rng=rng)
        if space.lower(genes).output is not None:
            return genes


def make_networks(space, genes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [build_network(space, genes, TEMPLATE).double() for _ in range(N_NETWORKS)]


def make_batches(seed):
    """Batches of an order and an augmentation of their own, over more than one epoch in four steps."""
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 256, (20, 10, 10, 3), dtype=np.uint8))
    mean, scale = torch.full((3,), 127.5, dtype=torch.float64), torch.full((3,), 1 / 74, dtype=torch.float64)
    images = DeviceImages(pixels, torch.arange(20) % 10, mean, scale)
    return DeviceBatches(images, Augmentation(crop=8, flip=True), RECIPE.batch_size, seed=seed)


def make_stacked(networks):
    """Trainers of the networks, which train them at once."""
    batches = StackedBatches([make_batches(seed) for seed in range(N_NETWORKS)])
    training = StackedTraining(Trainer(StackedNetwork(networks), batches, RECIPE))
    return [StackedTrainer(training, number) for number in range(N_NETWORKS)]


def assert_same(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(value, other.state_dict()[name], rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("space", [HierarchicalSpace(), FlatSpace(nodes=7)], ids=["hierarchical", "flat"])
def test_stacked_networks_have_the_losses_and_the_weights_of_each_trained_alone(space, seed):
    networks = make_networks(space, random_genotype(space, seed))
    alone = copy.deepcopy(networks)
    stacked = make_stacked(networks)
    for number, network in enumerate(alone):
        trainer = Trainer(network, make_batches(number), RECIPE)
        for n_steps in (1, 3):
            assert stacked[number].advance(n_steps) == pytest.approx(trainer.advance(n_steps), rel=0, abs=1e-9)
    assert_same(networks, alone, tolerance=1e-9)


def test_weights_that_a_network_is_given_after_it_was_stacked_are_those_that_are_trained():
    space = FlatSpace(nodes=4)
    networks = make_networks(space, Genotype([1, 4, 5, 3, 2, 6]))
    others = make_networks(space, Genotype([1, 4, 5, 3, 2, 6]))[::-1]
    stacked = make_stacked(networks)
    for network, other in zip(networks, others, strict=True):
        network.load_state_dict(other.state_dict())
    for trainer, other, seed in zip(stacked, others, range(N_NETWORKS), strict=True):
        trainer.advance(2)
        Trainer(other, make_batches(seed), RECIPE).advance(2)
    assert_same(networks, others, tolerance=1e-9)


def test_each_network_keeps_the_channels_last_memory_format():
    networks = make_networks(FlatSpace(nodes=4), Genotype([1, 4, 5, 3, 2, 6]))
    StackedNetwork(networks)
    weights = [p for network in networks for p in network.parameters() if p.dim() == 4]
    assert weights
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


def test_a_network_that_diverges_is_told_at_its_own_step_and_the_others_train_on():
    space = FlatSpace(nodes=4)
    networks = make_networks(space, Genotype([1, 4, 5, 3, 2, 6]))
    next(networks[1].parameters()).data.fill_(float("nan"))
    alone = copy.deepcopy(networks)
    first, second, third = make_stacked(networks)
    for trainer in (first, third):
        trainer.advance(2)
        trainer.advance(2)
    with pytest.raises(DivergedError, match="after 2 of 10 steps"):
        second.advance(2)
    for seed in (0, 2):
        Trainer(alone[seed], make_batches(seed), RECIPE).advance(4)
    assert_same([networks[0], networks[2]], [alone[0], alone[2]], tolerance=1e-9)


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets half of the values to zero."""

    n_parameters = 0

    def output_shape(self, shape):
        return shape

    def flops(self, shape):
        return 0

    def build(self):
        return nn.Dropout(0.5)


def test_stacked_networks_draw_their_own_random_values(monkeypatch):
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))
    register_operation("dropout_for_this_test")(lambda in_channels, channels: (Dropout(),))
    space = FlatSpace(nodes=3, operations=("conv_1x1", "dropout_for_this_test"))
    first, *others = networks = make_networks(space, Genotype([1, 0, 2]))
    for other in others:
        other.load_state_dict(first.state_dict())
    stacked = StackedNetwork(networks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        images = torch.randn(8, 3, 8, 8, dtype=torch.float64).expand(N_NETWORKS, -1, -1, -1, -1)
        one, *rest = stacked.eval()(images)
        assert all(torch.equal(one, logits) for logits in rest)
        one, other, third = stacked.train()(images)
    assert not any(torch.allclose(*pair) for pair in ((one, other), (one, third), (other, third)))


def test_a_stop_at_a_step_that_is_past_is_refused():
    first, second, _ = make_stacked(make_networks(FlatSpace(nodes=4), Genotype([1, 4, 5, 3, 2, 6])))
    first.advance(3)
    with pytest.raises(RuntimeError, match="step 2 is past"):
        second.advance(2)


def test_a_stacked_training_goes_on_from_its_tensors():
    space, genes = FlatSpace(nodes=4), Genotype([1, 4, 5, 3, 2, 6])
    whole, begun, resumed = (make_networks(space, genes) for _ in range(3))
    make_stacked(whole)[0].advance(5)
    first = make_stacked(begun)[0]
    first.advance(3)
    trainer = make_stacked(resumed)[0].training.trainer
    trainer.restore(first.training.trainer.tensors(), first.training.trainer.numbers())
    trainer.total_losses(2)
    assert_same(resumed, whole, tolerance=0)


def test_compiled_stacked_networks_compute_the_same(monkeypatch):
    space, genes = FlatSpace(nodes=3), Genotype([3, 4, 5])
    plain, compiled = (make_networks(space, genes) for _ in range(2))
    traced = []

    def backend(module, inputs):  # the compiler proper takes minutes
        traced.append(module)
        return module.forward

    network = StackedNetwork(compiled)
    forward = torch.compile(network, backend=backend)
    batches = StackedBatches([make_batches(seed) for seed in range(N_NETWORKS)])
    losses = Trainer(network, batches, RECIPE, forward=forward).total_losses(3).tolist()
    expected = [trainer.advance(3) * 3 for trainer in make_stacked(plain)]
    assert losses == pytest.approx(expected, rel=0, abs=1e-9)
    assert len(traced) == 1
    assert_same(compiled, plain, tolerance=1e-9)


def test_the_compiled_form_of_a_network_has_its_weights_and_none_is_the_network():
    network = nn.Linear(2, 2)
    assert compiled_form(network, mode=False) is network
    assert next(compiled_form(network, mode="reduce-overhead").parameters()) is network.weight
