"""The GPU's gate: held for a shard whose noise a frozen source model makes, and for no other."""

import contextlib

import pytest

from schemas.noise import ErrorMaximizing, RandomNoise
from schemas.recipe import TinyRecipe
from tasks.rewrite import stage
from tests.tasks.rewrite.helpers import CLASS_WISE, RANDOM, TWO_PHASE, config_of, protect_all, shards_of, tar_source

MAXIMIZING = ErrorMaximizing(
    widths=(4, 8, 8, 8), training=TinyRecipe(epochs=1, batch_size=8), steps=2, max_rounds=1, batch_size=16
)
HELD = {"two-phase": TWO_PHASE, "maximizing": MAXIMIZING}
NOT_HELD = {
    "class-wise": CLASS_WISE,
    "joint": TWO_PHASE.model_copy(update={"procedure": "joint"}),
    "maximizing class-wise": MAXIMIZING.model_copy(update={"form": "class-wise"}),
    "random": RANDOM,
    "random class-wise": RandomNoise(form="class-wise"),
}


@pytest.fixture
def gates(monkeypatch):
    """The device of each gate that was taken while the job was on a GPU, by name."""
    taken = []

    @contextlib.contextmanager
    def gate(device):
        taken.append(device)
        yield

    monkeypatch.setattr(stage, "gpu_gate", gate)
    real = stage.pick_device
    monkeypatch.setattr(
        stage, "pick_device", lambda name: type("Device", (), {"type": "cuda"})() if real(name) else None
    )
    return taken


@pytest.mark.parametrize("name", HELD)
def test_it_is_held_for_the_shards_of_a_frozen_source_model(tmp_path, gates, name):
    config = config_of(tmp_path, tar_source(tmp_path / "in", shards=2), HELD[name])
    protect_all(config)
    assert gates.count("cuda") == 2
    assert len(shards_of(config.destination)) == 2


@pytest.mark.parametrize("name", NOT_HELD)
def test_it_is_not_held_for_noise_that_is_looked_up_or_drawn(tmp_path, gates, name):
    config = config_of(tmp_path, tar_source(tmp_path / "in", shards=2), NOT_HELD[name])
    protect_all(config)
    assert "cuda" not in gates
    assert len(shards_of(config.destination)) == 2
