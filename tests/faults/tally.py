"""What came of injected faults, a JSON line each, for whoever counts them."""

import json
import os
from pathlib import Path

VARIABLE = "UNLEARNABLE_FAULTS"


def record(kind: str, faults: int, outcome: str) -> None:
    """Add a line to the file that UNLEARNABLE_FAULTS names; nothing when it is not set."""
    file = os.environ.get(VARIABLE)
    if file:
        with Path(file).open("a") as lines:
            lines.write(json.dumps({"kind": kind, "faults": faults, "outcome": outcome}) + "\n")
