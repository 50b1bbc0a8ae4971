"""The evaluate stage as tables: the copies as they are stored, and every training run."""

from collections.abc import Sequence

from schemas.evaluate import VictimRun
from schemas.report import ProtectedSet


def copies(measured: Sequence[ProtectedSet]) -> list[dict[str, object]]:
    """A row a copy: how many samples differ from the originals, and by how much."""
    return [
        {
            "copy": each.destination,
            "method": each.method,
            "form": each.form,
            "budget, 1/255": each.epsilon,
            "samples": each.samples,
            "changed": each.changed,
            "largest change, 1/255": each.max_abs_change,
            "largest L2, 1/255": each.max_l2,
            "PSNR, dB": each.psnr,
            "SSIM": each.ssim,
        }
        for each in measured
    ]


def runs(trained: Sequence[VictimRun]) -> list[dict[str, object]]:
    """A row a training run; accuracies in percent."""
    return [
        {
            "method": each.method,
            "form": each.form,
            "victim": each.victim,
            "countermeasure": each.countermeasure,
            "part": each.part,
            "seed": each.seed,
            "test, %": each.test_accuracy,
            "peak, %": each.peak_test_accuracy,
            "train, %": each.train_accuracy,
            "epochs": each.epochs,
            "seconds": each.seconds,
            "diverged": each.diverged,
        }
        for each in trained
    ]
