"""The table of docs/reliability.md: `python -m tests.faults.table FILE`, from what the fault tests have recorded."""

import json
import sys
from collections import defaultdict
from pathlib import Path


def table(lines: list[dict[str, str | int]]) -> str:
    """A row for each kind of fault: how many there were, and what came of them; the sum in the last row."""
    counts: dict[str, int] = defaultdict(int)
    outcomes: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        kind, outcome = str(line["kind"]), str(line["outcome"])
        counts[kind] += int(line["faults"])
        if outcome not in outcomes[kind]:
            outcomes[kind].append(outcome)
    rows = [f"| {kind} | {counts[kind]} | {'; '.join(outcomes[kind])} |" for kind in counts]
    head = ["| fault | how many | what came of it |", "| :-- | --: | :-- |"]
    return "\n".join([*head, *rows, f"| all | {sum(counts.values())} | |"])


if __name__ == "__main__":
    print(table([json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]))
