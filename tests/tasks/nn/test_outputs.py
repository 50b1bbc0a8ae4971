import pytest
import timm
from torch import nn
from torchvision import models

from tasks.nn.networks import build
from tasks.nn.outputs import outputs


@pytest.mark.parametrize(("name", "size"), [("tiny", 32), ("screen", 32), ("resnet18", 32), ("resnet18", 64)])
def test_the_networks_here(name, size):
    assert outputs(build(name, 7, size, 0)) == 7


def test_networks_of_torchvision_and_timm():
    assert outputs(models.densenet121(num_classes=7)) == 7
    assert outputs(timm.create_model("mobilenetv3_small_050", num_classes=7)) == 7
    assert outputs(timm.create_model("vit_tiny_patch16_224", num_classes=7, img_size=32, patch_size=8)) == 7


def test_one_without_a_linear_layer_is_refused():
    with pytest.raises(ValueError, match="Sequential ends in no linear layer"):
        outputs(nn.Sequential(nn.Conv2d(3, 7, 1), nn.Flatten()))
