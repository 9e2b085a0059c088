import pickle

import pytest
import torch
from torch import nn

from deap_nas.assembly.pooling import ConvolvedAvgPool2d, LeanMaxPool2d

POOLS = {
    ConvolvedAvgPool2d: lambda size: nn.AvgPool2d(size, stride=1, padding=size // 2, count_include_pad=False),
    LeanMaxPool2d: lambda size: nn.MaxPool2d(size, stride=1, padding=size // 2),
}
each_pool = pytest.mark.parametrize("pool", POOLS)


@each_pool
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 1, 1), (2, 5, 2, 7), (3, 4, 3, 1)])
def test_pool_and_gradient_are_those_of_pytorchs_pooling_to_the_border(pool, shape, size, memory_format):
    value = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=memory_format).requires_grad_()
    found, expected = pool(size)(value), POOLS[pool](size)(value)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn(shape, dtype=torch.float64)
    gradients = [torch.autograd.grad((pooled * weights).sum(), value)[0] for pooled in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


@each_pool
def test_without_gradients_it_is_pytorchs_pooling_to_the_bit(pool):
    value = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        assert torch.equal(pool(3)(value), POOLS[pool](3)(value))


@each_pool
def test_of_equal_values_the_same_one_gets_the_gradient_as_in_pytorch(pool):
    value = torch.zeros(1, 2, 5, 5, requires_grad=True)
    gradients = [
        torch.autograd.grad(p(3)(value).square().sum() + p(3)(value).sum(), value) for p in (pool, POOLS[pool])
    ]
    torch.testing.assert_close(*gradients)


@each_pool
def test_it_keeps_channels_last_and_has_no_state(pool):
    value = torch.randn(2, 4, 6, 6, requires_grad=True).contiguous(memory_format=torch.channels_last)
    module = pickle.loads(pickle.dumps(pool(3)))
    assert module(value).is_contiguous(memory_format=torch.channels_last)
    assert module.state_dict() == {}
    (gradient,) = torch.autograd.grad(module(value), value, torch.ones_like(value))
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@each_pool
def test_training_in_bfloat16_gives_the_value_a_gradient_of_its_own_type(pool):
    value = torch.randn(2, 3, 6, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        pooled = pool(3)(value)
    pooled.float().sum().backward()
    assert value.grad.dtype == torch.float32
