import pytest

from deap_nas import FlatSpace, NetworkTemplate, canonical_key, cost
from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.graph import (
    AMOEBANET_OPERATIONS,
    DARTS_OPERATIONS,
    NASNET_OPERATIONS,
    PAPER_OPERATIONS,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    MaxPool2d,
    ReLU,
    layers_of,
    operation_names,
    operations,
    register_operation,
)
from deap_nas.graph.operations import effect_of
from tests.networks import POOLS, WEIGHTED, WIDENING
from tests.strategies import OPERATIONS


@pytest.fixture
def _registry(monkeypatch):
    """Forget afterwards what a test registers."""
    monkeypatch.setattr(operations, "_OPERATIONS", dict(operations._OPERATIONS))


def test_the_papers_operations_stand_in_the_pinned_order():
    assert PAPER_OPERATIONS == (
        "conv_1x1",
        "depthwise_conv_3x3",
        "separable_conv_3x3",
        "max_pool_3x3",
        "avg_pool_3x3",
        "identity",
    )


def test_the_other_papers_operations_are_registered_too():
    assert set(OPERATIONS) <= set(operation_names())


def plain(in_channels, channels, kernel_size, **others):
    return ReLU(), Conv2d(in_channels, channels, kernel_size, **others), BatchNorm2d(channels)


def separable(in_channels, channels, kernel_size, **others):
    depthwise = Conv2d(in_channels, in_channels, kernel_size, groups=in_channels, **others)
    return ReLU(), depthwise, Conv2d(in_channels, channels, 1), BatchNorm2d(channels)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("conv_1x1", (Conv2d(5, 8, 1), BatchNorm2d(8), ReLU())),
        ("conv_3x3", (Conv2d(5, 8, 3), BatchNorm2d(8), ReLU())),
        ("conv_5x5", (Conv2d(5, 8, 5), BatchNorm2d(8), ReLU())),
        ("depthwise_conv_3x3", (Conv2d(5, 5, 3, groups=5), BatchNorm2d(5), ReLU())),
        ("depthwise_conv_5x5", (Conv2d(5, 5, 5, groups=5), BatchNorm2d(5), ReLU())),
        ("separable_conv_3x3", (Conv2d(5, 5, 3, groups=5), Conv2d(5, 8, 1), BatchNorm2d(8), ReLU())),
        ("separable_conv_5x5", (Conv2d(5, 5, 5, groups=5), Conv2d(5, 8, 1), BatchNorm2d(8), ReLU())),
        ("max_pool_3x3", (MaxPool2d(3),)),
        ("avg_pool_3x3", (AvgPool2d(3),)),
        ("identity", ()),
        ("max_pool_5x5", (MaxPool2d(5),)),
        ("max_pool_7x7", (MaxPool2d(7),)),
        ("relu_conv_1x1", (ReLU(), Conv2d(5, 8, 1), BatchNorm2d(8))),
        ("dilated_separable_conv_3x3", separable(5, 8, 3, dilation=2)),
        ("dilated_separable_conv_5x5", separable(5, 8, 5, dilation=2)),
        ("stacked_separable_conv_3x3", (*separable(5, 8, 3), *separable(8, 8, 3))),
        ("stacked_separable_conv_5x5", (*separable(5, 8, 5), *separable(8, 8, 5))),
        ("stacked_separable_conv_7x7", (*separable(5, 8, 7), *separable(8, 8, 7))),
        ("bottleneck_conv_3x3", (*plain(5, 2, 1), *plain(2, 2, 3), *plain(2, 8, 1))),
        ("bottleneck_dilated_conv_3x3", (*plain(5, 2, 1), *plain(2, 2, 3, dilation=2), *plain(2, 8, 1))),
        ("bottleneck_conv_1x3_3x1", (*plain(5, 3, 1), *plain(3, 3, (1, 3)), *plain(3, 3, (3, 1)), *plain(3, 8, 1))),
        ("bottleneck_conv_1x7_7x1", (*plain(5, 2, 1), *plain(2, 2, (1, 7)), *plain(2, 2, (7, 1)), *plain(2, 8, 1))),
    ],
)
def test_an_operation_has_the_layers_of_its_name(name, layers):
    assert layers_of(name, 5, 8) == layers


def test_a_bottleneck_of_a_narrow_cell_has_a_channel():
    assert layers_of("bottleneck_conv_3x3", 2, 3) == (*plain(2, 1, 1), *plain(1, 1, 3), *plain(1, 3, 1))


def test_the_operations_of_cells_are_those_of_the_papers():
    assert (len(NASNET_OPERATIONS), len(AMOEBANET_OPERATIONS), len(DARTS_OPERATIONS)) == (13, 8, 7)
    for names in (NASNET_OPERATIONS, AMOEBANET_OPERATIONS, DARTS_OPERATIONS):
        assert len(set(names)) == len(names)
        assert set(names) <= set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_keeps_the_size_and_takes_any_channels(name):
    shape = (12, 9, 7)
    for layer in layers_of(name, 12, 8):
        shape = layer.output_shape(shape)
    assert shape == (8 if name in WIDENING else 12, 9, 7)


def test_only_identity_is_an_identity():
    assert [name for name in OPERATIONS if not any(effect_of(name, (8,), (8,)).layers)] == ["identity"]


def test_only_operations_without_weights_are_shareable_and_of_those_all_act_by_channel():
    effects = {name: effect_of(name, (8, 16), (8, 8)) for name in OPERATIONS}
    assert {name for name, effect in effects.items() if effect.is_shareable} == set(OPERATIONS) - WEIGHTED
    assert {name for name, effect in effects.items() if effect.is_by_channel} == set(OPERATIONS) - WEIGHTED
    assert set(OPERATIONS) - WEIGHTED == POOLS | {"identity"}


@pytest.mark.usefixtures("_registry")
def test_an_operation_with_weights_in_one_cell_is_not_shareable():
    register_operation("squeeze_for_this_test")(lambda i, c: (Conv2d(i, 8, 1),) if i > 8 else ())
    assert effect_of("squeeze_for_this_test", (4, 8), (4, 8)) == (((), ()), (4, 8), True, True)
    assert effect_of("squeeze_for_this_test", (8, 16), (8, 16)) == (((), (Conv2d(16, 8, 1),)), (8, 8), False, False)


def test_an_unknown_operation_is_refused_with_the_known_names():
    with pytest.raises(UnknownNameError, match=r"unknown operation 'conv_9x9'; known: .*conv_1x1.*identity"):
        layers_of("conv_9x9", 1, 1)


@pytest.mark.usefixtures("_registry")
@pytest.mark.parametrize("name", ["conv_1x1", "identity", "none", "input", "concat", "add"])
def test_a_taken_or_reserved_name_is_refused(name):
    with pytest.raises(SettingsError, match=f"'{name}' is already taken"):
        register_operation(name)(lambda in_channels, channels: ())


CELL = """
@register_operation("conv_of_a_cell")
def conv_of_a_cell(in_channels, channels):
    return conv_bn_relu(in_channels, channels, {kernel_size})
"""


@pytest.mark.usefixtures("_registry")
def test_a_cell_that_is_run_twice_registers_its_operation_once_and_a_changed_one_is_refused():
    names = {"register_operation": register_operation, "conv_bn_relu": operations.conv_bn_relu, "__name__": "__main__"}
    for number in (1, 2):
        exec(compile(CELL.format(kernel_size=7), f"<ipython-input-{number}>", "exec"), names)
    assert operation_names().count("conv_of_a_cell") == 1
    assert names["conv_of_a_cell"] is operations._OPERATIONS["conv_of_a_cell"]
    with pytest.raises(
        SettingsError, match=r"already taken, by another function: .*start Python, or the notebook's ker"
    ):
        exec(compile(CELL.format(kernel_size=9), "<ipython-input-3>", "exec"), names)


@pytest.mark.usefixtures("_registry")
def test_an_operation_of_ones_own_works_in_a_space_like_a_builtin():
    @register_operation("grouped_conv_for_this_test")
    def grouped_conv(in_channels, channels):
        return (Conv2d(in_channels, channels, 3, groups=4),)

    assert operation_names()[-1] == "grouped_conv_for_this_test"
    space = FlatSpace(nodes=2, operations=("identity", "grouped_conv_for_this_test"))
    template = NetworkTemplate.small_cifar(channels=16)
    plain, grouped = cost(space, [1], template), cost(space, [2], template)
    assert grouped.n_parameters - plain.n_parameters == sum(c * c // 4 * 9 for c in (16, 32, 64))
    assert canonical_key(space, [1]) != canonical_key(space, [2])


@pytest.mark.usefixtures("_registry")
def test_the_decorator_gives_the_function_back():
    def operation(in_channels, channels):
        return ()

    assert register_operation("second_identity_for_this_test")(operation) is operation
    assert layers_of("second_identity_for_this_test", 8, 8) == ()
