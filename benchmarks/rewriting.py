"""Rewriting a shard with class-wise noise, against the codec alone: decoding and encoding of the same pictures.

Rewriting is all that a shard costs but storage: decode, add the noise, encode, decode again to compare, build the tar.
Two workers are two threads with a shard each, as the product's are. The noise is drawn evenly, the hardest there is
for a PNG; "codec, protected" encodes the protected pictures instead of the originals, and tells what of the
difference is theirs. The codec's side decodes by the product's own rule, so it gains from a faster rule as rewriting
does, and encodes by OpenCV, the fastest encoder there was before the product had its own (tasks/shard/png.py); "own
codec" has that one. "codec, bare" is OpenCV's two calls and nothing else, and "bare, decoded again" has the third
call by which what was written is looked at.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import _bench, _pictures
from benchmarks._bench import Check
from infra.devices import cores_shared_by, precision
from infra.keys import BucketKey
from schemas.coverage import Coverage
from schemas.noise import Application, ErrorMinimizing, NoiseBudget
from tasks.noise import method as methods
from tasks.noise.fitted import NoiseSource, NoiseSpec
from tasks.rewrite.coverage import covered
from tasks.rewrite.protect import Plan, chunk_length, protect
from tasks.shard.pictures import decode, encode_png
from tasks.shard.samples import Sample
from tasks.shard.tar import build

Pixels = NDArray[np.uint8]
PICTURES = {32: 1000, 224: 200}
RATIOS = (
    *("rewriting_of_codec", "rewriting_of_protected_codec", "rewriting_of_bare_codec", "rewriting_of_own_codec"),
    *("bare_decoded_again_of_codec", "two_workers_over_one", "codec_two_workers_over_one"),
)
CPU, MAX_PIXELS, KEY = torch.device("cpu"), 1 << 24, BucketKey(b"a benchmark protects nothing")


def plan(size: int) -> Plan:
    """A plan as the rewriting of a shard makes it, with random class-wise noise in place of a fit's."""
    budget, coverage = NoiseBudget(), Coverage()
    generator = torch.Generator().manual_seed(size)
    shape = (1, _pictures.CLASSES, 3, size, size)
    noise = torch.randint(-budget.epsilon, budget.epsilon + 1, shape, generator=generator).to(torch.int8)
    spec = NoiseSpec(ErrorMinimizing(form="class-wise"), budget, Application(), KEY)
    maker = methods.perturber(NoiseSource(spec, {"noise": noise}, _pictures.CLASSES, size, CPU))

    def noise_class(sample: Sample) -> int | None:
        return int(sample.label) if covered(coverage, sample.key, sample.label, KEY) else None

    return Plan(maker, budget, size, MAX_PIXELS, noise_class, lambda sample: f"shard/{sample.key}")


def by_opencv(rgb: Pixels) -> bytes:
    """A PNG of uint8 [H, W, 3] by OpenCV, at its own settings."""
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


@dataclass(frozen=True)
class Shard:
    """The samples of a shard, and what is to be done with it."""

    samples: list[Sample]
    plan: Plan

    def rewrite(self) -> bytes:
        """The protected shard."""
        chunk = chunk_length(self.plan.working_size**2)
        return build((one.key, one.parts) for one in protect(iter(self.samples), self.plan, chunk))

    def codec(self, encode: Callable[[Pixels], bytes]) -> int:
        """Decode and encode, no more."""
        return sum(len(encode(decode(sample.picture, MAX_PIXELS))) for sample in self.samples)

    def bare(self, again: bool) -> None:
        """The same by OpenCV alone; with what was encoded decoded `again`."""
        for sample in self.samples:
            _, png = cv2.imencode(".png", cv2.imdecode(np.frombuffer(sample.picture, np.uint8), cv2.IMREAD_COLOR))
            if again:
                cv2.imdecode(png, cv2.IMREAD_UNCHANGED)

    def protected_codec(self) -> Callable[[], int]:
        """The same, but what is encoded are the protected pictures."""
        chunk = chunk_length(self.plan.working_size**2)
        rewritten = protect(iter(self.samples), self.plan, chunk)
        pixels = [decode(one.parts[s.image][1], MAX_PIXELS) for s, one in zip(self.samples, rewritten, strict=True)]

        def run() -> int:
            pairs = zip(self.samples, pixels, strict=True)
            return sum(len(by_opencv(after)) for s, after in pairs if decode(s.picture, MAX_PIXELS) is not None)

        return run


def beside(work: Callable[[], object], workers: int, pool: ThreadPoolExecutor) -> Callable[[], None]:
    """`work` once in each of `workers` threads, the cores shared as the product shares them."""

    def run() -> None:
        with cores_shared_by(workers):
            for one in [pool.submit(work) for _ in range(workers)]:
                one.result()

    return run


def measure(size: int, count: int, repetitions: int) -> dict[str, Any]:
    """Figures at one size of pictures."""
    pictures = _pictures.jpegs(count, size)
    shard = Shard(list(_pictures.samples(pictures, count)), plan(size))
    with ThreadPoolExecutor(2) as pool:
        sides = {
            "codec, 1 worker": beside(lambda: shard.codec(by_opencv), 1, pool),
            "rewriting, 1 worker": beside(shard.rewrite, 1, pool),
            "rewriting, 2 workers": beside(shard.rewrite, 2, pool),
            "codec, 2 workers": beside(lambda: shard.codec(by_opencv), 2, pool),
            "own codec, 1 worker": beside(lambda: shard.codec(encode_png), 1, pool),
            "codec, protected, 1 worker": beside(shard.protected_codec(), 1, pool),
            "codec, bare, 1 worker": beside(lambda: shard.bare(again=False), 1, pool),
            "bare, decoded again, 1 worker": beside(lambda: shard.bare(again=True), 1, pool),
        }
        times = _bench.interleaved(sides, repetitions)
    codec, one, two, codec_two, own, codec_protected, bare, bare_again = times.values()
    return {
        "pictures": count,
        "bytes_in": sum(map(len, pictures)) // count,
        "bytes_out": len(shard.rewrite()) // count,
        "rewriting_of_codec": _bench.ratio(codec, one),
        "rewriting_of_protected_codec": _bench.ratio(codec_protected, one),
        "rewriting_of_bare_codec": _bench.ratio(bare, one),
        "rewriting_of_own_codec": _bench.ratio(own, one),
        "bare_decoded_again_of_codec": _bench.ratio(codec, bare_again),
        "two_workers_over_one": _bench.scaled(_bench.ratio(one, two), 2),
        "codec_two_workers_over_one": _bench.scaled(_bench.ratio(codec, codec_two), 2),
        "pictures_a_second": {name: (2 if "2" in name else 1) * count / times[name].best for name in times},
    }


def main() -> None:
    given = _bench.arguments(__doc__)
    repetitions, cut = (2, 10) if given.quick else (9, 1)
    found = {size: measure(size, count // cut, repetitions) for size, count in PICTURES.items()}
    checks: list[Check] = []
    for size, figures in found.items():
        title = f"Class-wise noise, {figures['pictures']} JPEG pictures of {size} px to PNG"
        _bench.print_table(title, ("side", "pictures/s"), list(figures["pictures_a_second"].items()))
        rows = [(name, both["best"], both["median"]) for name, both in figures.items() if name in RATIOS]
        _bench.print_table("", ("ratio", "by best times", "by median times"), rows)
        of_codec, scaling = (100 * figures["rewriting_of_codec"]["best"], figures["two_workers_over_one"]["best"])
        checks.append(Check(f"rewriting at {size} px, share of the codec's rate", of_codec, at_least=80, unit="%"))
        checks.append(Check(f"rewriting at {size} px, two workers over one", scaling, at_least=1.8, unit="x"))
    figures = {f"{size} px": one for size, one in found.items()}
    command = "python -m benchmarks.rewriting"
    _bench.report("rewriting", command, given.quick, precision(CPU), repetitions, figures, checks)


if __name__ == "__main__":
    main()
