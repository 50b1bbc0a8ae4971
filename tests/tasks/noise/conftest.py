import pytest

from infra import devices


@pytest.fixture
def fp32(monkeypatch):
    """Convolutions in fp32, whatever the machine is good at."""
    monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)
