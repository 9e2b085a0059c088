"""The assembled network against the naive one: the same values and gradients, in float64."""

import random

import pytest
import torch
from torch import nn

from deap_nas import FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, initDiversified
from deap_nas.assembly import build_network
from deap_nas.assembly.naive import NaiveNetwork
from deap_nas.errors import NotViableError
from deap_nas.graph import BatchNorm2d, Conv2d, ReLU, operation_names, operations, register_operation, viable_graph
from deap_nas.template import expand

SPACES = {
    "hierarchical": HierarchicalSpace(),
    "flat": FlatSpace(),
    "flat of all operations": FlatSpace(nodes=7, operations=operation_names()[:10]),
    "flat that adds": FlatSpace(merge="add"),
    "hierarchical that adds": HierarchicalSpace(merge="add"),
    "NAS-Bench-201": FlatSpace(nodes=4, operations=("identity", "conv_1x1", "conv_3x3", "avg_pool_3x3"), merge="add"),
    "no projection": HierarchicalSpace(nodes=(4, 3), projected_levels=()),
    "four levels, two projected": HierarchicalSpace(motifs=(4, 3, 1), nodes=(3, 3, 3), projected_levels=(2, 3)),
}
TEMPLATES = {
    "small": NetworkTemplate.small_cifar(channels=3, image_size=9),
    "large": NetworkTemplate.large_cifar(n_classes=3, channels=4, image_size=16),
    "imagenet": NetworkTemplate.imagenet(n_classes=5, channels=2, image_size=41, n_cells=1),
}


def random_genotypes(space, n_genotypes, seed):
    """Genotypes that are networks."""
    rng = random.Random(seed)
    found = []
    while len(found) < n_genotypes:
        genes = initDiversified(Genotype, space, n_mutations=300, rng=rng)
        if space.lower(genes).output is not None:
            found.append(genes)
    return found


def pair(space, genes, template):
    """The network and the naive one, with the same weights, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return [build_network(space, genes, template, naive=naive).double() for naive in (False, True)]


def step(network, template):
    """Logits and the images' gradient; the gradient of each parameter, None where it has none."""
    generator = torch.Generator().manual_seed(2)
    size = template.image_size
    dtype = next(network.parameters()).dtype
    images = torch.randn(4, template.image_channels, size, size, generator=generator, dtype=dtype)
    logits = network(images.requires_grad_())
    nn.functional.cross_entropy(logits, torch.arange(4) % template.n_classes).backward()
    gradients = {name: value.grad for name, value in network.named_parameters()}
    return {"logits": logits, "images": images.grad}, gradients


def assert_close(found, expected):
    """Every tensor within 1e-9 of its largest element."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        atol = 1e-9 * float(tensor.detach().abs().max().clamp(min=1))
        torch.testing.assert_close(
            found[name], tensor, rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_network_and_naive_network_have_the_same_logits_gradients_and_statistics(space, template):
    for genes in random_genotypes(space, 3 if template is TEMPLATES["small"] else 1, seed=5):
        network, naive = pair(space, genes, template)
        dead, unknown = naive.load_state_dict(network.state_dict(), strict=False)
        assert unknown == []
        (values, gradients), (naive_values, naive_gradients) = step(network, template), step(naive, template)
        assert_close(values, naive_values)
        assert {name for name, gradient in naive_gradients.items() if gradient is None} <= set(dead)
        assert_close(gradients, {name: naive_gradients[name] for name in gradients})
        assert_close(network.state_dict(), {name: naive.state_dict()[name] for name in network.state_dict()})


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_weights_of_the_naive_network_fit_the_network_by_their_names(space):
    template = TEMPLATES["small"]
    (genes,) = random_genotypes(space, 1, seed=6)
    network, naive = pair(space, genes, template)
    network.load_state_dict({name: naive.state_dict()[name] for name in network.state_dict()})
    assert_close(step(network.eval(), template)[0], step(naive.eval(), template)[0])


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_initial_weights_of_a_seed_are_drawn_module_by_module_in_the_order_of_the_genes(space):
    (genes,) = random_genotypes(space, 1, seed=7)
    states = []
    steps = expand(viable_graph(space, genes), TEMPLATES["small"])
    for build in (lambda: build_network(space, genes, TEMPLATES["small"]), lambda: NaiveNetwork(steps)):
        torch.manual_seed(3)
        states.append(build().state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_relu_of_a_value_that_others_take_too_leaves_it_as_it_is(monkeypatch):
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))
    register_operation("relu_for_this_test")(lambda in_channels, channels: (ReLU(),))
    register_operation("linear_for_this_test")(lambda i, channels: (Conv2d(i, channels, 1), BatchNorm2d(channels)))
    space = FlatSpace(nodes=4, operations=("linear_for_this_test", "relu_for_this_test", "conv_1x1"))
    template = TEMPLATES["small"]
    network, naive = pair(space, [1, 0, 2, 0, 3, 3], template)  # 2 -> 3 is the ReLU, 2 -> 4 a convolution
    naive.load_state_dict(network.state_dict())
    for found, expected in zip(step(network, template), step(naive, template), strict=True):
        assert_close(found, expected)


def saved_bytes(network, template):
    """Bytes that a training step keeps for its gradients, each storage once and without the weights."""
    saved = {}

    def pack(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # the tensor itself would keep its own graph

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step(network, template)
    weights = {value.untyped_storage().data_ptr() for value in network.state_dict().values()}
    return sum(size for pointer, size in saved.items() if pointer not in weights)


@pytest.mark.parametrize("space", [HierarchicalSpace(), FlatSpace()], ids=["hierarchical", "flat"])
def test_a_step_keeps_less_memory_than_the_naive_one(space):
    template = NetworkTemplate.small_cifar(channels=4, image_size=16)
    shares = []
    for genes in random_genotypes(space, 5, seed=8):
        network, naive = (build_network(space, genes, template, naive=naive) for naive in (False, True))
        shares.append(saved_bytes(network, template) / saved_bytes(naive, template))
    assert sorted(shares)[2] <= 0.95, shares


def test_naive_network_has_a_module_for_each_edge_and_the_dead_ones_too():
    space = FlatSpace(nodes=4)
    genes = [6, 1, 4, 0, 6, 0]  # 1 -> 2 and 2 -> 4 are identities; node 3 leads nowhere
    naive = build_network(space, genes, TEMPLATES["small"], naive=True)
    network = build_network(space, genes, TEMPLATES["small"])
    edges = {"group1_cell1_0", "group1_cell1_1", "group1_cell1_2", "group1_cell1_4"}
    assert edges == {name for name in naive.layers if name.startswith("group1_cell1_") and "conv" not in name}
    assert not edges & set(network.layers)
    assert naive.layers["stem1"][0].weight.is_contiguous()


def test_naive_network_of_genes_without_a_path_is_refused():
    space = FlatSpace(nodes=3)
    with pytest.raises(NotViableError):
        build_network(space, [1, 0, 0], TEMPLATES["small"], naive=True)
