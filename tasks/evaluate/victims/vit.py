"""A small vision transformer (Dosovitskiy et al. 2021, as timm's vit_tiny_patch16_224) as a victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.victims import VisionTransformerVictim


def build(victim: "VisionTransformerVictim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`.

    Its patches have a side of 4 below 64 pixels, of 8 below 128 and of 16 from there, so that there are between 49 and
    256 of them in the pictures of common sizes. Pictures that the patches don't divide get a black border: with
    patches that divide them, a side of 37 pixels would make 1,369 patches of one pixel each.
    """
    del victim
    return networks.initialised(seed, lambda: _network(classes, size))


def smallest(victim: "VisionTransformerVictim") -> int:
    """The smallest side in pixels that it takes: any, for a border makes it up to a patch."""
    del victim
    return 1


def patch_side(size: int) -> int:
    """The side of its patches, in pixels, for pictures of side `size`."""
    return 4 if size < 64 else 8 if size < 128 else 16


def _network(classes: int, size: int) -> nn.Module:
    import timm  # slow to import

    patch = patch_side(size)
    missing = -size % patch
    network = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, num_classes=classes, img_size=size + missing, patch_size=patch
    )
    if not missing:
        return network
    before = missing // 2
    return nn.Sequential(nn.ZeroPad2d((before, missing - before, before, missing - before)), network)
