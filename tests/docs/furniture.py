"""The files that the pages take for granted: pictures, faces, shards, a configuration, variables."""

import re
import sys
from pathlib import Path

import yaml

from tests.docs import tables
from tests.docs.commands import ROOT, blocks
from tests.flows.cli_helpers import KEY
from tests.tasks.rewrite.helpers import folder_source, picture
from tests.tasks.shard.helpers import tarred

CLASSES = ("bird", "cat", "dog")


def furnish(root: Path, endpoint: str) -> None:
    """All of them below `root`, and of the repository what the commands name."""
    for name in ("infra", "flows", "prefect.yaml"):
        (root / name).symlink_to(ROOT / name)
    (root / ".venv").symlink_to(Path(sys.prefix))
    example = (ROOT / ".env.example").read_text()
    filled = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    for name, value in {**filled, "UNLEARNABLE_KEY": f"'{KEY}'"}.items():
        example = re.sub(rf"^#?{name}=.*$", f"{name}={value}", example, flags=re.MULTILINE)
    (root / ".env").write_text(example)
    for name, per_class, first in (("pictures", 8, 0), ("test-pictures", 4, 50), ("buckets/animals", 8, 90)):
        folder_source(root / name, per_class, CLASSES, 32, first)
    for name, first in (("faces", 0), ("test-faces", 50), ("pair-faces", 70)):
        folder_source(root / name, 4, ("anna", "ben"), 80, first)
    rows = ["key_a\tkey_b\tsame", "anna_070\tanna_071\t1", "anna_070\tben_071\t0", "ben_072\tben_073\t1"]
    (root / "pairs.tsv").write_text("\n".join([*rows, "anna_072\tben_070\t0"]) + "\n")
    for split, first in (("train", 0), ("test", 50)):
        folder_source(root / "paper" / "cifar10" / split, 4, ("airplane", "bird", "ship"), 32, first)
    shards = root / "buckets" / "train"
    shards.mkdir(parents=True)
    for number in range(8):
        (shards / f"{number:06d}.tar").write_bytes(tarred(members(number)))
    (root / "faults.jsonl").write_text('{"kind": "reset", "faults": 3, "outcome": "same bytes"}\n')
    (job,) = [each.text for each in blocks(ROOT / "docs" / "operating.md") if each.language == "yaml"]
    assert yaml.safe_load(job.replace(*tables.SHORT_JOB)) != yaml.safe_load(job)
    (root / "job.yaml").write_text(job.replace(*tables.SHORT_JOB))


def members(number: int) -> list[tuple[str, bytes | None]]:
    """A shard with a picture of each class, its class in `cls` and in the json."""
    found: list[tuple[str, bytes | None]] = []
    for index, name in enumerate(CLASSES):
        key = f"{number:02d}{index:02d}"
        data, _ = picture("RGB", 32, 32, 10 * number + index)
        about = f'{{"label": {{"name": "{name}"}}}}'
        found += [(f"{key}.png", data), (f"{key}.cls", name.encode()), (f"{key}.json", about.encode())]
    return found
