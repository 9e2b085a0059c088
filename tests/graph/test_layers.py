from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deap_nas.errors import SettingsError
from deap_nas.graph import AvgPool2d, BatchNorm2d, Conv2d, GlobalAvgPool2d, Layer, Linear, MaxPool2d, ReLU

SHAPE = (6, 7, 8)


@pytest.mark.parametrize(
    ("layer", "n_parameters", "output_shape", "flops"),
    [
        (Conv2d(6, 4, 1), 24, (4, 7, 8), 2 * 24 * 56),
        (Conv2d(6, 4, 3), 216, (4, 7, 8), 2 * 216 * 56),
        (Conv2d(6, 4, 3, stride=2), 216, (4, 4, 4), 2 * 216 * 16),
        (Conv2d(6, 6, 3, groups=6), 54, (6, 7, 8), 2 * 54 * 56),
        (Conv2d(6, 4, 5, groups=2), 300, (4, 7, 8), 2 * 300 * 56),
        (BatchNorm2d(6), 12, SHAPE, 0),
        (ReLU(), 0, SHAPE, 0),
        (MaxPool2d(3), 0, SHAPE, 0),
        (AvgPool2d(3), 0, SHAPE, 0),
        (GlobalAvgPool2d(), 0, (6, 1, 1), 0),
        (Linear(6, 10), 70, (10, 1, 1), 120),
    ],
    ids=repr,
)
def test_parameters_shape_and_flops_are_those_of_the_formula(layer, n_parameters, output_shape, flops):
    assert layer.n_parameters == n_parameters
    assert layer.output_shape(SHAPE) == output_shape
    assert layer.flops(SHAPE) == flops


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 5]), st.integers(1, 3))
def test_a_convolution_gives_an_output_for_each_stride_begun(height, width, kernel_size, stride):
    shape = Conv2d(2, 3, kernel_size, stride=stride).output_shape((2, height, width))
    assert shape == (3, len(range(0, height, stride)), len(range(0, width, stride)))


def test_equal_layers_are_interchangeable_and_cannot_be_changed():
    assert Conv2d(1, 2, 3) == Conv2d(1, 2, 3)
    assert len({Conv2d(1, 2, 3), Conv2d(1, 2, 3), MaxPool2d(3), AvgPool2d(3)}) == 3
    with pytest.raises(FrozenInstanceError):
        Conv2d(1, 2, 3).in_channels = 4


def test_a_layer_without_a_module_says_that_it_needs_build():
    with pytest.raises(NotImplementedError, match=r"ReLU has no module: define its build\(\)"):
        ReLU().build()


def test_the_contract_cannot_be_instantiated():
    with pytest.raises(TypeError, match="abstract"):
        Layer()


def test_a_layer_derived_from_one_of_the_package_is_refused_since_it_would_be_built_as_that():
    with pytest.raises(SettingsError, match="Dilated derives from Conv2d, as which it would be built: derive it from"):
        type("Dilated", (Conv2d,), {})


def test_a_layer_may_derive_from_another_one_from_outside():
    outside = type("Outside", (Layer,), {})
    assert issubclass(type("Derived", (outside,), {}), Layer)
