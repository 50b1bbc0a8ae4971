import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from tasks.nn import networks
from tasks.nn.batches import to_float
from tasks.nn.embedding import embed
from tasks.nn.inception_resnet import InceptionResNetV1
from tests.tasks.nn.helpers import easy
from tests.tasks.nn.network_helpers import lived_in


@pytest.fixture
def model():
    return lived_in(networks.build("screen", 3, 16, seed=0)).float().train()


def test_it_is_what_the_last_linear_layer_takes(model):
    images, _ = easy(5, size=16)
    found = embed(model, images)
    with torch.no_grad():
        expected = model.eval()[:-1](to_float(images))
        logits = model(to_float(images))
    assert found.shape == (5, 256)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model[-1](found), logits, rtol=1e-4, atol=1e-5)


def test_a_picture_has_the_same_embedding_in_any_company(model):
    images, _ = easy(300, size=8)
    torch.testing.assert_close(embed(model, images)[200:], embed(model, images[200:]), rtol=1e-4, atol=1e-5)


def test_the_model_is_left_as_it_was(model):
    before = copy.deepcopy(model.state_dict())
    embed(model, easy(4)[0])
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model.training
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_of_inception_resnet_it_is_the_one_that_it_was_built_for():
    model = lived_in(networks.initialised(0, lambda: InceptionResNetV1(4))).float()
    images, _ = easy(2, size=75)
    found = embed(model, images)
    with torch.no_grad():
        expected = model.eval().embed(to_float(images))
    assert found.shape == (2, 512)
    assert ((found - expected).abs().max() / expected.abs().max()).item() < 1e-4


def test_pictures_go_to_the_device_of_the_network(model):
    """The meta device takes no tensor from elsewhere either, and is always there."""
    found = embed(model.to("meta"), easy(5, size=16)[0])
    assert (found.device.type, found.shape) == ("meta", (5, 256))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_they_are_what_they_are_on_the_cpu(model):
    images, _ = easy(5, size=16)
    expected = embed(model, images)
    found = embed(model.cuda(), images)
    assert found.device.type == "cuda"
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)


class Watched(nn.Module):
    """Notes at each batch whether convolutions may round to TF32."""

    def __init__(self, seen):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.seen = seen

    def __deepcopy__(self, memo):
        return self

    def forward(self, x):
        self.seen.append(torch.backends.cudnn.allow_tf32)
        return self.linear(x.mean((2, 3)))


def test_nothing_is_rounded_to_tf32_while_any_thread_embeds_and_the_setting_comes_back():
    seen, images = [], easy(300, size=8)[0]
    before = torch.backends.cudnn.allow_tf32
    try:
        for allowed in (True, False):
            torch.backends.cudnn.allow_tf32 = allowed
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: embed(Watched(seen), images), range(20)))
            assert torch.backends.cudnn.allow_tf32 is allowed
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert len(seen) == 2 * 20 * 3
    assert not any(seen)


def test_a_network_that_fails_leaves_the_setting_as_it_was(model):
    before = torch.backends.cudnn.allow_tf32
    with pytest.raises(RuntimeError):
        embed(model, torch.zeros(1, 4, 4, 5, dtype=torch.uint8))
    assert torch.backends.cudnn.allow_tf32 is before


def test_a_network_without_a_linear_layer_has_none():
    with pytest.raises(ValueError, match="Sequential ends in no linear layer"):
        embed(nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), easy(2)[0])
