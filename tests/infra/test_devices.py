import os

import pytest
import torch

from infra import devices
from infra.errors import ConfigurationError


def test_auto_takes_a_device_that_is_there():
    device = devices.pick_device("auto")
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert torch.ones(1, device=device).item() == 1


def test_a_gpu_that_is_not_there_is_bad_usage(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.pick_device("auto").type == "cpu"
    with pytest.raises(ConfigurationError, match="cuda is not there"):
        devices.pick_device("cuda")


@pytest.mark.parametrize(("native", "dtype", "name"), [(True, torch.bfloat16, "bf16"), (False, torch.float32, "fp32")])
def test_convolutions_run_in_the_arithmetic_that_is_named(monkeypatch, native, dtype, name):
    monkeypatch.setattr(devices, "fast_bf16", lambda kind: native)
    cpu = torch.device("cpu")
    with devices.autocast(cpu):
        out = torch.nn.Conv2d(1, 1, 3)(torch.zeros(1, 1, 4, 4))
    assert out.dtype == dtype
    assert devices.precision(cpu) == name


def test_a_cpu_is_one_kind_of_device():
    assert devices.device_kind(torch.device("cpu")) == "cpu"


@pytest.fixture
def switches(monkeypatch):
    """What makes CUDA repeatable, as torch starts with it, and put back in the end."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic, torch.get_deterministic_debug_mode()
    cudnn.benchmark, cudnn.deterministic = True, False
    torch.set_deterministic_debug_mode("default")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    yield
    cudnn.benchmark, cudnn.deterministic = before[:2]
    torch.set_deterministic_debug_mode(before[2])


def state_of_switches():
    cudnn, enabled = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    return cudnn.benchmark, cudnn.deterministic, enabled, os.environ.get("CUBLAS_WORKSPACE_CONFIG")


@pytest.mark.usefixtures("switches")
class TestRepeatable:
    @pytest.mark.parametrize("name", ["auto", "cuda"])
    def test_a_gpu_that_is_picked_takes_its_sums_in_one_order(self, monkeypatch, name):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert devices.pick_device(name).type == "cuda"
        assert state_of_switches() == (False, True, True, ":4096:8")
        assert torch.is_deterministic_algorithms_warn_only_enabled(), "an operation without such a form is no error"

    def test_what_a_user_has_set_stays(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
        devices.pick_device("cuda")
        assert state_of_switches()[3] == ":16:8"

    @pytest.mark.parametrize("gpu", [True, False])
    def test_picking_the_processor_changes_nothing(self, monkeypatch, gpu):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        assert devices.pick_device("cpu").type == "cpu"
        assert state_of_switches() == (True, False, False, None)


def test_what_torch_keeps_of_a_gpu_for_its_next_tensors_is_free(monkeypatch):
    told = {"mem_get_info": (1000, 9000), "memory_reserved": 600, "memory_allocated": 450}
    for name, value in told.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert devices.free_memory(torch.device("cuda")) == 1150


def test_on_a_processor_the_machine_tells_what_is_free(monkeypatch):
    monkeypatch.setattr(devices.machine, "free_memory", lambda: 77)
    assert devices.free_memory(torch.device("cpu")) == 77
