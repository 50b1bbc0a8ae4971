"""How fast a stage goes, and how long it will take, in words."""

import time
from dataclasses import dataclass, field


@dataclass
class Pace:
    """What is done of a stage: `done` of `total` units (0: not known), and the images that were worked on for it.

    What was found done already counts as done, and not as images; the time left is judged by what was worked on.
    """

    total: int
    unit: str
    done: int = 0
    images: int = 0
    worked: int = 0
    began: float = field(default_factory=time.monotonic)

    def add(self, done: int, images: int) -> None:
        """`done` more units are finished; for them `images` were worked on, 0 where all was found done or none is."""
        self.done += done
        self.images += images
        self.worked += done if images else 0

    @property
    def seconds(self) -> float:
        """Since the stage began."""
        return time.monotonic() - self.began

    def count(self) -> str:
        """`12/200 shards`."""
        return f"{self.done}/{self.total or '?'} {self.unit}"

    def rate(self) -> str:
        """`310 images/s`; empty where no image was worked on."""
        return f"{self.images / max(self.seconds, 1e-9):,.0f} images/s" if self.images else ""

    def left(self) -> str:
        """`40 s left`; empty where that can't be told."""
        done = self.worked or self.done
        if not self.total or not done or self.done >= self.total:
            return ""
        return f"{duration(self.seconds / done * (self.total - self.done))} left"

    def told(self, note: str = "") -> str:
        """All of it, with a note behind."""
        return ", ".join(filter(None, (self.count(), self.rate(), self.left(), note)))


def duration(seconds: float) -> str:
    """`45 s`, `12 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
