"""What noise costs beside training: the clock's answers are no test, what is timed and refused is."""

import pytest
import torch

from infra.errors import DataError
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.evaluate import cost


def seconds(**recipe):
    victim = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(batch_size=8, **recipe))
    images = torch.randint(0, 256, (16, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return cost.training_seconds(victim, images, torch.arange(16) % 2, 2)


@pytest.mark.parametrize(("epochs", "timed"), [(1, 1), (2, 2), (5, 2)])
def test_the_second_epoch_stands_for_all_and_one_for_itself(monkeypatch, epochs, timed):
    known = iter([3.0, 7.0])
    monkeypatch.setattr(cost, "_timed", lambda run: next(run) and next(known))
    assert seconds(epochs=epochs) == (3.0 if timed == 1 else 7.0) * epochs


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_run_that_learns_takes_some_time(epochs):
    assert seconds(epochs=epochs) > 0


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_run_that_diverges_is_refused(epochs):
    with pytest.raises(DataError, match="timed against diverged in epoch 1"):
        seconds(epochs=epochs, lr=1e30)
