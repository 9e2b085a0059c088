import pickle

import pytest
import torch
from torch import nn

from deap_nas.assembly.pointwise import PointwiseConv2d


def both():
    """The convolution, and PyTorch's with the same weights, in double precision."""
    ours, theirs = PointwiseConv2d(3, 5).double(), nn.Conv2d(3, 5, 1, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("needs_gradient", [True, False])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(2, 3, 6, 4), (1, 3, 1, 1)])
def test_value_and_gradients_are_those_of_pytorchs_convolution(shape, memory_format, needs_gradient):
    value = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=memory_format)
    value.requires_grad_(needs_gradient)
    of_output = torch.randn(shape[0], 7, *shape[2:], dtype=torch.float64)[:, 1:6]  # a part of a concatenation's
    found = []
    for module in both():
        convolved = module(value)
        wanted = (module.weight, value) if needs_gradient else (module.weight,)
        found.append((convolved, *torch.autograd.grad(convolved, wanted, of_output)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    if needs_gradient:
        assert found[0][-1].is_contiguous(memory_format=torch.channels_last)


def test_the_gradient_of_a_weight_in_a_network_has_its_strides():
    weight = PointwiseConv2d(3, 5).weight
    weight.data = weight.data.to(memory_format=torch.channels_last)
    module = PointwiseConv2d(3, 5)
    module.weight = weight
    (gradient,) = torch.autograd.grad(module(torch.randn(2, 3, 4, 4)).sum(), (weight,))
    assert gradient.stride() == weight.stride() == (3, 1, 3, 3)


def test_without_gradients_and_in_mixed_precision_it_is_pytorchs_convolution():
    ours, theirs = (module.float() for module in both())
    value = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        assert torch.equal(ours(value), theirs(value))
    with torch.autocast("cpu", torch.bfloat16):
        convolved = ours(value)
    assert convolved.dtype == torch.bfloat16
    convolved.float().sum().backward()
    assert ours.weight.grad.dtype == torch.float32


def test_the_compiler_sees_pytorchs_convolution():
    functions = []

    def backend(module, inputs):
        functions.extend(node.target for node in module.graph.nodes if node.op == "call_function")
        return module.forward

    torch.compile(PointwiseConv2d(3, 5), backend=backend)(torch.randn(2, 3, 4, 4))
    assert functions == [torch.conv2d]


def test_several_at_once_are_each_as_alone():
    modules = [PointwiseConv2d(3, 5).double() for _ in range(3)]
    values = torch.randn(3, 2, 3, 4, 4, dtype=torch.float64)

    def loss(weight, value):
        return torch.func.functional_call(modules[0], {"weight": weight}, (value,)).square().sum()

    weights = torch.stack([module.weight.detach() for module in modules])
    gradients = torch.vmap(torch.func.grad(loss))(weights, values)
    for module, value, gradient in zip(modules, values, gradients, strict=True):
        module(value).square().sum().backward()
        torch.testing.assert_close(gradient, module.weight.grad, rtol=1e-12, atol=1e-12)


def test_it_pickles():
    module = PointwiseConv2d(3, 5)
    value = torch.randn(2, 3, 4, 4)
    assert torch.equal(pickle.loads(pickle.dumps(module))(value), module(value))
