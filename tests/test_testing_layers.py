"""The contracts of layers and operations, on what the package ships, and on parts that break them."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from deap_nas import register_operation
from deap_nas.graph import AvgPool2d, Conv2d, Gate, Layer, conv_bn_relu
from deap_nas.testing import LayerContract, OperationContract
from tests import lying


class TestConv2d(LayerContract):
    def make_layer(self):
        return Conv2d(6, 4, 3, stride=2)

    def make_shapes(self):
        return [(6, 8, 8), (6, 9, 7)]


class TestDilatedConv2d(LayerContract):
    def make_layer(self):
        return Conv2d(6, 6, (3, 5), stride=2, groups=6, dilation=2)

    def make_shapes(self):
        return [(6, 8, 8), (6, 9, 7), (6, 1, 2)]


class TestAvgPool2d(LayerContract):
    def make_layer(self):
        return AvgPool2d(3)

    def make_shapes(self):
        return [(6, 8, 8), (5, 9, 7)]


class TestGate(LayerContract):
    def make_layer(self):
        return Gate()

    def make_shapes(self):
        return [(6, 8, 8), (5, 9, 7)]


class TestDilated(LayerContract):
    def make_layer(self):
        return lying.Dilated(6)

    def make_shapes(self):
        return [(6, 8, 8), (6, 9, 7)]


class TestSeparable(OperationContract):
    def make_operation(self):
        return "separable_conv_5x5"


class TestStackedSeparable(OperationContract):
    def make_operation(self):
        return "stacked_separable_conv_7x7"


class TestDilatedSeparable(OperationContract):
    def make_operation(self):
        return "dilated_separable_conv_5x5"


class TestBottleneck(OperationContract):
    def make_operation(self):
        return "bottleneck_conv_1x7_7x1"


class TestAveragePool(OperationContract):
    def make_operation(self):
        return "avg_pool_3x3"


class TestOwn(OperationContract):
    def make_operation(self):
        return "dilated_of_the_contract"


@register_operation("dilated_of_the_contract")
def dilated(in_channels, channels):
    return (lying.Dilated(in_channels), *conv_bn_relu(in_channels, channels, 1), lying.SiLU(inplace=True))


@dataclass  # neither frozen nor hashable
class Loose(Layer):
    n_parameters = 0

    def output_shape(self, shape):
        return shape

    def flops(self, shape):
        return 0

    def build(self):
        return nn.Identity()


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lying.WithBias(6), "test_it_says_what_its_module_does"),
        (lying.OfItsOwnAndFree(6), "test_it_says_what_its_module_does"),
        (lying.ForOtherDevices(6), "test_it_says_what_its_module_does"),
        (Loose(), "test_it_is_a_value"),
    ],
)
def test_a_layer_that_breaks_the_contract_is_found_out(layer, name):
    class Contract(LayerContract):
        def make_layer(self):
            return layer

        def make_shapes(self):
            return [(6, 8, 8)]

    with pytest.raises((AssertionError, TypeError)):
        getattr(Contract(), name)()


class Added(lying.SiLU):
    """Adds something that it draws when it is built, without weights that say so."""

    def build(self):
        return _Added()


class _Added(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = torch.rand(())

    def forward(self, images):
        return images + self.shift


BROKEN = {
    "test_it_is_made_of_layers_that_are_values": lambda in_channels, channels: (Loose(), object()),
    "test_it_keeps_height_and_width": lambda in_channels, channels: conv_bn_relu(in_channels, channels, 3, stride=2),
    "test_its_layers_say_what_their_modules_do": lambda in_channels, channels: (lying.Busy(in_channels),),
    "test_it_leaves_its_input_alone": lambda in_channels, channels: (lying.SiLU(inplace=True),),
    "test_a_network_of_it_costs_what_is_said_and_computes_what_its_equations_say": (
        lambda in_channels, channels: (Added(),)
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_operation_that_breaks_the_contract_is_found_out(name):
    register_operation(f"broken, {name}")(BROKEN[name])

    class Contract(OperationContract):
        def make_operation(self):
            return f"broken, {name}"

    with pytest.raises(AssertionError):
        getattr(Contract(), name)()
