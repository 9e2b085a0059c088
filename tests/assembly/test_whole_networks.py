"""Whole networks and stacks of cells: as built against the naive assembly, the cost model and the real shapes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from deap_nas import Cost, NetworkTemplate, cost
from deap_nas.assembly import build_network
from deap_nas.graph import RESIZE, Convolution, Graph, Node, Pooling
from deap_nas.template import CellStack, WholeNetwork, plan_network
from deap_nas.training.fitness.stacking import StackedNetwork
from tests.graphs import GRAPHS, cell_pairs, whole_graphs

WHOLE = [
    WholeNetwork(n_classes=3, image_size=9),
    WholeNetwork(n_classes=2, image_channels=1, image_size=8, stem=((4, 1),)),
    WholeNetwork(n_classes=4, image_size=13, stem=((3, 2), (5, 2))),
    WholeNetwork(n_classes=3, image_size=1),
]
STACKS = [
    CellStack(n_classes=3, image_size=9, channels=2, n_normal=1, n_reductions=2),
    CellStack(n_classes=3, image_size=9, channels=2, n_normal=1, n_reductions=2, relu_first=True),
    CellStack(n_classes=3, image_channels=1, image_size=8, channels=3, n_normal=2, n_reductions=1, stem_multiplier=1),
    CellStack(n_classes=2, image_size=5, channels=2, n_normal=3, n_reductions=0),
    CellStack(n_classes=3, image_size=1, channels=2, n_normal=2, n_reductions=2),
    CellStack(n_classes=3, image_size=2, channels=2, n_normal=1, n_reductions=2),
]
CASES = st.one_of(
    st.tuples(whole_graphs() | whole_graphs(odd_widths=True), st.sampled_from(WHOLE)),
    st.tuples(cell_pairs, st.sampled_from(STACKS)),
)
INPUT = Node("input")


def pair(genotype, template):
    """The network and the naive one, with the same weights, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network, naive = (build_network(GRAPHS, genotype, template, naive=naive).double() for naive in (False, True))
    assert naive.load_state_dict(network.state_dict(), strict=False).unexpected_keys == []
    return network, naive


def step(network, template, image_size, n_images=3):
    """Logits, then the gradients of the images and of each parameter, None where there is none."""
    generator = torch.Generator().manual_seed(2)
    shape = (n_images, template.image_channels, image_size, image_size)
    images = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    logits = network(images)
    nn.functional.cross_entropy(logits, torch.arange(n_images) % template.n_classes).backward()
    return {"logits": logits, "images": images.grad} | {name: p.grad for name, p in network.named_parameters()}


def assert_the_same(found, expected):
    """Every tensor within 1e-9 of its largest element."""
    for name, tensor in found.items():
        other = expected[name]
        if tensor is None or other is None:
            assert tensor is other, name
            continue
        atol = 1e-9 * float(other.detach().abs().max().clamp(min=1))
        torch.testing.assert_close(tensor, other, rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}")


@settings(max_examples=100)
@given(CASES, st.sampled_from((None, None, 1, 2, 5, 8, 11)))
def test_network_and_naive_network_have_the_same_logits_gradients_and_statistics(case, image_size):
    """At the size of the template's images and at others."""
    genotype, template = case
    network, naive = pair(genotype, template)
    size = image_size or template.image_size
    assert_the_same(step(network, template, size), step(naive, template, size))
    assert_the_same(network.state_dict(), naive.state_dict())
    evaluated = [each.eval()(torch.ones(2, template.image_channels, size, size).double()) for each in (network, naive)]
    torch.testing.assert_close(*evaluated, rtol=1e-9, atol=1e-9)


def counted(network, template):
    """Cost of a network by its modules, as they run: all weights of a convolution at each position of its output."""
    flops = []

    def count(module, inputs, output):
        positions = 1 if isinstance(module, nn.Linear) else output.shape[2:].numel()
        flops.append(2 * module.weight.numel() * positions)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.randn(2, template.image_channels, template.image_size, template.image_size))
    return Cost(sum(parameter.numel() for parameter in network.parameters()), sum(flops))


@settings(max_examples=100)
@given(CASES)
def test_cost_is_exactly_that_of_the_module(case):
    genotype, template = case
    assert counted(build_network(GRAPHS, genotype, template), template) == cost(GRAPHS, genotype, template)


def test_an_input_whose_width_alone_is_taken_costs_nothing():
    nodes = [Node(RESIZE, (0, 0)), Node("conv_1x1", (1,), 2, (3,))]  # of the other input, as wide as the first
    graph = Graph((INPUT, INPUT, *nodes), 3, 2)
    case = (graph, graph), STACKS[0]
    assert counted(build_network(GRAPHS, *case), STACKS[0]) == cost(GRAPHS, *case)


@settings(max_examples=100)
@given(CASES)
def test_shapes_and_parameters_of_steps_are_the_real_ones(case):
    genotype, template = case
    network, plan = build_network(GRAPHS, genotype, template).eval(), plan_network(GRAPHS, genotype, template)
    assert network.steps == plan.steps
    shapes, value = [], type(network)._value

    def watched(step, inputs):
        computed = value(network, step, inputs)
        shapes.append((tuple(inputs[0].shape[1:]), tuple(computed.shape[1:])))
        return computed

    network._value = watched
    with torch.no_grad():
        network(torch.randn(2, template.image_channels, template.image_size, template.image_size))
    flat = (template.n_classes,)
    assert shapes == [*((s.input_shape, s.shape) for s in plan.steps[:-1]), (plan.steps[-1].input_shape, flat)]
    assert plan.steps[-1].shape == (template.n_classes, 1, 1)
    for planned in plan.steps:
        parameters = network.layers[planned.name].parameters() if planned.name else ()
        assert planned.chain.n_parameters == sum(parameter.numel() for parameter in parameters)


@settings(max_examples=20)
@given(CASES)
def test_stacked_networks_compute_what_each_of_them_does(case):
    genotype, template = case
    networks = [build_network(GRAPHS, genotype, template).double() for _ in range(2)]
    shape = (2, template.image_channels, template.image_size, template.image_size)
    images = torch.randn(2, *shape, dtype=torch.float64)
    expected = torch.stack([network(batch) for network, batch in zip(networks, images, strict=True)])
    torch.testing.assert_close(StackedNetwork(networks)(images), expected, rtol=1e-9, atol=1e-9)


CROSSED = Graph(
    (
        INPUT,
        Node(Convolution(5, (3, 1), 2), (0,), path=(1,)),
        Node(Convolution(7, 3, (1, 3)), (0,), path=(2,)),
        Node(RESIZE, (2, 1)),
        Node("add", (1, 3)),
        Node(RESIZE, (4, 2)),
        Node("concat", (2, 5)),
    ),
    6,
)


def test_cost_of_a_whole_network_is_what_it_adds_up_to():
    """For images of 9 x 9: the first convolution's output is 5 x 5, the second one's 9 x 3."""
    found = cost(GRAPHS, CROSSED, WholeNetwork(n_classes=4, image_size=9))
    weights = (3 * 5 * 3, 3 * 7 * 9)
    assert found == Cost(sum(weights) + 2 * (5 + 7) + 15 * 4, 2 * (weights[0] * 25 + weights[1] * 27 + 14 * 4))


@pytest.mark.parametrize("reads", [0, 1])
def test_cells_and_inputs_that_are_not_taken_are_left_out(reads):
    """Where a cell takes the one before the last only, every other cell is dead."""
    keep, halve = Convolution(3, 3), Convolution(3, 3, 2)
    cells = [Graph((INPUT, INPUT, Node(each, (reads,), path=(2,))), 2, 2) for each in (keep, halve)]
    template = CellStack(n_classes=3, image_size=8, channels=2, n_normal=2, n_reductions=1)
    network = build_network(GRAPHS, tuple(cells), template)
    numbers = (1, 3, 5) if reads == 0 else (1, 2, 3, 4, 5)
    names = [f"cell{number}_{name}" for number in numbers for name in (f"input{reads + 1}", "2")]
    assert list(network.layers) == ["stem1", *names, "head"]
    assert counted(network, template) == cost(GRAPHS, tuple(cells), template)


def test_a_pool_with_a_width_costs_what_is_built_where_it_is_another_one():
    """Then nobody needs the value any more that gave it its width."""
    nodes = (INPUT, Node(Convolution(3, 3), (0,), path=(1,)), Node("max_pool_3x3", (0,), path=(2,)))
    graph = Graph((*nodes, Node("max_pool_3x3", (0,), 1, path=(3,)), Node("concat", (2, 3))), 4)
    template = WholeNetwork(n_classes=2, image_size=5)
    found = counted(build_network(GRAPHS, graph, template), template)
    assert found == cost(GRAPHS, graph, template) == Cost(7 * 2, 2 * 6 * 2)


def test_a_network_without_a_stem_may_be_the_head_alone():
    network = build_network(GRAPHS, Graph((INPUT,), 0), WholeNetwork(n_classes=2, image_size=4))
    assert list(network.layers) == ["head"]
    assert network(torch.zeros(3, 3, 4, 4)).shape == (3, 2)


def test_values_stand_in_the_cells_of_the_first_template_too():
    graph = Graph((INPUT, Node(Convolution(6, (1, 5)), (0,), path=(1,)), Node("concat", (0, 1))), 2)
    halving = Graph((INPUT, Node(Pooling("avg", 3, 2), (0,), path=(1,))), 1)
    for cell in (graph, halving):
        template = NetworkTemplate.small_cifar(3, 4, image_size=16)
        network, naive = pair(cell, template)
        assert_the_same(step(network, template, 16), step(naive, template, 16))
        assert counted(network.float(), template) == cost(GRAPHS, cell, template)


def test_every_second_cell_is_told_its_stride_by_larger_images_where_its_own_are_too_small():
    """Of maps of one pixel both inputs look alike."""
    halve = Graph((INPUT, INPUT, Node(Pooling("max", 3, 2), (1,), path=(2,))), 2, 2)
    both = Graph((INPUT, INPUT, Node("add", (0, 1))), 2, 2)
    small = CellStack(n_classes=3, image_size=1, channels=2, n_normal=2)
    strides = [
        layers[0].stride
        for layers in build_network(GRAPHS, (both, halve), small).layers.values()
        if isinstance(layers[0], nn.Conv2d)
    ]
    large = build_network(GRAPHS, (both, halve), CellStack(n_classes=3, image_size=32, channels=2, n_normal=2))
    assert strides == [layers[0].stride for layers in large.layers.values() if isinstance(layers[0], nn.Conv2d)]
    assert strides.count((2, 2)) == 2
