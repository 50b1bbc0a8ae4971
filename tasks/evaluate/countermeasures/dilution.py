"""Some of the protected pictures replaced by their originals, which the host happens to have."""

from typing import TYPE_CHECKING

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Dilution

VERSION = 1


def treatment(countermeasure: "Dilution") -> Treatment:
    """The share of the pictures that are trained on in the original."""
    return Treatment(clean_share=countermeasure.percent / 100)


def smallest(countermeasure: "Dilution") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
