"""A manifest.json in a source that somebody wrote in our name: it leads nowhere, and names nothing but its shards."""

import json
import re
from pathlib import Path

import pytest
from fsspec.implementations.http import HTTPFileSystem
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import DataError
from infra.storage import Folder, sha256
from schemas.dataset import ShardRecord, ShardUnit, SourceSpec
from tasks.rewrite.audit import audit
from tasks.shard import source
from tests.tasks.rewrite.helpers import config_of, protect_all
from tests.tasks.shard.helpers import manifest_of, shard, tarred

DATA = tarred(shard(4))
PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.(tar|tar\.gz|tgz)")
OUTSIDE = [
    "../../victim.conf",
    "../victim.tar",
    "/tmp/victim.tar",
    "a/b.tar",
    "a\\b.tar",
    "README.md",
    "manifest.json",
    ".unlearnable-lock",
    ".hidden.tar",
    "..tar",
    ".tar",
    "",
    "a.tar\n",
    "a\x1b[31m.tar",
    "a\u202erat.tar",
    "a b.tar",
    "a\u00e9.tar",
    "a.tar.json",
    "a.TAR",
]


def record(name="a.tar", url="a.tar"):
    fields = {"name": name, "url": url, "samples": 4, "bytes": len(DATA), "sha256": sha256(DATA)}
    return {**fields, "class_counts": {"0": 2, "1": 2}, "sizes": None}


def written(place, *records, class_names=("cat", "dog"), labels=("0", "1")):
    """A source of one shard, and the manifest of somebody else beside it."""
    place.write("a.tar", DATA)
    found = {"schema_version": 1, "source": {"url": "x"}, "format": "webdataset", "quarantined": 0}
    found |= {"class_names": class_names, "labels": labels, "shards": records}
    place.write("manifest.json", json.dumps(found).encode())
    return SourceSpec(url=place.url)


@pytest.fixture
def place(tmp_path):
    return Folder(str(tmp_path / "source"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leads_out_or_is_that_of_another_file(place, tmp_path, name):
    victim = tmp_path / "victim.conf"
    victim.write_text("precious")
    config = config_of(tmp_path / "job", written(place, record(name)))
    with pytest.raises(DataError, match=r"manifest\.json.*name") as caught:
        protect_all(config)
    assert str(caught.value).isprintable()
    assert victim.read_text() == "precious"
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {"victim.conf", "source/a.tar", "source/manifest.json", "job/key.txt", "job/private/job.json"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=8), st.text(max_size=8).map(lambda text: f"{text}.tar"), st.from_regex(PLAIN)))
@example("train-000000.tar")
@example("photos_07-1a2b3c4d.tar")
def test_any_name_is_plain_or_refused(tmp_path_factory, name):
    spec = written(Folder(str(tmp_path_factory.mktemp("source"))), record(name))
    if PLAIN.fullmatch(name):
        assert [unit.name for unit in source.plan(spec).units] == [name]
    else:
        with pytest.raises(DataError):
            source.plan(spec)


@given(st.text(max_size=12))
def test_no_record_holds_a_name_that_is_no_files(name):
    leads = not name or name[0] == "." or any(c in "/\\" or ord(c) < 32 or 127 <= ord(c) < 160 for c in name)
    made = [
        lambda: ShardRecord.model_validate(record(name)),
        lambda: ShardUnit(name=name, url="x", in_place=True, fingerprint="f"),
    ]
    for make in made:
        if leads:
            with pytest.raises(ValidationError, match="a shard's name is that of a file"):
                make()
        else:
            assert make().name == name


def test_two_shards_of_one_name_are_refused(place):
    with pytest.raises(DataError, match=r"2 shards are called a\.tar"):
        source.plan(written(place, record(), record()))


@pytest.mark.parametrize("url", ["../other/b.tar", "OTHER/b.tar", "file://OTHER/b.tar", "SOURCE/../other/b.tar"])
def test_no_address_leads_out_of_the_source(place, tmp_path, url):
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.tar").write_bytes(DATA)
    url = url.replace("OTHER", str(other)).replace("SOURCE", place.url)
    with pytest.raises(DataError, match=r"shard a\.tar (lies outside|of the manifest at .* is not there)"):
        source.plan(written(place, record(url=url)))


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data/x.tar", "https://host/x.tar", "//host/x.tar"])
def test_no_host_is_asked_for_what_a_manifest_names(place, monkeypatch, url):
    asked = []
    for name in ("info", "exists", "cat_file"):
        monkeypatch.setattr(HTTPFileSystem, name, lambda self, path, **options: asked.append(path))
    with pytest.raises(DataError, match=r"shard a\.tar lies outside"):
        source.plan(written(place, record(url=url)))
    assert asked == []


def test_class_names_are_on_one_line(place, tmp_path):
    spec = written(place, record(), class_names=["a\x1b[31m\nb\n\n# Forged heading\n", "<img>"])
    manifest, _ = manifest_of(spec, Folder(str(tmp_path / "work")))
    assert manifest.class_names == ("a\\x1b[31m b # Forged heading", "<img>")


@pytest.mark.parametrize("class_names", [["a", "a\n"], ["", "b"], ["x" * 201, "b"], ["a"], ["a", "b", "c"], []])
def test_class_names_that_can_not_be_those_of_the_labels_are_refused(place, class_names):
    with pytest.raises(DataError, match=r"manifest\.json has no list of class names"):
        source.plan(written(place, record(), class_names=class_names))


def test_what_the_product_calls_shards_is_believed(tmp_path):
    """Names from folders below, in other scripts, with spaces, twice, in capitals, with dots, compressed."""
    root = Folder(str(tmp_path / "source"))
    for number, name in enumerate(["x/b.tar", "y/b.tar", "\u00e9\u00e8.tar", "a b.TAR", "d..v1.tgz", "-e.tar"]):
        root.write(name, tarred(shard(4, 4 * number), "w:gz" if name.endswith("gz") else "w"))
    config = config_of(tmp_path / "job", SourceSpec(url=root.url))
    manifest = protect_all(config)
    assert len(manifest.dataset.shards) == 6
    copy = source.plan(SourceSpec(url=config.destination))
    assert [unit.name for unit in copy.units] == [one.name for one in manifest.dataset.shards]
    assert all(Path(unit.url).is_file() for unit in copy.units)
    assert audit(Folder(config.destination), config.source).problems == []
