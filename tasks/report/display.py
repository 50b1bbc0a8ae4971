"""How numbers and names are written, once, so that the terminal, csv, markdown and html agree to the digit."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from infra.errors import one_line
from schemas.evaluate import Judgement

CLEAN = "none"
PLAIN = "none"
MISSING = "–"
HOLDS_FROM, PARTLY_FROM = 0.8, 0.5
TWO_DECIMALS = ("test_accuracy", "peak_test_accuracy", "train_accuracy", "seconds", "trigger_success")
FOUR_DECIMALS = ("auc",)
_FORMULA = re.compile(r"[=+\-@]")
_PARTS = {"all": "", "protected": ", protected part alone", "clean": ", clean part alone"}


def accuracy(value: float | None) -> str:
    """An accuracy in percent, or any other number of a table, with two decimals; a dash when it is missing."""
    return MISSING if value is None or math.isnan(value) else f"{value:.2f}"


def spread(mean: float, std: float) -> str:
    """Mean and sample standard deviation over seeds; the mean alone when one seed was run."""
    return accuracy(mean) if math.isnan(std) else f"{accuracy(mean)} ± {accuracy(std)}"


def fine(mean: float, std: float) -> str:
    """Mean and deviation of a number from 0 to 1, such as an AUC, with four decimals; a dash when it is missing."""
    if math.isnan(mean):
        return MISSING
    return f"{mean:.4f}" if math.isnan(std) else f"{mean:.4f} ± {std:.4f}"


def share(value: float | None) -> str:
    """A share (0.931) as percent (`93.1 %`); a dash when it is missing."""
    if value is None or math.isnan(value):
        return MISSING
    return f"{round(100 * value, 1) + 0.0:.1f} %"  # + 0.0: no "-0.0"


def judge(kept: float | None) -> Judgement:
    """What a share of protection kept amounts to. Judged as printed, so that the word never contradicts the number."""
    if kept is None or math.isnan(kept):
        return "unknown"
    printed = round(100 * kept, 1)
    if printed >= 100 * HOLDS_FROM:
        return "holds"
    return "partly" if printed >= 100 * PARTLY_FROM else "undone"


def copy_name(row: Mapping[str, Any]) -> str:
    """Name of a copy of the data, from its method, form, epsilon (in 1/255), variant, fraction and, if any, part."""
    if row["method"] == CLEAN:
        return "clean data"
    fraction = "" if row["fraction"] >= 1 else f", on {100 * row['fraction']:g} % of the samples"
    variant = f", {row['variant']}" if row["variant"] else ""
    part = _PARTS[row.get("part", "all")]
    return one_line(f"{row['method']} noise ({row['form']}, {row['epsilon']}/255{variant}{fraction}{part})")


def whole_name(row: Mapping[str, Any]) -> str:
    """Name of the copy that a row's part was taken from."""
    return copy_name({**row, "part": "all"})


def percent_of(mean: float, std: float) -> str:
    """`54.80 ± 0.52 %`: mean and spread over seeds, in percent."""
    return f"{spread(mean, std)} %"


def capital(text: str) -> str:
    """`text` with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def short(name: str, length: int = 24) -> str:
    """A name on one line and at most `length` characters: for labels in a figure."""
    flat = one_line(name)
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def listing(names: list[str], limit: int = 6) -> str:
    """`a, b and c`; beyond `limit` names, how many more there are."""
    if len(names) > limit:
        return ", ".join(names[:limit]) + f" and {len(names) - limit} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nothing"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain dicts by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def display_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as text: percents and seconds with two decimals, AUC with four, empty when missing; all of it."""
    decimals = dict.fromkeys(TWO_DECIMALS, 2) | dict.fromkeys(FOUR_DECIMALS, 4)
    columns = {
        name: ["" if math.isnan(value) else f"{value:.{decimals[name]}f}" for value in frame[name]]
        if name in decimals
        else [str(value) for value in frame[name]]
        for name in frame.columns
    }
    return pd.DataFrame(columns, columns=frame.columns)


def spreadsheet_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """`display_frame` for a spreadsheet: names on one line, with a quote before what it would take for a formula."""
    shown = display_frame(frame)
    for name in frame.select_dtypes("string").columns:
        shown[name] = [f"'{text}" if _FORMULA.match(text) else text for text in map(one_line, shown[name])]
    return shown
