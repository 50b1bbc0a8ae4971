import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from infra.errors import ConfigurationError
from tasks.nn import pretrained
from tests.tasks.nn.network_helpers import RESNET18_FILE, equal, hub_cache, stock


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    return hub_cache(tmp_path, monkeypatch)


def saved(name, folder, state=None):
    """The weights of a stock network under torchvision's name for them; gives the network."""
    network = stock(name)
    file = models.get_model_weights(name).DEFAULT.url.rsplit("/", 1)[-1]
    torch.save(state or network.state_dict(), folder / file)
    return network


def test_weights_are_found_in_torchvisions_cache(checkpoints):
    network = saved("resnet18", checkpoints)
    found = pretrained.load("resnet18")
    assert equal(found.network, network)
    assert (found.head, found.features, found.side) == ("fc", 512, 224)
    assert not found.network.training
    assert found.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_the_versions_of_layers_in_a_file_are_heard(checkpoints):
    network = saved("mnasnet0_5", checkpoints)  # which does not load without
    assert equal(pretrained.load("mnasnet0_5").network, network)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_a_file_that_is_named_goes_before_the_cache(checkpoints, tmp_path, suffix):
    saved("resnet18", checkpoints)
    other = stock(seed=9)
    file = tmp_path / f"mine{suffix}"
    if suffix == ".safetensors":
        save_file(other.state_dict(), file)
    else:
        torch.save(other.state_dict(), file)
    assert equal(pretrained.load("resnet18", str(file)).network, other)


def test_a_named_file_that_is_not_there_is_an_error_whatever_the_cache_holds(checkpoints, tmp_path):
    saved("resnet18", checkpoints)
    with pytest.raises(ConfigurationError, match=f"mine.pth is not in {tmp_path}; do this"):
        pretrained.load("resnet18", str(tmp_path / "mine.pth"), "do this")


@pytest.mark.parametrize("name", ["own.safetensors", "own.pth"])
def test_a_file_that_is_no_weights_is_named(checkpoints, tmp_path, name):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(ConfigurationError, match=f"{name} can't be read as the weights of resnet18"):
        pretrained.load("resnet18", str(tmp_path / name))


def test_weights_of_another_network_are_named(checkpoints):
    torch.save(stock("resnet34").state_dict(), checkpoints / RESNET18_FILE)
    with pytest.raises(ConfigurationError, match=f"{RESNET18_FILE} doesn't fit resnet18"):
        pretrained.load("resnet18")


def test_a_densenet_is_read_by_the_names_that_its_file_has(checkpoints):
    fresh = stock("densenet121").state_dict()
    layer = re.compile(r"(denselayer\d+\.[a-z]+)(\d)")
    written = {layer.sub(r"\1.\2", key): tensor for key, tensor in fresh.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in written
    network = saved("densenet121", checkpoints, written)
    assert equal(pretrained.load("densenet121").network, network)


@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_a_network_with_a_second_classifier_answers_once_while_it_trains(checkpoints):
    saved("googlenet", checkpoints)
    network = pretrained.load("googlenet").network.train()
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 1000)
    assert not any(name.startswith("aux") for name, _ in network.named_parameters())


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "vit_b_16"])
def test_the_head_is_the_layer_that_names_the_classes(checkpoints, name):
    with torch.device("meta"):
        network = models.get_model(name, weights=None)
    path, features = pretrained._head(network, name)
    head = network.get_submodule(path)
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (features, 1000)


@pytest.mark.parametrize(("name", "least"), [("resnet18", 1), ("vgg11_bn", 32), ("alexnet", 63), ("vit_b_16", 224)])
def test_the_smallest_side_is_the_one_below_which_it_fails(name, least):
    assert pretrained.smallest(name) == least
    assert pretrained.takes(name, least)
    assert least == 1 or not pretrained.takes(name, least - 1)


def test_what_is_tried_on_shapes_is_true_of_numbers():
    network = stock("alexnet").train()
    assert network(torch.rand(2, 3, 63, 63)).shape == (2, 1000)
    with pytest.raises(RuntimeError):
        network(torch.rand(2, 3, 62, 62))


@pytest.mark.parametrize(
    ("name", "problem"), [("squeezenet1_1", "doesn't end in a linear"), ("resnet17", "no network")]
)
def test_a_network_that_will_not_do_is_told_before_its_weights_are_looked_for(name, problem):
    with pytest.raises(ConfigurationError, match=problem):
        pretrained.smallest(name)


def test_a_network_that_takes_one_size_takes_no_larger_one():
    assert not pretrained.takes("vit_b_16", 256)


def test_the_global_generator_and_the_default_device_are_left_alone(checkpoints):
    saved("resnet18", checkpoints)
    before = torch.get_rng_state()
    pretrained.load("resnet18")
    pretrained.takes.__wrapped__("resnet18", 32)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.zeros(1).device.type == "cpu"
