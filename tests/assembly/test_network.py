import pickle
import random
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deap_nas import (
    FlatSpace,
    Genotype,
    HierarchicalSpace,
    NetworkTemplate,
    canonical_key,
    cost,
    initDiversified,
    initTrivial,
)
from deap_nas.assembly import build_layer, build_network
from deap_nas.assembly.pointwise import PointwiseConv2d
from deap_nas.assembly.pooling import ConvolvedAvgPool2d
from deap_nas.errors import NotViableError, SettingsError
from deap_nas.graph import (
    Conv2d,
    Graph,
    Layer,
    MaxPool2d,
    Node,
    conv_bn_relu,
    graph_key,
    layers_of,
    operations,
    register_operation,
    viable_graph,
)
from deap_nas.template import expand
from tests.strategies import flat_spaces, genes_of, hierarchical_spaces

TEMPLATES = [
    NetworkTemplate.small_cifar(channels=4),
    NetworkTemplate.small_cifar(n_classes=3, channels=5, image_channels=1, image_size=7),
    NetworkTemplate.large_cifar(channels=3),
    NetworkTemplate.imagenet(n_classes=7, channels=4, image_size=37),
]
NASBENCH_OPERATIONS = ("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3")


def images(template, *, n_images=2):
    return torch.randn(n_images, template.image_channels, template.image_size, template.image_size)


def check_cost(space, genes, template):
    """Parameters and FLOPs against the built module and torch's own counter; or no network at all."""
    try:
        expected = cost(space, genes, template)
    except NotViableError:
        with pytest.raises(NotViableError):
            build_network(space, genes, template)
        return
    if expected.n_parameters > 1e6:  # concatenation upon concatenation: too large for a test
        return
    network = build_network(space, genes, template).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == expected.n_parameters
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        logits = network(images(template))
    assert logits.shape == (2, template.n_classes)
    assert counter.get_total_flops() == 2 * expected.flops  # of two images


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("space", [HierarchicalSpace(), FlatSpace()], ids=["hierarchical", "flat"])
def test_cost_is_exactly_that_of_the_module_for_the_papers_spaces(space, template):
    rng = random.Random(0)
    for _ in range(6):
        check_cost(space, initDiversified(Genotype, space, n_mutations=300, rng=rng), template)


@settings(max_examples=40)
@given(st.data())
def test_cost_is_exactly_that_of_the_module_for_any_space(data):
    space = data.draw(hierarchical_spaces(max_levels=3) | flat_spaces(max_nodes=6))
    genes = data.draw(genes_of(space))
    check_cost(space, genes, data.draw(st.sampled_from(TEMPLATES)))


def test_trivial_genotype_is_its_template_alone():
    flat = FlatSpace()
    network = build_network(flat, initTrivial(Genotype, flat), TEMPLATES[0])
    assert not [name for name, _ in network.named_parameters() if "cell1_" in name and "_conv" not in name]


@pytest.mark.parametrize("size", [1, 5, 8, 24, 33])
def test_network_takes_images_of_any_size(size):
    space = HierarchicalSpace()
    template = NetworkTemplate.small_cifar(channels=4)
    network = build_network(space, initDiversified(Genotype, space, rng=random.Random(1)), template).eval()
    assert network(torch.randn(2, 3, size, size)).shape == (2, 10)


def test_every_parameter_gets_a_gradient():
    space = HierarchicalSpace()
    network = build_network(space, initDiversified(Genotype, space, rng=random.Random(2)), TEMPLATES[0])
    network(images(TEMPLATES[0], n_images=8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_same_network_from_another_genotype_has_the_same_parameters_by_name_but_for_the_genes():
    """Two genotypes of one canonical key differ in gene paths only, so shapes agree as a multiset."""
    space = HierarchicalSpace()
    rng = random.Random(3)
    genes = initDiversified(Genotype, space, rng=rng)
    unused = [motif for motif in space.motifs_of(genes) if not motif.used]
    assert unused
    level, number = unused[0].level, int(unused[0].name.rpartition(" ")[2])
    other = Genotype(genes)
    place = space.motif_genes(level, number)
    other[place] = [(gene + 1) % 7 for gene in other[place]]
    assert canonical_key(space, other) == canonical_key(space, genes)
    shapes = [
        {name: value.shape for name, value in build_network(space, g, TEMPLATES[0]).state_dict().items()}
        for g in (genes, other)
    ]
    assert shapes[0] == shapes[1]


def test_addition_merges_by_the_sum():
    """With identities alone the cell of 4 nodes adds 1, 1, 2 and 4 copies of its input."""
    space = FlatSpace(nodes=4, operations=NASBENCH_OPERATIONS, merge="add")
    template = NetworkTemplate.small_cifar(channels=4)
    network = build_network(space, Genotype([1] * space.n_genes), template).eval()
    trivial = build_network(space, initTrivial(Genotype, space), template).eval()
    trivial.load_state_dict(network.state_dict())
    fourfold = {}
    network.layers["group1_cell1_conv"].register_forward_pre_hook(lambda _, x: fourfold.update(all=x[0]))
    trivial.layers["group1_cell1_conv"].register_forward_pre_hook(lambda _, x: fourfold.update(one=x[0]))
    batch = images(template)
    network(batch)
    trivial(batch)
    torch.testing.assert_close(fourfold["all"], 4 * fourfold["one"])


def test_adding_different_shapes_is_refused_with_the_shapes():
    graph = Graph((Node("input"), Node("concat", (0, 0)), Node("add", (0, 1))), 2)
    with pytest.raises(SettingsError, match="different shapes cannot be added"):
        expand(graph, TEMPLATES[0])


def test_average_pooling_does_not_count_the_padding():
    (layer,) = layers_of("avg_pool_3x3", 2, 2)
    ones = torch.ones(1, 2, 4, 4)
    torch.testing.assert_close(build_layer(layer)(ones), ones)


@pytest.mark.parametrize("name", ["conv_1x1", "depthwise_conv_3x3", "separable_conv_3x3"])
def test_convolutions_end_with_batch_normalisation_and_relu(name):
    modules = [build_layer(layer) for layer in layers_of(name, 4, 4)]
    assert [type(module).__name__ for module in modules[-2:]] == ["BatchNorm2d", "ReLU"]
    assert all(module.bias is None for module in modules[:-2])


def test_layer_without_a_module_says_what_to_define():
    class Nothing(Layer):
        n_parameters = 0

        def output_shape(self, shape):
            return shape

        def flops(self, shape):
            return 0

    with pytest.raises(NotImplementedError, match="Nothing has no module: define its build"):
        build_layer(Nothing())


def test_network_is_channels_last_and_survives_pickle():
    space = HierarchicalSpace()
    network = build_network(space, initDiversified(Genotype, space, rng=random.Random(1)), TEMPLATES[0]).eval()
    weight = network.layers["stem1"][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    batch = images(TEMPLATES[0])
    torch.testing.assert_close(pickle.loads(pickle.dumps(network))(batch), network(batch))


def test_network_has_the_quick_1x1_convolutions_and_one_quick_pool_of_a_size():
    space = FlatSpace(nodes=3)
    kinds = [type(module) for module in build_network(space, [1, 5, 5], TEMPLATES[0]).modules()]
    assert kinds.count(PointwiseConv2d) == 3 + 3  # in each cell, and after it
    assert kinds.count(ConvolvedAvgPool2d) == 1


def test_an_evaluation_frees_what_no_later_step_takes():
    space = FlatSpace(nodes=4)
    network = build_network(space, [1, 0, 1, 0, 0, 1], TEMPLATES[0]).eval()  # one operation after the other
    outputs, n_alive = [], []

    def watch(module, inputs, output):
        n_alive.append(sum(value() is not None for value in outputs))
        outputs.append(weakref.ref(output))

    for layer in network.layers.values():
        layer.register_forward_hook(watch)
    with torch.no_grad():
        network(images(TEMPLATES[0]))
    assert n_alive == [0] + [1] * (len(network.layers) - 1)  # what it takes


def shortcut(in_channels, channels):
    """Nothing, or a projection: the shortcut of a residual network."""
    return () if in_channels == channels else conv_bn_relu(in_channels, channels, 1)


def squeeze(in_channels, channels):
    """To at most 20 channels."""
    return () if in_channels <= 20 else conv_bn_relu(in_channels, 20, 1)


def grouped_conv(in_channels, channels):
    return (Conv2d(in_channels, channels, 3, groups=16),)


def particular_conv(in_channels, channels):
    """As a convolution of ResNeXt, for some channels only."""
    if in_channels % 32 or channels % 32:
        raise ValueError(f"channels must be multiples of 32, found {in_channels} and {channels}")
    return (Conv2d(in_channels, channels, 3, groups=32),)


def narrow_conv(in_channels, channels):
    if in_channels != channels:
        raise ValueError("concatenations are too wide")
    return conv_bn_relu(in_channels, channels, 3)


def pool_of_the_wide(in_channels, channels):
    return () if in_channels == channels else (MaxPool2d(3),)


@pytest.mark.parametrize(
    ("operation", "genes", "merge", "channels"),
    [
        (shortcut, [2, 1, 1, 0, 0, 3], "concat", 4),  # on the concatenation of two values
        (shortcut, [3, 1, 1, 0, 0, 3], "concat", 4),
        (squeeze, [3, 1, 1, 0, 0, 3], "concat", 16),  # on 16 and 32, 32 and 64, 64 and 128 channels
        (grouped_conv, [3, 3, 1, 0, 1, 3], "concat", 16),
        (grouped_conv, [0, 1, 0, 3, 0, 0], "concat", 16),
        (grouped_conv, [1, 3, 3, 0, 1, 1], "add", 16),
        (particular_conv, [3, 1, 1, 3, 0, 3], "concat", 32),
        (narrow_conv, [3, 1, 1, 3, 0, 3], "add", 4),
        (pool_of_the_wide, [2, 1, 1, 0, 0, 3], "concat", 4),
        (pool_of_the_wide, [2, 1, 1, 3, 0, 3], "concat", 4),
    ],
)
def test_an_operation_is_what_its_layers_are_at_the_channels_where_it_stands(
    operation, genes, merge, channels, monkeypatch
):
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))
    name = f"{operation.__name__}_built_as_it_counts"
    register_operation(name)(operation)
    space = FlatSpace(nodes=4, operations=("identity", "conv_1x1", name), merge=merge)
    template = NetworkTemplate.small_cifar(channels=channels, image_size=8)
    check_cost(space, genes, template)
    network, naive = (build_network(space, genes, template, naive=naive) for naive in (False, True))
    assert naive.load_state_dict(network.state_dict(), strict=False).unexpected_keys == []
    batch = images(template)
    torch.testing.assert_close(network.eval()(batch), naive.eval()(batch))
    assert canonical_key(space, genes) == graph_key(viable_graph(space, genes))


def test_a_shortcut_has_the_key_of_an_identity_only_where_it_has_no_layers(monkeypatch):
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))
    register_operation("shortcut_for_these_keys")(shortcut)
    space = FlatSpace(nodes=4, operations=("identity", "conv_1x1", "shortcut_for_these_keys"))
    assert canonical_key(space, [2, 1, 1, 0, 0, 3]) != canonical_key(space, [2, 1, 1, 0, 0, 1])
    assert canonical_key(space, [2, 3, 1, 0, 0, 1]) == canonical_key(space, [2, 1, 1, 0, 0, 1])
