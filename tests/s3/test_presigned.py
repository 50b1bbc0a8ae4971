"""A report in a bucket opens in a browser by a presigned link: whole, by itself, and as the page that it is."""

import urllib.request

import pytest

from infra.storage import Folder
from tasks.report.write import write_report
from tests.tasks.report.helpers import context, grid_of_runs

pytestmark = pytest.mark.s3
REPORT = "w/reports/20261128-020000-aaaa"
KINDS = {
    "report.html": "text/html; charset=utf-8",
    "report.md": "text/markdown; charset=utf-8",
    "results.csv": "text/csv; charset=utf-8",
    "figures/learning-curves.svg": "image/svg+xml",
}


def presigned(s3, name):
    """What a stranger gets by a link that is good for a minute."""
    where = {"Bucket": "private", "Key": f"{REPORT}/{name}"}
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=where, ExpiresIn=60)) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_each_file_of_a_report_comes_as_what_it_is(s3):
    folder = Folder(f"s3://private/{REPORT}")
    record = write_report(folder, grid_of_runs(), context(), {}, {})
    assert record.report == f"s3://private/{REPORT}/report.html"
    for name, kind in KINDS.items():
        assert presigned(s3, name) == (kind, folder.read(name))


def test_a_page_that_is_uploaded_in_parts_is_a_page_too(s3, options):
    options({"s3://private": {"part_size": 5 << 20}})
    folder = Folder(f"s3://private/{REPORT}")
    folder.write("report.html", b"<!doctype html>" + bytes(11 << 20))
    kind, data = presigned(s3, "report.html")
    assert (kind, len(data)) == ("text/html; charset=utf-8", 15 + (11 << 20))


def test_what_no_browser_shows_is_left_to_the_server(s3):
    folder = Folder(f"s3://private/{REPORT}")
    folder.write("results.parquet", b"PAR1")
    kind, data = presigned(s3, "results.parquet")
    assert data == b"PAR1"
    assert not kind.startswith(("text/", "image/"))
