import hashlib

import pytest
import torch
from torch import nn

from tasks.nn import networks
from tasks.nn.networks import build, resnet18_cifar, screen, tiny
from tests.tasks.nn.network_helpers import equal, parameters


@pytest.mark.parametrize(("name", "size"), [("tiny", 32), ("screen", 32), ("resnet18", 32), ("resnet18", 64)])
def test_a_seed_gives_its_weights_and_another_gives_others(name, size):
    one = build(name, 10, size, seed=3)
    assert equal(one, build(name, 10, size, seed=3))
    assert not equal(one, build(name, 10, size, seed=4))


@pytest.mark.parametrize("size", [32, 64])
def test_building_leaves_the_global_generator_alone(size):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    build("resnet18", 10, size, seed=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_cifar_form_of_resnet18_has_11_17_million_parameters():
    assert parameters(resnet18_cifar(10)) == 11_173_962


@pytest.mark.parametrize(("size", "stock"), [(28, False), (32, False), (63, False), (64, True), (224, True)])
def test_resnet18_takes_its_stock_form_from_64_pixels(size, stock):
    model = build("resnet18", 10, size, seed=0)
    stem = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    assert (stem.kernel_size, stem.stride) == (((7, 7), (2, 2)) if stock else ((3, 3), (1, 1)))
    assert any(isinstance(m, nn.MaxPool2d) for m in model.modules()) is stock
    assert parameters(model) == (11_181_642 if stock else 11_173_962)


@pytest.mark.parametrize("size", [8, 17, 32])
@pytest.mark.parametrize("name", ["tiny", "screen", "resnet18"])
def test_a_network_gives_one_logit_a_class_for_any_side(name, size):
    logits = build(name, 7, size, seed=0).eval()(torch.rand(2, 3, size, size))
    assert logits.shape == (2, 7)
    assert torch.isfinite(logits).all()


def test_the_tiny_net_is_six_convolutions_of_the_widths_asked_for():
    convolutions = [m for m in tiny(10, (4, 5, 6, 7)).modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [4, 5, 5, 6, 6, 7]
    assert {c.kernel_size for c in convolutions} == {(3, 3)}


def test_the_screening_net_is_five_convolutions_the_first_two_of_which_see_every_pixel():
    layers = [m for m in screen(10).modules() if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    assert [m.out_channels for m in layers if isinstance(m, nn.Conv2d)] == [16, 32, 64, 128, 256]
    assert {m.stride for m in layers if isinstance(m, nn.Conv2d)} == {(1, 1)}
    assert all(isinstance(m, nn.Conv2d) for m in layers[:2])
    assert parameters(screen(10)) == 395_674


@pytest.mark.parametrize(
    ("name", "size", "bits"),
    [
        ("tiny", 32, "21373bd1aba10ce7"),
        ("resnet18", 32, "519248820b4d7c81"),
        ("resnet18", 64, "eafa2536a58eeb15"),
    ],
)
def test_a_source_models_first_weights_are_those_that_all_noise_so_far_began_from(name, size, bits):
    hasher = hashlib.sha256()
    for key, tensor in build(name, 10, size, seed=3).state_dict().items():
        hasher.update(key.encode())
        hasher.update(tensor.numpy().tobytes())
    assert hasher.hexdigest()[:16] == bits


def test_an_unknown_network_is_refused_by_name():
    with pytest.raises(ValueError, match="vgg99"):
        build("vgg99", 10, 32, seed=0)


def test_a_shortcut_of_the_same_shape_is_the_identity():
    model = resnet18_cifar(10)
    blocks = [m for m in model.modules() if isinstance(m, networks._Block)]
    assert [isinstance(b.shortcut, nn.Identity) for b in blocks] == [True, True] + [False, True] * 3


@pytest.mark.parametrize(("name", "size"), [("tiny", 32), ("screen", 32), ("resnet18", 32), ("resnet18", 64)])
def test_a_network_lies_in_channels_last_memory(name, size):
    convolutions = [m for m in build(name, 10, size, seed=0).modules() if isinstance(m, nn.Conv2d)]
    assert all(c.weight.is_contiguous(memory_format=torch.channels_last) for c in convolutions)


def test_widths_that_would_be_ignored_are_refused():
    with pytest.raises(ValueError, match="screen has no widths"):
        build("screen", 10, 32, seed=0, widths=(4, 4, 4, 4))
