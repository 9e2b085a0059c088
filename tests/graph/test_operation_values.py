from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.errors import SettingsError
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
    label_of,
    layers_of,
    pair,
)
from tests.graphs import operation_values


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


@pytest.mark.parametrize("make", MAKES, ids=["convolution", "separable", "pooling"])
@pytest.mark.parametrize("size", [0, 2, -1, 3.0, "3", None, (3,), (3, 3, 3), (3, 4), (3, None), ()])
def test_windows_that_are_not_odd_are_refused(make, size):
    with pytest.raises(SettingsError, match="kernel_size must be an odd integer of at least 1, or two of them, found"):
        make(size)


@pytest.mark.parametrize("make", MAKES, ids=["convolution", "separable", "pooling"])
@pytest.mark.parametrize("stride", [0, -1, 2.0, None, (1,), (1, 0)])
def test_strides_that_are_no_counts_are_refused(make, stride):
    with pytest.raises(SettingsError, match="stride must be an integer of at least 1, or two of them, found"):
        make(3, stride)


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
