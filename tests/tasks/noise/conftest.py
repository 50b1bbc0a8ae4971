import pytest
import torch

from infra import devices


@pytest.fixture
def fp32(monkeypatch):
    """Convolutions in fp32, whatever the machine is good at."""
    monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """For pictures as small as these, threads cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
