"""Networks of the macro and the micro space, against what Perez-Rua 2018 says in words, computed by hand."""

import random
from functools import cache, partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from deap_nas import CellStack, MacroSpace, MicroSpace, WholeNetwork, cost
from deap_nas.assembly import build_network, weight_names
from deap_nas.graph import layers_of
from tests.growing import SPACES, genotypes, growing_spaces, spaces_and_genotypes

MACRO, MICRO = SPACES
POOLS = {
    "max_pool_3x3": lambda value, stride: functional.max_pool2d(value, 3, stride, 1),
    "avg_pool_3x3": lambda value, stride: functional.avg_pool2d(value, 3, stride, 1, count_include_pad=False),
}


def network_of(space, genotype, template, *, naive=False):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = build_network(space, genotype, template, naive=naive)
    return network.double()


def images_of(size):
    return torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def applied(module, operation, value, *, stride=1):
    """An operation on a value; if it has weights, ``module`` gives its module."""
    if operation in POOLS:
        return POOLS[operation](value, stride)
    if operation == "identity" and stride == 1:
        return value
    return module()(value)


def macro_by_hand(network, space, genotype, images):
    @cache
    def layer(number):
        if number == 0:
            return network.layers["stem1"](images)
        operation, *bits = genotype[space.genes_of(number)]
        read = [before for before, bit in enumerate(bits, start=1) if bit] or [number - 1]
        value = network.layers[f"graph_{number}_0"](sum(layer(before) for before in read))
        return applied(lambda: network.layers[f"graph_{number}_1"], space.operations[operation], value)

    return network.layers["head"](layer(space.level_of(genotype)))


def cell_by_hand(layers, space, genotype, inputs, stride):
    """A cell whose unused blocks are concatenated, with one 1x1 convolution of the concatenation.

    ``layers`` gives a module of the cell by the numbers of its path, or an input's by its name; the inputs are asked
    for where they are read.
    """
    sources = [lambda: layers("input1")(inputs[0]()), lambda: layers("input2")(inputs[1]())]
    unused = {}
    for block in range(1, space.level_of(genotype) + 1):
        genes, total = genotype[space.genes_of(block)], 0
        for slot, (source, operation) in enumerate((genes[:2], genes[2:])):
            unused.pop(source - 1, None)
            by, module = stride if source < 2 else 1, partial(layers, block, slot)
            total = total + applied(module, space.operations[operation], sources[source](), stride=by)
        sources.append(lambda total=total: total)
        unused[block] = total
    weights = torch.cat([layers(block, 2)[0].weight for block in unused], dim=1)
    return layers(0)(functional.conv2d(torch.cat(list(unused.values()), dim=1), weights))


def micro_by_hand(network, space, genotype, images):
    def layers(number, *path):
        return network.layers["_".join(map(str, (f"cell{number}", *path)))]

    outputs = [lambda: network.layers["stem1"](images)] * 2
    for number, (is_reduction, _) in enumerate(MICRO_TEMPLATE._places(), start=1):
        cell = partial(cell_by_hand, partial(layers, number), space, genotype, outputs[-2:], 1 + is_reduction)
        outputs.append(cache(cell))
    return network.layers["head"](outputs[-1]())


MACRO_TEMPLATE = WholeNetwork(n_classes=3, image_size=7, stem=((4, 1),))
MICRO_TEMPLATE = CellStack(n_classes=3, image_size=9, channels=2, n_normal=1, n_reductions=2)


def by_hand(network, space, genotype, images):
    if isinstance(space, MacroSpace):
        return macro_by_hand(network, space, genotype, images)
    return micro_by_hand(network, space, genotype, images)


def template_for(space):
    return MACRO_TEMPLATE if isinstance(space, MacroSpace) else MICRO_TEMPLATE


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPACES), st.integers(1, 12), st.data())
def test_a_network_computes_what_the_paper_says(space, size, data):
    genotype = data.draw(genotypes(space))
    for naive in (False, True):
        network = network_of(space, genotype, template_for(space), naive=naive).eval()
        images = images_of(size)
        found, expected = network(images), by_hand(network, space, genotype, images)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(spaces_and_genotypes())
def test_cost_is_that_of_the_module(case):
    space, genotype = case
    template = template_for(space)
    network = build_network(space, genotype, template)
    assert cost(space, genotype, template).n_parameters == sum(each.numel() for each in network.parameters())
    assert network(torch.zeros(2, 3, template.image_size, template.image_size)).shape == (2, 3)


@settings(max_examples=60, deadline=None)
@given(growing_spaces(max_levels=5), st.data())
def test_weights_of_one_name_have_one_shape_in_all_genotypes_of_a_space(space, data):
    """So a bank of weights can be shared by all of them, of any number of levels."""
    shapes = {}
    for _ in range(4):
        network = build_network(space, data.draw(genotypes(space)), template_for(space))
        for name, tensor in weight_names(network).values():
            assert shapes.setdefault(name, tensor.shape) == tensor.shape


def names_of(space, genotype, template):
    """Weights by the part of the network that has them and their operation."""
    names = {name for name, _ in weight_names(build_network(space, genotype, template)).values()}
    return {name.removeprefix("layers.").split(".")[0] for name in names}


def test_two_networks_share_what_has_the_same_operation_at_the_same_layer():
    """Perez-Rua 2018, footnote 3; and the 1x1 convolutions."""
    one = names_of(MACRO, [2, 3, 1, 4, 0, 1], MACRO_TEMPLATE)
    assert one == {
        "stem1", "graph_1_0:conv_1x1", "graph_1_1:conv_3x3", "graph_2_0:conv_1x1", "graph_2_1:conv_5x5",
        "graph_3_0:conv_1x1", "graph_3_1:depthwise_conv_3x3", "head",
    }  # fmt: skip
    other = names_of(MACRO, [3, 3, 0, 4, 1, 1, 0, 0, 0, 1], MACRO_TEMPLATE)
    assert one - other == {"graph_1_1:conv_3x3"}
    assert other - one == {"graph_1_1:conv_5x5", "graph_4_0:conv_1x1"}


def test_two_cells_share_what_has_the_same_operation_at_the_same_operand_of_a_block():
    template = CellStack(n_classes=3, image_size=8, channels=2, n_normal=1, n_reductions=1)
    one = names_of(MICRO, [0, 2, 1, 6, 2, 3, 1, 4], template)
    assert {name for name in one if name.startswith("cell2")} == {
        "cell2_input1", "cell2_input2", "cell2_1_0:conv_3x3", "cell2_1_1:identity_by2", "cell2_2_0:conv_5x5",
        "cell2_2_1:depthwise_conv_3x3", "cell2_2_2:conv", "cell2_0:bn_relu",
    }  # fmt: skip
    other = names_of(MICRO, [1, 2, 0, 6, 0, 3, 1, 4], template)  # reads others
    assert other - one == {f"cell{number}_1_2:conv" for number in (1, 2, 3)}
    assert one - other == set()
    swapped = names_of(MICRO, [1, 6, 0, 2, 2, 3, 1, 4], template)
    assert {name for name in one - swapped if "cell2" in name} == {"cell2_1_0:conv_3x3", "cell2_1_1:identity_by2"}


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.level_name)
def test_the_networks_of_the_papers_search_are_as_large_as_planned(space):
    rng = random.Random(4)
    for _ in range(2):
        genotype, template = space.sample(rng=rng), space.default_template()
        network = build_network(space, genotype, template)
        assert sum(each.numel() for each in network.parameters()) == cost(space, genotype, template).n_parameters


def test_the_weights_of_a_strided_operation_have_the_shapes_of_the_plain_one():
    for name in {*MACRO.operations, *MicroSpace().operations} - {"identity"}:
        graphs = MICRO.lower([0, MICRO.operations.index(name), 1, 6])
        plain, strided = (layers_of(graph.nodes[2].operation, 4, 4) for graph in graphs)
        assert [layer.n_parameters for layer in plain] == [layer.n_parameters for layer in strided]
        assert plain != strided
