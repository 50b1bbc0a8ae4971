"""A bucket of three datasets on an S3 server: `infra/s3/test.sh .venv/bin/python -m benchmarks.studies.bucket`.

CIFAR-10 (a JPEG copy, its first shards) and traffic signs as shards, and a tree of ImageNet pictures of 224 px with bad
ones among them. Four runs of the command over it: the first, one with nothing to do, one with one new shard, and one
with one changed parameter of one dataset. Times are of the whole command, the start of Python and of its Prefect server
included; what each run did is told by itself.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import _bench
from benchmarks._bench import RESULTS, ROOT
from infra.storage import Folder
from tasks.shard.tar import group, members

DATA = Path(os.environ.get("UNLEARNABLE_DATA") or ROOT.parent / "shared" / "data")
BUCKET, OUT, PRIVATE = "s3://originals/night", "s3://published/night", "s3://private/night"
CIFAR_SHARDS = 4
NEW = "gtsrb32-train-00002.tar.gz"
BAD = {
    "tench/cut.jpg": lambda whole: whole[: len(whole) // 2],
    "tench/text.jpg": lambda whole: b"not a picture",  # noqa: ARG005
    "church/empty.png": lambda whole: b"",  # noqa: ARG005
    "church/bomb.png": lambda whole: _bomb(),  # noqa: ARG005
    "notes.txt": lambda whole: b"of no class",  # noqa: ARG005
}
CHANGED = "gtsrb32"


def fill() -> None:
    """The bucket as the first run finds it."""
    bucket = Folder(BUCKET)
    shards = sorted((DATA / "cifar10").glob("cifar10-train-*.tar.gz"))[:CIFAR_SHARDS]
    shards += [path for path in sorted((DATA / "gtsrb32").glob("gtsrb32-train-*.tar.gz")) if path.name != NEW]
    for path in (*shards, DATA / "gtsrb32" / "classes.json"):
        bucket.write(f"{path.parent.name}/{path.name}", path.read_bytes())
    names = json.loads((DATA / "imagenette224" / "classes.json").read_text())
    first = sorted((DATA / "imagenette224").glob("imagenette224-train-*.tar.gz"))[0]
    for key, parts in group(members(first.read_bytes(), first.name, 1 << 30)):
        found = {extension: data or b"" for extension, data in parts}
        bucket.write(f"objects/{names[int(found['cls'])].replace(' ', '-')}/{key}.jpg", found["jpg"])
    whole = bytes(found["jpg"])
    for name, make in BAD.items():
        bucket.write(f"objects/{name}", make(whole))
    bucket.write("datasets.yaml", listed({}))


def listed(changed: dict[str, Any]) -> bytes:
    """datasets.yaml, `changed` being what it states of one dataset's job."""
    entries = [
        {"name": "cifar10", "job": {"method": {"kind": "error-minimizing", "form": "class-wise"}}},
        {"name": CHANGED, "job": changed},
        # At their own size a fit on two cores takes hours.
        {"name": "objects", "job": {"method": {"kind": "error-minimizing", "working_size": 64}}},
    ]
    return json.dumps({"datasets": entries}).encode()


def run(folder: Path) -> dict[str, Any]:
    """One run of the command: its seconds, and what it says of itself."""
    words = ["protect-bucket", BUCKET, OUT, "--workspace", PRIVATE, "--shard-size", "500", "--workers", "2", "--json"]
    started = time.perf_counter()
    command = [str(Path(sys.executable).parent / "unlearnable"), *words]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - started
    told = json.loads(done.stdout)
    rows = [
        {
            "dataset": each["name"],
            "pictures": each["summary"]["samples"],
            "shards": each["summary"]["shards"],
            "done": each["summary"]["shards"] - each["summary"]["skipped_shards"],
            "quarantined": each["summary"]["quarantined"],
            "seconds": round(each["summary"]["seconds"], 1),
        }
        for each in told["datasets"]
    ]
    return {"seconds": round(seconds, 1), "datasets": rows, "strays": told["stray_count"]}


def main() -> None:
    given = _bench.arguments(__doc__)
    for name in ("originals", "published", "private"):
        Folder(f"s3://{name}").fs.mkdir(name)
    fill()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        found["first"] = run(Path(folder))
        found["nothing to do"] = run(Path(folder))
        Folder(BUCKET).write(f"gtsrb32/{NEW}", (DATA / "gtsrb32" / NEW).read_bytes())
        found["one new shard"] = run(Path(folder))
        Folder(BUCKET).write("datasets.yaml", listed({"budget": {"epsilon": 16}}))
        found["epsilon of one dataset changed"] = run(Path(folder))
    rows = [
        (name, one["seconds"], *(f"{each['done']} of {each['shards']}" for each in one["datasets"]))
        for name, one in found.items()
    ]
    _bench.print_table("Shards done", ("run", "seconds", *(e["dataset"] for e in found["first"]["datasets"])), rows)
    if not given.quick:
        record = {"command": "infra/s3/test.sh .venv/bin/python -m benchmarks.studies.bucket", "runs": found}
        text = json.dumps({"machine": _bench.machine(), **record}, indent=1)
        (RESULTS / "bucket.json").write_text(text + "\n")


def _bomb() -> bytes:
    """A PNG that declares 60,000 x 60,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


if __name__ == "__main__":
    main()
