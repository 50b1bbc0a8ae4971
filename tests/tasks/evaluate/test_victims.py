"""Every victim's network: its size, its seed, the smallest pictures it takes, and that folding doesn't change it."""

import math

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from schemas.victims import (
    DenseNet121Victim,
    FineTunedVictim,
    InceptionResNetVictim,
    LinearProbeVictim,
    MobileNetVictim,
    ResNet18Victim,
    ResNet50Victim,
    ScreenVictim,
    TinyVictim,
    VGG11Victim,
    Victim,
    VisionTransformerVictim,
)
from tasks.evaluate import victim
from tasks.evaluate.victims import vit
from tasks.nn.batches import to_float
from tasks.nn.embedding import embed
from tasks.nn.fold import fold
from tasks.nn.inception_resnet import InceptionResNetV1
from tests.tasks.nn.helpers import easy
from tests.tasks.nn.network_helpers import RESNET18_FILE, equal, hub_cache, lived_in, parameters, stock

CIFAR = 32
SCRATCH = [
    TinyVictim(),
    ScreenVictim(),
    ResNet18Victim(),
    ResNet50Victim(),
    VGG11Victim(),
    DenseNet121Victim(),
    VisionTransformerVictim(),
    MobileNetVictim(),
    InceptionResNetVictim(),
]
PRETRAINED = [LinearProbeVictim(), FineTunedVictim()]
SMALLEST = {
    "tiny": 8,
    "screen": 8,
    "resnet18": 1,
    "resnet50": 1,
    "vgg11": 32,
    "densenet121": 8,
    "vit": 1,
    "mobilenet": 1,
    "inception-resnet-v1": 75,
    "linear-probe": 1,
    "fine-tuned": 1,
}


def kinds(victims):
    return pytest.mark.parametrize("kind", victims, ids=lambda each: each.kind)


def side_for(kind):
    return max(CIFAR, SMALLEST[kind.kind])


def built(kind, size, classes=5, seed=0):
    return victim.build(kind, classes, size, seed)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    file = hub_cache(tmp_path, monkeypatch) / RESNET18_FILE
    torch.save(stock().state_dict(), file)
    return file


def forward_and_backward(model, size):
    model.train()
    logits = model(torch.rand(2, 3, size, size))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    return logits


def test_every_kind_has_a_module_and_is_tested_here():
    schema = TypeAdapter(Victim).json_schema()
    assert set(schema["discriminator"]["mapping"]) == set(SMALLEST) == {each.kind for each in SCRATCH + PRETRAINED}


@kinds(SCRATCH + PRETRAINED)
def test_it_answers_for_every_class_and_learns(kind, weights):
    model = built(kind, side_for(kind))
    logits = forward_and_backward(model, side_for(kind))
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()
    learning = [each for each in model.parameters() if each.requires_grad]
    assert all(torch.isfinite(each.grad).all() for each in learning)
    assert learning


@kinds(SCRATCH + PRETRAINED)
def test_it_takes_its_smallest_pictures_and_no_smaller_ones(kind, weights):
    least = victim.module_of(kind).smallest(kind)
    assert least == SMALLEST[kind.kind]
    forward_and_backward(built(kind, least), least)
    if least > 1:
        model = built(kind, least - 1)
        with pytest.raises((RuntimeError, ValueError)):
            forward_and_backward(model, least - 1)


@kinds(SCRATCH + PRETRAINED)
def test_a_seed_gives_its_weights_another_gives_others_and_nobody_elses_draws_change(kind, weights):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    size = side_for(kind)
    one = built(kind, size, seed=3)
    assert equal(one, built(kind, size, seed=3))
    assert not equal(one, built(kind, size, seed=4))
    assert torch.equal(torch.get_rng_state(), before)


@kinds(SCRATCH + PRETRAINED)
def test_folding_leaves_it_the_function_that_it_was(kind, weights):
    size = side_for(kind)
    model = lived_in(built(kind, size)).float().eval()
    x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = model(x), fold(model)(x)
    assert ((found - expected).abs().max() / expected.abs().max()).item() < 1e-4
    assert (expected[0] - expected[1]).abs().max() > 1e-6


@kinds(SCRATCH + PRETRAINED)
def test_its_embeddings_are_what_its_classes_are_told_from(kind, weights):
    model = lived_in(built(kind, side_for(kind))).float()
    head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    images, _ = easy(3, size=side_for(kind))
    found = embed(model, images)
    assert found.shape == (3, head.in_features)
    with torch.no_grad():
        expected = model.eval()(to_float(images))
        assert ((head(found) - expected).abs().max() / expected.abs().max()).item() < 1e-4


@kinds(SCRATCH + PRETRAINED)
def test_it_lies_in_channels_last_memory(kind, weights):
    convolutions = [m for m in built(kind, side_for(kind)).modules() if isinstance(m, nn.Conv2d)]
    assert convolutions
    assert all(c.weight.is_contiguous(memory_format=torch.channels_last) for c in convolutions)


# As published, or as others count them: kuangliu's pytorch-cifar for the CIFAR forms, torchvision's and timm's pages
# for the stock forms at 1000 classes, facenet-pytorch for Inception-ResNet v1 with its 8631 classes.
@pytest.mark.parametrize(
    ("kind", "classes", "size", "count"),
    [
        (ResNet18Victim(), 10, 32, 11_173_962),
        (ResNet50Victim(), 10, 32, 23_520_842),
        (ResNet50Victim(), 1000, 64, 25_557_032),
        (VGG11Victim(), 10, 32, 9_231_114),
        (VGG11Victim(), 1000, 64, 132_868_840),
        (DenseNet121Victim(), 10, 32, 6_956_298),
        (DenseNet121Victim(), 1000, 64, 7_978_856),
        (VisionTransformerVictim(), 1000, 224, 5_717_416),
        (MobileNetVictim(), 1000, 224, 2_542_856),
        (InceptionResNetVictim(), 8631, 112, 27_910_327),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_it_has_as_many_parameters_as_it_should(kind, classes, size, count):
    assert parameters(built(kind, size, classes)) == count


@pytest.mark.parametrize("kind", [ResNet50Victim(), DenseNet121Victim(), MobileNetVictim()], ids=lambda each: each.kind)
@pytest.mark.parametrize(("size", "stock"), [(32, False), (63, False), (64, True)])
def test_the_stem_has_a_stride_from_64_pixels_only(kind, size, stock):
    stem = next(m for m in built(kind, size).modules() if isinstance(m, nn.Conv2d))
    assert stem.stride == ((2, 2) if stock else (1, 1))


@pytest.mark.parametrize("kind", [ResNet50Victim(), DenseNet121Victim()], ids=lambda each: each.kind)
@pytest.mark.parametrize(("size", "stock"), [(32, False), (64, True)])
def test_a_cifar_form_has_no_max_pooling(kind, size, stock):
    assert any(isinstance(m, nn.MaxPool2d) for m in built(kind, size).modules()) is stock


@pytest.mark.parametrize(("size", "patches"), [(28, 49), (32, 64), (37, 100), (64, 64), (112, 196), (224, 196)])
def test_the_transformer_cuts_a_picture_of_any_side_into_patches(size, patches):
    model = built(VisionTransformerVictim(), size).eval()
    embedding = next(m for m in model.modules() if hasattr(m, "num_patches"))
    assert embedding.num_patches == patches
    assert math.ceil(size / vit.patch_side(size)) ** 2 == patches
    with torch.no_grad():
        assert model(torch.rand(1, 3, size, size)).shape == (1, 5)


def test_the_transformer_sees_every_pixel_of_a_picture_that_its_patches_do_not_divide():
    model = built(VisionTransformerVictim(), 30).eval()
    x = torch.rand(1, 3, 30, 30, requires_grad=True)
    model(x).logsumexp(1).sum().backward()
    assert (x.grad.abs().sum(1) > 0).all()


def test_inception_resnet_gives_embeddings_of_512_dimensions_that_its_classes_are_told_from():
    model = built(InceptionResNetVictim(), 80).eval()
    assert isinstance(model, InceptionResNetV1)
    x = torch.rand(2, 3, 80, 80)
    with torch.no_grad():
        embedding = model.embed(x)
        assert embedding.shape == (2, 512)
        assert torch.equal(model.classifier(embedding), model(x))
