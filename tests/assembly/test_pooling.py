import pickle

import pytest
import torch
from torch import nn

from deap_nas.assembly.pooling import ConvolvedAvgPool2d


def plain(size):
    return nn.AvgPool2d(size, stride=1, padding=size // 2, count_include_pad=False)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 1, 1), (2, 5, 2, 7), (3, 4, 3, 1)])
def test_average_and_gradient_are_those_of_pytorchs_pooling_to_the_border(shape, size):
    value = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    found, expected = ConvolvedAvgPool2d(size)(value), plain(size)(value)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn(shape, dtype=torch.float64)
    gradients = [torch.autograd.grad((pooled * weights).sum(), value)[0] for pooled in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_without_gradients_it_is_pytorchs_pooling_to_the_bit():
    value = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        assert torch.equal(ConvolvedAvgPool2d(3)(value), plain(3)(value))


def test_it_keeps_channels_last_and_has_no_state():
    value = torch.randn(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    pool = pickle.loads(pickle.dumps(ConvolvedAvgPool2d(3)))
    assert pool(value).is_contiguous(memory_format=torch.channels_last)
    assert pool.state_dict() == {}
