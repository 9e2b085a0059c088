import pickle

import pytest
import torch
from torch import nn

from deap_nas.assembly.pooling import ConvolvedAvgPool2d


def pytorchs_pool(size):
    return nn.AvgPool2d(size, stride=1, padding=size // 2, count_include_pad=False)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 1, 1), (2, 5, 2, 7), (3, 4, 3, 1)])
def test_pool_and_gradient_are_those_of_pytorchs_pooling_to_the_border(shape, size, memory_format):
    value = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()
    found, expected = ConvolvedAvgPool2d(size)(value), pytorchs_pool(size)(value)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn(shape, dtype=torch.float64)
    gradients = [torch.autograd.grad((pooled * weights).sum(), value)[0] for pooled in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_without_gradients_it_is_pytorchs_pooling_to_the_bit():
    value = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        assert torch.equal(ConvolvedAvgPool2d(3)(value), pytorchs_pool(3)(value))


def test_it_keeps_channels_last_and_has_no_state():
    value = torch.randn(2, 4, 6, 6, requires_grad=True).contiguous(memory_format=torch.channels_last)
    module = pickle.loads(pickle.dumps(ConvolvedAvgPool2d(3)))
    assert module(value).is_contiguous(memory_format=torch.channels_last)
    assert module.state_dict() == {}
    (gradient,) = torch.autograd.grad(module(value), value, torch.ones_like(value))
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_training_in_bfloat16_gives_the_value_a_gradient_of_its_own_type():
    value = torch.randn(2, 3, 6, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        pooled = ConvolvedAvgPool2d(3)(value)
    pooled.float().sum().backward()
    assert value.grad.dtype == torch.float32
