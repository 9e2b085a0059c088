"""Networks of a normal and a reduction cell, against what Zoph 2018 says in words, computed by hand."""

from functools import cache, partial

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from deap_nas import CellStack, cost
from deap_nas.assembly import build_network
from tests.cells import DARTS, spaces_and_cells
from tests.strategies import genes_of

TEMPLATE = CellStack(n_classes=3, image_size=9, channels=4, n_normal=1, n_reductions=2, relu_first=True)


def network_of(space, genotype, template=TEMPLATE, *, naive=False):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build_network(space, genotype, template, naive=naive)
    return network.double().eval()


def images_of(size):
    return torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def applied(module, operation, value, stride):
    """An operation on a value; if it has weights, ``module`` gives its module."""
    if "pool" in operation:
        window = int(operation[-1])
        if operation.startswith("max"):
            return functional.max_pool2d(value, window, stride, window // 2)
        return functional.avg_pool2d(value, window, stride, window // 2, count_include_pad=False)
    return value if operation == "identity" and stride == 1 else module()(value)


def cell_by_hand(layers, blocks, output, inputs, stride):
    """A cell; values are functions, since those that nobody asks for have no modules."""

    def value_of(block, operands):
        return sum(
            applied(partial(layers, block, slot), operation, values[source](), stride if source < 2 else 1)
            for slot, (source, operation) in enumerate(operands)
        )

    values = [cache(lambda number=number: layers(f"input{number + 1}")(inputs[number]())) for number in (0, 1)]
    values += [cache(partial(value_of, *numbered)) for numbered in enumerate(blocks, start=1)]
    parts = [
        layers(0, source + 1)(values[source]()) if source < 2 and stride > 1 else values[source]() for source in output
    ]
    return torch.cat(parts, dim=1)


def by_hand(network, space, genotype, images):
    def layers(number, *path):
        return network.layers["_".join(map(str, (f"cell{number}", *path)))]

    cells = space.cells_of(genotype)
    outputs = [lambda: network.layers["stem1"](images)] * 2
    for number, (is_reduction, _) in enumerate(TEMPLATE._places(), start=1):
        output = space._outputs_of(cells)[is_reduction]
        settings = (partial(layers, number), cells[is_reduction], output, outputs[-2:], 1 + is_reduction)
        outputs.append(cache(partial(cell_by_hand, *settings)))
    return network.layers["head"](outputs[-1]())


@settings(max_examples=60, deadline=None)
@given(spaces_and_cells(), st.integers(1, 12))
def test_a_network_computes_what_the_paper_says(case, size):
    space, genotype = case
    for naive in (False, True):
        network = network_of(space, genotype, naive=naive)
        images = images_of(size)
        expected = by_hand(network, space, genotype, images)
        torch.testing.assert_close(network(images), expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(spaces_and_cells())
def test_cost_is_that_of_the_module(case):
    space, genotype = case
    network = build_network(space, genotype, TEMPLATE)
    assert cost(space, genotype, TEMPLATE).n_parameters == sum(each.numel() for each in network.parameters())
    assert network(torch.zeros(2, 3, 9, 9)).shape == (2, 3)


@settings(max_examples=20, deadline=None)
@given(genes_of(DARTS))
def test_relu_comes_before_each_convolution_of_a_network_of_cells_but_the_stem_and_strided_identities(genotype):
    network = network_of(DARTS, genotype)
    for name, chain in network.layers.items():
        kinds = [type(layer) for layer in chain]
        if name == "stem1":
            assert kinds[1:] == [nn.BatchNorm2d]
        elif name == "head":
            assert kinds[0] is nn.ReLU
        elif "input" in name:
            assert kinds[0] is nn.ReLU
            assert kinds[2:] == [nn.BatchNorm2d]
        elif any(issubclass(kind, nn.Conv2d) for kind in kinds):
            assert kinds[0] is nn.ReLU or kinds[1:] == [nn.BatchNorm2d, nn.ReLU]
