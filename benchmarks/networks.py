"""Speed and memory of networks against naive ones, beside the bars that they shall pass.

    python benchmarks/networks.py [--samples 12] [--rounds 5] [--batch-size 32] [--channels 16] [--seed 0]

Every figure is of random genotypes in the small CIFAR model, on crops of 24 pixels, one thread, CPU time. The two sides
of each ratio are run in turns; of each side the least time of the rounds counts, so that what else the machine does
weighs less. Printed are the median over the genotypes and the range.

Freed memory stays with the process, as when a search trains. The naive network has a module for each edge and
concatenates at each node; here it stands in PyTorch's default memory format and in channels-last. The floor is the
network's convolutions alone, each forward and backward.
"""

import argparse
import os
import random
import statistics
import time
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from machine import describe
from PIL import Image
from torch import nn
from torchvision import transforms

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, canonical_key, cost, initDiversified
from deap_nas.assembly import build_network
from deap_nas.template import training_memory
from deap_nas.training import Augmentation
from deap_nas.training.data.batches import augmented_batch, to_device
from deap_nas.training.data.sources import Images
from deap_nas.training.tensor_memory import keep_freed_memory

SPACES = {"hierarchical": HierarchicalSpace(), "flat": FlatSpace()}
CROP = 24
#: What each ratio must be: for both representations, or (hierarchical, flat).
BARS = {
    "step, naive / network": ("at least", (2.0, 2.2)),
    "step, naive channels-last / network": ("at least", (1.1, 1.1)),
    "saved for backward, network / naive": ("at most", (0.95, 0.95)),
    "construction, network / naive": ("at most", (0.7, 0.7)),
    "construction / cost()": ("at least", (100, 100)),
    "construction / canonical_key()": ("at least", (100, 100)),
}
#: What each ratio must be in every genotype.
LEAST = {"step, naive channels-last / network": 0.95}


def random_genotypes(space, n_genotypes, rng):
    """Random genotypes with a path from input to output."""
    found = []
    while len(found) < n_genotypes:
        genes = initDiversified(Genotype, space, rng=rng)
        if space.lower(genes).output is not None:
            found.append(genes)
    return found


def least_seconds(functions, rounds):
    """CPU seconds of each function, the least of the rounds; in each round they take turns."""
    spent = [[] for _ in functions]
    for number in range(rounds + 1):  # the first warms up
        for function, times in zip(functions, spent, strict=True):
            start = time.process_time()
            function()
            if number:
                times.append(time.process_time() - start)
    return [min(times) for times in spent]


def training_step(network, images, labels, optimiser=None):
    """A function that makes one training step."""
    optimiser = optimiser or torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=3e-4)
    network.train()

    def step():
        loss = nn.functional.cross_entropy(network(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def convolutions(network, images):
    """(module, shape of its input) of each convolution of the network."""
    found = []

    def note(module, inputs, _):
        found.append((module, inputs[0].shape))

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return found


def floor_seconds(network, images, rounds):
    """CPU seconds of the network's convolutions alone, forward and backward."""
    total = 0.0
    for convolution, shape in convolutions(network, images):
        value = torch.randn(shape).contiguous(memory_format=torch.channels_last)
        value.requires_grad_(shape[1] != images.shape[1])  # the images need no gradient
        wanted = [tensor for tensor in (value, convolution.weight) if tensor.requires_grad]
        gradient = torch.ones_like(convolution(value))

        def both(convolution=convolution, value=value, wanted=wanted, gradient=gradient):
            torch.autograd.grad(convolution(value), wanted, gradient)

        total += least_seconds([both], rounds)[0]
    return total


def saved_bytes(network, images, labels):
    """Bytes that a training step keeps for its backward pass; each storage once, without the weights."""
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage  # which keeps its address from being used again

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda _: None):
        nn.functional.cross_entropy(network(images), labels)
    for value in network.state_dict().values():
        saved.pop(value.untyped_storage().data_ptr(), None)
    return sum(storage.nbytes() for storage in saved.values())


def ratios_of(space, genes, template, args):
    """The ratios of one genotype, by name."""
    images = torch.randn(args.batch_size, template.image_channels, CROP, CROP)
    labels = torch.randint(template.n_classes, (args.batch_size,))
    last = images.contiguous(memory_format=torch.channels_last)
    network, naive, naive_last = (build_network(space, genes, template, naive=naive) for naive in (False, True, True))
    naive_last.to(memory_format=torch.channels_last)
    pairs = ((network, last), (naive, images), (naive_last, last))
    seconds, naive_seconds, last_seconds = least_seconds([training_step(n, x, labels) for n, x in pairs], args.rounds)
    builds = [partial(build_network, space, genes, template, naive=naive) for naive in (False, True)]
    build, naive_build = least_seconds(builds, 2 * args.rounds)
    (costs, keys) = least_seconds([partial(cost, space, genes, template), partial(canonical_key, space, genes)], 20)
    saved = saved_bytes(network, last, labels)
    estimate = training_memory(space, genes, replace(template, image_size=CROP), batch_size=args.batch_size)
    return {
        "step, naive / network": naive_seconds / seconds,
        "step, naive channels-last / network": last_seconds / seconds,
        "step, network / convolutions alone": seconds / floor_seconds(network, last, args.rounds),
        "saved for backward, network / naive": saved / saved_bytes(naive, images, labels),
        "saved for backward, estimate / network": estimate.activations / saved,
        "construction, network / naive": build / naive_build,
        "construction / cost()": build / costs,
        "construction / canonical_key()": build / keys,
        "naive construction / cost()": naive_build / costs,
        "naive construction / canonical_key()": naive_build / keys,
    }


def compare_networks(args):
    """Print the ratios of random genotypes of each representation."""
    template = NetworkTemplate.small_cifar(channels=args.channels)
    for number, (name, space) in enumerate(SPACES.items()):
        genotypes = random_genotypes(space, args.samples, random.Random(args.seed))
        rows = [ratios_of(space, genes, template, args) for genes in genotypes]
        print(f"{name}, {args.samples} random genotypes, batches of {args.batch_size}")
        print(f"  {'':40}{'median':>9}{'least':>9}{'most':>9}   bar")
        for what in rows[0]:
            values = [row[what] for row in rows]
            direction, bars = BARS.get(what, ("", None))
            bar = f"{direction} {bars[number]}" if bars else ""
            bar += f", in each {LEAST[what]}" if what in LEAST else ""
            print(f"  {what:40}{statistics.median(values):9.2f}{min(values):9.2f}{max(values):9.2f}   {bar}")
        print(flush=True)


def compare_allocation(args):
    """Print the time of a step before and after the process keeps what it frees; it does so from then on."""
    template = NetworkTemplate.small_cifar(channels=args.channels)
    images = torch.randn(args.batch_size, template.image_channels, CROP, CROP)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(template.n_classes, (args.batch_size,))
    steps = {}
    for name, space in SPACES.items():
        genotypes = random_genotypes(space, min(args.samples, 4), random.Random(args.seed + 1))
        networks = [build_network(space, genes, template) for genes in genotypes]
        steps[name] = [training_step(network, images, labels) for network in networks]
    given_back = {name: [least_seconds([step], args.rounds)[0] for step in found] for name, found in steps.items()}
    keep_freed_memory()
    print("step, memory given back to the kernel / kept by the process, as it is in everything below")
    for name, found in steps.items():
        kept = [least_seconds([step], args.rounds)[0] for step in found]
        ratios = sorted(before / after for before, after in zip(given_back[name], kept, strict=True))
        print(f"  {name:40}{statistics.median(ratios):9.2f}{ratios[0]:9.2f}{ratios[-1]:9.2f}")
    print(flush=True)


def compare_augmentation(args):
    """Print the time of cropping and mirroring a batch on tensors, against images one by one in a DataLoader."""
    pixels = np.random.default_rng(args.seed).integers(0, 256, (1024, 32, 32, 3), dtype=np.uint8)
    images = to_device(Images(pixels, np.zeros(len(pixels), dtype=np.int64)), device=torch.device("cpu"))
    generator = torch.Generator().manual_seed(args.seed)
    indices = torch.randperm(len(pixels), generator=generator)[:256]
    steps = [transforms.RandomCrop(CROP), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    transform = transforms.Compose(
        [*steps, transforms.Normalize(images.mean.tolist(), images.scale.reciprocal().tolist())]
    )
    pictures = [Image.fromarray(pixels[index]) for index in indices]
    loader = torch.utils.data.DataLoader(_Transformed(pictures, transform), batch_size=256)
    batched = partial(augmented_batch, images, indices, Augmentation(crop=CROP, flip=True), generator)
    ours, loaded = least_seconds([batched, lambda: list(loader)], 2 * args.rounds)
    print("augmentation of 256 images")
    print(f"  {'PIL and DataLoader / batched':40}{loaded / ours:9.2f}{'':18}   at least 10")
    print(f"  {1e3 * ours:.1f} ms against {1e3 * loaded:.1f} ms\n")


class _Transformed(torch.utils.data.Dataset):
    def __init__(self, pictures, transform):
        self.pictures, self.transform = pictures, transform

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.transform(self.pictures[index])


def compare_optimisers(args):
    """Print the time of a step of SGD alone, in PyTorch's three forms."""
    template = NetworkTemplate.small_cifar(channels=args.channels)
    print("one step of SGD alone, all parameters of a network, milliseconds")
    for name, space in SPACES.items():
        (genes,) = random_genotypes(space, 1, random.Random(args.seed))
        steps = []
        for form in ({}, {"foreach": True}, {"fused": True}):
            network = build_network(space, genes, template)
            optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=3e-4, **form)
            for parameter in network.parameters():
                parameter.grad = torch.randn_like(parameter)
            steps.append(optimiser.step)
        single, foreach, fused = (1e3 * seconds for seconds in least_seconds(steps, 20))
        print(f"  {name:14} one by one {single:.2f}, foreach {foreach:.2f}, fused {fused:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int)
    add("--samples", default=12, help="random genotypes of each kind (default: 12)")
    add("--rounds", default=5, help="times that each measurement is repeated (default: 5)")
    add("--batch-size", default=32, help="images in a batch (default: 32)")
    add("--channels", default=16, help="channels c0 of the small model (default: 16)")
    add("--seed", default=0, help="of everything random (default: 0)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    describe("deap-nas", "torch", "torchvision", "pillow")
    print("load    ", ", ".join(f"{load:.1f}" for load in os.getloadavg()), "over 1, 5 and 15 minutes\n")
    compare_allocation(args)
    compare_networks(args)
    compare_augmentation(args)
    compare_optimisers(args)


if __name__ == "__main__":
    main()
