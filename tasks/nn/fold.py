"""Batch normalisation folded into the convolutions: exact in eval mode, and the faster network for PGD."""

import copy
import itertools

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(model: nn.Module) -> nn.Module:
    """A frozen copy of `model` in eval mode, each BatchNorm2d folded into the convolution registered before it.

    In eval mode batch normalisation is an affine map with constant coefficients, so the copy computes the same
    function up to rounding. A convolution and its normalisation must be neighbours in their parent module
    (true of the networks here and of torchvision's); one that stands alone stays as it is, and so does a kind of
    BatchNorm2d that does more than normalise, such as timm's, which has the activation in it.
    """
    folded = copy.deepcopy(model).eval()
    with torch.no_grad():
        for parent in list(folded.modules()):
            _fold_children(parent)
    return folded.requires_grad_(False)


def _fold_children(parent: nn.Module) -> None:
    children = list(parent.named_children())
    for (name, conv), (norm_name, norm) in itertools.pairwise(children):
        # By its exact class: what inherits from it may do more.
        if isinstance(conv, nn.Conv2d) and type(norm) is nn.BatchNorm2d and conv.out_channels == norm.num_features:
            setattr(parent, name, fuse_conv_bn_eval(conv, norm))
            setattr(parent, norm_name, nn.Identity())
