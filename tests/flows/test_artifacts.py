"""What every run leaves in Prefect's UI."""

import base64
import csv
import io
import json

import pytest
from PIL import Image
from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from infra.storage import Folder
from tests.flows.cli_helpers import Places
from tests.tasks.shard.helpers import picture, shard


def newest_run() -> tuple[FlowRun, dict[str, Artifact], set[str]]:
    """The last flow run, its artifacts by key, and the names of its task runs."""
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1)
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        found = client.read_artifacts(artifact_filter=of_run)
        same_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        tasks = {each.name for each in client.read_task_runs(flow_run_filter=same_run)}
    return run, {str(each.key): each for each in found}, tasks


def rows(artifact: Artifact) -> list[dict[str, object]]:
    """The rows of a table."""
    assert artifact.type == "table"
    return json.loads(str(artifact.data))


def side(artifact: Artifact) -> tuple[int, int]:
    """Width and height of a picture."""
    assert artifact.type == "image"
    return Image.open(io.BytesIO(base64.b64decode(str(artifact.data).partition(",")[2]))).size


@pytest.fixture
def protected(cli, two_shards: Places) -> Places:
    """A job that has been run, by the random method: class-wise, of two shards."""
    assert cli(*two_shards.protect, "--json").status == 0
    return two_shards


def test_a_protect_run_shows_each_stage_its_pictures_and_the_card(cli, protected):
    run, found, tasks = newest_run()
    assert run.name == f"protect {protected.source} to {protected.destination}"
    assert {"rewrite a.tar", "index a.tar", f"publish {protected.destination}"} <= tasks
    assert [each["shard"] for each in rows(found["shards-of-dataset"])] == ["a.tar", "b.tar"]
    assert len(rows(found["matches"])) == 2
    assert rows(found["rounds"])
    assert sum(int(str(each["protected"])) for each in rows(found["protected-shards"])) == 8
    assert side(found["pictures"])[0] > 3 * 8
    assert f"`{protected.destination}/README.md`" in str(found["card"].data)
    assert "8 of 8" in str(found["protection"].data)
    for stage in ("index", "fit", "rewrite"):
        assert found[f"progress-{stage}"].type == "progress"
        assert float(str(found[f"progress-{stage}"].data)) == 100
    assert cli(*protected.protect, "--json").status == 0
    _, again, _ = newest_run()
    assert "pictures" not in again, "nothing was done, so nothing is read to be shown"
    assert "protected-shards" in again


def test_what_was_quarantined_is_a_table_with_its_reasons(cli, places):
    places.put_bytes("0/broken.png", b"no picture")
    for number in range(4):
        places.put_bytes(f"{number % 2}/{number}.png", picture(number))
    said = cli(*places.arguments("protect", "--method", "random", "--max-bad-share", 0.5, "--json"))
    assert said.status == 0, said
    (bad,) = rows(newest_run()[1]["quarantined-of-dataset"])
    assert "broken" in str(bad["source"])
    assert bad["reason"]


def test_an_evaluate_run_shows_verdict_tables_pictures_and_the_report(cli, protected):
    test = Places(protected.root / "test")
    test.put("a.tar", shard(4, first=20))
    command = ("evaluate", protected.destination, "--clean", protected.source, "--test", test.source)
    said = cli(*command, "--workspace", protected.workspace, "--epochs", 1, "--seeds", 1, "--json")
    assert said.status == 0, said
    run, found, tasks = newest_run()
    assert run.name == f"evaluate {protected.destination}"
    assert {"tiny, none, seed 0 on clean pictures", f"tiny, none, seed 0 on {protected.destination}"} <= tasks
    (copy,) = rows(found["copies"])
    assert copy["Copy"] == "random noise (sample-wise, 8/255)"
    assert [each["method"] for each in rows(found["runs"])] == ["none", "random"]
    # To the digit what the report says.
    folder = Folder(said.json["report"].removesuffix("report.html"))
    with io.StringIO(folder.read("results.csv").decode(), newline="") as file:
        written = list(csv.DictReader(file))
    for row, known in zip(rows(found["runs"]), written, strict=True):
        assert {name: row[name] for name in ("test_accuracy", "seed", "seconds")} == {
            name: known[name] for name in ("test_accuracy", "seed", "seconds")
        }
    (cell,) = rows(found["victims-by-countermeasure"])
    assert cell["Clean ceiling, %"] == written[0]["test_accuracy"]
    assert cell["Protected, %"] == written[1]["test_accuracy"]
    assert side(found["pictures-1"])[0] > 3 * 8
    assert found["verdict"].type == "markdown"
    assert f"`{said.json['report']}`" in str(found["report"].data)
    assert float(str(found["progress-evaluate"].data)) == 100
