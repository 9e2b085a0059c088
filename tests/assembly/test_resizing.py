import pytest
import torch

from deap_nas.assembly.resizing import resized


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_row_is_the_nearest_one_for_all_heights(dtype, memory_format):
    """By a quotient in float32, as PyTorch has it, that of some heights, as of 14 for 46, is another one."""
    for height in (*range(1, 20), 26, 28, 39, 52, 56):
        value = torch.arange(height, dtype=dtype).view(1, 1, height, 1).expand(1, 2, height, 3)
        value = value.contiguous(memory_format=memory_format)
        for new_height in (*range(1, 24), 33, 38, 44, 46, 58, 224):
            rows = resized(value, torch.empty(1, 2, new_height, 2))[0, 0, :, 0]
            assert rows.tolist() == [row * height // new_height for row in range(new_height)]


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [(4, 5), (4, 10), (1, 1), (7, 3), (9, 9)])
def test_value_and_gradient_are_those_of_the_definition(size, channels):
    value = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    pattern = torch.full((2, channels, *size), float("nan"), dtype=torch.float64)
    found = resized(value, pattern)
    rows, columns = ([i * length // new for i in range(new)] for length, new in zip((4, 5), size, strict=True))
    expected = torch.zeros(2, channels, *size, dtype=torch.float64)
    taken = value[:, :channels][:, :, rows][:, :, :, columns]
    expected[:, : taken.shape[1]] = taken
    assert torch.equal(found, expected)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((each * weights).sum(), value)[0] for each in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_it_keeps_channels_last_and_a_value_that_fits_is_not_copied():
    value = torch.randn(2, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    for shape in ((2, 4, 3, 9), (2, 6, 6, 6), (2, 6, 3, 3)):
        assert resized(value, torch.empty(shape)).is_contiguous(memory_format=torch.channels_last)
    assert resized(value, torch.empty(2, 4, 6, 6)) is value
    assert resized(value, torch.empty(2, 3, 6, 6)).data_ptr() == value.data_ptr()


def test_the_form_that_is_exported_is_the_same():
    class Resizing(torch.nn.Module):
        def forward(self, value, pattern):
            return resized(value, pattern)

    for size, new_size in (((14, 13), (46, 22)), ((9, 8), (9, 3)), ((4, 4), (4, 4))):
        values = torch.randn(2, 3, *size), torch.randn(2, 5, *new_size)
        batch = {0: torch.export.Dim("batch")}
        program = torch.export.export(Resizing(), values, dynamic_shapes=(batch, batch)).module()
        more = torch.randn(5, 3, *size), torch.randn(5, 5, *new_size)
        assert torch.equal(program(*more), resized(*more))
