"""Noise made on public pictures for private ones of another size: `python -m benchmarks.studies.transfer`.

Class-wise noise for CIFAR-10 (32 px) made on cifar10match64 (64 px), where a small net trained on the public data
says which public class looks like which private one; beside it, noise made on CIFAR-10 itself by the same command.
"""

from functools import partial

from benchmarks.studies import lab
from benchmarks.studies.forms import test_set
from benchmarks.studies.lab import DATA, Cell
from benchmarks.studies.product import protected

_CIFAR = ("--limit", "4000")
_PUBLIC = ("--public", str(DATA / "cifar10match64"), "--matching", "visual")


def cells() -> list[Cell]:
    def cell(name: str, *options: str) -> Cell:
        folder = name.replace(" ", "-").replace(",", "")
        return Cell(name, partial(protected, folder, "cifar10", 32, *_CIFAR, *options), test_set)

    return [
        cell("class-wise, public, visual", "--form", "class-wise", *_PUBLIC),
        cell("class-wise, own", "--form", "class-wise"),
    ]


if __name__ == "__main__":
    lab.main("benchmarks.studies.transfer", cells())
