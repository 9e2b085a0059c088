import pytest
import torch

from deap_nas.errors import SettingsError
from deap_nas.training.devices import check_device, choose_device


@pytest.fixture
def two_gpus(monkeypatch):
    """Torch as it is where there are two GPUs, as far as the choice of a device asks."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:12", "mps", "xpu", "xpu:1"])
def test_device_that_may_be_elsewhere_has_a_name(name):
    check_device(name)


@pytest.mark.parametrize(
    "name", ["", "gpu", "cpu:x", "cpu:1", "cuda:", "cuda:-1", "cuda:01", "cuda:0 ", "auto:0", "CPU"]
)
def test_name_of_no_device_is_refused(name):
    for refuses in (check_device, choose_device):
        with pytest.raises(SettingsError, match="device must be one of auto, cpu, cuda, cuda:N") as caught:
            refuses(name)
        assert "\n" not in str(caught.value)


def test_cpu_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "mps", "xpu", "xpu:99"])
def test_device_that_is_not_here_is_refused_in_one_line(name, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 0)
    with pytest.raises(SettingsError, match=rf"device '{name}' is not there: .*; try 'auto' or 'cpu'") as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)


def test_index_is_that_of_a_gpu_that_is_there(two_gpus):
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(SettingsError, match="device 'cuda:2' is not there: PyTorch finds 2 of its kind"):
        choose_device("cuda:2")


def test_processes_of_torchrun_take_a_gpu_each_and_are_no_more_than_there_are(two_gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == torch.device("cuda:1")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(SettingsError, match="device 'cuda:2' is not there: PyTorch finds 2"):
        choose_device("auto")
