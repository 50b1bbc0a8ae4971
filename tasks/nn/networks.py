"""Networks, as source models and as victims. Input float [N, 3, H, W] in [0, 1], no normalisation; output logits.

The paper's pictures are never normalised by mean and deviation, neither while noise is made nor in a victim.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tasks.nn.seeding import seeded

TINY_WIDTHS = (32, 64, 128, 128)
SCREEN_WIDTHS = (16, 32, 64, 128, 256)
RESNET_WIDTHS = (64, 128, 256, 512)
STOCK_FROM = 64  # pixels: from here on a network's stock stem no longer gives other numbers


class ConvBN(nn.Sequential):
    """A convolution and its batch normalisation, kept together so that the one folds into the other."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1):
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs))


def tiny(classes: int, widths: Sequence[int] = TINY_WIDTHS) -> nn.Module:
    """Six 3x3 convolutions with batch normalisation and ReLU, max-pooling after every second, mean, linear.

    No pooling after the first convolution: a source model that pools at once makes noise that protects far less.
    """
    w0, w1, w2, w3 = widths
    return nn.Sequential(
        *(ConvBN(3, w0), nn.ReLU(inplace=True)),
        *(ConvBN(w0, w1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(ConvBN(w1, w1), nn.ReLU(inplace=True)),
        *(ConvBN(w1, w2), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(ConvBN(w2, w2), nn.ReLU(inplace=True)),
        *(ConvBN(w2, w3), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(w3, classes)),
    )


def screen(classes: int) -> nn.Module:
    """Five 3x3 convolutions with batch normalisation and ReLU, max-pooling from the second on, mean, linear.

    Half of `tiny`'s work a picture: few channels where there are many pixels, and many where there are few. Its first
    two convolutions see every pixel, for a net that strides or pools at once may not see noise as larger nets do.
    """
    w0, w1, w2, w3, w4 = SCREEN_WIDTHS
    return nn.Sequential(
        *(ConvBN(3, w0), nn.ReLU(inplace=True)),
        *(ConvBN(w0, w1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(ConvBN(w1, w2), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(ConvBN(w2, w3), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(ConvBN(w3, w4), nn.ReLU(inplace=True)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(w4, classes)),
    )


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, figure 2 left)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = ConvBN(inputs, outputs, 3, stride)
        self.second = ConvBN(outputs, outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else ConvBN(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H/stride, W/stride]."""
        return self.relu(self.second(self.relu(self.first(x))) + self.shortcut(x))


def resnet18_cifar(classes: int, widths: Sequence[int] = RESNET_WIDTHS) -> nn.Module:
    """ResNet-18 in its CIFAR form: 3x3 stride-1 stem, no max-pool, 11.17 M parameters at 10 classes.

    With other `widths` than its own it is a narrow ResNet-18, for small machines.
    """
    layers: list[nn.Module] = [ConvBN(3, widths[0]), nn.ReLU(inplace=True)]
    inputs = widths[0]
    for outputs, stride in zip(widths, (1, 2, 2, 2), strict=True):
        layers += [_Block(inputs, outputs, stride), _Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def initialised(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    """The network that `make` gives, on the CPU and in channels_last memory; all that it draws is drawn from `seed`.

    Layers draw from torch's global generator, which is left as it was.
    """
    with seeded(seed):
        network = make()
    return network.to(memory_format=torch.channels_last)


def build(name: str, classes: int, size: int, seed: int, widths: Sequence[int] | None = None) -> nn.Module:
    """The network `name` (tiny, screen, resnet18) for `classes` classes and pictures of side `size`, from `seed`.

    It lies on the CPU, in channels_last memory. `widths` are the channels of its four stages; None: its own. ResNet-18
    takes its CIFAR form below 64 pixels and torchvision's from 64, where the stock stem no longer gives other numbers;
    torchvision's has no widths but its own. Raises ValueError for an unknown name, and for widths of screen, which has
    none but its own either.
    """
    if name == "tiny":
        return initialised(seed, lambda: tiny(classes, widths or TINY_WIDTHS))
    if name == "screen":
        if widths:
            raise ValueError("screen has no widths but its own")
        return initialised(seed, lambda: screen(classes))
    if name == "resnet18":
        return initialised(seed, lambda: _resnet18(classes, size, tuple(widths or RESNET_WIDTHS)))
    raise ValueError(f"no network is called {name}")


def _resnet18(classes: int, size: int, widths: tuple[int, ...]) -> nn.Module:
    if size < STOCK_FROM or widths != RESNET_WIDTHS:
        return resnet18_cifar(classes, widths)
    from torchvision.models import resnet18

    return resnet18(weights=None, num_classes=classes)
