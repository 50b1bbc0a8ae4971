"""ResNet-50, VGG-11 and DenseNet-121: their CIFAR forms for small pictures, torchvision's own from 64 pixels.

A CIFAR form begins with a 3x3 convolution of stride 1 and doesn't pool before its first stage: with the stock stem
a picture of 32 pixels would be down to 8 before the network has looked at it. torchvision is slow to import, so each
function does so itself. All take float [N, 3, S, S] in [0, 1] and give logits [N, classes].
"""

from torch import nn

from tasks.nn.networks import STOCK_FROM

_VGG11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # channels between one max-pooling and the next


def resnet50(classes: int, size: int) -> nn.Module:
    """ResNet-50 (He et al. 2016); in its CIFAR form 23.52 M parameters at 10 classes. For pictures of side `size`."""
    from torchvision import models

    network = models.resnet50(weights=None, num_classes=classes)
    if size < STOCK_FROM:
        network.conv1 = _stem()
        setattr(network, "maxpool", nn.Identity())  # noqa: B010 - the attribute's type is MaxPool2d
    return network


def vgg11(classes: int, size: int) -> nn.Module:
    """VGG-11 with batch normalisation (Simonyan & Zisserman 2015), for pictures of side `size`.

    Its CIFAR form has one linear layer after the convolutions where the stock form has three, and 9.23 M parameters
    at 10 classes. Five max-poolings ask for pictures of 32 pixels or more.
    """
    if size >= STOCK_FROM:
        from torchvision import models

        return models.vgg11_bn(weights=None, num_classes=classes)
    layers: list[nn.Module] = []
    inputs = 3
    for stage in _VGG11:
        for outputs in stage:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def densenet121(classes: int, size: int) -> nn.Module:
    """DenseNet-121 (Huang et al. 2017), for pictures of side `size`; in its CIFAR form 6.96 M parameters at 10 classes.

    Growth 32, blocks of 6, 12, 24 and 16 layers, compression one half. The stem has 64 channels in both forms.
    """
    from torchvision import models

    network = models.densenet121(weights=None, num_classes=classes)
    if size < STOCK_FROM:
        # The first dense layer normalises what the stem gives: the stem has no normalisation of its own.
        features = nn.Sequential()
        features.add_module("conv0", _stem())
        for name, module in network.features.named_children():
            if name not in ("conv0", "norm0", "relu0", "pool0"):
                features.add_module(name, module)
        network.features = features
    return network


def _stem() -> nn.Conv2d:
    return nn.Conv2d(3, 64, 3, padding=1, bias=False)
