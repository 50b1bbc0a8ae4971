"""The audit finds whatever is wrong with a destination, and is content with a good one."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infra.errors import DataError
from infra.storage import Folder, sha256
from schemas.dataset import SourceSpec
from schemas.noise import NoiseBudget
from schemas.protect import ProtectedManifest
from tasks.rewrite.audit import audit
from tasks.rewrite.similarity import ssim
from tasks.shard.sources.members import Fields, parse
from tasks.shard.tar import build
from tests.tasks.rewrite.helpers import by_pillow, config_of, folder_source, members, protect_all, shards_of, tar_source
from tests.tasks.shard.helpers import encoded

SHARD = "train-000001.tar"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A source of tar shards and its protected copy."""
    root = tmp_path_factory.mktemp("good")
    protect_all(config_of(root, tar_source(root / "in")))
    return root


@pytest.fixture
def out(place, tmp_path):
    """A copy of the destination, to be tampered with."""
    return Path(shutil.copytree(place / "out", tmp_path / "out"))


def look(out, place):
    return audit(Folder(str(out)), SourceSpec(url=str(place / "in")))


def only_problem(out, place):
    """The one thing that an audit finds."""
    found = look(out, place)
    assert len(found.problems) == 1, found.problems
    return found.problems[0]


def samples_of(data):
    return [(one.key, list(one.parts)) for one in parse(data, SHARD, 10**9, Fields())]


def replace(out, samples, tell=True):
    """Write other samples into the shard; `tell` the manifest of its new bytes, as a clever forger would."""
    data = build(samples)
    (out / SHARD).write_bytes(data)
    if tell:
        counts = Counter(one.label for one in parse(data, SHARD, 10**9, Fields()))
        restate(out, bytes=len(data), sha256=sha256(data), samples=len(samples), class_counts=counts)


def restate(out, **changes):
    manifest = json.loads((out / "manifest.json").read_text())
    for shard in manifest["dataset"]["shards"]:
        if shard["name"] == SHARD:
            shard.update(changes)
    (out / "manifest.json").write_text(json.dumps(manifest))


def test_a_good_destination_is_ok_and_measured(out, place):
    found = look(out, place)
    assert found.problems == []
    assert found.samples == found.changed == 12
    squares, largest, l2, values = 0, 0, 0.0, 0
    for name, data in shards_of(out).items():
        before = dict(members((place / "in" / name).read_bytes()))
        for file, stored in members(data):
            if file.endswith(".png"):
                change = (by_pillow(stored) - by_pillow(before[file.replace(".png", ".jpg")])).astype(int)
                squares, largest = squares + int((change**2).sum()), max(largest, int(np.abs(change).max()))
                l2, values = l2 + float(np.sqrt((change**2).sum())) / 255, values + change.size
    assert (found.squared_change, found.max_abs_change, found.values) == (squares, largest, values)
    assert found.l2 == pytest.approx(l2)
    assert found.l2 / 12 < found.max_l2 / 255 < found.l2


def test_structural_similarity_is_measured_where_it_is_asked_for(out, place):
    assert look(out, place).similarity is None
    found = audit(Folder(str(out)), SourceSpec(url=str(place / "in")), ssim=True)
    values = []
    for name, data in shards_of(out).items():
        before = dict(members((place / "in" / name).read_bytes()))
        for file, stored in members(data):
            if file.endswith(".png"):
                both = by_pillow(before[file.replace(".png", ".jpg")]), by_pillow(stored)
                values.append(float(ssim(*(torch.from_numpy(each.astype(np.uint8))[None] for each in both))))
    assert len(values) == 12
    assert found.similarity is not None
    assert found.similarity.mean() == pytest.approx(np.mean(values), abs=1e-5)
    assert 0 < found.similarity.mean() < 1
    found.similarity = None
    assert found == look(out, place), "all else is measured as without it"


def test_a_good_destination_of_a_folder_is_ok(tmp_path):
    source = folder_source(tmp_path / "in")
    protect_all(config_of(tmp_path, source))
    found = audit(Folder(str(tmp_path / "out")), SourceSpec(url=str(source)))
    assert (found.problems, found.samples) == ([], 12)


@pytest.mark.parametrize("place_in_file", [0.1, 0.5, 0.9])
def test_a_flipped_byte_is_found(out, place, place_in_file):
    data = bytearray((out / SHARD).read_bytes())
    data[int(len(data) * place_in_file)] ^= 1
    (out / SHARD).write_bytes(bytes(data))
    found = look(out, place)
    assert f"shard {SHARD} is not the one its manifest records: size or hash differs" in found.problems


def test_a_shard_cut_short_is_found(out, place):
    data = (out / SHARD).read_bytes()
    (out / SHARD).write_bytes(data[: len(data) // 2])
    text = " ".join(look(out, place).problems)
    assert f"shard {SHARD} is not the one its manifest records" in text
    assert "truncated or damaged" in text


def test_a_picture_over_the_budget_is_found_although_the_manifest_was_made_to_fit(out, place):
    samples = samples_of((out / SHARD).read_bytes())
    key, parts = samples[2]
    i = next(i for i, (extension, _) in enumerate(parts) if extension == "png")
    original = dict(members((place / "in" / SHARD).read_bytes()))[f"{key}.jpg"]
    pixels = by_pillow(original)
    pixels[0, 0, 0] += 9 if pixels[0, 0, 0] < 200 else -9
    parts[i] = ("png", encoded(Image.fromarray(pixels.astype(np.uint8))))
    replace(out, samples)
    assert only_problem(out, place) == f"sample {key} is changed by 9/255, more than the budget of 8/255"


@pytest.fixture(scope="module")
def l2_place(tmp_path_factory):
    """A source of tar shards and its copy, protected within an L2 budget."""
    root = tmp_path_factory.mktemp("l2")
    protect_all(config_of(root, tar_source(root / "in"), budget=NoiseBudget(norm="l2", epsilon=60)))
    return root


def test_a_good_destination_with_an_l2_budget_is_ok(l2_place):
    found = look(l2_place / "out", l2_place)
    assert found.problems == []
    assert 0 < found.max_l2 <= 60
    assert found.l2 <= 12 * found.max_l2 / 255 + 1e-9


def test_a_picture_over_an_l2_budget_is_found_by_its_norm(l2_place, tmp_path):
    out = Path(shutil.copytree(l2_place / "out", tmp_path / "out"))
    samples = samples_of((out / SHARD).read_bytes())
    key, parts = samples[2]
    i = next(i for i, (extension, _) in enumerate(parts) if extension == "png")
    pixels = by_pillow(dict(members((l2_place / "in" / SHARD).read_bytes()))[f"{key}.jpg"])
    for steps in (60, 61):  # in one value: 60 is within the budget, though linf would call it much
        changed = pixels.copy()
        changed[0, 0, 0] += steps if pixels[0, 0, 0] < 128 else -steps
        parts[i] = ("png", encoded(Image.fromarray(changed.astype(np.uint8))))
        replace(out, samples)
        found = look(out, l2_place)
        assert found.max_l2 == steps
        problem = f"sample {key} is changed by an L2 norm of 61.0/255, more than the budget of 60/255"
        assert found.problems == ([] if steps == 60 else [problem])


def test_numbers_by_class_that_are_not_the_stored_ones_are_found(out, place):
    restate(out, class_counts={"0": 3, "1": 1})
    expected = f"shard {SHARD} holds other numbers of samples by class than its manifest says"
    assert only_problem(out, place) == expected


def test_more_changed_pictures_than_the_manifest_admits_are_found(out, place):
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["protection"]["protected"] = 11
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert only_problem(out, place) == "12 pictures differ from the source, the manifest says that 11 carry noise"


def test_a_picture_of_another_size_is_found(out, place):
    samples = samples_of((out / SHARD).read_bytes())
    samples[0][1][1] = ("png", encoded(Image.new("RGB", (8, 9))))
    replace(out, samples)
    assert only_problem(out, place) == f"sample {samples[0][0]} has another size than in the source"


def test_a_picture_that_does_not_decode_is_found(out, place):
    samples = samples_of((out / SHARD).read_bytes())
    samples[0][1][1] = ("png", b"\x89PNG\r\n\x1a\n and no more")
    replace(out, samples)
    assert f"sample {samples[0][0]} does not decode" in only_problem(out, place)


def test_a_changed_label_is_found(out, place):
    samples = samples_of((out / SHARD).read_bytes())
    key, parts = samples[1]
    i = next(i for i, (extension, _) in enumerate(parts) if extension == "cls")
    parts[i] = ("cls", b"0")
    replace(out, samples)
    assert f"sample {key} has label 0, the source 1" in look(out, place).problems


@pytest.mark.parametrize("extension", ["json", "txt", "bin"])
def test_a_changed_member_is_found(out, place, extension):
    samples = samples_of((out / SHARD).read_bytes())
    key, parts = samples[1]
    i = next(i for i, (name, _) in enumerate(parts) if name == extension)
    parts[i] = (extension, parts[i][1].replace(b"b", b"c").replace(b"e", b"f"))
    replace(out, samples)
    assert f"sample {key} has other members than in the source" in only_problem(out, place)


@pytest.mark.parametrize("change", ["dropped", "added", "moved"])
def test_members_that_are_dropped_added_or_moved_are_found(out, place, change):
    samples = samples_of((out / SHARD).read_bytes())
    key, parts = samples[1]
    if change == "dropped":
        del parts[-1]
    elif change == "added":
        parts.append(("extra", b"more"))
    else:
        parts.append(parts.pop(0))
    replace(out, samples)
    assert f"sample {key} has other members than in the source" in only_problem(out, place)


def test_a_missing_sample_is_found(out, place):
    samples = samples_of((out / SHARD).read_bytes())
    gone = samples.pop(1)[0]
    replace(out, samples)
    assert only_problem(out, place) == f"sample {gone} of shard {SHARD} is not in the destination"


def test_a_missing_sample_that_the_manifest_still_counts_is_found(out, place):
    samples = samples_of((out / SHARD).read_bytes())[:-1]
    replace(out, samples)
    restate(out, samples=4)
    assert f"shard {SHARD} holds 3 samples, its manifest says 4" in look(out, place).problems


def test_a_strange_sample_is_found(out, place):
    samples = samples_of((out / SHARD).read_bytes())
    samples.append(("stranger", samples[0][1]))
    replace(out, samples)
    assert only_problem(out, place) == f"sample stranger of shard {SHARD} is not in the source"


def test_a_swapped_order_is_found(out, place):
    samples = samples_of((out / SHARD).read_bytes())
    samples[0], samples[2] = samples[2], samples[0]
    replace(out, samples)
    assert only_problem(out, place) == f"the samples of shard {SHARD} are not in the source's order"


def test_an_extra_file_is_found(out, place):
    (out / "noise.safetensors").write_bytes(b"private")
    problem = "noise.safetensors lies in the destination, but its manifest does not name it"
    assert only_problem(out, place) == problem


def test_an_extra_shard_is_found(out, place):
    shutil.copy(out / SHARD, out / "train-000009.tar")
    assert only_problem(out, place).startswith("train-000009.tar lies in the destination")


def test_a_missing_shard_is_found(out, place):
    (out / SHARD).unlink()
    assert f"shard {SHARD} is missing" in look(out, place).problems


def test_a_shard_that_the_manifest_forgot_is_found(out, place):
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["dataset"]["shards"] = [s for s in manifest["dataset"]["shards"] if s["name"] != SHARD]
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / SHARD).unlink()
    assert only_problem(out, place) == f"shard {SHARD} of the source is not in the destination"


def test_a_shard_without_a_counterpart_is_found(place, tmp_path):
    source = tar_source(tmp_path / "in", shards=2)
    found = audit(Folder(str(place / "out")), SourceSpec(url=str(source)))
    assert found.problems == ["shard train-000002.tar has no counterpart in the source"]


def test_a_place_without_a_manifest_is_no_destination(tmp_path):
    with pytest.raises(DataError, match=r"has no manifest\.json: it is no destination"):
        audit(Folder(str(tmp_path)), SourceSpec(url="digits"))


def test_many_problems_are_told_in_part_and_counted(tmp_path):
    source = tar_source(tmp_path / "in", shards=1, per_shard=130)
    protect_all(config_of(tmp_path, source))
    other = tar_source(tmp_path / "other", shards=2, per_shard=130, first=0)
    (other / "train-000000.tar").write_bytes((other / "train-000001.tar").read_bytes())
    (other / "train-000001.tar").unlink()
    found = audit(Folder(str(tmp_path / "out")), SourceSpec(url=str(other)))
    assert len(found.problems) == 100
    assert found.all_problems()[-1] == f"and {found.dropped} more problems"
    assert found.dropped + 100 == 2 * 130


def test_quarantined_samples_are_no_problem(tmp_path):
    source = folder_source(tmp_path / "in", per_class=10)
    (source / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (source / "cat" / "notes.txt").write_bytes(b"not a picture")
    manifest = protect_all(config_of(tmp_path, source))
    assert manifest.dataset.quarantined == 2
    found = audit(Folder(str(tmp_path / "out")), SourceSpec(url=str(source)))
    assert (found.problems, found.samples) == ([], 20)


def test_the_manifest_is_read_again_as_it_was_written(place):
    manifest = Folder(str(place / "out")).load("manifest.json", ProtectedManifest)
    assert manifest is not None
    assert manifest.dataset.samples == manifest.protection.protected == 12
