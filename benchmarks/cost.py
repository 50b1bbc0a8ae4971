"""What it costs to make the noise for CIFAR-10's 50,000 pictures, as a part of one training run of 60 epochs.

Twice over: in gradient passes over a picture (a victim's epoch is one pass a picture), and in seconds, from the time
that a PGD step, a training step and a look at a picture take in this run. A PGD pass needs no weight gradients, so
it is the cheaper one; a fit also looks once a round at every picture it fits on, which is no gradient pass.

The passes are what the presets are set to, and the seconds of a whole run are modelled from steps that were timed: no
run of 60 epochs was. What is required, that five passes over a picture protect as well as the joint algorithm does, no
clock can tell: `_protection` reads it from what benchmarks/studies/two_phase.py has measured.
"""

from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import _bench, _protection, _steps
from infra.devices import device_kind, pick_device, precision
from schemas.noise import ErrorMinimizing
from schemas.recipe import Recipe
from tasks.noise.fit_data import wanted_samples
from tasks.noise.method import module_of

PICTURES, EPOCHS, ROUNDS = 50_000, Recipe().epochs, 10
PRESETS, FORMS = ("paper", "standard", "fast"), ("class-wise", "sample-wise")
CLAIMED = {"class-wise": 10, "sample-wise": 60}  # percent of a training run, by the paper
PUBLISHED_PASSES = 200  # ten rounds of T = 20
BATCH, STEPS = 128, {"tiny": 8, "resnet18": 2}


@dataclass(frozen=True)
class Work:
    """Passes over a picture: of training and of PGD in the fit, looks without a gradient, and PGD after the fit."""

    training: int
    fitting: int
    looks: int
    perturbing: int

    @property
    def gradient_passes(self) -> int:
        return self.training + self.fitting + self.perturbing


def work(method: ErrorMinimizing, rounds: int) -> Work:
    """The passes that protecting all pictures takes when the fit stops after `rounds`."""
    seen = min(PICTURES, wanted_samples(method) or PICTURES)
    capped = method.model_copy(update={"max_rounds": rounds})
    in_fit = module_of(method.kind).image_steps(capped, seen)
    training = rounds * method.model_steps * method.batch_size
    two_phase = method.form == "sample-wise" and method.procedure == "two-phase"
    return Work(training, in_fit - training, rounds * seen, method.perturb_steps * PICTURES if two_phase else 0)


def seconds_a_picture(device: torch.device, repetitions: int) -> dict[str, dict[str, float]]:
    """Seconds of each kind of pass over a picture, by network."""
    found: dict[str, dict[str, float]] = {}
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    batch = _steps.random_batch(BATCH, device)
    for network, steps in STEPS.items():
        sides = {
            "pgd": _steps.pgd(network, batch, steps),
            "training": _steps.training(network, batch),
            "look": _steps.looking(network, batch),
        }
        times = _bench.interleaved(sides, repetitions, wait)
        times["pgd"] = times["pgd"].over(steps)
        found[network] = {name: each.best / BATCH for name, each in times.items()}
    return found


def share(of: Work, maker: dict[str, float], victim: dict[str, float]) -> float:
    """Percent of the seconds that a training run takes, made by one network and trained on another."""
    made = of.training * maker["training"] + (of.fitting + of.perturbing) * maker["pgd"] + of.looks * maker["look"]
    return 100 * made / (EPOCHS * PICTURES * victim["training"])


def row(preset: str, form: str, rounds: int | None, seconds: dict[str, dict[str, float]]) -> dict[str, Any]:
    """One line of the table; `rounds` None: at the preset's cap."""
    method = ErrorMinimizing.model_validate({"preset": preset, "form": form})
    stopped = rounds or method.max_rounds
    needed, (small, large) = work(method, stopped), (seconds["tiny"], seconds["resnet18"])
    return {
        "preset": preset,
        "form": form,
        "procedure": "" if form == "class-wise" else method.procedure,
        "source_model": method.source_model,
        "rounds": stopped,
        "passes_a_picture": needed.gradient_passes / PICTURES,
        "passes_a_picture_after_the_fit": needed.perturbing / PICTURES,
        "percent_of_passes": 100 * needed.gradient_passes / (EPOCHS * PICTURES),
        "percent_of_seconds_small_by_small": share(needed, small, small),
        "percent_of_seconds_resnet18_by_resnet18": share(needed, large, large),
        "percent_of_seconds_resnet18_by_small": share(needed, small, large),
        "percent_by_the_paper": CLAIMED[form],
    }


def main() -> None:
    given = _bench.arguments(__doc__, device={"default": "auto", "help": "auto, cpu or cuda"})
    device, repetitions = pick_device(given.device), 2 if given.quick else 9
    seconds = seconds_a_picture(device, repetitions)
    rows = [row(p, f, rounds, seconds) for p in PRESETS for f in FORMS for rounds in (ROUNDS, None)]
    head = ("preset", "form", "rounds", "made by", "passes a picture", "after the fit", "passes, %")
    # Seconds by maker and victim.
    by_network = ("s, small/small, %", "s, ResNet/ResNet, %", "s, small/ResNet, %", "paper, %")
    keys = ("preset", "form", "rounds", "source_model", *list(rows[0])[-7:])
    title = f"Noise for {PICTURES:,} pictures: passes as configured, percent of a run of {EPOCHS} epochs as modelled"
    _bench.print_table(title, (*head, *by_network), [[one[key] for key in keys] for one in rows])

    show_protection()
    training = {name: kinds["training"] for name, kinds in seconds.items()}
    figures = {
        "pictures": PICTURES,
        "epochs": EPOCHS,
        "passes_published": PUBLISHED_PASSES,
        "seconds_of_a_pass_over_training_step": {
            name: {kind: kinds[kind] / training[name] for kind in ("pgd", "look")} for name, kinds in seconds.items()
        },
        "rows": rows,
    }
    command = f"python -m benchmarks.cost --device {device.type}"
    name = "cost" if device.type == "cpu" else f"cost-{_bench.suffix(device_kind(device))}"
    _bench.report(name, command, given.quick, precision(device), repetitions, figures, [])


def show_protection() -> None:
    """What the study of two-phase noise has measured at five passes, beside what is required."""
    found = _protection.pairs()
    title = f"Victim's clean test accuracy in %, from benchmarks/results/{_protection.STUDY}.json"
    rows = [(pair.cell, pair.victim, pair.joint, pair.two_phase, pair.points) for pair in found]
    _bench.print_table(title, ("noise", "victim", "joint", "two-phase", "points"), rows)
    if check := _protection.check(found):
        _bench.print_checks([check])


if __name__ == "__main__":
    main()
