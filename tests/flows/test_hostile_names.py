"""Names of classes and folders that mean something to a shell, a page or a terminal."""

import csv
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import ArtifactSort

from tests.flows.cli_helpers import Places
from tests.tasks.shard.helpers import picture

HOSTILE = (
    "$(touch pwned); `id`",
    "<img src=x onerror=alert(1)>",
    "قطة",
    "new\nline",
    "-rf *",
    "| a | **b** | \x1b[31m",
)


def artifacts(since: datetime) -> tuple[list[str], list[str]]:
    """Of the artifacts made since then: what Prefect's UI renders as markdown, and what it shows in cells of tables."""
    with get_client(sync_client=True) as client:
        newest = client.read_artifacts(sort=ArtifactSort.CREATED_DESC)
    found = [each for each in newest if each.created and each.created >= since]
    rendered = [str(text) for each in found for text in (each.description, each.type != "table" and each.data) if text]
    return rendered, [str(each.data) for each in found if each.type == "table"]


class TestHostileNames:
    @pytest.fixture
    def hostile(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        found = Places(tmp_path)
        for number, name in enumerate(HOSTILE):
            for i in range(4):
                found.put_bytes(f"{name}/{i}.png", picture(10 * number + i))
            Places(tmp_path / "test").put_bytes(f"{name}/0.png", picture(10 * number + 9))
        (tmp_path / "<b>data").symlink_to(found.source)
        return found

    def test_they_go_through_protect_evaluate_and_report(self, cli, hostile):
        began = datetime.now(UTC)
        source = hostile.root / "<b>data"
        command = ("protect", source, hostile.destination, "--workspace", hostile.workspace, "--method", "random")
        said = cli(*command, "--form", "class-wise", "--json")
        assert said.status == 0, said
        assert said.json["protected"] == 4 * len(HOSTILE)
        manifest = json.loads((hostile.destination / "manifest.json").read_text())
        assert len(set(manifest["dataset"]["class_names"])) == len(HOSTILE)
        assert all(name.isprintable() for name in manifest["dataset"]["class_names"])
        assert "قطة" in manifest["dataset"]["class_names"]
        with tarfile.open(hostile.destination / "train-000000.tar") as archive:
            assert [name for name in archive.getnames() if not name.isascii() or set(name) & set("/ $<>\n")] == []

        command = ("evaluate", hostile.destination, "--clean", source, "--test", hostile.root / "test" / "source")
        said = cli(*command, "--workspace", hostile.workspace, "--epochs", 1, "--seeds", 1, "--json")
        assert said.status == 0, said
        assert [row["dataset"] for row in said.json["results"]] == ["<b>data"] * 2
        report = Path(said.json["report"])
        html = report.read_text()
        assert "&lt;b&gt;data" in html
        assert "<b>data" not in html
        assert "<img src=x" not in html
        with (report.parent / "results.csv").open() as file:
            assert [len(set(map(len, list(csv.reader(file)))))] == [1]
        rendered, cells = artifacts(began)
        assert any("data" in text for text in rendered)
        assert any("<b>data" in text for text in cells)
        assert [text for text in rendered if "<b>" in text or "<img" in text or "](" in text.replace("\\](", "")] == []
        assert [text for text in cells if "](" in text] == []
        listed = cli("report", hostile.workspace)
        assert listed.out.isascii() or "\x1b" not in listed.out
        assert listed.out.count("\n") == 2
        assert not (hostile.root / "pwned").exists()

    def test_they_break_no_line_of_an_error(self, cli, hostile):
        command = (*hostile.protect, "--classes", "<x>\nerror: forged\x1b[31m")
        said = cli(*command)
        assert said.status == 2
        assert "--classes names <x> error: forged\\x1b[31m, which the dataset does not have" in said.error
        assert "\x1b" not in said.err

    def test_a_class_can_be_chosen_by_its_hostile_name(self, cli, hostile):
        said = cli(*hostile.protect, "--classes", "<img src=x onerror=alert(1)>,قطة", "--json")
        assert (said.status, said.json["protected"]) == (0, 8)
