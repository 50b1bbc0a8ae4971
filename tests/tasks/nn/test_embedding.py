import copy

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


def test_a_network_without_a_linear_layer_has_none():
    with pytest.raises(ValueError, match="Sequential has no linear layer"):
        embed(nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), easy(2)[0])
