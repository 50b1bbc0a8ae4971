import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn
from torchvision.models import resnet18

from infra import devices
from tasks.nn import networks
from tasks.nn.batches import to_float
from tasks.nn.fold import fold
from tasks.nn.networks import resnet18_cifar, tiny
from tests.tasks.nn.helpers import easy, plan, train
from tests.tasks.nn.network_helpers import lived_in

NETWORKS = {"tiny": lambda: tiny(10), "cifar": lambda: resnet18_cifar(10), "stock": lambda: resnet18(num_classes=10)}


@pytest.fixture(params=NETWORKS)
def model(request):
    return lived_in(NETWORKS[request.param]())


def test_the_folded_network_is_the_same_function(model):
    x = torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = model.eval()(x), fold(model)(x)
    assert ((found - expected).abs().max() / expected.abs().max()).item() < 1e-10
    assert expected.std() > 0


def test_its_input_gradient_is_the_same_too():
    model = lived_in(tiny(10))
    x = torch.rand(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(model.eval()(x).logsumexp(1).sum(), x)
    (found,) = torch.autograd.grad(fold(model)(x).logsumexp(1).sum(), x)
    assert ((found - expected).abs().max() / expected.abs().max()).item() < 1e-9


def test_resnet18_that_was_trained_is_the_same_function_in_fp32(monkeypatch):
    monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)
    images, labels = easy(48, size=16)
    model = networks.build("resnet18", 3, 16, 0, (16, 24, 32, 48))
    list(train(model, images, labels, plan(epochs=4)))
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.running_mean.abs().max() > 0 for m in norms), "the statistics were never taken"
    x = to_float(images)
    with torch.no_grad():
        expected, found = model.eval()(x), fold(model)(x)
    assert ((found - expected).abs().max() / expected.abs().max()).item() < 5e-6
    assert torch.equal(found.argmax(1), expected.argmax(1))
    assert expected.std(0).min() > 0.01


def test_no_normalisation_is_left_and_nothing_asks_for_a_gradient(model):
    folded = fold(model)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert not any(p.requires_grad for p in folded.parameters())
    assert not folded.training


def test_the_original_stays_as_it_was(model):
    model.train()
    before = copy.deepcopy(model.state_dict())
    folded = fold(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert before.keys() == model.state_dict().keys()
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    for p in folded.parameters():
        p.zero_()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_normalisation_that_brings_its_activation_with_it_stays():
    conv, norm = nn.Conv2d(3, 4, 3, bias=False), BatchNormAct2d(4, act_layer=nn.ReLU)
    assert isinstance(norm, nn.BatchNorm2d)
    model = lived_in(nn.Sequential(conv, norm))
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        found, expected = fold(model)(x), model.eval()(x)
    assert (expected == 0).any()
    torch.testing.assert_close(found, expected)


def test_a_normalisation_without_its_own_convolution_stays():
    model = lived_in(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)))
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    folded = fold(model)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in folded.modules()) == 2
    with torch.no_grad():
        torch.testing.assert_close(folded(x), model.eval()(x))
