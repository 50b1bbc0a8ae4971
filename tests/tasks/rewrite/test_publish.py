"""A destination holds what is to be published and nothing else; a workspace and a destination belong together."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from infra.errors import ConfigurationError
from infra.storage import TEMPORARY
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.fitted import NoiseRecord
from schemas.noise import Application, ErrorMaximizing, NoiseBudget, Placement, RandomNoise
from schemas.recipe import TinyRecipe
from tests.tasks.rewrite.helpers import (
    CLASS_WISE,
    RANDOM,
    TWO_PHASE,
    config_of,
    files,
    folder_source,
    protect_all,
    shards_of,
    tar_source,
)

MAXIMIZING = ErrorMaximizing(
    widths=(4, 8, 8, 8), training=TinyRecipe(epochs=1, batch_size=8), steps=2, max_rounds=1, batch_size=16
)
METHODS = {
    "random": RANDOM,
    "random class-wise": RandomNoise(form="class-wise"),
    "two-phase": TWO_PHASE,
    "joint": TWO_PHASE.model_copy(update={"procedure": "joint"}),
    "class-wise": CLASS_WISE,
    "maximizing": MAXIMIZING,
    "maximizing class-wise": MAXIMIZING.model_copy(update={"form": "class-wise"}),
}


def secrets_of(config, source):
    """Texts that must not be found in anything that is published, by what they are."""
    found = {"source": str(source), "workspace": config.workspace, "destination": config.destination}
    found["key"] = Path(config.key_file).read_text().strip()
    (record,) = Path(config.workspace).glob("noise/*/record.json")
    noise = json.loads(record.read_text())
    found["key fingerprint"] = noise["key_fingerprint"]
    found["noise"] = noise["inputs"][:16]
    found["tensors"] = noise["tensors_sha256"][:16]
    for marker in Path(config.workspace).glob("rewrite/*.json"):
        found[marker.name] = json.loads(marker.read_text())["inputs"][:16]
    manifest = json.loads((Path(config.workspace) / "dataset" / "manifest.json").read_text())
    found |= {f"original {s['name']}": s["sha256"] for s in manifest["shards"]}
    return found


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_destination_holds_shards_manifest_and_card_and_no_secret(tmp_path, method):
    source = folder_source(tmp_path / "place of the originals")
    config = config_of(tmp_path, source, method)
    protect_all(config)
    found = files(config.destination)
    assert sorted(found) == ["README.md", "manifest.json", *(f"train-{i:06d}.tar" for i in range(3))]
    secrets = secrets_of(config, source)
    assert len(secrets) >= 12
    for what, secret in secrets.items():
        assert len(secret) >= 12, what
        assert [name for name, data in found.items() if secret.encode() in data] == [], what


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_headers_of_a_shard_tell_nothing_of_who_made_it_when_and_from_what(tmp_path, method):
    config = config_of(tmp_path, folder_source(tmp_path / "in"), method)
    protect_all(config)
    for path in Path(config.destination).glob("*.tar"):
        with tarfile.open(path) as archive:
            assert archive.pax_headers == {}
            for one in archive:
                told = (one.uname, one.gname, one.uid, one.gid, one.mtime, one.mode, one.linkname, one.pax_headers)
                assert told == ("unlearnable", "unlearnable", 0, 0, 0, 0o644, "", {})
                if one.name.endswith(".png"):
                    assert Image.open(io.BytesIO(archive.extractfile(one).read())).info == {}


def test_tar_shards_that_are_used_in_place_are_published_without_a_word_of_their_place(tmp_path):
    source = tar_source(tmp_path / "place of the originals")
    config = config_of(tmp_path, source)
    protect_all(config)
    found = files(config.destination)
    assert sorted(found) == ["README.md", "manifest.json", *(f"train-{i:06d}.tar" for i in range(3))]
    for what, secret in secrets_of(config, source).items():
        assert [name for name, data in found.items() if secret.encode() in data] == [], what


def test_the_public_dataset_and_the_mapping_are_not_named(tmp_path):
    private = folder_source(tmp_path / "in", 4)
    public = folder_source(tmp_path / "the public data", 4, ("CAT_", "Dog!"))
    config = config_of(tmp_path, private, CLASS_WISE, public=SourceSpec(url=str(public)))
    protect_all(config)
    for text in ("the public data", "CAT_", "Dog!"):
        assert [name for name, data in files(config.destination).items() if text.encode() in data] == []


def test_the_key_that_is_drawn_stays_in_the_workspace_and_is_its_owners_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("UNLEARNABLE_KEY", raising=False)
    config = config_of(tmp_path, folder_source(tmp_path / "in"), key_file=None)
    protect_all(config)
    path = Path(config.workspace) / "secret.key"
    assert path.stat().st_mode & 0o077 == 0
    secret = path.read_bytes().strip()
    assert len(secret) == 64
    everywhere = files(config.destination) | files(config.workspace)
    assert [name for name, data in everywhere.items() if secret in data] == ["secret.key"]


@pytest.mark.parametrize("shared", [False, True], ids=["noise of its own", "noise store"])
def test_what_an_interrupted_write_left_is_swept_where_nobody_else_writes(tmp_path, shared):
    config = config_of(tmp_path, tar_source(tmp_path / "in"), TWO_PHASE)
    if shared:
        config = config.model_copy(update={"noise_store": str(tmp_path / "store")})
    protect_all(config)
    workspace, noise = Path(config.workspace), Path(config.noise_place) / "noise"
    (fit,) = noise.iterdir()
    gone = [Path(config.destination), *(workspace / name for name in ("dataset/shards", "dataset/index", "rewrite"))]
    kept = [workspace / "evaluate", workspace, *([fit] if shared else [])]
    gone += [] if shared else [fit]
    for folder in (*gone, *kept):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{TEMPORARY}1").write_bytes(b"half of something")
    before = files(config.destination).keys() - {f"{TEMPORARY}1"}
    protect_all(config)
    assert [folder for folder in gone if (folder / f"{TEMPORARY}1").exists()] == []
    assert [folder for folder in kept if not (folder / f"{TEMPORARY}1").exists()] == []
    assert files(config.destination).keys() == before


def test_what_has_not_changed_is_not_written_again(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in"))
    protect_all(config)
    before = {p: p.stat().st_mtime_ns for p in Path(config.destination).iterdir()}
    protect_all(config)
    assert {p: p.stat().st_mtime_ns for p in Path(config.destination).iterdir()} == before


def test_the_manifest_states_what_lies_there(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in", per_class=6), CLASS_WISE)
    manifest = protect_all(config)
    assert manifest.dataset.class_names == ("cat", "dog")
    assert manifest.dataset.labels == ("0", "1")
    assert [shard.url for shard in manifest.dataset.shards] == sorted(shards_of(config.destination))
    protection = manifest.protection
    assert (protection.method, protection.form, protection.epsilon) == ("error-minimizing", "class-wise", 8)
    assert protection.software.startswith("unlearnable ")


def test_the_card_states_the_numbers_and_can_not_be_forged_by_a_class_name(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in", classes=("cat", "dog` \n# Heading")))
    protect_all(config)
    card = (Path(config.destination) / "README.md").read_text()
    assert "12 pictures in 3 shards, 2 classes. 12 of them carry sample-wise random noise" in card
    assert "8/255 a value (measured on the stored bytes: 8/255)" in " ".join(card.split())
    assert "# Heading" not in [line.strip() for line in card.splitlines()]
    assert "- `cat`" in card


def card_of(config):
    """The card on one line, so that it may be wrapped anywhere."""
    return " ".join((Path(config.destination) / "README.md").read_text().split())


def test_an_l2_budget_is_called_by_its_norm(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in"), budget=NoiseBudget(norm="l2", epsilon=60))
    protection = protect_all(config).protection
    assert (protection.norm, protection.epsilon, protection.variant) == ("l2", 60, "l2")
    largest = protection.max_abs_change
    bound = f"of an L2 norm of at most 60/255 a picture (largest change of a stored value: {largest}/255), made by"
    assert bound in card_of(config)
    assert "a value (measured" not in card_of(config)
    assert "Variant of the noise: `l2`." in card_of(config)


def test_the_variant_is_told_and_the_standard_has_none(tmp_path):
    source = folder_source(tmp_path / "in")
    standard = config_of(tmp_path / "standard", source)
    assert protect_all(standard).protection.variant == ""
    assert "Variant" not in card_of(standard)
    patched = Application(placement=Placement(patch=4, place="centre"))
    other = config_of(tmp_path / "other", source, application=patched)
    assert protect_all(other).protection.variant == "patch 4, centred"
    assert "Variant of the noise: `patch 4, centred`." in card_of(other)
    assert "of at most 8/255 a value" in card_of(other)


WARNING = "**Warning: the fit of this noise did not converge. Expect weak protection.**"


@pytest.mark.parametrize(("stop_error", "converged"), [(0.99, True), (0.0, False)])
def test_a_fit_that_did_not_converge_is_published_with_a_warning(tmp_path, stop_error, converged):
    method = CLASS_WISE.model_copy(update={"stop_error": stop_error})
    config = config_of(tmp_path, folder_source(tmp_path / "in"), method)
    protection = protect_all(config).protection
    (record,) = Path(config.workspace).glob("noise/*/record.json")
    noise = NoiseRecord.model_validate_json(record.read_text())
    assert protection.converged is noise.converged is converged
    assert protection.noise_error == noise.error
    assert (WARNING in (Path(config.destination) / "README.md").read_text().splitlines()) is not converged


def test_noise_without_a_fit_neither_converges_nor_fails_to(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in"))
    protection = protect_all(config).protection
    assert (protection.converged, protection.noise_error) == (None, None)
    assert "Warning" not in card_of(config)


def test_a_class_name_can_not_forge_the_card_by_way_of_the_variant(tmp_path):
    name = "x`\n# [Heading](evil)"
    source = folder_source(tmp_path / "in", classes=("cat", name))
    config = config_of(tmp_path, source, coverage=Coverage(classes=(name,)))
    protect_all(config)
    (line,) = [one for one in (tmp_path / "out" / "README.md").read_text().splitlines() if "Variant" in one]
    assert line == "Variant of the noise: `class x # [Heading](evil)`."


class TestOwnership:
    def test_a_destination_with_other_files_in_it_is_refused(self, tmp_path):
        config = config_of(tmp_path, folder_source(tmp_path / "in"))
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("mine")
        with pytest.raises(ConfigurationError, match=r"already holds 1 files, such as thesis\.txt"):
            protect_all(config)
        assert files(config.destination) == {"thesis.txt": b"mine"}

    def test_another_jobs_destination_is_refused_and_left_as_it_is(self, tmp_path):
        source = folder_source(tmp_path / "in")
        config = config_of(tmp_path, source)
        protect_all(config)
        before = files(config.destination)
        with pytest.raises(ConfigurationError, match="holds another job's output"):
            protect_all(config.model_copy(update={"workspace": str(tmp_path / "other")}))
        assert files(config.destination) == before

    def test_a_workspace_serves_one_destination(self, tmp_path):
        config = config_of(tmp_path, folder_source(tmp_path / "in"))
        protect_all(config)
        with pytest.raises(ConfigurationError, match="belongs to the destination"):
            protect_all(config.model_copy(update={"destination": str(tmp_path / "other")}))
        assert not (tmp_path / "other").exists()

    @pytest.mark.parametrize("unfinished", [False, True])
    def test_a_job_whose_workspace_was_lost_touches_nothing(self, tmp_path, unfinished):
        config = config_of(tmp_path, folder_source(tmp_path / "in"))
        protect_all(config)
        if unfinished:
            (tmp_path / "out" / "manifest.json").unlink()
        before = files(config.destination)
        shutil.rmtree(config.workspace)
        with pytest.raises(ConfigurationError, match="destination"):
            protect_all(config)
        assert files(config.destination) == before
