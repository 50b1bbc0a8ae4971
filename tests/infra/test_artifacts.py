"""What a run shows in Prefect's UI: read back from a server."""

import base64
import json
import math
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.runtime import flow_run

from infra import artifacts, progress

pytestmark = pytest.mark.usefixtures("prefect_server")


def artifacts_of(run: str) -> dict[str, Artifact]:
    """The artifacts of a flow run, by key."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run)]))
    with get_client(sync_client=True) as client:
        return {str(each.key): each for each in client.read_artifacts(artifact_filter=of_run)}


def shown_by(body: Any) -> dict[str, Artifact]:
    """The artifacts of a flow run that does this, by key."""

    @flow(name="shows", log_prints=False)
    def shows() -> str:
        body()
        return str(flow_run.id)

    return artifacts_of(shows())


def test_a_table_holds_what_json_can_and_no_link():
    row = {"a": np.float64(1.23456), "b": math.nan, "c": np.int64(3), "d": "[x](http://evil)\n", "e": True, "f": None}
    found = shown_by(lambda: artifacts.table("rows", [row], "Rows"))["rows"]
    assert found.type == "table"
    cells = {"a": 1.2346, "b": None, "c": 3, "d": "[x] (http://evil)", "e": True, "f": None}
    assert json.loads(str(found.data)) == [cells]
    assert found.description == "Rows"


def test_a_long_table_says_that_it_was_cut():
    found = shown_by(lambda: artifacts.table("long", [{"n": n} for n in range(artifacts.MOST_ROWS + 1)], "Rows"))[
        "long"
    ]
    assert found.description == "Rows (the first 500 of 501)"
    assert '{"n": 499}' in str(found.data)
    assert '{"n": 500}' not in str(found.data)


def test_a_picture_lies_in_the_artifact_and_a_large_one_is_left_out():
    def body() -> None:
        artifacts.picture("small", b"\x89PNG", "Small")
        artifacts.picture("large", bytes(artifacts.MOST_PICTURE_BYTES + 1), "Large")

    found = shown_by(body)
    assert found["small"].type == "image"
    assert found["small"].data == f"data:image/png;base64,{base64.b64encode(bytes([0x89]) + b'PNG').decode()}"
    assert "large" not in found


def test_pictures_stay_here_where_they_are_switched_off(monkeypatch):
    monkeypatch.setenv(artifacts.PICTURES, "off")
    assert shown_by(lambda: artifacts.picture("small", b"PNG", "Picture")) == {}


def test_links_lead_to_buckets_and_files_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def body() -> None:
        artifacts.link("far", "s3://private/report.html", "report.html")
        artifacts.link("near", "w/report.html", "report.html")

    found = shown_by(body)
    assert "(s3://private/report.html)" in str(found["far"].data)
    assert found["near"].data == f"report.html: `{tmp_path}/w/report.html`"


def test_progress_is_kept_up_to_date(monkeypatch):
    monkeypatch.setattr(artifacts, "_EVERY_SECONDS", 0.0)
    seen: list[tuple[float, str]] = []

    def body() -> None:
        with artifacts.shown_progress():
            progress.start("rewrite", 4, "shards")
            progress.advance("rewrite", 1, "<b>name.tar", 100)
            shown = artifacts_of(str(flow_run.id))["progress-rewrite"]
            seen.append((float(str(shown.data)), str(shown.description)))
            progress.advance("rewrite", 3, "", 0)
            progress.finish("rewrite")
        progress.start("index", 1, "shards")  # nobody listens any more

    found = shown_by(body)
    assert seen[-1][0] == 25
    assert seen[-1][1].startswith("1/4 shards, ")
    assert "name.tar" not in seen[-1][1]
    assert float(str(found["progress-rewrite"].data)) == 100
    assert str(found["progress-rewrite"].description).startswith("4/4 shards, over after ")
    assert "progress-index" not in found


def test_a_server_that_is_not_reached_stops_no_work(monkeypatch):
    def unreachable(**_: object) -> object:
        raise httpx.ConnectError("no server")

    def body() -> None:
        with artifacts.shown_progress():
            monkeypatch.setattr(artifacts, "get_client", unreachable)
            progress.start("rewrite", 2, "shards")
            progress.advance("rewrite", 1)
            progress.finish("rewrite")

    assert shown_by(body) == {}


def test_outside_a_run_nothing_is_shown():
    with artifacts.shown_progress():
        progress.start("outside", 2, "shards")
        progress.finish("outside")
    artifacts.table("rows-outside", [{"a": 1}], "Rows")
    artifacts.markdown("text-outside", "text", "Text")
    artifacts.link("link-outside", "s3://bucket/report.html", "report.html")
    artifacts.picture("picture-outside", b"png", "Picture")
    names = ["progress-outside", *(f"{kind}-outside" for kind in ("rows", "text", "link", "picture"))]
    with get_client(sync_client=True) as client:
        assert client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=names))) == []
