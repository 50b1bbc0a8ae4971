"""Pictures in every mode, datasets in every layout, and a protect job done without Prefect."""

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import webdataset
from PIL import Image
from prefect.client.schemas.objects import State

from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.noise import ErrorMinimizing, RandomNoise
from schemas.protect import ProtectConfig, ProtectedManifest
from tasks.match.stage import match_classes
from tasks.noise.stage import fit_noise
from tasks.rewrite.stage import claim, publish_dataset, rewrite_shard
from tasks.shard.stage import index_shard, plan_source, write_manifest
from tests.tasks.shard.helpers import encoded, tarred

RANDOM = RandomNoise()
TWO_PHASE = ErrorMinimizing(
    widths=(4, 8, 8, 8),
    fit_samples=40,
    steps=2,
    perturb_steps=4,
    model_steps=3,
    min_rounds=1,
    max_rounds=2,
    batch_size=16,
)
CLASS_WISE = TWO_PHASE.model_copy(update={"form": "class-wise", "subset": 0.5})
MODES = ("RGB", "L", "P", "RGBA", "LA", "1", "I;16", "RGB jpeg", "L jpeg", "CMYK jpeg")
EIGHT_BIT = ("RGB", "L", "RGB jpeg", "L jpeg")


def picture(mode, height, width, seed):
    """An encoded picture of random pixels, and the extension of its format."""
    rng = np.random.default_rng(seed)
    kind, _, form = mode.partition(" ")
    if kind == "I;16":
        return encoded(Image.fromarray(rng.integers(0, 1 << 16, (height, width), dtype=np.uint16))), "png"
    rgb = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if kind in ("RGBA", "LA"):
        image = rgb.convert(kind)
        image.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)))
    else:
        image = rgb.convert(kind)
    return (encoded(image, "JPEG", quality=90), "jpg") if form else (encoded(image), "png")


def by_pillow(data):
    """int16 [H, W, 3] of an encoded picture, read by Pillow alone and by the documented rule."""
    image = Image.open(io.BytesIO(data))
    if image.mode.startswith("I"):
        high = (np.asarray(image).astype(np.int64) >> 8).astype(np.int16)
        return np.repeat(high[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA"):
        image = image.convert("RGBA")
        return np.asarray(image)[:, :, :3].astype(np.int16)
    return np.asarray(image.convert("RGB")).astype(np.int16)


def folder_source(root, per_class=6, classes=("cat", "dog"), side=8, first=0):
    """A tree CLASS/IMAGE; pictures of one class look alike."""
    for index, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + per_class):
            rng = np.random.default_rng(1000 * index + i)
            pixels = rng.integers(40, 110, (side, side, 3))
            pixels[:, :, index % 3] += 100
            (root / name / f"{i:03d}.png").write_bytes(encoded(Image.fromarray(pixels.astype(np.uint8))))
    return root


def tar_source(root, shards=3, per_shard=4, label="cls", first=0):
    """WebDataset shards with other members beside picture and label."""
    root.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + shards):
        members = []
        for i in range(per_shard):
            rng, key = np.random.default_rng(100 * number + i), f"s{number}-{i:03d}"
            pixels = rng.integers(40, 110, (8, 8, 3))
            pixels[:, :, i % 2] += 100
            image = Image.fromarray(pixels.astype(np.uint8))
            members += [(f"{key}.json", b'{"kind": %d, "note": "a  b"}\r\n' % (i % 2))]
            members += [(f"{key}.jpg", encoded(image, "JPEG", quality=95))]
            if label == "cls":
                members += [(f"{key}.cls", b"%d\n" % (i % 2))]
            members += [(f"{key}.txt", b"text \xff"), (f"{key}.bin", bytes(range(256)))]
        (root / f"train-{number:06d}.tar").write_bytes(tarred(members))
    return root


def config_of(place, source, method=RANDOM, **changes):
    """A job under the folder `place`, its key in a file."""
    place = Path(place)
    place.mkdir(parents=True, exist_ok=True)
    key_file = place / "key.txt"
    if not key_file.exists():
        key_file.write_text("a key for the tests\n")
    spec = source if isinstance(source, SourceSpec) else SourceSpec(url=str(source), shard_size=5)
    fields = {
        "source": spec,
        "destination": str(place / "out"),
        "workspace": str(place / "private"),
        "method": method,
        "key_file": str(key_file),
        "device": "cpu",
    }
    return ProtectConfig(**{**fields, **changes})


def value_of(found):
    """What a task gave, be it new or found done."""
    return found.result() if isinstance(found, State) else found


def index(spec, place) -> object:
    plan = plan_source.fn(spec)
    indices = [value_of(index_shard.fn(unit, spec, place)) for unit in plan.units]
    return write_manifest.fn(spec, plan, indices, place)


def protect_all(config, threads=1) -> ProtectedManifest:
    """What flows.protect does, task by task, in this process alone."""
    workspace = Folder(config.workspace)
    job = claim.fn(config)
    private = index(config.source, workspace.child("dataset").url)
    public = index(config.public, workspace.child("public").url) if config.public else None
    mapping = match_classes.fn(config, private, public)
    noise = value_of(fit_noise.fn(config, private, public))
    with ThreadPoolExecutor(threads) as pool:
        rewritten = pool.map(lambda s: value_of(rewrite_shard.fn(s, config, private, mapping, noise)), private.shards)
    return publish_dataset.fn(config, job, private, noise, list(rewritten)).manifest


def files(place):
    """Every file under a folder, by relative name."""
    return {str(p.relative_to(place)): p.read_bytes() for p in sorted(Path(place).rglob("*")) if p.is_file()}


def shards_of(place):
    return {name: data for name, data in files(place).items() if name.endswith(".tar")}


def members(data):
    """(name, bytes) of a tar's members in order, read by tarfile."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(info.name, archive.extractfile(info).read()) for info in archive]


def changes(source, config):
    """(class, original int16 [H, W, 3], stored one) of every picture of a `folder_source` that was protected."""
    for data in shards_of(config.destination).values():
        for name, stored in members(data):
            if name.endswith(".png"):
                folder, _, file = name.partition("_")
                yield folder, by_pillow((source / folder / file).read_bytes()), by_pillow(stored)


def by_webdataset(paths):
    """Samples of shards as webdataset itself reads them."""
    return list(webdataset.WebDataset([str(p) for p in paths], shardshuffle=False))
