"""The runbook speaks of errors as the product words them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "runbook.md").read_text().partition("## A shard fails")[2].partition("## ")[0]
QUOTED = [word for row in re.findall(r"^\| (`.+?) \|", TABLE, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)]
CODE = "\n".join(path.read_text() for folder in ("tasks", "infra") for path in sorted((ROOT / folder).rglob("*.py")))


def test_it_quotes_some():
    assert len(QUOTED) >= 5


@pytest.mark.parametrize("words", QUOTED)
def test_each_error_of_the_table_is_one_of_ours(words):
    assert words in CODE


def test_each_artifact_that_it_names_is_posted():
    table = (ROOT / "docs" / "runbook.md").read_text().partition("| key |")[2].partition("\n\n")[0]
    keys = {key for key in re.findall(r"`([a-z1-9-]+)`", table) if not key.startswith(("-", "progress"))}
    code = CODE.replace('f"shards-of-{which}"', '"shards-of-dataset"').replace(
        'f"quarantined-of-{which}"', '"quarantined-of-dataset"'
    )
    code = code.replace('f"pictures-{number}"', '"pictures-1"')
    assert len(keys) >= 10
    assert [key for key in sorted(keys) if f'"{key}"' not in code] == []
