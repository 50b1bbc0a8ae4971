"""The file of options: which prefix fits, what is refused, and what s3fs is told."""

import json
import re
import traceback
from pathlib import Path

import pytest
import s3fs
import yaml
from fsspec.config import conf

from infra.errors import ConfigurationError
from infra.storage import Folder
from infra.storage_options import place_options, s3fs_options
from schemas.storage import PlaceOptions


@pytest.fixture
def given(monkeypatch, tmp_path):
    """Write the file of options, in YAML or as the text it is."""

    def write(options, name="storage.yaml"):
        text = options if isinstance(options, str) else yaml.safe_dump(options)
        (tmp_path / name).write_text(text)
        monkeypatch.setenv("UNLEARNABLE_STORAGE", str(tmp_path / name))

    return write


def region(url):
    return place_options(url).region


class TestPrefixes:
    def test_the_longest_prefix_that_fits_wins(self, given):
        given(
            {
                "s3://": {"region": "everywhere"},
                "s3://a": {"region": "a"},
                "s3a://a/b/": {"region": "b"},
                "s3://a/b/c": {"region": "c"},
            }
        )
        found = {url: region(url) for url in ("s3://other/x", "s3://a", "s3a://a/x", "s3://a/b", "s3://a/b/c/d")}
        assert list(found.values()) == ["everywhere", "a", "a", "b", "c"]

    def test_a_prefix_ends_where_a_name_does(self, given):
        given({"s3://bucket/a": {"region": "a"}})
        assert region("s3://bucket/a/x") == "a"
        assert region("s3://bucket/ab") is None
        assert region("s3://bucket") is None

    def test_without_a_file_nothing_is_set(self, monkeypatch):
        monkeypatch.delenv("UNLEARNABLE_STORAGE", raising=False)
        assert place_options("s3://a") == PlaceOptions()

    def test_json_is_read_too(self, given):
        given(json.dumps({"s3://a": {"region": "here"}}), "storage.json")
        assert region("s3://a/x") == "here"

    def test_a_file_that_changes_is_read_again(self, given, tmp_path):
        import os

        for number, name in enumerate(("one", "two")):
            given({"s3://a": {"region": name}})
            os.utime(tmp_path / "storage.yaml", ns=(number, number))
            assert region("s3://a") == name

    def test_an_empty_file_is_none(self, given):
        given("")
        assert place_options("s3://a") == PlaceOptions()

    def test_places_elsewhere_are_not_concerned(self, given, tmp_path):
        given("{not yaml")
        Folder(str(tmp_path / "place")).write("x", b"1")


SECRET = "do-not-show-me"


class TestRefusals:
    @pytest.mark.parametrize(
        "options",
        [
            *({name: SECRET} for name in ("key", "secret", "token", "aws_secret_access_key", "password")),
            {"extra": {"SSECustomerKey": SECRET}},
            {"endpoint_url": f"http://me:{SECRET}@host"},
        ],
        ids=str,
    )
    def test_a_secret_is_refused_and_not_shown(self, given, options):
        given({"s3://a": options})
        with pytest.raises(ConfigurationError) as caught:
            Folder("s3://a/x").read("y")
        text = str(caught.value)
        assert SECRET not in text
        assert "\n" not in text
        assert "storage.yaml" in text
        if "endpoint_url" not in options:
            assert "profile" in text
            assert "AWS_" in text

    @pytest.mark.parametrize(
        "text",
        [
            f"s3://x:\n  profile: a\n secret: {SECRET}\n",
            f"s3://x: {{secret: {SECRET}",
            f"s3://x: {{secret: '{SECRET}",
            f"secret: {SECRET}: b",
            f"\tsecret: {SECRET}",
            f"secret: *{SECRET}",
            f"secret: !{SECRET} a",
            f"secret: {SECRET}\x07",
            f"s3://x: {{secret: {SECRET}}}",
            f"secret: !!int {SECRET}",
            SECRET,
        ],
    )
    def test_no_traceback_shows_a_line_of_the_file(self, given, text):
        given(text)
        with pytest.raises(ConfigurationError) as caught:
            Folder("s3://a/x").read("y")
        assert SECRET not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{no", "no YAML or JSON"),
            ("- a\n- b", "dictionary"),
            ("s3://a: nothing", "s3://a"),
            ("s3://a: {colour: red}", "s3://a.colour"),
            ("s3://a: {max_attempts: 0}", "s3://a.max_attempts"),
            ("s3://a: {read_timeout: -1}", "read_timeout"),
            ("s3://a: {endpoint_url: localhost}", "endpoint_url"),
            ("s3://a: {sse_kms_key_id: x}", "aws:kms"),
            ("s3://a: {part_size: 1000}", "part_size"),
            ("s3://a: {extra: {StorageKlass: x}}", "StorageKlass is no parameter"),
            ("/a/path: {region: x}", "no URL of S3"),
            ("gs://a: {region: x}", "no URL of S3"),
        ],
    )
    def test_what_is_wrong_is_named_in_one_line(self, given, text, reason):
        given(text)
        with pytest.raises(ConfigurationError) as caught:
            Folder("s3://a/x").read("y")
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_status == 2

    def test_a_file_that_is_not_there_is_named(self, monkeypatch, tmp_path):
        monkeypatch.setenv("UNLEARNABLE_STORAGE", str(tmp_path / "none"))
        with pytest.raises(ConfigurationError, match=r"UNLEARNABLE_STORAGE names .*none"):
            Folder("s3://a/x").read("y")


class TestS3fs:
    @pytest.fixture(autouse=True)
    def plain(self, monkeypatch):
        monkeypatch.delenv("AWS_RETRY_MODE", raising=False)
        monkeypatch.setitem(conf, "s3", {})
        s3fs.S3FileSystem.clear_instance_cache()
        yield
        s3fs.S3FileSystem.clear_instance_cache()

    def test_all_options_have_their_place(self):
        found = s3fs_options(
            PlaceOptions(
                endpoint_url="http://here:1",
                region="r",
                profile="p",
                requester_pays=True,
                server_side_encryption="aws:kms",
                sse_kms_key_id="k",
                acl="private",
                extra={"StorageClass": "GLACIER"},
                max_attempts=7,
                connect_timeout=1,
                read_timeout=2,
            )
        )
        assert found == {
            "use_listings_cache": False,
            "endpoint_url": "http://here:1",
            "profile": "p",
            "requester_pays": True,
            "client_kwargs": {"region_name": "r"},
            "config_kwargs": {
                "retries": {"mode": "standard", "total_max_attempts": 7},
                "connect_timeout": 1,
                "read_timeout": 2,
            },
            "s3_additional_kwargs": {
                "StorageClass": "GLACIER",
                "ServerSideEncryption": "aws:kms",
                "SSEKMSKeyId": "k",
                "ACL": "private",
            },
        }

    def test_requests_are_tried_again_with_jitter_and_by_one_library_alone(self):
        fs = Folder("s3://a").fs
        assert fs.config_kwargs["retries"] == {"mode": "standard"}
        assert fs.retries == 1

    def test_the_environments_way_of_trying_again_counts(self, monkeypatch):
        monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
        assert s3fs_options(PlaceOptions())["config_kwargs"] == {"retries": {}}

    def test_fsspecs_configuration_is_kept_where_nothing_goes_before_it(self, monkeypatch):
        mine = {"read_timeout": 99, "retries": {"mode": "adaptive"}, "max_pool_connections": 3}
        monkeypatch.setitem(conf, "s3", {"config_kwargs": mine, "s3_additional_kwargs": {"ACL": "private"}})
        found = s3fs_options(PlaceOptions(read_timeout=5, extra={"StorageClass": "GLACIER"}))
        assert found["config_kwargs"] == {**mine, "read_timeout": 5}
        assert found["s3_additional_kwargs"] == {"ACL": "private", "StorageClass": "GLACIER"}


def test_the_examples_of_the_page_are_valid(given):
    text = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()
    blocks = re.findall(r"```yml\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        given(block, f"{number}.yml")
        assert place_options("s3://pictures-protected/train/x").part_size == 100 << 20
        assert place_options("s3://pictures/x").requester_pays
