"""The match stage as a table."""

from schemas.matching import Mapping


def matches(mapping: Mapping) -> list[dict[str, object]]:
    """A row a private class: which class makes its noise, and where they were matched by sight, how sure that is."""
    rows: list[dict[str, object]] = []
    for each in mapping.matches:
        row: dict[str, object] = {"class": each.private, "noise of": each.public, "by": mapping.how}
        if mapping.how == "visual":
            doubt = "ambiguous" if each.ambiguous else ""
            row |= {"likeness": each.score, "runner-up": each.runner_up, "its likeness": each.runner_up_score}
            row["look at it"] = doubt
        rows.append(row)
    return rows
