"""Victims that start from pretrained weights: which, where these are found, and what of them learns."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from infra.errors import ConfigurationError
from schemas.victims import FineTunedVictim, LinearProbeVictim
from tasks.evaluate import victim
from tasks.nn import train
from tests.tasks.nn.network_helpers import RESNET18_FILE, hub_cache, parameters, stock

CIFAR = 32


def built(kind, size=CIFAR):
    return victim.build(kind, 5, size, seed=0)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    file = hub_cache(tmp_path, monkeypatch) / RESNET18_FILE
    torch.save(stock().state_dict(), file)
    return file


@pytest.mark.parametrize("kind", [LinearProbeVictim(), FineTunedVictim()], ids=lambda each: each.kind)
class TestBoth:
    def test_it_starts_from_the_weights_at_hand(self, kind, weights):
        stem = next(m for m in built(kind).modules() if isinstance(m, nn.Conv2d))
        assert torch.equal(stem.weight, stock().conv1.weight)

    def test_pictures_are_normalised_as_the_network_learnt_them(self, kind, weights):
        model = built(kind).eval()
        reference = stock().eval()
        reference.fc = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
        x = torch.rand(2, 3, CIFAR, CIFAR)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        with torch.no_grad():
            expected = reference((x - mean.view(3, 1, 1)) / std.view(3, 1, 1))
            torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-4)

    def test_a_file_of_ones_own_will_do(self, kind, weights, tmp_path):
        own = tmp_path / "own.safetensors"
        save_file(stock(seed=5).state_dict(), own)
        model = built(kind.model_copy(update={"weights": str(own)}))
        stem = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
        assert torch.equal(stem.weight, stock(seed=5).conv1.weight)

    def test_weights_that_are_not_at_hand_are_named_before_anything_is_trained(self, kind, tmp_path, monkeypatch):
        folder = hub_cache(tmp_path, monkeypatch)
        for ask in (lambda: built(kind), lambda: victim.module_of(kind).smallest(kind)):
            with pytest.raises(ConfigurationError, match=f"{RESNET18_FILE} is not in {folder}; .*--weights"):
                ask()
        assert list(folder.iterdir()) == []

    def test_pictures_that_its_backbone_cannot_take_are_bad_usage(self, kind, tmp_path, monkeypatch):
        hub_cache(tmp_path, monkeypatch)
        own = tmp_path / "own.safetensors"
        save_file(stock("alexnet").state_dict(), own)
        picky = kind.model_copy(update={"backbone": "alexnet", "weights": str(own)})
        assert victim.module_of(picky).smallest(picky) == 63
        with pytest.raises(ConfigurationError, match=r"alexnet can't take pictures of 62 pixels; .* to 224"):
            built(picky, 62)


def trained(kind):
    """A victim's state before and after a few steps, in training mode."""
    model = built(kind)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = train.sgd(model, 0.1, 0.9, 5e-4)
    model.train()
    for _ in range(3):
        train.step(model, optimizer, torch.rand(4, 3, CIFAR, CIFAR), torch.tensor([0, 1, 2, 3]), 5.0)
    return model, before


def test_of_a_linear_probe_only_the_linear_layer_learns_and_the_rest_stays_in_eval_mode(weights):
    model, before = trained(LinearProbeVictim())
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"head.weight", "head.bias"}
    assert model.training
    assert not any(m.training for m in model.features.modules())
    assert parameters(model) - sum(p.numel() for p in model.parameters() if p.requires_grad) == 11_176_512


def test_of_a_fine_tuned_network_everything_learns(weights):
    model, before = trained(FineTunedVictim())
    same = {name for name, tensor in model.state_dict().items() if torch.equal(tensor, before[name])}
    assert same == {"0.mean", "0.std"}
    assert all(m.training for m in model.modules())
