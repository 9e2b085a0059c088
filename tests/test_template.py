import json
import pickle
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas import Cost, FlatSpace, Genotype, HierarchicalSpace, NetworkTemplate, cost, initTrivial
from deap_nas.errors import GenotypeError, NotViableError, SettingsError
from deap_nas.graph import Graph, MaxPool2d, Node, conv_bn_relu, operations, register_operation, viable_graph
from deap_nas.template import expand
from tests.networks import WEIGHTED, Values, needed, read_genes
from tests.strategies import spaces_and_genes

SMALL = NetworkTemplate.small_cifar()
FLAT2, FLAT3, FLAT4 = (FlatSpace(nodes=n) for n in (2, 3, 4))
#: The small network around a cell of C channels, the same around one of 2 C.
PLAIN = Cost(464 + 720 + 2464 + 4800 + 650, 2 * (432 * 1024 + 656 * 256 + 2336 * 64 + 4672 * 64 + 640))
DOUBLE = Cost(464 + 1376 + 4800 + 9472 + 650, 2 * (432 * 1024 + 1312 * 256 + 4672 * 64 + 9344 * 64 + 640))


def plus(base, *cells):
    """Cost with (weights, other parameters) of the cells at 32, 16 and 8 pixels added."""
    flops = sum(2 * weights * pixels for (weights, _), pixels in zip(cells, (1024, 256, 64), strict=True))
    return Cost(base.n_parameters + sum(map(sum, cells)), base.flops + flops)


@pytest.mark.parametrize(
    ("space", "genes", "expected"),
    [
        pytest.param(FLAT2, [6], PLAIN, id="identity"),
        pytest.param(FLAT2, [4], PLAIN, id="max_pool"),
        pytest.param(FLAT2, [5], PLAIN, id="avg_pool"),
        pytest.param(FLAT2, [1], plus(PLAIN, (256, 32), (1024, 64), (4096, 128)), id="conv_1x1"),
        pytest.param(FLAT2, [2], plus(PLAIN, (144, 32), (288, 64), (576, 128)), id="depthwise"),
        pytest.param(FLAT2, [3], plus(PLAIN, (400, 32), (1312, 64), (4672, 128)), id="separable"),
        pytest.param(FLAT3, [1, 6, 0], PLAIN, id="dead convolution costs nothing"),
        pytest.param(FLAT3, [6, 6, 6], DOUBLE, id="concat doubles the channels"),
        pytest.param(FLAT3, [4, 4, 6], DOUBLE, id="shared pool"),
        pytest.param(FlatSpace(nodes=3, merge="add"), [6, 6, 6], PLAIN, id="add keeps the channels"),
        pytest.param(
            FLAT4, [6, 6, 6, 0, 0, 1], plus(PLAIN, (512, 32), (2048, 64), (8192, 128)), id="conv_1x1 after concat"
        ),
        pytest.param(
            FLAT4, [6, 6, 6, 0, 0, 2], plus(DOUBLE, (288, 64), (576, 128), (1152, 256)), id="depthwise after concat"
        ),
        pytest.param(
            HierarchicalSpace(motifs=(1, 1), nodes=(3, 2)),
            [6, 6, 6, 1],
            plus(PLAIN, (512, 32), (2048, 64), (8192, 128)),
            id="projection to the motif's input",
        ),
        pytest.param(
            HierarchicalSpace(motifs=(1, 1), nodes=(3, 2), projected_levels=()),
            [6, 6, 6, 1],
            DOUBLE,
            id="no projection",
        ),
        pytest.param(
            HierarchicalSpace(motifs=(1, 1), nodes=(2, 4)),
            [6, 1, 1, 1, 0, 0, 1],
            plus(DOUBLE, (7 * 256, 160), (7 * 1024, 320), (7 * 4096, 640)),
            id="projection of a doubled input keeps it doubled",
        ),
    ],
)
def test_cost_of_a_tiny_genotype_is_the_sum_worked_out_by_hand(space, genes, expected):
    assert cost(space, genes, SMALL) == expected


def test_the_hand_worked_base_is_what_it_was():
    assert Cost(9098, 2118912) == PLAIN
    assert Cost(16762, 3351808) == DOUBLE


def separable(*channels):
    return sum(9 * a + a * b + 2 * b for a, b in pairwise(channels))


def test_large_cifar_has_six_separable_convolutions_of_which_two_have_stride_2():
    template = NetworkTemplate.large_cifar()
    assert [step.shape for step in expand(viable_graph(FLAT2, [6]), template)] == [
        (64, 32, 32),
        (64, 32, 32),
        (128, 16, 16),
        (128, 16, 16),
        (256, 8, 8),
        (256, 8, 8),
        (256, 8, 8),
        (10, 1, 1),
    ]
    expected = 3 * 64 * 9 + 128 + separable(64, 64, 128, 128, 256, 256, 256) + 257 * 10
    assert cost(FLAT2, [6], template).n_parameters == expected


def test_imagenet_has_two_convolutions_of_stride_2_and_groups_of_1_2_2_2_cells():
    template = NetworkTemplate.imagenet()
    assert [step.shape for step in expand(viable_graph(FLAT2, [6]), template)] == [
        (32, 150, 150),
        (64, 75, 75),
        (128, 38, 38),
        (128, 38, 38),
        (256, 19, 19),
        (256, 19, 19),
        (512, 10, 10),
        (512, 10, 10),
        (512, 10, 10),
        (1000, 1, 1),
    ]
    stem = 3 * 32 * 9 + 64 + 32 * 64 * 9 + 128
    expected = stem + separable(64, 128, 128, 256, 256, 512, 512, 512) + 513 * 1000
    assert cost(FLAT2, [6], template).n_parameters == expected


def weights_of(operation, cin, cout):
    """Weights of an operation's convolutions, and channels that its batch normalisations have."""
    k = int(operation[-1])
    bottleneck = max(1, 3 * cout // 8 if "1x3" in operation else cout // 4)
    within = {"bottleneck_conv_1x3_3x1": 6, "bottleneck_conv_1x7_7x1": 14}.get(operation, k * k) * bottleneck**2
    n_within = 2 if "x1" in operation else 1
    return {
        "conv": (k * k * cin * cout, cout),
        "relu": (k * k * cin * cout, cout),
        "depthwise": (k * k * cin, cin),
        "separable": (k * k * cin + cin * cout, cout),
        "dilated": (k * k * cin + cin * cout, cout),
        "stacked": (k * k * cin + cin * cout + k * k * cout + cout * cout, 2 * cout),
        "bottleneck": ((cin + cout) * bottleneck + within, (1 + n_within) * bottleneck + cout),
    }[operation.split("_")[0]]


def independent_cost(space, genes, channels, n_classes):
    """The small model's cost from the independent reading of the genes, for 32 x 32 images of 3 channels."""
    values = Values()
    output = read_genes(space, genes, values)
    widths, stages = values.channels, [(channels, 1024, 2), (2 * channels, 256, 2), (4 * channels, 64, 1)]
    n_parameters, multiply_adds = 27 * channels + 2 * channels, 27 * channels * 1024
    for c, pixels, stride in stages:
        for number in needed(values, output):
            operation, out, _, sources = values.keys[number]
            if operation in WEIGHTED:
                weights, n_normed = weights_of(operation, widths[sources[0]] * c, out * c)
                n_parameters += weights + 2 * n_normed
                multiply_adds += weights * pixels
        cin, cout = widths[output] * c, c * stride
        n_parameters += 9 * cin + cin * cout + 2 * cout
        multiply_adds += (9 * cin + cin * cout) * pixels // stride**2
    return Cost(n_parameters + (4 * channels + 1) * n_classes, 2 * (multiply_adds + 4 * channels * n_classes))


@given(spaces_and_genes(), st.integers(1, 32), st.integers(1, 20))
def test_cost_agrees_with_an_independent_reading_of_the_genes(case, channels, n_classes):
    space, genes = case
    template = NetworkTemplate.small_cifar(n_classes, channels)
    if space.lower(genes).output is None:
        with pytest.raises(NotViableError):
            cost(space, genes, template)
    else:
        assert cost(space, genes, template) == independent_cost(space, genes, channels, n_classes)


@given(
    spaces_and_genes(),
    st.sampled_from(
        [
            NetworkTemplate.small_cifar(7, 3, image_channels=1, image_size=9),
            NetworkTemplate.large_cifar(2, 4, image_size=11),
            NetworkTemplate.imagenet(5, 6, image_size=41),
        ]
    ),
)
def test_steps_fit_together(case, template):
    space, genes = case
    graph = space.lower(genes)
    if graph.output is None:
        return
    steps = expand(viable_graph(space, genes), template)
    shapes = [(template.image_channels, template.image_size, template.image_size)]
    for step in steps:
        assert all(i < len(shapes) for i in step.inputs)
        assert step.input_shape == shapes[step.inputs[0]]
        assert (step.merge == "") == (step.name != "")
        shape = step.input_shape
        if step.merge == "concat":
            shape = (sum(shapes[i][0] for i in step.inputs), *shape[1:])
        for layer in step.chain.layers:
            shape = layer.output_shape(shape)
        assert step.shape == shape
        shapes.append(shape)
    assert shapes[-1] == (template.n_classes, 1, 1)
    names = [step.name for step in steps if step.name]
    assert len(set(names)) == len(names)


def test_a_step_is_named_by_its_cell_and_the_genes_it_came_from():
    space = HierarchicalSpace(motifs=(1, 1), nodes=(2, 2))
    names = [step.name for step in expand(viable_graph(space, [1, 1]), SMALL)]
    assert names[:4] == ["stem1", "group1_cell1_1_0", "group1_cell1_1", "group1_cell1_conv"]
    assert names[-1] == "head"


@pytest.mark.parametrize("path", [(), (3,)])
@pytest.mark.parametrize("second", ["conv_1x1", "conv_3x3", "avg_pool_3x3"])
def test_operations_of_one_path_are_refused(path, second):
    """Under one name, so as one module: with tied weights, or as the later of them."""
    nodes = (Node("input"), Node("conv_1x1", (0,), path=path), Node(second, (1,), path=path))
    with pytest.raises(SettingsError, match=re.escape(f"several operations of the cell have the path {path}")):
        expand(Graph(nodes, 2), SMALL)


def test_pools_of_one_path_are_one_module_and_pools_of_different_sizes_are_refused():
    nodes = (Node("input"), Node("max_pool_3x3", (0,)), Node("max_pool_3x3", (1,)), Node("avg_pool_3x3", (2,)))
    assert expand(Graph(nodes[:3], 2), SMALL)[1].name == expand(Graph(nodes[:3], 2), SMALL)[2].name
    with pytest.raises(SettingsError, match="have the path"):
        expand(Graph(nodes, 3), SMALL)


def test_values_of_different_shapes_cannot_be_added():
    cell = Graph((Node("input"), Node("concat", (0, 0)), Node("add", (0, 1))), 2)
    with pytest.raises(SettingsError, match="different shapes cannot be added"):
        expand(cell, SMALL)


def test_values_of_different_sizes_cannot_be_concatenated(monkeypatch):
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))

    @register_operation("halving_conv_for_this_test")
    def halving_conv(in_channels, channels):
        return conv_bn_relu(in_channels, channels, 3, stride=2)

    space = FlatSpace(nodes=3, operations=("identity", "halving_conv_for_this_test"))
    message = r"height or width cannot be concatenated: \[\(16, 32, 32\), \(16, 16, 16\)\]"
    with pytest.raises(SettingsError, match=message):
        cost(space, [2, 1, 1], SMALL)
    steps = expand(viable_graph(space, [2, 0, 1]), SMALL)
    assert [step.shape[1] for step in steps] == [32, 16, 8, 4, 2, 1, 1, 1]  # each cell halves what it takes
    found = cost(space, [2, 0, 1], SMALL)
    assert found.n_parameters == sum(step.chain.n_parameters for step in steps)
    assert found.flops == sum(step.chain.flops for step in steps)


def test_cost_refuses_genes_of_another_space():
    with pytest.raises(GenotypeError):
        cost(FLAT3, [1], SMALL)


@pytest.mark.parametrize(
    ("template", "stem", "groups", "size"),
    [
        (NetworkTemplate.small_cifar(), ((16, 1),), (1, 1, 1), 32),
        (NetworkTemplate.large_cifar(), ((64, 1),), (2, 2, 2), 32),
        (NetworkTemplate.imagenet(), ((32, 2), (64, 2)), (1, 2, 2, 2), 299),
    ],
)
def test_the_papers_templates_have_the_papers_numbers(template, stem, groups, size):
    assert (template.stem, template.groups, template.image_size) == (stem, groups, size)
    steps = expand(Graph((Node("input"), Node("max_pool_3x3", (0,))), 1), template)
    in_cells = [step.shape[0] for step in steps if step.chain.layers == (MaxPool2d(3),)]
    assert template.cell_channels == tuple(dict.fromkeys(in_cells))
    assert template.image_channels == 3


@pytest.mark.parametrize("make", [NetworkTemplate.small_cifar, NetworkTemplate.large_cifar, NetworkTemplate.imagenet])
def test_a_template_survives_json_and_pickle_and_cannot_be_changed(make):
    template = make(4, 8, image_channels=1, image_size=20, n_cells=3)
    assert NetworkTemplate.from_dict(json.loads(json.dumps(template.to_dict()))) == template
    assert pickle.loads(pickle.dumps(template)) == template
    assert hash(template) == hash(make(4, 8, image_channels=1, image_size=20, n_cells=3))
    with pytest.raises(AttributeError):
        template.n_classes = 3


def test_for_images_changes_only_what_depends_on_the_images():
    template = NetworkTemplate.large_cifar(channels=8).for_images(n_classes=3, image_channels=1, image_size=28)
    assert template == NetworkTemplate.large_cifar(3, 8, image_channels=1, image_size=28)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("n_classes", lambda: NetworkTemplate.small_cifar(0)),
        ("n_classes", lambda: NetworkTemplate.small_cifar(2.0)),
        ("stem", lambda: NetworkTemplate.small_cifar(channels=0)),
        ("image_size", lambda: NetworkTemplate.small_cifar(image_size=-1)),
        ("image_channels", lambda: NetworkTemplate.small_cifar(image_channels=0)),
        ("groups", lambda: NetworkTemplate.small_cifar(n_cells=0)),
        ("groups", lambda: NetworkTemplate(10, 3, 32, ((16, 1),), ())),
        ("stem", lambda: NetworkTemplate(10, 3, 32, (), (1,))),
    ],
)
def test_a_template_without_positive_counts_is_refused(name, make):
    with pytest.raises(SettingsError, match=f"{name} must hold integers of at least 1"):
        make()


def test_a_template_of_lists_is_that_of_tuples():
    template = NetworkTemplate.imagenet(channels=8)
    lists = replace(template, stem=[[4, 2], [8, 2]], groups=[1, 2, 2, 2])
    assert lists == template
    assert hash(lists) == hash(template)
    assert cost(FLAT2, [1], lists) == cost(FLAT2, [1], template)


@pytest.mark.parametrize("stem", [((16,),), ((16, 1, 1),), (16, 1), 16, [[]]])
def test_a_stem_that_does_not_hold_pairs_is_refused(stem):
    with pytest.raises(SettingsError, match="stem must hold pairs of channels and stride"):
        replace(SMALL, stem=stem)


def test_groups_that_are_no_sequence_are_refused():
    with pytest.raises(SettingsError, match=r"groups numbers of cells; found \(\(16, 1\),\) and 3"):
        replace(SMALL, groups=3)


def test_last_stride_of_two_also_doubles_the_channels():
    space = FlatSpace(nodes=2)
    template = replace(NetworkTemplate.small_cifar(channels=4), last_stride=2)
    last = expand(viable_graph(space, initTrivial(Genotype, space)), template)[-2]
    assert last.shape == (32, 4, 4)
    assert NetworkTemplate.from_dict(template.to_dict()) == template
    with pytest.raises(SettingsError, match="last_stride must be 1 or 2, found 3"):
        replace(template, last_stride=3)
