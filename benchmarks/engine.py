"""The two steps that take the time: a PGD step and a training step, against the textbook's and the device's limit.

The limit is what the network's bare convolutions reach, and on a GPU also what a product of large matrices does.
A rate counts pictures a second, each going once forward and once backward. GFLOP/s of a PGD step counts the forward
pass and the input's gradient, two operations a multiplication.
"""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import _bench, _limits, _steps
from benchmarks._bench import Check
from infra.devices import device_kind, fast_bf16, pick_device, precision

NETWORKS = {"resnet18": 2, "tiny": 8}  # PGD steps in one timing
BATCH = {"cpu": 128, "cuda": 512}
RATIOS = ("pgd_over_textbook", "pgd_of_convolutions", "training_over_textbook", "pgd_of_matmul")


def measure(network: str, device: torch.device, batch_size: int, repetitions: int) -> dict[str, Any]:
    """Figures of one network."""
    steps, dtype = NETWORKS[network], torch.bfloat16 if fast_bf16(device.type) else torch.float32
    batch = _steps.random_batch(batch_size, device)
    bare = _limits.layers(network, batch_size, device, dtype)
    sides: dict[str, Callable[[], object]] = {
        "pgd": _steps.pgd(network, batch, steps),
        "textbook_pgd": _steps.textbook_pgd(network, batch, steps),
        "convolutions": _limits.convolutions(bare),
        "training": _steps.training(network, batch),
        "textbook_training": _steps.textbook_training(network, batch),
    }
    matmul_gflop = 0.0
    if device.type == "cuda":
        sides["matmul"], matmul_gflop = _limits.matmul(device, dtype)
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    times = _bench.interleaved(sides, repetitions, wait)
    step, textbook_step = times["pgd"].over(steps), times["textbook_pgd"].over(steps)
    rates = {
        "pgd": batch_size / step.best,
        "textbook_pgd": batch_size / textbook_step.best,
        "convolutions": batch_size / times["convolutions"].best,
        "training": batch_size / times["training"].best,
        "textbook_training": batch_size / times["textbook_training"].best,
    }
    gmac = sum(layer.macs for layer in bare) / 1e9
    gflops = {name: rates[name] * 4 * gmac for name in ("pgd", "textbook_pgd", "convolutions")}
    figures: dict[str, Any] = {
        "gmac_an_image": gmac,
        "pgd_over_textbook": _bench.ratio(textbook_step, step),
        "pgd_of_convolutions": _bench.ratio(times["convolutions"], step),
        "training_over_textbook": _bench.ratio(times["textbook_training"], times["training"]),
        "image_steps_a_second": rates,
        "gflops": gflops,
    }
    if "matmul" in times:
        gflops["matmul"] = matmul_gflop / times["matmul"].best
        share = batch_size * 4 * gmac / matmul_gflop
        figures["pgd_of_matmul"] = _bench.scaled(_bench.ratio(times["matmul"], step), share)
    return figures


def checks(figures: dict[str, Any], device: torch.device) -> list[Check]:
    """What is required of ResNet-18: on a CPU against the textbook and the convolutions, on a GPU against matmul."""
    if device.type == "cuda":
        return [
            Check("PGD step, share of the matrix rate", 100 * figures["pgd_of_matmul"]["best"], at_least=40, unit="%")
        ]
    limit = 100 * figures["pgd_of_convolutions"]["best"]
    return [
        Check("PGD step over textbook", figures["pgd_over_textbook"]["best"], at_least=2.3, unit="x"),
        Check("PGD step, share of the convolution limit", limit, at_least=90, unit="%"),
        Check("training step over textbook", figures["training_over_textbook"]["best"], at_least=2, unit="x"),
    ]


def main() -> None:
    given = _bench.arguments(
        __doc__,
        device={"default": "auto", "help": "auto, cpu or cuda"},
        batch={"type": int, "help": "pictures a batch; 128 on a CPU, 512 on a GPU"},
    )
    device = pick_device(given.device)
    kind, used = device_kind(device), precision(device)
    batch, repetitions = given.batch or BATCH[device.type], 2 if given.quick else 9
    found = {network: measure(network, device, batch, repetitions) for network in NETWORKS}
    for network, figures in found.items():
        show(f"{network}, batch {batch}, {used} on {kind}", figures)
    name = f"engine-{_bench.suffix(kind)}"
    command = f"python -m benchmarks.engine --device {device.type} --batch {batch}"
    setting = {"device": kind, "batch": batch, "size": _steps.SIZE, "threads": torch.get_num_threads()}
    required = checks(found["resnet18"], device)
    _bench.report(name, command, given.quick, used, repetitions, {**setting, **found}, required)


def show(title: str, figures: dict[str, Any]) -> None:
    """Two tables: what each side does, and the ratios."""
    rates, gflops = figures["image_steps_a_second"], figures["gflops"]
    rows = [(name, rates.get(name, ""), gflops.get(name, "")) for name in rates | gflops]
    _bench.print_table(title, ("side", "images/s", "GFLOP/s"), rows)
    rows = [(name, figures[name]["best"], figures[name]["median"]) for name in RATIOS if name in figures]
    _bench.print_table("", ("ratio", "by best times", "by median times"), rows)


if __name__ == "__main__":
    main()
