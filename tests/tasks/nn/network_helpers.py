"""Networks as training leaves them, and pretrained weights, for the tests of networks and of victims."""

import torch
from torch import nn
from torchvision import models

RESNET18_FILE = "resnet18-f37072fd.pth"  # torchvision's name for it


def lived_in(model):
    """`model` in float64 with statistics and affine parameters as no fresh network has them."""
    generator = torch.Generator().manual_seed(7)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)):
        shape = norm.running_mean.shape
        norm.running_mean.copy_(torch.randn(shape, generator=generator) * 0.3)
        norm.running_var.copy_(torch.rand(shape, generator=generator) * 2 + 0.1)
        norm.weight.data.copy_(torch.rand(shape, generator=generator) + 0.5)
        norm.bias.data.copy_(torch.randn(shape, generator=generator) * 0.2)
    return model.double()


def parameters(model):
    return sum(each.numel() for each in model.parameters())


def equal(one, two):
    """Whether two networks have the same weights and statistics, bit by bit."""
    first, second = one.state_dict(), two.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def stock(name="resnet18", seed=0):
    """A network of torchvision's with drawn weights, seeded without a trace in the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return models.get_model(name, weights=None)


def hub_cache(home, monkeypatch):
    """An empty cache of torchvision's weights below `home`: its folder."""
    monkeypatch.setenv("TORCH_HOME", str(home))
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder
