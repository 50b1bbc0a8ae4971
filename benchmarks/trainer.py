"""A whole epoch of the product's training, and its test on clean pictures, against what one writes from a textbook.

The product holds pictures as uint8 on the device and augments whole batches there; its networks train in channels_last
and, where that is native, in bf16. The textbook's loop takes pictures from a DataLoader that crops and flips each by
torchvision's transforms, and trains the same network by the same recipe in fp32 and NCHW. An epoch and its test are
timed apart. They are told together for 10,000 training pictures and a test of 2,000, in CIFAR-10's proportion. On a CPU
each side has the threads that the product gives to a network, which it trains side by side: one a core.

On a GPU a whole epoch of the paper's recipe on CIFAR-10's 50,000 pictures is timed too, and its test on 10,000.
"""

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks import _bench, _steps
from benchmarks._bench import Check, Times
from benchmarks._steps import Batch
from infra.devices import cores_shared_by, device_kind, pick_device, precision, slots
from infra.machine import cores
from schemas.recipe import Recipe
from tasks.nn import augment, train
from tasks.nn.batches import Resident
from tasks.nn.train import Training

BATCH, TOGETHER = 128, (10_000, 2000)
BATCHES = {"cpu": {"resnet18": 2, "tiny": 8}, "cuda": {"resnet18": 100, "tiny": 100}}
TESTED = {"cpu": 1000, "cuda": 10_000}
NETWORKS = ("resnet18", "tiny")
CIFAR10 = (50_000, 10_000)
_RECIPE = Recipe(epochs=1_000_000)  # so that any number of epochs can be timed; the rate stays at its peak
_LOADERS_ON_GPU = 4


class Pictures(Dataset):
    """Pictures as files give them, each through the transforms when it is asked for."""

    def __init__(self, batch: Batch, transform: Callable[[Image.Image], Tensor]):
        self._images = [Image.fromarray(one) for one in batch.images.cpu().numpy()]
        self._labels, self._transform = batch.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self._transform(self._images[i]), self._labels[i]


def loader(batch: Batch, augmented: bool) -> DataLoader:
    """The textbook's loader. On a CPU without processes of its own, which would take the training's cores."""
    on_gpu = batch.images.device.type == "cuda"
    steps = [transforms.RandomCrop(_steps.SIZE, _RECIPE.crop_padding), transforms.RandomHorizontalFlip()]
    transform = transforms.Compose([*(steps if augmented else []), transforms.ToTensor()])
    workers = min(_LOADERS_ON_GPU, cores()) if on_gpu else 0
    options = {"shuffle": augmented, "drop_last": augmented, "num_workers": workers, "persistent_workers": workers > 0}
    return DataLoader(Pictures(batch, transform), BATCH, pin_memory=on_gpu, **options)


def epoch(network: str, batch: Batch) -> Callable[[], object]:
    """The product's epoch of the paper's recipe."""
    model = _steps.build_ours(network, batch.images.device)
    run = Training(model, Resident(batch.images, batch.labels), _RECIPE, augment.of(_RECIPE), seed=0).epochs()
    return lambda: next(run)


def textbook_epoch(network: str, batch: Batch) -> Callable[[], object]:
    """The same recipe, written down as one reads it."""
    device = batch.images.device
    model, batches = _steps.build(network, device), loader(batch, augmented=True)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=_RECIPE.lr, momentum=_RECIPE.momentum, weight_decay=_RECIPE.weight_decay
    )

    def run() -> tuple[float, float]:
        model.train()
        total, right, seen = 0.0, 0, 0
        for given, labels in batches:
            x, y = given.to(device), labels.to(device)
            logits = model(x)
            loss = functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), _RECIPE.clip)
            optimizer.step()
            total, seen = total + loss.item() * len(y), seen + len(y)
            right += int((logits.argmax(1) == y).sum())
        return total / seen, right / seen

    return run


def test(network: str, batch: Batch) -> Callable[[], object]:
    """The product's answers for all pictures."""
    model = _steps.build_ours(network, batch.images.device)
    return lambda: train.predict(model, batch.images)


def textbook_test(network: str, batch: Batch) -> Callable[[], object]:
    """The same, in eval mode and without gradients."""
    device = batch.images.device
    model, batches = _steps.build(network, device).eval(), loader(batch, augmented=False)

    @torch.no_grad()
    def run() -> int:
        return sum(int((model(x.to(device)).argmax(1) == y.to(device)).sum()) for x, y in batches)

    return run


def measure(network: str, device: torch.device, batches: int, tested: int, repetitions: int) -> dict[str, Any]:
    """Figures of one network."""
    shown, asked = _steps.random_batch(batches * BATCH, device), _steps.random_batch(tested, device)
    sides = {
        "epoch": epoch(network, shown),
        "textbook_epoch": textbook_epoch(network, shown),
        "test": test(network, asked),
        "textbook_test": textbook_test(network, asked),
    }
    times = _bench.interleaved(sides, repetitions, _waiting(device))
    together = [_together(times[of], times[at], batches * BATCH, tested) for of, at in _PAIRS]
    return {
        "training_pictures": batches * BATCH,
        "test_pictures": tested,
        "epoch_over_textbook": _bench.ratio(times["textbook_epoch"], times["epoch"]),
        "test_over_textbook": _bench.ratio(times["textbook_test"], times["test"]),
        "together_over_textbook": _bench.ratio(together[1], together[0]),
        "pictures_a_second": {
            name: (tested if name.endswith("test") else batches * BATCH) / times[name].best for name in sides
        },
    }


_PAIRS = (("epoch", "test"), ("textbook_epoch", "textbook_test"))
_RATIOS = ("epoch_over_textbook", "test_over_textbook", "together_over_textbook")


def _together(epochs: Times, tests: Times, trained: int, tested: int) -> Times:
    """Seconds for an epoch of as many pictures as `TOGETHER` says and a test, from those of each by itself."""
    pairs = zip(epochs.all, tests.all, strict=True)
    return Times(tuple(TOGETHER[0] * one / trained + TOGETHER[1] * other / tested for one, other in pairs))


def paper(device: torch.device, repetitions: int) -> dict[str, float]:
    """Seconds of an epoch of the paper's recipe and of its test on CIFAR-10's numbers of pictures, at their best."""
    shown, asked = (_steps.random_batch(count, device) for count in CIFAR10)
    sides = {"epoch": epoch("resnet18", shown), "test": test("resnet18", asked)}
    times = _bench.interleaved(sides, repetitions, _waiting(device))
    one = times["epoch"].best + times["test"].best
    return {"epoch": times["epoch"].best, "test": times["test"].best, "whole_recipe": Recipe().epochs * one}


def _waiting(device: torch.device) -> Callable[[], object]:
    return torch.cuda.synchronize if device.type == "cuda" else (lambda: None)


def checks(found: dict[str, dict[str, Any]], of_paper: dict[str, float] | None) -> list[Check]:
    """What is required: on a CPU against the textbook, on a GPU of the paper's recipe."""
    if of_paper is not None:
        return [Check("paper's victim recipe, test every epoch", of_paper["whole_recipe"], at_most=60, unit="s")]
    return [
        Check(f"training with its test over textbook, {name}", one["together_over_textbook"]["best"], 2, unit="x")
        for name, one in found.items()
    ]


def main() -> None:
    given = _bench.arguments(__doc__, device={"default": "auto", "help": "auto, cpu or cuda"})
    device = pick_device(given.device)
    kind, used = device_kind(device), precision(device)
    repetitions, tested = (2, 128) if given.quick else (3, TESTED[device.type])
    batches = dict.fromkeys(NETWORKS, 1) if given.quick else BATCHES[device.type]
    with cores_shared_by(slots(device)):
        threads = torch.get_num_threads()
        found = {name: measure(name, device, batches[name], tested, repetitions) for name in NETWORKS}
        of_paper = paper(device, repetitions) if device.type == "cuda" else None
    for name, figures in found.items():
        show(f"{name}, batch {BATCH}, {used} on {kind}", figures)
    setting = {"device": kind, "batch": BATCH, "size": _steps.SIZE, "threads": threads}
    figures = {**setting, **found, **({} if of_paper is None else {"paper_seconds": of_paper})}
    name = "trainer" if device.type == "cpu" else f"trainer-{_bench.suffix(kind)}"
    command = f"python -m benchmarks.trainer --device {device.type}"
    _bench.report(name, command, given.quick, used, repetitions, figures, checks(found, of_paper))


def show(title: str, figures: dict[str, Any]) -> None:
    """Two tables: what each side does, and the ratios."""
    _bench.print_table(title, ("side", "pictures/s"), list(figures["pictures_a_second"].items()))
    rows = [(name, figures[name]["best"], figures[name]["median"]) for name in _RATIOS]
    _bench.print_table("", ("ratio", "by best times", "by median times"), rows)


if __name__ == "__main__":
    main()
