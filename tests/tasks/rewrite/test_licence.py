"""The source's licence comes with the copy, byte for byte, and the card says which it is."""

import json
from pathlib import Path

import pytest

from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.rewrite.audit import audit
from tests.tasks.rewrite.helpers import config_of, files, folder_source, protect_all, tar_source

TEXT = b"Do as you like, but name us.\r\n\xff"
STATED = b"---\nlicense: cc-by-4.0\n---\n# Pictures\n"


@pytest.fixture(params=["folder", "tar"])
def licensed(request, tmp_path):
    """A job whose source has a licence and a card that states one."""
    make = folder_source if request.param == "folder" else tar_source
    source = make(tmp_path / "in")
    (source / "LICENSE.txt").write_bytes(TEXT)
    (source / "README.md").write_bytes(STATED)
    config = config_of(tmp_path, source)
    protect_all(config)
    return config


def problems(config):
    return audit(Folder(config.destination), SourceSpec(url=config.source.url)).problems


def test_it_lies_beside_the_shards_and_the_card_names_it(licensed):
    found = files(licensed.destination)
    assert found["LICENSE.txt"] == TEXT
    card = found["README.md"].decode()
    assert "The source states the licence `cc-by-4.0`." in card
    assert "licence lies beside this card: `LICENSE.txt`." in card
    assert problems(licensed) == []


def test_a_source_without_one_is_said_to_state_none(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in"))
    protect_all(config)
    found = files(config.destination)
    assert "None was found with the source: ask its owner" in found["README.md"].decode()
    assert not [name for name in found if "licen" in name.lower()]


def test_one_that_the_source_drops_is_dropped(licensed):
    (Path(licensed.source.url) / "LICENSE.txt").unlink()
    (Path(licensed.source.url) / "README.md").unlink()
    protect_all(licensed)
    found = files(licensed.destination)
    assert "LICENSE.txt" not in found
    assert "None was found with the source" in found["README.md"].decode()
    assert problems(licensed) == []


def test_one_that_changes_is_carried_over_anew_and_no_shard_is_touched(licensed):
    shards = {path: path.stat().st_mtime_ns for path in Path(licensed.destination).glob("*.tar")}
    (Path(licensed.source.url) / "LICENSE.txt").write_bytes(b"All rights reserved.")
    protect_all(licensed)
    assert files(licensed.destination)["LICENSE.txt"] == b"All rights reserved."
    assert {path: path.stat().st_mtime_ns for path in Path(licensed.destination).glob("*.tar")} == shards


@pytest.mark.parametrize("tamper", ["other text", "gone"])
def test_the_audit_sees_one_that_was_tampered_with(licensed, tamper):
    path = Path(licensed.destination) / "LICENSE.txt"
    if tamper == "gone":
        path.unlink()
    else:
        path.write_bytes(b"Yours for ever.")
    (problem,) = problems(licensed)
    assert problem.startswith("LICENSE.txt, which holds the source's licence, is missing or not as")


@pytest.mark.parametrize("name", ["../LICENSE", "a/LICENSE", "", ".hidden", "LICENSE.txt\n", "manifest.json\x00"])
def test_no_manifest_names_a_file_elsewhere(licensed, name):
    path = Path(licensed.destination) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["licence"]["files"][0]["name"] = name
    path.write_text(json.dumps(manifest))
    from infra.errors import DataError

    with pytest.raises(DataError, match=r"manifest\.json"):
        problems(licensed)


def test_one_that_is_renamed_goes_when_shards_are_rewritten_too(licensed):
    source = Path(licensed.source.url)
    (source / "LICENSE.txt").rename(source / "LICENSE")
    protect_all(licensed.model_copy(update={"coverage": licensed.coverage.model_copy(update={"fraction": 0.5})}))
    found = files(licensed.destination)
    assert "LICENSE.txt" not in found
    assert found["LICENSE"] == TEXT
    assert problems(licensed) == []


def test_a_run_that_was_killed_before_the_manifest_goes_on_after_one_was_renamed(licensed):
    source = Path(licensed.source.url)
    (source / "LICENSE.txt").rename(source / "COPYING")
    (Path(licensed.destination) / "manifest.json").unlink()
    protect_all(licensed)
    found = files(licensed.destination)
    assert "LICENSE.txt" not in found
    assert found["COPYING"] == TEXT
    assert problems(licensed) == []


def test_a_licence_of_somebody_else_in_the_destination_is_not_written_over(tmp_path):
    from infra.errors import ConfigurationError

    config = config_of(tmp_path, folder_source(tmp_path / "in"))
    Path(config.destination).mkdir()
    (Path(config.destination) / "LICENSE").write_bytes(b"of something else")
    with pytest.raises(ConfigurationError, match="already holds 1 files, such as LICENSE"):
        protect_all(config)
