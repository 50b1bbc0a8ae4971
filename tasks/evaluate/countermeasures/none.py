"""No countermeasure."""

from typing import TYPE_CHECKING

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import NoCountermeasure

VERSION = 1


def treatment(countermeasure: "NoCountermeasure") -> Treatment:
    """The pictures as they are."""
    del countermeasure
    return Treatment()


def smallest(countermeasure: "NoCountermeasure") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
