"""Datasets whose classes are gratings, so that two of them can show the same classes under other names."""

import numpy as np
import torch

from infra.keys import BucketKey
from infra.storage import Folder
from schemas.dataset import DatasetManifest, SourceSpec
from schemas.recipe import TinyRecipe
from tasks.nn.batches import FitData
from tasks.shard.pictures import encode_png
from tests.tasks.shard.helpers import manifest_of

KEY, OTHER = BucketKey(b"a key for the tests"), BucketKey(b"another key")
CPU = torch.device("cpu")
SIDE = 16
# Steps enough for the running means of batch normalisation to settle.
QUICK = TinyRecipe(epochs=6, batch_size=8)


def grating(kind: int, seed: int, side: int = SIDE) -> np.ndarray:
    """uint8 [side, side, 3]: stripes in a direction and a colour that say the kind, at a random phase, with noise."""
    generator = np.random.default_rng([kind, seed])
    y, x = np.mgrid[:side, :side]
    angle = np.pi * kind / 4
    wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * 1.5 + generator.uniform(0, 2 * np.pi))
    picture = np.full((side, side, 3), 110.0)
    picture[..., kind % 3] += 70 * wave
    return (picture + generator.normal(0, 15, picture.shape)).clip(0, 255).astype(np.uint8)


def gratings(kinds: list[int], each: int = 24, seed: int = 0) -> FitData:
    """`each` pictures of every kind; the class of a picture is the place of its kind in `kinds`."""
    shown = [(place, kind, i) for i in range(each) for place, kind in enumerate(kinds)]
    images = np.stack([grating(kind, 1000 * seed + i) for _, kind, i in shown])
    labels = torch.tensor([place for place, _, _ in shown])
    return FitData(torch.from_numpy(images), labels, tuple(map(str, range(len(shown)))), len(kinds))


def dataset(place: str, kinds: dict[str, int], each: int = 24, seed: int = 0) -> DatasetManifest:
    """A folder tree of gratings: class name -> kind."""
    tree = Folder(f"{place}/tree")
    for name, kind in kinds.items():
        for i in range(each):
            tree.write(f"{name}/{i:03d}.png", encode_png(grating(kind, 1000 * seed + i)))
    return manifest_of(SourceSpec(url=tree.url), Folder(f"{place}/work"))[0]
