"""Pictures, archives and datasets for the tests of the shard stage."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infra.storage import Folder
from schemas.dataset import DatasetManifest, ShardIndex, SourceSpec
from tasks.shard import source
from tasks.shard.index import make_index, merge

LIMIT = 10**8


def pixels(seed: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(seed: int = 0, kind: str = "PNG", height: int = 8, width: int = 8, **options) -> bytes:
    return encoded(Image.fromarray(pixels(seed, height, width)), kind, **options)


def tarred(members: list[tuple[str, bytes | None]], mode: str = "w") -> bytes:
    """A tar of (name, bytes); None makes a symbolic link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def shard(count: int, first: int = 0, classes: int = 2) -> list[tuple[str, bytes | None]]:
    """Members of a good shard: PICTURE.png and PICTURE.cls."""
    found: list[tuple[str, bytes | None]] = []
    for i in range(first, first + count):
        found += [(f"{i:04d}.png", picture(i)), (f"{i:04d}.cls", str(i % classes).encode())]
    return found


def index_all(spec: SourceSpec, dataset: Folder) -> list[ShardIndex]:
    return [make_index(spec, unit, dataset, "inputs") for unit in source.plan(spec).units]


def manifest_of(spec: SourceSpec, dataset: Folder) -> tuple[DatasetManifest, list[ShardIndex]]:
    indices = index_all(spec, dataset)
    return merge(spec, source.plan(spec), indices), indices


def reasons(indices: list[ShardIndex]) -> dict[str, str]:
    return {bad.key: bad.reason for index in indices for bad in index.bad}


def real_data(name: str = "") -> Path:
    """A data set of the data folder (CONTRIBUTING.md), or the folder itself; skips the test where it isn't.

    The folder is the one that UNLEARNABLE_DATA names, else shared/data beside the repository.
    """
    root = Path(os.environ.get("UNLEARNABLE_DATA") or Path(__file__).parents[4] / "shared" / "data")
    found = root / name
    if not found.is_dir():
        pytest.skip(f"no real pictures: {found} is no folder; name one in UNLEARNABLE_DATA (CONTRIBUTING.md)")
    return found
