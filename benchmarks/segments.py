"""Whether to make the concatenations that convolutions take, or to convolve their parts, by the size of the batch.

    python benchmarks/segments.py [--samples 24] [--rounds 5] [--batch-sizes 1 8 32 128]

Networks make them. The other form has for each part a convolution with its slice of the weight, and sums the results;
what is depthwise alone is concatenated afterwards. Times are of forward and backward pass on one thread, CPU time, in
turns, the least of the rounds, for concatenations of random genotypes in the small CIFAR model on crops of 24 pixels.
"""

import argparse
import random
import statistics
from dataclasses import replace
from functools import partial, reduce
from itertools import takewhile

import torch
from machine import describe
from networks import CROP, SPACES, least_seconds, random_genotypes
from torch import nn

from deap_nas import NetworkTemplate
from deap_nas.assembly.modules import copy_layer
from deap_nas.graph import Conv2d, split_pools, viable_graph
from deap_nas.template import expand
from deap_nas.training.tensor_memory import keep_freed_memory


def concatenations(space, genes):
    """For each concatenation that convolutions take: shapes of its parts, convolutions of each chain that takes it."""
    steps = expand(split_pools(viable_graph(space, genes)), NetworkTemplate.small_cifar(image_size=CROP))
    chains = {}
    for step in steps:
        convolutions = tuple(takewhile(lambda layer: isinstance(layer, Conv2d), step.chain.layers))
        if convolutions and steps[step.inputs[0] - 1].merge == "concat":
            chains.setdefault(step.inputs[0], []).append(convolutions)
    return [([steps[i - 1].shape for i in steps[number - 1].inputs], found) for number, found in chains.items()]


def both_passes(parts, chains, *, whole):
    """A function that makes forward and backward pass of chains on the concatenation, or on its parts."""

    def module_of(chain, channels):
        layers = [replace(layer, in_channels=channels) for layer in chain]
        layers = [replace(c, out_channels=channels, groups=channels) if c.groups > 1 else c for c in layers]
        return nn.Sequential(*map(copy_layer, layers)).to(memory_format=torch.channels_last)

    def forward():
        values = [torch.cat(parts, dim=1)] if whole else parts
        for chain, of_chain in zip(chains, modules, strict=True):
            results = [module(value) for module, value in zip(of_chain, values, strict=True)]
            is_summed = whole or chain[-1].groups == 1
            yield reduce(torch.Tensor.add_, results) if is_summed else torch.cat(results, dim=1)

    channels = [sum(part.shape[1] for part in parts)] if whole else [part.shape[1] for part in parts]
    modules = nn.ModuleList([nn.ModuleList([module_of(chain, number) for number in channels]) for chain in chains])
    gradients = [torch.ones_like(result) for result in forward()]
    return lambda: torch.autograd.grad(list(forward()), [*parts, *modules.parameters()], gradients)


def ratio_of(shapes, chains, batch_size, rounds):
    """Time with the parts of a concatenation, over the time with the concatenation."""
    values = [torch.randn(batch_size, *shape).to(memory_format=torch.channels_last) for shape in shapes]
    parts = [value.requires_grad_() for value in values]
    in_parts, whole = least_seconds([both_passes(parts, chains, whole=whole) for whole in (False, True)], rounds)
    return in_parts / whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, type=int)
    add("--samples", default=24, help="concatenations of each representation (default: 24)")
    add("--rounds", default=5, help="times that each measurement is repeated (default: 5)")
    add("--batch-sizes", default=[1, 8, 32, 128], nargs="+", help="images in a batch (default: 1 8 32 128)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    describe("deap-nas", "torch")
    for name, space in SPACES.items():
        rng = random.Random(0)
        known = [each for genes in random_genotypes(space, 50, rng) for each in concatenations(space, genes)]
        sample = rng.sample(known, args.samples)
        print(f"{name}, {len(sample)} of {len(known)} concatenations of 50 random genotypes, time of parts / whole")
        print(f"  {'images':>9}{'median':>9}{'least':>9}{'most':>9}")
        for size in args.batch_sizes:
            ratios = [ratio_of(*each, size, args.rounds) for each in sample]
            print(f"  {size:9}{statistics.median(ratios):9.2f}{min(ratios):9.2f}{max(ratios):9.2f}")


if __name__ == "__main__":
    main()
