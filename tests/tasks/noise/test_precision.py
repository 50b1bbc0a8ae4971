"""Gradients in bf16 go where fp32's go: the sign is all that a step takes of them."""

import functools

import pytest
import torch
from torch import nn

from infra import devices
from tasks.nn.batches import to_float
from tasks.nn.fold import fold
from tasks.noise.pgd import input_gradient
from tests.tasks.nn.helpers import plan, small_net, train


def photo_like(count=96, classes=3, size=16, seed=0):
    """uint8 [N, S, S, 3] and int64 [N]: smooth fields, as in photographs, over a faint stripe of the class's own."""
    generator = torch.Generator().manual_seed(seed)
    fields = sum(
        nn.functional.interpolate(
            torch.randn(count, 3, side, side, generator=generator), (size, size), mode="bicubic", align_corners=False
        )
        for side in (2, 4, 8)
    )
    labels = torch.arange(count) % classes
    along = torch.arange(size) / size * 2 * torch.pi
    stripes = torch.sin(along * (1 + labels.view(-1, 1))).view(count, 1, 1, size)
    images = 128 + 35 * fields + 35 * stripes + 4 * torch.randn(count, 3, size, size, generator=generator)
    return images.clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous(), labels


@functools.cache
def fitted_net():
    images, labels = photo_like()
    model = small_net()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(devices, "fast_bf16", lambda kind: False)
        *_, last = train(model, images, labels, plan(epochs=8))
    assert last.train_accuracy > 90
    return fold(model), images, labels


def gradients(monkeypatch, model, images, labels):
    """In bf16, forced where it is not native, and in fp32."""
    found = []
    for low in (True, False):
        monkeypatch.setattr(devices, "fast_bf16", lambda kind, low=low: low)
        found.append(input_gradient(model, to_float(images), labels))
    return found


def test_the_signs_of_a_fitted_source_models_gradient_agree(monkeypatch):
    model, images, labels = fitted_net()
    low, full = gradients(monkeypatch, model, images, labels)
    assert not torch.equal(low, full), "bf16 was not used"
    assert low.dtype == full.dtype == torch.float32
    agreement = (low.sign() == full.sign()).float().mean()
    assert agreement > 0.95
