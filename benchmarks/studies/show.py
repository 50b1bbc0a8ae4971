"""The table of a study as markdown: `python -m benchmarks.studies.show forms`."""

import json
import sys
from collections.abc import Iterator

from benchmarks.studies.lab import RESULTS, mean_and_spread


def table(name: str) -> Iterator[str]:
    """One line a cell and victim: mean and standard deviation over seeds, the source model's error, and the cost."""
    yield "| cell | victim | clean test accuracy, % | error of the fit | rounds | passes of the fit a picture |"
    yield "| :-- | :-- | --: | --: | --: | --: |"
    for row in json.loads((RESULTS / f"{name}.json").read_text())["rows"]:
        notes = row["notes"]
        error = notes.get("error", notes.get("noise_error"))
        passes = notes.get("image_steps", 0) / max(1, notes.get("fit_samples", 1))
        rounds = notes.get("rounds") or ""
        fit = f"{'' if error is None else f'{error:.3f}'} | {rounds} | {f'{passes:.0f}' if passes else ''}"
        for victim in dict.fromkeys(run["victim"] for run in row["runs"]):
            values = [run["test_accuracy"] for run in row["runs"] if run["victim"] == victim]
            yield f"| {row['cell']} | {victim} | {mean_and_spread(values)} | {fit} |"


if __name__ == "__main__":
    for line in table(sys.argv[1]):
        print(line)
