import random
from math import prod
from weakref import WeakSet

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, initDiversified
from deap_nas.assembly import build_network, pooling
from deap_nas.errors import GenotypeError, NotViableError, SettingsError
from deap_nas.graph import (
    RESIZE,
    Convolution,
    Graph,
    Layer,
    Node,
    OperationValue,
    Pooling,
    conv_bn_relu,
    operations,
    register_operation,
)
from deap_nas.template import CellStack, WholeNetwork, training_memory
from tests.graphs import GRAPHS, cell_pairs, whole_graphs
from tests.strategies import spaces_and_genes

TEMPLATES = (
    NetworkTemplate.small_cifar(10, 2, image_size=9),
    NetworkTemplate.large_cifar(3, 2, image_channels=1, image_size=8),
    NetworkTemplate.imagenet(5, 2, image_size=33),
)


def seen(network, template, batch_size):
    """Bytes that PyTorch keeps for the backward pass of a training step; each storage once, without the weights."""
    shape = (batch_size, template.image_channels, template.image_size, template.image_size)
    images = torch.randn(shape).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch_size, dtype=torch.int64)
    kept = WeakSet()

    def pack(tensor):
        kept.add(saved := Saved(tensor.untyped_storage()))
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda _: None):
        loss = nn.functional.cross_entropy(network(images), labels)
    assert loss.requires_grad  # which keeps what has been saved for its gradient, and nothing else does
    storages = {saved.storage.data_ptr(): saved.storage for saved in kept}
    for value in network.state_dict().values():
        storages.pop(value.untyped_storage().data_ptr(), None)
    return sum(storage.nbytes() for storage in storages.values())


class Saved:
    """What autograd has saved, for as long as it needs it."""

    def __init__(self, storage):
        self.storage = storage


@given(spaces_and_genes(), st.sampled_from(TEMPLATES), st.integers(2, 4))
def test_activations_are_what_pytorch_keeps_for_the_backward_pass_to_the_byte(case, template, batch_size):
    space, genes = case
    if space.lower(genes).output is None:
        with pytest.raises(NotViableError):
            training_memory(space, genes, template, batch_size=batch_size)
        return
    found = training_memory(space, genes, template, batch_size=batch_size)
    assert found.activations == seen(build_network(space, genes, template), template, batch_size)


WHOLE = (WholeNetwork(n_classes=3, image_size=9), WholeNetwork(n_classes=2, image_size=8, stem=((4, 1), (5, 2))))
STACKS = (
    CellStack(n_classes=3, image_size=9, channels=2, n_normal=1, n_reductions=2),
    CellStack(n_classes=3, image_size=9, channels=2, n_normal=1, n_reductions=2, relu_first=True),
    CellStack(n_classes=3, image_channels=1, image_size=8, channels=3, n_normal=2, n_reductions=1, stem_multiplier=1),
)


@settings(max_examples=150)
@given(
    st.tuples(whole_graphs(), st.sampled_from(WHOLE)) | st.tuples(cell_pairs, st.sampled_from(STACKS)),
    st.integers(2, 4),
)
def test_activations_of_whole_networks_are_what_pytorch_keeps_to_the_byte(case, batch_size):
    genotype, template = case
    found = training_memory(GRAPHS, genotype, template, batch_size=batch_size)
    assert found.activations == seen(build_network(GRAPHS, genotype, template), template, batch_size)


def branches(*nodes, output=None):
    """A graph that starts with convolutions of stride 1 and 2."""
    start = (Node("input"), Node(Convolution(6, 3), (0,), path=(1,)), Node(Convolution(4, 3, 2), (0,), path=(2,)))
    nodes = [node._replace(path=(3 + number,)) for number, node in enumerate(nodes)]
    return Graph((*start, *nodes), output or len(nodes) + 2)


@pytest.mark.parametrize(
    "graph",
    [
        branches(Node(RESIZE, (1, 2)), Node("add", (2, 3))),
        branches(Node(RESIZE, (2, 1)), Node("conv_3x3", (3,)), Node("conv_1x1", (3,))),
        branches(Node(Convolution(3, 1), (0,)), Node(RESIZE, (1, 3)), Node("conv_3x3", (4,))),  # a view
        branches(Node(Convolution(3, 1), (0,)), Node(RESIZE, (1, 3)), Node("conv_3x3", (4,)), Node("conv_1x1", (1,))),
        branches(Node(RESIZE, (0, 2)), Node("max_pool_3x3", (3,)), Node("add", (2, 4))),  # of the image
        branches(Node(Pooling("max", 3, 2), (0,)), Node(Pooling("avg", 3, 2), (0,)), Node("concat", (2, 3, 4))),
        branches(Node(Pooling("max", (1, 7), (2, 1)), (1,)), Node(Pooling("avg", (5, 1), (1, 3)), (3,))),
        branches(Node(RESIZE, (1, 2)), Node(Pooling("avg", 1, 3), (3,))),
        branches(Node("conv_3x3", (1,)), Node("conv_3x3", (0,), 3)),  # of a value that nobody takes but for its width
    ],
)
def test_views_images_and_patterns_are_kept_where_pytorch_keeps_them(graph):
    for template in WHOLE:
        found = training_memory(GRAPHS, graph, template, batch_size=3)
        assert found.activations == seen(build_network(GRAPHS, graph, template), template, 3)


def test_an_operation_without_layers_in_some_cells_keeps_nothing_there():
    class Shortcut(OperationValue):
        def layers(self, in_channels, channels):
            return () if in_channels <= 4 else conv_bn_relu(in_channels, 4, 1)

    nodes = (Node("input"), Node("conv_1x1", (0,), path=(1,)), Node(Shortcut(), (1,), path=(2,)))
    graph = Graph(
        (*nodes, Node("conv_3x3", (2,), path=(3,)), Node("conv_3x3", (1,), path=(4,)), Node("add", (3, 4))), 5
    )
    template = NetworkTemplate.small_cifar(3, 4, image_size=8)
    found = training_memory(GRAPHS, graph, template, batch_size=3)
    assert found.activations == seen(build_network(GRAPHS, graph, template), template, 3)


@pytest.mark.parametrize("space", [HierarchicalSpace(), FlatSpace()], ids=["hierarchical", "flat"])
def test_elsewhere_than_on_a_cpu_pytorchs_own_average_pooling_counts(space, monkeypatch):
    monkeypatch.setattr(pooling.ConvolvedAvgPool2d, "forward", torch.nn.AvgPool2d.forward)
    rng, template = random.Random(1), TEMPLATES[0]
    for _ in range(10):
        genes = initDiversified(Genotype, space, rng=rng)
        if space.lower(genes).output is not None:
            found = training_memory(space, genes, template, batch_size=3, device="cuda")
            assert found.activations == seen(build_network(space, genes, template), template, 3)


@pytest.mark.parametrize("space", [HierarchicalSpace(), FlatSpace()], ids=["hierarchical", "flat"])
def test_parameters_are_weights_gradients_momentum_and_statistics(space):
    genes = initDiversified(Genotype, space, rng=random.Random(2))
    network = build_network(space, genes, TEMPLATES[0])
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    n_statistics = sum(buffer.numel() for buffer in network.buffers() if buffer.is_floating_point())
    found = training_memory(space, genes, TEMPLATES[0], batch_size=3)
    assert found.parameters == 4 * (3 * n_parameters + n_statistics)
    assert found.total == found.parameters + found.activations


class Bend(Layer):
    """A layer from outside, that keeps its input."""

    n_parameters = 0

    def output_shape(self, shape):
        return shape

    def flops(self, shape):
        return 0

    def build(self):
        return nn.GELU()


def test_of_a_layer_from_outside_input_and_output_count(monkeypatch):
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))
    register_operation("bend_for_this_test")(lambda in_channels, channels: (Bend(),))
    space, template = FlatSpace(nodes=2, operations=("bend_for_this_test",)), TEMPLATES[0]
    found = training_memory(space, [1], template, batch_size=3).activations
    assert found == seen(build_network(space, [1], template), template, 3)  # the convolution keeps the output


def test_memory_grows_with_the_batch_and_parameters_do_not():
    space, genes = FlatSpace(nodes=2), [1]
    small, large = (training_memory(space, genes, TEMPLATES[0], batch_size=size) for size in (1, 1001))
    assert small.parameters == large.parameters
    images = 1000 * 4 * prod((3, 9, 9))
    assert large.activations - small.activations > images


def test_memory_of_what_is_no_training_is_refused():
    with pytest.raises(GenotypeError):
        training_memory(FlatSpace(nodes=2), [1, 1], TEMPLATES[0], batch_size=1)
    with pytest.raises(SettingsError, match="batch_size must be at least 1, found 0"):
        training_memory(FlatSpace(nodes=2), [1], TEMPLATES[0], batch_size=0)
