import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from deap_nas import FlatSpace, Genotype, NetworkTemplate
from deap_nas.training import Augmentation, Recipe
from deap_nas.training.batches import DeviceBatches, to_device
from deap_nas.training.sources import Images
from deap_nas.training.trainer import Trainer, seeded_network

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


def test_steps_wait_for_the_device_once_at_their_end():
    cpu, template = torch.device("cpu"), NetworkTemplate.small_cifar(channels=2, image_size=8)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 10, 10, 3), dtype=np.uint8)
    images = to_device(Images(pixels, np.arange(40) % 10), device=cpu)
    space = FlatSpace(nodes=4)
    network = seeded_network(space, Genotype([1, 4, 5, 3, 2, 6]), template, seed=0, device=cpu)
    batches = DeviceBatches(images, Augmentation(crop=8, flip=True), 16, seed=0)
    trainer = Trainer(network, batches, Recipe(steps=10, batch_size=16))
    with Waits() as waits:
        trainer.advance(5)  # over the end of an epoch of two batches
    assert waits.found == ["_local_scalar_dense"]
