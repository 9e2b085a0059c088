import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from deap_nas import ChainSpace, FlatSpace, HierarchicalSpace, NetworkTemplate, cost
from deap_nas.assembly import assemble
from deap_nas.errors import GenotypeError, NotViableError
from deap_nas.graph import (
    RESIZE,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Convolution,
    GlobalAvgPool2d,
    Graph,
    Layer,
    Linear,
    MaxPool2d,
    Node,
    ReLU,
)
from deap_nas.template import Compute, WholeNetwork, compute, plan_network
from deap_nas.template.floating_operations import _WORK, _work_of, compute_of
from deap_nas.template.steps import StepWriter, measured
from tests.graphs import GRAPHS
from tests.strategies import genes_of, spaces

IMAGE = (3, 8, 8)
#: On the image: 3 * 4 * 9 weights at 64 places.
CONVOLUTION, CONVOLVED = Conv2d(3, 4, 3), 2 * 108 * 64


def compute_of_chain(*layers):
    steps = StepWriter(IMAGE)
    steps.add_chain("chain", measured(layers, IMAGE), 0)
    return compute_of(steps.done)


def compute_behind_a_convolution(*layers):
    """What layers take on 4 channels of 8x8 whose gradient is wanted."""
    found = compute_of_chain(CONVOLUTION, *layers)
    return Compute(found.training - 2 * CONVOLVED, found.validation - CONVOLVED)


def test_a_convolution_of_the_image_counts_forward_and_for_its_weights():
    assert compute_of_chain(CONVOLUTION) == Compute(training=27_648, validation=13_824)


def test_a_convolution_behind_another_counts_also_for_its_input():
    # 4 * 6 / 2 * 15 weights at 4x8 places
    forward = 2 * 180 * 32
    assert compute_behind_a_convolution(Conv2d(4, 6, (3, 5), stride=(2, 1), groups=2)) == Compute(3 * forward, forward)


def test_a_linear_layer_counts_its_weights_and_its_biases():
    # 12 * 5 weights, 5 biases; the image is no value that has a gradient
    assert compute_of_chain(GlobalAvgPool2d(), Linear(3, 5)) == Compute(192 + 2 * 35, 192 + 35)
    # 256 * 5 weights
    assert compute_behind_a_convolution(Linear(256, 5)) == Compute(3 * 2560 + 2 * 5, 2560 + 5)


@pytest.mark.parametrize(
    ("layer", "training", "validation"),
    [
        (BatchNorm2d(4), 17 * 256, 2 * 256),
        (ReLU(), 2 * 256, 256),
        (MaxPool2d(3), 9 * 256, 8 * 256),
        (MaxPool2d((1, 5), stride=2), 5 * 64, 4 * 64),
        (AvgPool2d(3), 18 * 256, 9 * 256),
        (AvgPool2d((3, 1), stride=(2, 1)), 6 * 128, 3 * 128),
        (GlobalAvgPool2d(), 256 + 4, 256),
    ],
)
def test_each_other_layer_counts_for_each_element(layer, training, validation):
    assert compute_behind_a_convolution(layer) == Compute(training, validation)


def test_what_is_made_of_the_image_without_parameters_has_no_backward_pass():
    assert compute_of_chain(ReLU(), MaxPool2d(3)) == Compute(9 * 192, 9 * 192)
    # scale and shift have gradients, the image has none
    assert compute_of_chain(BatchNorm2d(3)) == Compute(13 * 192, 2 * 192)


class Outside(Layer):
    """A layer from outside the package."""

    def __init__(self, n_parameters):
        self.weights = n_parameters

    @property
    def n_parameters(self):
        return self.weights

    def output_shape(self, shape):
        return shape

    def flops(self, shape):
        return 7


def test_a_layer_from_outside_counts_its_flops_forward_and_twice_backward():
    for n_parameters in (0, 3):
        assert compute_behind_a_convolution(Outside(n_parameters)) == Compute(21, 7)
    assert compute_of_chain(Outside(3)) == Compute(21, 7)
    assert compute_of_chain(Outside(0)) == Compute(7, 7)


TEMPLATE = WholeNetwork(n_classes=2, image_channels=1, image_size=4)


def graph_of(*nodes):
    return Graph((Node("input"), *(node._replace(path=(place,)) for place, node in enumerate(nodes))), len(nodes))


def test_a_whole_network_counts_the_sum_of_its_operations():
    graph = graph_of(
        Node(Convolution(2, 3), (0,)), Node(Convolution(2, 1), (1,)), Node("max_pool_3x3", (1,)), Node("add", (1, 2, 3))
    )
    of_values = 2 * 16  # numbers in each value
    first, second = 2 * 18 * 16, 2 * 4 * 16
    head = of_values + 8 + 2
    forward = first + second + 2 * of_values + 8 * of_values + 2 * of_values  # convolutions, ReLUs, pooling, sum
    backward = (
        first  # for the weights only
        + 2 * second
        + 2 * (9 + 1) * of_values  # batch normalisations and ReLUs
        + of_values  # pooling
        + 2 * of_values  # three operations take the first convolution
        + (2 + 16 + 2)  # global pooling, linear layer
    )
    normalised = 2 * of_values
    assert compute(GRAPHS, graph, TEMPLATE) == Compute(
        training=forward + 8 * normalised + head + backward, validation=forward + 2 * normalised + head
    )


def test_what_gives_a_shape_only_counts_forward():
    nodes = (Node(Convolution(3, 3), (0,)), Node(Convolution(3, 3, 2), (0,)), Node(RESIZE, (1, 2)))
    resized, plain = compute(GRAPHS, graph_of(*nodes), TEMPLATE), compute(GRAPHS, graph_of(nodes[0]), TEMPLATE)
    pattern = 2 * 27 * 4  # the second convolution at 2x2 places
    n_fewer = 3 * 12  # numbers of which global pooling takes the mean
    assert resized.validation - plain.validation == pattern + 3 * 12 - n_fewer
    assert resized.training - plain.training == pattern + 9 * 12 - n_fewer


def test_dead_operations_count_nothing_and_those_done_twice_count_once():
    pools = (Node("max_pool_3x3", (1,)), Node("max_pool_3x3", (1,)))
    twice = graph_of(Node(Convolution(2, 3), (0,)), *pools, Node("concat", (2, 3)))
    once = graph_of(Node(Convolution(2, 3), (0,)), pools[0], Node("concat", (2, 2)))
    dead = graph_of(Node(Convolution(2, 3), (0,)), *pools, Node("conv_5x5", (1,)), Node("concat", (2, 3)))
    assert compute(GRAPHS, twice, TEMPLATE) == compute(GRAPHS, once, TEMPLATE) == compute(GRAPHS, dead, TEMPLATE)
    plan = plan_network(GRAPHS, dead, TEMPLATE)
    assert compute_of(plan.naive_steps).validation > plan.compute.validation


CHAINS = ChainSpace(max_layers=6, operations=("conv", "max_pool"), channels=(2, 5), kernel_sizes=(1, 3), strides=(1, 2))


@pytest.fixture
def without_small_work(monkeypatch):
    """Let nothing but convolutions and linear layers count."""
    for layer in (BatchNorm2d, ReLU, MaxPool2d, GlobalAvgPool2d):
        monkeypatch.delitem(_WORK, layer)
    _work_of.cache_clear()
    yield
    _work_of.cache_clear()


@pytest.mark.usefixtures("without_small_work")
@pytest.mark.parametrize("stem", [(), ((3, 1),)])
def test_convolutions_and_linear_layers_count_as_pytorch_counts_them_forward_and_backward(stem):
    @given(st.randoms(use_true_random=False))
    def check(rng):
        plan = plan_network(CHAINS, CHAINS.sample(rng=rng), WholeNetwork(3, 2, 9, stem))
        network, images = assemble(plan), torch.zeros(2, 2, 9, 9)
        with FlopCounterMode(display=False) as counter:
            network(images).sum().backward()
        n_biases = 3  # which PyTorch does not count
        assert 2 * (plan.compute.training - 2 * n_biases) == counter.get_total_flops()

    check()


chains = st.builds(ChainSpace, max_layers=st.integers(1, 6)).flatmap(
    lambda space: st.tuples(st.just(space), st.randoms(use_true_random=False).map(lambda rng: space.sample(rng=rng)))
)
cells = spaces().flatmap(lambda space: st.tuples(st.just(space), genes_of(space)))
CELLS = NetworkTemplate.small_cifar(3, 2, image_size=9)


@given(cells.map(lambda case: (*case, CELLS)) | chains.map(lambda case: (*case, case[0].default_template())))
def test_validation_takes_no_less_than_flops_say_and_training_twice_that_and_both_no_more_than_what_is_dead_too(case):
    space, genes, template = case
    if space.lower(genes).output is None:
        with pytest.raises(NotViableError):
            compute(space, genes, template)
        return
    found, flops, plan = compute(*case), cost(*case).flops, plan_network(*case)
    assert found == plan.compute
    assert flops < found.validation < found.training
    assert found.training > 2 * flops
    naive = compute_of(plan.naive_steps)
    if getattr(space, "merge", "concat") == "concat":  # a sum that several others take is flattened into each of them
        assert naive.training >= found.training
        assert naive.validation >= found.validation


@given(cells, st.integers(1, 12))
def test_larger_images_take_more(case, image_size):
    space, genes = case
    if space.lower(genes).output is None:
        return
    sizes = (image_size, image_size + 1)
    small, large = (compute(space, genes, NetworkTemplate.small_cifar(3, 2, image_size=size)) for size in sizes)
    assert small.training < large.training
    assert small.validation < large.validation


def test_a_genotype_of_another_space_is_refused():
    with pytest.raises(GenotypeError):
        compute(FlatSpace(nodes=2), [1, 1], CELLS)
    with pytest.raises(NotViableError):
        compute(HierarchicalSpace(), [0] * HierarchicalSpace().n_genes, CELLS)
