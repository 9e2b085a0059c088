import copy

import pytest
import torch

from deap_nas.assembly.modules import build_layer, copy_layer
from deap_nas.graph import BatchNorm2d, Conv2d

LAYERS = [
    Conv2d(6, 4, 1),
    Conv2d(6, 4, 1, stride=2),
    Conv2d(6, 4, 1, groups=2),
    Conv2d(6, 6, 3, stride=2, groups=6),
    Conv2d(3, 8, 5),
    BatchNorm2d(7),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_copied_layer_is_the_one_that_its_constructor_makes(layer, dtype):
    modules = []
    for make in (build_layer, copy_layer, copy_layer):
        with torch.random.fork_rng():
            torch.manual_seed(4)
            torch.set_default_dtype(dtype)
            try:
                modules.append(make(layer))
            finally:
                torch.set_default_dtype(torch.float32)
    for module in modules[1:]:
        assert repr(module) in (repr(modules[0]), f"Pointwise{modules[0]!r}")
        assert vars(module).keys() == vars(modules[0]).keys()
        for name, value in modules[0].state_dict().items():
            assert module.state_dict()[name].dtype == value.dtype
            assert torch.equal(module.state_dict()[name], value)
    value = torch.randn(2, 7 if isinstance(layer, BatchNorm2d) else layer.in_channels, 5, 5, dtype=dtype)
    torch.testing.assert_close(modules[1](value), modules[0](value))  # in another order, for a pointwise convolution


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_copied_layers_share_nothing(layer):
    first, second = copy_layer(layer), copy_layer(layer)
    before = copy.deepcopy(second.state_dict())
    first.register_forward_hook(lambda module, inputs, output: output * 0)
    first.eval()
    with torch.no_grad():
        for value in first.state_dict().values():
            value.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in second.state_dict().items())
    assert second.training
    assert not second._forward_hooks
