import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from deap_nas import FlatSpace, Genotype, NetworkTemplate
from deap_nas.errors import DivergedError
from deap_nas.template import plan_network
from deap_nas.training import Augmentation, Recipe
from deap_nas.training.data.batches import DeviceBatches, DeviceImages, to_device
from deap_nas.training.data.sources import Images
from deap_nas.training.fitness.candidate import Candidate
from deap_nas.training.fitness.stacking import StackedBatches, StackedNetwork
from deap_nas.training.trainer import Trainer, compiled_form, seeded_network

#: Operations whose result the host has to wait for: a number out of a tensor, or a shape that depends on its values.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique_dim", "_unique2"}


class Waits(TorchDispatchMode):
    """Collects the operations that wait for the device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in WAITING:
            self.found.append(name)
        return function(*args, **(kwargs or {}))


SPACE, GENES = FlatSpace(nodes=4), Genotype([1, 4, 5, 3, 2, 6])
RECIPE = Recipe(steps=10, batch_size=16)
AUGMENTATION = Augmentation(crop=8, flip=True)


def make_network(seed=0):
    template = NetworkTemplate.small_cifar(channels=2, image_size=8)
    return seeded_network(plan_network(SPACE, GENES, template), seed=seed, device=torch.device("cpu"))


def make_images():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 10, 10, 3), dtype=np.uint8)
    return to_device(Images(pixels, np.arange(40) % 10), device=torch.device("cpu"))


def make_batches(seed=0):
    """Two batches an epoch."""
    return DeviceBatches(make_images(), AUGMENTATION, 16, seed=seed)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_steps_wait_for_the_device_once_at_their_end(precision):
    trainer = Trainer(make_network(), make_batches(), RECIPE, precision=precision)
    with Waits() as waits:
        trainer.advance(5)  # over the end of an epoch
    assert waits.found == ["_local_scalar_dense"]


def test_stacked_steps_do_not_wait_for_the_device():
    network = StackedNetwork([make_network(seed) for seed in range(3)])
    trainer = Trainer(network, StackedBatches([make_batches(seed) for seed in range(3)]), RECIPE)
    with Waits() as waits:
        losses = trainer.total_losses(5)
    assert waits.found == []
    assert losses.shape == (3,)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_the_loss_of_the_first_step_in_lower_precision_is_that_of_float32_within_two_percent(precision):
    losses = {
        kind: Trainer(make_network(), make_batches(), RECIPE, precision=kind).advance(1)
        for kind in ("float32", precision)
    }
    assert losses[precision] != losses["float32"]
    assert losses[precision] == pytest.approx(losses["float32"], rel=0.02)


def test_a_first_step_that_overflows_in_float16_is_skipped_and_leaves_no_trace():
    network = make_network()
    trainer = Trainer(network, make_batches(), RECIPE, precision="float16")
    trainer._scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)  # which overflows
    before = [parameter.clone() for parameter in network.parameters()]
    trainer.advance(1)
    assert all(map(torch.equal, network.parameters(), before))
    momentum = [value for name, value in trainer.tensors().items() if name.startswith("momentum.")]
    assert len(momentum) == len(before)
    assert all(not value.any() for value in momentum)


def test_networks_that_threads_make_at_once_have_the_weights_of_their_seeds():
    with ThreadPoolExecutor(4) as executor:
        threaded = list(executor.map(make_network, range(8)))
    for network, alone in zip(threaded, map(make_network, range(8)), strict=True):
        assert all(map(torch.equal, network.parameters(), alone.parameters()))


def test_validation_is_of_no_more_images_at_once_than_the_training():
    sizes, images = [], make_images()
    candidate = Candidate(make_network(), images, images, AUGMENTATION, RECIPE, seed=0)
    candidate.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    candidate.train(1)
    candidate.accuracy()
    assert sizes == [16, 16, 16, 8]  # one step, then the 40 images


def test_candidate_whose_last_step_overflows_has_diverged():
    images, recipe = make_images(), Recipe(steps=1, batch_size=16, learning_rate=1e38)
    candidate = Candidate(make_network(), images, images, AUGMENTATION, recipe, seed=0)
    candidate.train()
    with pytest.raises(DivergedError, match="gives numbers that are not finite"):
        candidate.accuracy()


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="torch.compile needs a C++ compiler")
def test_compiled_steps_have_the_losses_and_the_weights_of_plain_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))
    mean, scale = torch.full((3,), 127.5, dtype=torch.float64), torch.full((3,), 1 / 74, dtype=torch.float64)
    images = DeviceImages(pixels, torch.arange(20) % 10, mean, scale)
    trainers = []
    for mode in (False, True):
        template = NetworkTemplate.small_cifar(channels=2, image_size=8)
        network = seeded_network(
            plan_network(FlatSpace(nodes=2), Genotype([1]), template), seed=0, device=torch.device("cpu")
        )
        forward = compiled_form(network.double(), mode=mode)
        trainers.append(Trainer(network, DeviceBatches(images, Augmentation(), 8, seed=0), RECIPE, forward=forward))
    plain, compiled = trainers
    assert compiled.advance(3) == pytest.approx(plain.advance(3), rel=0, abs=1e-9)
    weights = plain.network.state_dict()
    for name, value in compiled.network.state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("optimiser", ["sgd", "nesterov", "adam"])
def test_a_training_goes_on_with_all_that_its_optimiser_knows(optimiser):
    recipe = replace(RECIPE, optimiser=optimiser, learning_rate=0.01)
    whole, first = (Trainer(make_network(), make_batches(), recipe) for _ in range(2))
    whole.advance(10)
    first.advance(5)
    tensors = {name: value.clone() for name, value in first.tensors().items()}
    later = Trainer(make_network(seed=1), make_batches(), recipe)
    later.restore(tensors, first.numbers())
    later.advance(5)
    found, wanted = later.tensors(), whole.tensors()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    plain = Trainer(make_network(), make_batches(), replace(recipe, optimiser="sgd"))
    plain.advance(10)
    is_plain = all(torch.equal(plain.tensors()[name], wanted[name]) for name in plain.tensors() if "network" in name)
    assert is_plain == (optimiser == "sgd")
