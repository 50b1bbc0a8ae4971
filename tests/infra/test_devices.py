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
