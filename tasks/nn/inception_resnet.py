"""Inception-ResNet v1 (Szegedy et al. 2017, figures 9 to 15) as FaceNet has it: with an embedding of 512 dimensions.

FaceNet's form ends in one more of the last blocks, without activation, and trains with dropout .6 before the embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

EMBEDDING = 512
_EPS = 1e-3  # of every batch normalisation, as in the networks of the Inception family
_DROPOUT = 0.6

Kernel = int | tuple[int, int]
# Kernel, channels, stride; a convolution of stride 1 pads, and one of stride 2 doesn't.
Layer = tuple[Kernel, int, int]
# A's, B's and C's branches, each from the block's input.
_A: tuple[tuple[Layer, ...], ...] = (((1, 32, 1),), ((1, 32, 1), (3, 32, 1)), ((1, 32, 1), (3, 32, 1), (3, 32, 1)))
_B: tuple[tuple[Layer, ...], ...] = (((1, 128, 1),), ((1, 128, 1), ((1, 7), 128, 1), ((7, 1), 128, 1)))
_C: tuple[tuple[Layer, ...], ...] = (((1, 192, 1),), ((1, 192, 1), ((1, 3), 192, 1), ((3, 1), 192, 1)))
_REDUCTION_A: tuple[tuple[Layer, ...], ...] = (((3, 384, 2),), ((1, 192, 1), (3, 192, 1), (3, 256, 2)))
_REDUCTION_B: tuple[tuple[Layer, ...], ...] = (
    ((1, 256, 1), (3, 384, 2)),
    ((1, 256, 1), (3, 256, 2)),
    ((1, 256, 1), (3, 256, 1), (3, 256, 2)),
)


class InceptionResNetV1(nn.Module):
    """Faces float [N, 3, S, S] in [0, 1] to logits [N, classes], S 75 or more; 23.48 M parameters below the classes."""

    def __init__(self, classes: int):
        super().__init__()
        self.features = nn.Sequential(
            *(*_conv(3, (3, 32, 2)), *_conv(32, (3, 32, 1), pad=False), *_conv(32, (3, 64, 1))),
            nn.MaxPool2d(3, 2),
            *(*_conv(64, (1, 80, 1)), *_conv(80, (3, 192, 1), pad=False), *_conv(192, (3, 256, 2))),
            *(_Residual(256, _A, 0.17) for _ in range(5)),
            _Reduction(256, _REDUCTION_A),
            *(_Residual(896, _B, 0.10) for _ in range(10)),
            _Reduction(896, _REDUCTION_B),
            *(_Residual(1792, _C, 0.20) for _ in range(5)),
            _Residual(1792, _C, 1.0, activation=False),
        )
        self.embedding = nn.Sequential(
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(_DROPOUT)),
            *(nn.Linear(1792, EMBEDDING, bias=False), nn.BatchNorm1d(EMBEDDING, eps=_EPS)),
        )
        self.classifier = nn.Linear(EMBEDDING, classes)

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings float [N, 512] of float [N, 3, S, S] in [0, 1]; not normalised to length one."""
        return self.embedding(self.features(x))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, classes] of float [N, 3, S, S] in [0, 1]."""
        return self.classifier(self.embed(x))


class _Residual(nn.Module):
    """Branches side by side, mixed by a 1x1 convolution and added, scaled down, to what came in: [N, C, H, W] to same.

    The factor keeps deep networks of this kind from dying early in training (Szegedy et al. 2017, section 3.3).
    """

    def __init__(self, channels: int, branches: Sequence[Sequence[Layer]], factor: float, activation: bool = True):
        super().__init__()
        self.branches = nn.ModuleList(_branch(channels, layers) for layers in branches)
        self.mix = nn.Conv2d(_outputs(branches), channels, 1)
        self.factor = factor
        self.activation = nn.ReLU(inplace=True) if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(torch.cat([branch(x) for branch in self.branches], 1))
        return self.activation(x + self.factor * mixed)


class _Reduction(nn.Module):
    """Branches of stride 2 beside a max-pooling: from [N, C, H, W] to [N, C + theirs, (H - 1) // 2, (W - 1) // 2]."""

    def __init__(self, channels: int, branches: Sequence[Sequence[Layer]]):
        super().__init__()
        self.branches = nn.ModuleList([*(_branch(channels, layers) for layers in branches), nn.MaxPool2d(3, 2)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def _branch(inputs: int, layers: Sequence[Layer]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for layer in layers:
        modules += _conv(inputs, layer)
        inputs = layer[1]
    return nn.Sequential(*modules)


def _outputs(branches: Sequence[Sequence[Layer]]) -> int:
    return sum(layers[-1][1] for layers in branches)


def _conv(inputs: int, layer: Layer, pad: bool = True) -> list[nn.Module]:
    """A convolution, its normalisation and ReLU."""
    kernel, outputs, stride = layer
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (height // 2, width // 2) if pad and stride == 1 else (0, 0)
    conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(outputs, eps=_EPS), nn.ReLU(inplace=True)]
