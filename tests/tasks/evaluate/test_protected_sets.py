"""What was protected, as the report tells it: coverage, shards, digest, and what was left out for which reason."""

from pathlib import Path

import pytest

from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from tasks.evaluate import measure
from tasks.report.context_tables import covered_table, quarantine_table
from tasks.rewrite.audit import audit
from tests.tasks.report.helpers import context, protected_set
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all


@pytest.fixture
def job(tmp_path):
    """A job whose source has two files that are no pictures and one that is damaged; half of it is protected."""
    source = folder_source(tmp_path / "in", 9)
    (source / "cat" / "notes.txt").write_text("no picture")
    (source / "dog" / "list.csv").write_text("no picture")
    (source / "dog" / "broken.png").write_bytes(b"\x89PNG cut short")
    spec = SourceSpec(url=str(source), shard_size=7, max_bad_share=0.5)
    config = config_of(tmp_path, spec, coverage=Coverage(fraction=0.5))
    return config, protect_all(config)


def measured(config, manifest):
    found = audit(Folder(config.destination), SourceSpec(url=config.source.url, max_bad_share=0.5))
    reasons = measure.quarantine_reasons(Folder(config.workspace), config.destination)
    return measure.protected_set(config.destination, manifest, found, reasons)


def test_it_counts_what_the_manifest_and_the_quarantine_list_count(job):
    config, manifest = job
    copy = measured(config, manifest)
    assert (copy.samples, copy.shards, copy.quarantined, copy.fraction) == (18, 3, 3, 0.5)
    assert copy.protected == manifest.protection.protected
    assert 0 < copy.protected < 18
    assert copy.changed == copy.protected
    assert copy.digest == manifest.dataset.digest
    assert copy.size == sum(path.stat().st_size for path in Path(config.destination).glob("*.tar"))
    first, second = copy.reasons.items()
    assert first == ("not a picture by its name", 2)
    assert second[1] == 1


def test_another_workspace_knows_no_reasons(job, tmp_path):
    config, _ = job
    assert measure.quarantine_reasons(Folder(str(tmp_path / "elsewhere")), config.destination) == {}
    assert measure.quarantine_reasons(Folder(config.workspace), str(tmp_path / "another-copy")) == {}


def test_the_report_has_both_tables(job):
    told = context(protected=(measured(*job),))
    (row,) = covered_table(told).rows
    assert row[2:6] == ("18", f"{told.protected[0].protected}", "50 % of all classes", "3")
    assert row[7] == "3"
    assert row[8] == told.protected[0].digest[:12]
    assert next((reason, count) for _, reason, count in quarantine_table(told).rows) == (
        "not a picture by its name",
        "2",
    )


def test_a_record_of_an_earlier_version_has_dashes():
    (row,) = covered_table(context(protected=(protected_set(),))).rows
    assert row[1] == "–"
    assert row[5:9] == ("–", "–", "–", "–")
