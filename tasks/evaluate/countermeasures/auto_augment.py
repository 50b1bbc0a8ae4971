"""Operations by a policy that was learnt for CIFAR-10."""

from typing import TYPE_CHECKING

from torchvision.transforms import v2

from tasks.evaluate.picture_ops import per_picture
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import AutoAugment

VERSION = 1


def treatment(countermeasure: "AutoAugment") -> Treatment:
    """Torchvision's AutoAugment with the CIFAR-10 policy (Cubuk et al. 2019).

    It stands in for Fast AutoAugment (Lim et al. 2019), which Huang et al. 2021 used: that one's searched policies
    are not part of this project.
    """
    del countermeasure
    return Treatment(change=per_picture(v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)))


def smallest(countermeasure: "AutoAugment") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
