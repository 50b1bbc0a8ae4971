"""What the memory benchmark runs in processes of their own: `shards FOLDER COUNT`, or `protect FORM SOURCE PLACE`."""

import json
import resource
import sys
from pathlib import Path

SHARD, DISTINCT, SIZE = 1000, 500, 32
# The smallest source model and the shortest fit: memory is what is measured, no protection.
METHOD = {
    "kind": "error-minimizing",
    "widths": (8, 8, 8, 8),
    "fit_samples": 1000,
    "max_rounds": 2,
    "perturb_steps": 1,
}


def shards(folder: Path, count: int) -> None:
    """Write WebDataset shards of photo-like JPEG pictures; what they show repeats, their keys don't."""
    from benchmarks import _pictures
    from tasks.shard.tar import build

    folder.mkdir()
    pictures = _pictures.jpegs(DISTINCT, SIZE)
    for number in range(count // SHARD):
        samples = _pictures.samples(pictures, SHARD, SHARD * number)
        (folder / f"train-{number:06d}.tar").write_bytes(build((one.key, one.parts) for one in samples))


def protect(form: str, source: Path, place: Path) -> dict[str, float]:
    """Protect a dataset with two workers; the peak resident set in MB, once all is imported and in the end."""
    from infra.orchestration import start_server

    start_server()
    from flows.protect import protect as flow
    from schemas.protect import ProtectConfig

    config = ProtectConfig.model_validate(
        {
            "source": {"url": str(source), "shard_size": SHARD},
            "destination": str(place / "out"),
            "workspace": str(place / "private"),
            "method": {**METHOD, "form": form},
            "device": "cpu",
            "workers": 2,
        }
    )
    imported = peak()
    summary = flow(config)
    return {"pictures": summary.protected, "imported": imported, "peak": peak(), "seconds": summary.seconds}


def peak() -> float:
    """Peak resident set of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "shards":
        shards(Path(words[0]), int(words[1]))
    else:
        print(json.dumps(protect(words[0], Path(words[1]), Path(words[2]))))
