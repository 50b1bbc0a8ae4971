"""Tables on what stands around the results: stored bytes, settings, versions, every run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from infra.errors import one_line
from schemas.report import ProtectedSet, ReportContext
from tasks.report.display import MISSING, accuracy, copy_name, display_frame, listing
from tasks.report.tables import Table

_MOST_REASONS = 20
STORED_HEAD = (
    *("Copy", "Samples", "Changed", "Budget, 1/255", "L-inf, 1/255", "Largest L2, 1/255"),
    *("Mean L2", "PSNR, dB", "SSIM", "Fit's error"),
)


def stored_table(context: ReportContext) -> Table:
    """What was measured on the stored bytes of each protected copy."""
    rows = tuple(
        (
            copy_name(copy.model_dump()),
            f"{copy.samples}",
            f"{copy.changed}",
            f"{copy.epsilon} (L2)" if copy.norm == "l2" else f"{copy.epsilon}",
            f"{copy.max_abs_change}",
            f"{copy.max_l2:.1f}",
            MISSING if copy.mean_l2 is None else f"{copy.mean_l2:.3f}",
            accuracy(copy.psnr),
            MISSING if copy.ssim is None else f"{copy.ssim:.4f}",
            _fit_error(copy),
        )
        for copy in context.protected
    )
    caption = (
        "Change of the stored pictures against the originals; mean L2 (values in 0 to 1), PSNR and SSIM are over the "
        "changed pictures alone"
    )
    return Table(caption, STORED_HEAD, rows, frozenset(range(1, len(STORED_HEAD))))


def _fit_error(copy: ProtectedSet) -> str:
    error = MISSING if copy.noise_error is None else f"{copy.noise_error:.3f}"
    return f"{error} (not converged)" if copy.converged is False else error


COVERED_HEAD = (
    *("Copy", "Place", "Samples", "Protected", "Covered", "Shards", "Size, MB", "Quarantined", "Digest", "Written by"),
)


def covered_table(context: ReportContext) -> Table:
    """What was protected: how much of what, where it lies, and what was left out."""
    rows = tuple(
        (
            copy_name(copy.model_dump()),
            one_line(copy.destination) or MISSING,
            f"{copy.samples}",
            MISSING if copy.protected is None else f"{copy.protected}",
            _coverage(copy),
            _count(copy.shards) + (f", {copy.orphans} without a source" if copy.orphans else ""),
            MISSING if copy.size is None else f"{copy.size / 1e6:.2f}",
            _count(copy.quarantined),
            copy.digest[:12] or MISSING,
            one_line(copy.software) or MISSING,
        )
        for copy in context.protected
    )
    return Table("What was protected, by the manifest of each copy", COVERED_HEAD, rows, frozenset((2, 3, 5, 6, 7)))


def quarantine_table(context: ReportContext) -> Table:
    """Samples of the sources that were not fit to protect, by reason, the most frequent first."""
    rows = tuple(
        (copy_name(copy.model_dump()), one_line(reason), f"{count}")
        for copy in context.protected
        for reason, count in list(copy.reasons.items())[:_MOST_REASONS]
    )
    return Table("Samples left out, by reason", ("Copy", "Reason", "Samples"), rows, frozenset((2,)))


def _coverage(copy: ProtectedSet) -> str:
    classes = "all classes" if copy.classes is None else f"the classes {listing([one_line(n) for n in copy.classes])}"
    return classes if copy.fraction >= 1 else f"{100 * copy.fraction:g} % of {classes}"


def _count(number: int | None) -> str:
    return MISSING if number is None else f"{number}"


def about_table(frame: pd.DataFrame, context: ReportContext, created: str) -> Table:
    """Versions, seeds, devices and time."""

    def distinct(name: str) -> str:
        return listing([one_line(str(value)) for value in frame[name].drop_duplicates()], limit=20)

    rows = [
        ("Written", created),
        ("Time taken", f"{context.seconds:.1f} s"),
        ("Runs", f"{len(frame)}"),
        ("Seeds", distinct("seed")),
        ("Classes", distinct("classes")),
        ("Devices", distinct("device")),
        ("Precision", distinct("precision")),
        *((one_line(name), one_line(version)) for name, version in context.versions.items()),
    ]
    return Table("Versions, seeds and time", ("What", "Value"), tuple(rows))


def runs_table(frame: pd.DataFrame) -> Table:
    """Every row of the frame, `inputs` cut to 12 digits."""
    shown = display_frame(frame)
    shown["inputs"] = shown["inputs"].str[:12]
    numbers = frozenset(at for at, dtype in enumerate(frame.dtypes) if dtype.kind in "if")
    rows = tuple(tuple(one_line(text) or MISSING for text in row) for row in shown.itertuples(index=False))
    return Table(f"All {len(frame)} runs; accuracies in percent", tuple(frame.columns), rows, numbers)


def settings_table(context: ReportContext) -> Table:
    """The configuration, flat."""
    return Table("What was asked for", ("Setting", "Value"), tuple(flat(context.settings)))


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as (dotted name, JSON text) pairs."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, Sequence) and any(isinstance(inner, Mapping) for inner in value):
        for number, inner in enumerate(value, start=1):
            yield from flat(inner, f"{name}.{number}")
    elif name:
        yield one_line(name), one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
