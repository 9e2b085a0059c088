"""The networks of Liu 2018, figure 2, as built: their size against the cost model, and a training step of the largest.

Sizes are counted from the modules alone, on tensors without data (device ``meta``).
"""

import random
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import nn

from deap_nas import Cost, FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, cost, initDiversified, initTrivial
from deap_nas.assembly import build_network
from deap_nas.errors import NotViableError

SPACES = {"hierarchical": HierarchicalSpace(), "flat": FlatSpace()}
TEMPLATES = {
    "small": NetworkTemplate.small_cifar(),
    "large": NetworkTemplate.large_cifar(),
    "large_128": NetworkTemplate.large_cifar(channels=128),
    "imagenet": NetworkTemplate.imagenet(),
    "small_wide": NetworkTemplate.small_cifar(n_classes=100, channels=24, n_cells=2),
    "large_deep": NetworkTemplate.large_cifar(channels=36, n_cells=4),
    "imagenet_narrow": NetworkTemplate.imagenet(n_classes=21, channels=15, image_size=224, n_cells=1),
}


@cache
def random_genotypes(kind):
    rng = random.Random(7)
    return [initDiversified(Genotype, SPACES[kind], rng=rng) for _ in range(200)]


def build_without_data(space, genes, template):
    with torch.device("meta"):
        return build_network(space, genes, template).eval()


def outputs_of(network, template, *, kinds=(nn.Conv2d, nn.Linear)):
    """(name, module, output's shape without the batch) of each module of these kinds, in the order of their runs."""
    found = []
    for name, module in network.named_modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda m, _, value, name=name: found.append((name, m, value.shape[1:])))
    size = template.image_size
    with torch.no_grad():
        network(torch.empty(1, template.image_channels, size, size, device="meta"))
    return found


def counted(network, template):
    """Cost of a network by its modules: a convolution applies all its weights at each position of its output."""
    flops = 0
    for _, module, shape in outputs_of(network, template):
        is_linear = isinstance(module, nn.Linear)
        flops += 2 * (
            module.in_features * module.out_features if is_linear else module.weight.numel() * shape[1:].numel()
        )
    return Cost(sum(parameter.numel() for parameter in network.parameters()), flops)


@pytest.fixture
def _quick(monkeypatch):
    """Leave out what takes most of the time on tensors without data, and neither holds a weight nor changes a shape."""
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda _, value: value)
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda _: None)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("name", TEMPLATES)
def test_cost_is_exactly_that_of_the_module_in_every_template(name, kind):
    """Each of 200 random genotypes is built in one template; all in all of them take several minutes."""
    space, template = SPACES[kind], TEMPLATES[name]
    for genes in random_genotypes(kind)[list(TEMPLATES).index(name) :: len(TEMPLATES)]:
        try:
            expected = cost(space, genes, template)
        except NotViableError:
            continue
        assert counted(build_without_data(space, genes, template), template) == expected


#: Channels and size of each convolution of the stem, and of each separable convolution; a cell stands before each.
FIGURE_2 = {
    "small": ([(16, 32)], [(32, 16), (64, 8), (64, 8)]),
    "large": ([(64, 32)], [(64, 32), (128, 16), (128, 16), (256, 8), (256, 8), (256, 8)]),
    "large_128": ([(128, 32)], [(128, 32), (256, 16), (256, 16), (512, 8), (512, 8), (512, 8)]),
    "imagenet": (
        [(32, 150), (64, 75)],
        [(128, 38), (128, 38), (256, 19), (256, 19), (512, 10), (512, 10), (512, 10)],
    ),
}


def trivial_network(name, kind):
    return build_without_data(SPACES[kind], initTrivial(Genotype, SPACES[kind]), TEMPLATES[name])


@pytest.mark.parametrize("name", FIGURE_2)
def test_convolutions_around_the_cells_are_those_of_figure_2(name):
    template = TEMPLATES[name]
    convolutions = outputs_of(trivial_network(name, "flat"), template, kinds=nn.Conv2d)
    stem = [tuple(shape[:2]) for where, _, shape in convolutions if ".stem" in where]
    separable = convolutions[len(stem) :]
    assert (stem, [tuple(shape[:2]) for _, _, shape in separable[1::2]]) == FIGURE_2[name]
    assert all(where.endswith("_conv.0") and module.groups == module.in_channels for where, module, _ in separable[::2])
    assert all(where.endswith("_conv.1") and module.kernel_size == (1, 1) for where, module, _ in separable[1::2])


@pytest.mark.parametrize(("kind", "n_projections"), [("flat", 0), ("hierarchical", 4)])
@pytest.mark.parametrize("name", FIGURE_2)
def test_trivial_genotype_costs_what_figure_2_adds_up_to(name, kind, n_projections):
    """Its cell keeps the value; in a hierarchical one, four chains of identities each end with a 1x1 convolution."""
    stem, separable = FIGURE_2[name]
    weights = [(9 * a * b, b, size) for (a, _), (b, size) in pairwise([(3, 0), *stem])]
    for (a, before), (b, size) in pairwise([stem[-1], *separable]):
        weights += n_projections * [(a * a, a, before)] + [(9 * a + a * b, b, size)]
    last, n_classes = separable[-1][0], TEMPLATES[name].n_classes
    n_parameters = sum(n + 2 * channels for n, channels, _ in weights) + (last + 1) * n_classes
    flops = 2 * (sum(n * size * size for n, _, size in weights) + last * n_classes)
    assert counted(trivial_network(name, kind), TEMPLATES[name]) == Cost(n_parameters, flops)


@pytest.mark.parametrize("kind", SPACES)
def test_imagenet_network_takes_a_training_step_at_299_pixels(kind):
    genes = random_genotypes(kind)[1]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(SPACES[kind], genes, TEMPLATES["imagenet"])
        logits = network(torch.randn(2, 3, 299, 299))
    assert logits.shape == (2, 1000)
    nn.functional.cross_entropy(logits, torch.tensor([5, 998])).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())
