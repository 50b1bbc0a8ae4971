"""What a Folder writes on a real server: conditional puts, uploads in parts, and nothing left of broken ones."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from infra import bucket
from infra.errors import StorageError
from infra.storage import Folder, fingerprint
from tests.faults.proxy import Plan
from tests.infra.places import ROOT, at_once
from tests.s3 import places

pytestmark = pytest.mark.s3
PART = 5 << 20
SMALL_PARTS = {"s3://published": {"part_size": PART}}
PLACE = "s3://published/x"


def etag_of_parts(data, part):
    """The ETag of an upload in parts: the MD5 of the parts' MD5s, a dash and their number."""
    sums = [hashlib.md5(data[i : i + part]).digest() for i in range(0, len(data), part)]
    return f"{hashlib.md5(b''.join(sums)).hexdigest()}-{len(sums)}"


def begin_upload(client, key, bucket="published"):
    """An upload with one part that nobody completes; its id."""
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
    return upload


class TestConditions:
    def test_an_object_is_created_once(self, s3):
        place = Folder(PLACE)
        assert place.create("a", b"first") is True
        assert place.create("a", b"second") is False
        assert places.objects(s3, "published")["x/a"][0] == b"first"

    def test_of_many_writers_of_the_same_bytes_exactly_one_wins(self, s3):
        place = Folder(PLACE)
        for name in "abcde":
            assert sum(at_once(lambda i, name=name: place.create(name, b"the same"))) == 1

    def test_the_server_alone_keeps_a_late_writer_out(self, s3, monkeypatch):
        """Both looked and saw nothing; only If-None-Match is left."""
        place = Folder(PLACE)
        place.create("a", b"first")
        with monkeypatch.context() as patch:
            patch.setattr(bucket, "head", lambda fs, path: None)
            blind = place.create("a", b"second")
        assert blind is False
        assert place.read("a") == b"first"

    def test_a_creation_whose_answer_is_lost_is_known_as_ours(self, s3, proxied):
        proxy = proxied(Plan(rates={"swallowed": 1.0}, most=1))
        place = Folder(PLACE)
        assert place.create("a", b"mine") is True
        assert proxy.plan.done["swallowed"] == 1
        assert place.create("a", b"mine") is False

    def test_a_server_without_conditions_is_looked_at_before_and_after(self, s3, proxied):
        conditional = lambda request: {"if-match", "if-none-match"} & set(request.headers)  # noqa: E731
        proxy = proxied(Plan(rates={"501": 1.0}, only=conditional))
        place = Folder(PLACE)
        assert place.create("a", b"one") is True
        assert place.create("a", b"two") is False
        seen = fingerprint(place.info("a"))
        assert place.replace("a", b"three", seen) is True
        assert place.replace("a", b"four", seen) is False
        assert place.read("a") == b"three"
        assert proxy.plan.done["501"] == 2, "a 501 was tried again, or no condition was sent"

    def test_an_object_is_replaced_as_long_as_it_is_the_one_seen(self, s3):
        place = Folder(PLACE)
        place.write("a", b"one")
        seen = fingerprint(place.info("a"))
        assert place.replace("a", b"two", seen) is True
        assert place.replace("a", b"three", seen) is False
        assert place.read("a") == b"two"
        place.delete("a")
        assert place.replace("a", b"four", seen) is False
        assert place.read_optional("a") is None

    def test_of_many_replacements_one_wins(self, s3):
        place = Folder(PLACE)
        place.write("a", b"one")
        seen = fingerprint(place.info("a"))
        won = at_once(lambda i: place.replace("a", b"number %d" % i, seen))
        assert sum(won) == 1
        assert place.read("a") == b"number %d" % won.index(True)

    def test_a_replacement_whose_answer_is_lost_is_known_as_ours(self, s3, proxied):
        Folder(PLACE).write("a", b"one")
        seen = fingerprint(Folder(PLACE).info("a"))
        proxied(Plan(rates={"swallowed": 1.0}, most=1))
        assert Folder(PLACE).replace("a", b"two", seen) is True
        assert Folder(PLACE).read("a") == b"two"


class TestParts:
    def test_an_object_of_more_than_100_mb_goes_up_in_parts_and_comes_back(self, s3):
        data = os.urandom(1 << 20) * 104 + b"the end"
        Folder(PLACE).write("large", data)
        stored = s3.head_object(Bucket="published", Key="x/large")
        assert stored["ETag"].strip('"') == etag_of_parts(data, 50 << 20)
        assert stored["ETag"].strip('"').endswith("-3")
        assert Folder(PLACE).read("large") == data
        assert places.uploads(s3, "published") == []
        assert fingerprint(Folder(PLACE).info("large")) == f"etag {stored['ETag'].strip(chr(34))} {len(data)}"

    def test_the_size_of_a_part_is_an_option(self, s3, options):
        options(SMALL_PARTS)
        data = os.urandom(2 * PART + 1)
        Folder(PLACE).write("a", data)
        Folder(PLACE).write("b", data[: 2 * PART - 1])
        assert Folder(PLACE).info("a")["ETag"].strip('"') == etag_of_parts(data, PART)
        assert "-" not in Folder(PLACE).info("b")["ETag"]
        assert Folder(PLACE).read("a") == data

    def test_an_upload_that_fails_midway_is_aborted(self, s3, options, proxied):
        options(SMALL_PARTS)
        of_part = lambda request: "partNumber=2" in request.target  # noqa: E731
        proxy = proxied(Plan(rates={"500": 1.0}, only=of_part))
        with pytest.raises(StorageError, match=f"can't write {PLACE}/a") as caught:
            Folder(PLACE).write("a", os.urandom(3 * PART))
        assert caught.value.transient
        assert proxy.plan.done["500"] == 3, "a part is tried three times"
        assert places.uploads(s3, "published") == []
        assert Folder(PLACE).read_optional("a") is None

    def test_a_completion_whose_answer_is_lost_is_tried_again(self, s3, options, proxied):
        options(SMALL_PARTS)
        data = os.urandom(3 * PART)
        completes = lambda request: request.method == "POST" and "uploadId=" in request.target  # noqa: E731
        proxy = proxied(Plan(rates={"swallowed": 1.0}, most=1, only=completes))
        Folder(PLACE).write("a", data)
        assert proxy.plan.done["swallowed"] == 1
        assert Folder(PLACE).read("a") == data
        assert places.uploads(s3, "published") == []

    def test_a_sweep_aborts_what_a_killed_upload_left_and_nothing_beside_it(self, s3, options, proxied):
        options(SMALL_PARTS)
        proxied(Plan(rates={"slow": 1.0}, only=lambda request: "partNumber=3" in request.target), slow=60)
        code = f"import os; from infra.storage import Folder\nFolder({PLACE!r}).write('deep/a', os.urandom({3 * PART}))"
        writer = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        try:
            wait_for(lambda: any(len(parts(s3, upload)) == 3 for upload in places.uploads(s3, "published")))
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait(30)
        for key in ("xy/b", "y", "x"):
            begin_upload(s3, key)
        Folder(PLACE).write("kept", b"1")
        Folder(PLACE).sweep()
        assert sorted(upload["Key"] for upload in places.uploads(s3, "published")) == ["x", "xy/b", "y"]
        assert sorted(places.objects(s3, "published")) == ["x/kept"]

    def test_a_sweep_goes_through_all_pages(self, s3, monkeypatch):
        for number in range(7):
            begin_upload(s3, f"x/{number}")
        begin_upload(s3, "z")
        place = Folder(PLACE)
        real, pages = type(place.fs).call_s3, []

        def small_pages(fs, method, **given):
            if method == "list_multipart_uploads":
                pages.append(given)
                given["MaxUploads"] = 2
            return real(fs, method, **given)

        monkeypatch.setattr(type(place.fs), "call_s3", small_pages)
        place.sweep()
        assert [upload["Key"] for upload in places.uploads(s3, "published")] == ["z"]
        assert len(pages) >= 4

    def test_a_whole_bucket_is_swept_from_its_root(self, s3):
        begin_upload(s3, "anything")
        Folder("s3://published").sweep()
        assert places.uploads(s3, "published") == []

    def test_a_bucket_that_is_not_there_has_nothing_to_sweep(self, s3):
        Folder("s3://nowhere-at-all/x").sweep()


def parts(client, upload, bucket="published"):
    given = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
    return client.list_parts(**given).get("Parts", [])


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)
