from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.graph import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Convolution,
    MaxPool2d,
    OperationValue,
    Pooling,
    ReLU,
    SeparableConvolution,
    Strided,
    label_of,
    layers_of,
    pair,
    register_operation,
)
from tests.graphs import operation_values, strides
from tests.strategies import OPERATIONS


@pytest.mark.parametrize(
    ("operation", "layers", "label"),
    [
        (Convolution(8, 3), (Conv2d(5, 8, 3), BatchNorm2d(8), ReLU()), "conv_3x3_8"),
        (Convolution(8, (1, 7), 2), (Conv2d(5, 8, (1, 7), 2), BatchNorm2d(8), ReLU()), "conv_1x7_8_by2"),
        (
            SeparableConvolution(8, 5, (2, 1)),
            (Conv2d(5, 5, 5, (2, 1), groups=5), Conv2d(5, 8, 1), BatchNorm2d(8), ReLU()),
            "separable_conv_5x5_8_by2x1",
        ),
        (Pooling("max", 3), (MaxPool2d(3),), "max_pool_3x3"),
        (Pooling("avg", (3, 1), 3), (AvgPool2d((3, 1), 3),), "avg_pool_3x1_by3"),
    ],
)
def test_an_operation_has_its_own_layers_whatever_the_width_and_a_label(operation, layers, label):
    assert layers_of(operation, 5, 2) == layers_of(operation, 5, 99) == layers
    assert label_of(operation) == label


@given(operation_values, st.integers(1, 9), st.integers(1, 20), st.integers(1, 20))
def test_height_and_width_are_divided_by_the_stride_and_rounded_up(operation, in_channels, height, width):
    shape = (in_channels, height, width)
    for layer in operation.layers(in_channels, 1):
        shape = layer.output_shape(shape)
    rows, columns = pair(operation.stride)
    channels = getattr(operation, "channels", in_channels)
    assert shape == (channels, len(range(0, height, rows)), len(range(0, width, columns)))


@given(operation_values, operation_values)
def test_different_operations_have_different_labels(first, second):
    assert (first == second) == (first.label == second.label)


@pytest.mark.parametrize("make", [Convolution, SeparableConvolution])
@pytest.mark.parametrize("channels", [0, -3, 2.0, "8", None])
def test_channels_that_are_no_count_are_refused(make, channels):
    with pytest.raises(SettingsError, match="channels must be an integer of at least 1, found"):
        make(channels, 3)


MAKES = [lambda *sizes: Convolution(8, *sizes), lambda *sizes: SeparableConvolution(8, *sizes)]
MAKES += [lambda *sizes: Pooling("max", *sizes)]
WITH_STRIDE = [*MAKES, lambda kernel_size, stride: Strided("conv_3x3", stride)]


@pytest.mark.parametrize("make", MAKES, ids=["convolution", "separable", "pooling"])
@pytest.mark.parametrize("size", [0, 2, -1, 3.0, "3", None, (3,), (3, 3, 3), (3, 4), (3, None), ()])
def test_windows_that_are_not_odd_are_refused(make, size):
    with pytest.raises(SettingsError, match="kernel_size must be an odd integer of at least 1, or two of them, found"):
        make(size)


@pytest.mark.parametrize("make", WITH_STRIDE, ids=["convolution", "separable", "pooling", "strided"])
@pytest.mark.parametrize("stride", [0, -1, 2.0, None, (1,), (1, 0)])
def test_strides_that_are_no_counts_are_refused(make, stride):
    with pytest.raises(SettingsError, match="stride must be an integer of at least 1, or two of them, found"):
        make(3, stride)


@pytest.mark.parametrize(
    ("operation", "layers", "label", "weights_label"),
    [
        (Strided("conv_3x3"), (Conv2d(6, 8, 3, 2), BatchNorm2d(8), ReLU()), "conv_3x3_by2", "conv_3x3"),
        (
            Strided("separable_conv_5x5", (3, 3)),
            (Conv2d(6, 6, 5, 3, groups=6), Conv2d(6, 8, 1), BatchNorm2d(8), ReLU()),
            "separable_conv_5x5_by3",
            "separable_conv_5x5",
        ),
        (Strided("max_pool_3x3", (2, 1)), (MaxPool2d(3, (2, 1)),), "max_pool_3x3_by2x1", "max_pool_3x3"),
        (Strided("identity"), (Conv2d(6, 8, 1, 2), BatchNorm2d(8), ReLU()), "identity_by2", "identity_by2"),
        (
            Strided("bottleneck_conv_3x3"),
            (
                *(ReLU(), Conv2d(6, 2, 1), BatchNorm2d(2)),
                *(ReLU(), Conv2d(2, 2, 3, 2), BatchNorm2d(2)),
                *(ReLU(), Conv2d(2, 8, 1), BatchNorm2d(8)),
            ),
            "bottleneck_conv_3x3_by2",
            "bottleneck_conv_3x3",
        ),
        (
            Strided("norm_of_the_tests"),
            (Conv2d(6, 8, 1, 2), BatchNorm2d(8), ReLU(), BatchNorm2d(8)),
            "norm_of_the_tests_by2",
            "norm_of_the_tests_by2",
        ),
    ],
)
def test_a_strided_operation_has_its_stride_in_the_first_layer_that_can_or_in_one_before_it(
    operation, layers, label, weights_label
):
    assert layers_of(operation, 6, 8) == layers
    assert label_of(operation) == label
    assert operation.weights_label == weights_label
    plain = layers_of(operation.name, 6, 8)
    has_weights_of_plain = [layer.n_parameters for layer in plain] == [layer.n_parameters for layer in layers]
    assert has_weights_of_plain == (weights_label == operation.name)


@register_operation("norm_of_the_tests")
def norm(in_channels, channels):
    return (BatchNorm2d(in_channels),)


@given(st.sampled_from(OPERATIONS), strides, st.integers(1, 20), st.integers(1, 20))
def test_a_strided_operation_divides_height_and_width_and_rounds_up(name, stride, height, width):
    if stride in (1, (1, 1)):
        with pytest.raises(SettingsError, match=f"must be larger than 1: take the operation '{name}' itself"):
            Strided(name, stride)
        return
    shape = (4, height, width)
    for layer in layers_of(Strided(name, stride), 4, 4):
        shape = layer.output_shape(shape)
    rows, columns = pair(stride)
    assert shape == (4, len(range(0, height, rows)), len(range(0, width, columns)))


def test_a_strided_operation_of_an_unknown_name_has_a_label_and_no_layers():
    operation = Strided("of_nobody")
    assert operation.label == "of_nobody_by2"
    with pytest.raises(UnknownNameError, match="of_nobody"):
        layers_of(operation, 4, 4)


def test_an_unknown_kind_of_pooling_is_refused():
    with pytest.raises(SettingsError, match="kind must be one of max, avg, found 'min'"):
        Pooling("min", 3)


def test_the_label_of_a_value_of_ones_own_tells_numbers_apart():
    @dataclass(frozen=True)
    class Scaled(OperationValue):
        factor: float

        def layers(self, in_channels, channels):
            return ()

    labels = [Scaled(factor).label for factor in (1, -1, 1.5, -1.5, 15, (1, 5))]
    assert len(set(labels)) == len(labels)
    assert all(label.isidentifier() for label in labels)
    with pytest.raises(TypeError, match="abstract"):
        OperationValue()
