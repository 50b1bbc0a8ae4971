"""What a Folder reads from a real server is one state of the object, whole, or an error."""

import os
import threading
import weakref

import pytest

from infra import bucket
from infra.errors import StorageError
from infra.storage import Folder
from tests.faults.proxy import Plan

pytestmark = pytest.mark.s3
PLACE = "s3://originals/x"
LARGE = 60 << 20  # above the 50 MB from which s3fs would read ranges side by side


def of_a(request):
    return request.method == "GET" and request.target.startswith("/originals/x/a")


def test_a_large_object_is_read_by_one_request(s3, proxied):
    data = os.urandom(1 << 20) * 60
    Folder(PLACE).write("a", data)
    proxy = proxied()
    assert Folder(PLACE).read("a") == data
    assert [(r.method, r.target) for r in proxy.seen] == [("GET", "/originals/x/a")]
    assert "range" not in proxy.seen[0].headers


def test_an_object_that_changes_while_it_is_read_is_the_one_or_the_other(s3):
    texts = [bytes([number]) * LARGE for number in (1, 2)]
    place = Folder(PLACE)
    place.write("a", texts[0])
    changing, over = threading.Event(), threading.Event()

    def change():
        changing.wait(60)
        for number in range(6):
            s3.put_object(Bucket="originals", Key="x/a", Body=texts[(number + 1) % 2])
        over.set()

    writer = threading.Thread(target=change)
    writer.start()
    changing.set()
    found = [place.read("a")]
    while not over.is_set():
        found.append(place.read("a"))
    writer.join()
    assert all(data in texts for data in found), "a mixture of two states"


@pytest.mark.parametrize("fault", ["truncated", "garbled"])
@pytest.mark.parametrize("size", [100, LARGE], ids=["small", "large"])
def test_a_broken_body_is_asked_for_again(s3, proxied, fault, size):
    data = os.urandom(size)
    Folder(PLACE).write("a", data)
    proxy = proxied(Plan(rates={fault: 1.0}, most=1, only=of_a))
    assert Folder(PLACE).read("a") == data
    assert proxy.plan.done[fault] == 1
    assert sum(of_a(request) for request in proxy.seen) == 2


def test_a_body_that_is_always_cut_is_an_error_that_may_pass(s3, proxied):
    Folder(PLACE).write("a", os.urandom(1000))
    proxy = proxied(Plan(rates={"truncated": 1.0}))
    with pytest.raises(StorageError, match="can't read s3://originals/x/a") as caught:
        Folder(PLACE).read("a")
    assert caught.value.transient
    assert "\n" not in str(caught.value)
    assert proxy.plan.done["truncated"] == 3


def test_an_object_whose_etag_is_no_md5_is_read_all_the_same(s3, options):
    options({"s3://originals": {"part_size": 5 << 20}})
    data = os.urandom(11 << 20)
    Folder(PLACE).write("a", data)
    assert "-" in Folder(PLACE).info("a")["ETag"]
    assert Folder(PLACE).read("a") == data


def test_etags_that_are_no_md5s_are_believed_after_a_second_look(s3, monkeypatch):
    Folder(PLACE).write("a", b"text")
    monkeypatch.setattr(bucket, "_with_md5", weakref.WeakKeyDictionary())  # other tests have seen this server's
    monkeypatch.setattr(bucket, "_promised", lambda answer: "0" * 32)
    assert Folder(PLACE).read("a") == b"text"


def test_where_etags_are_md5s_other_bytes_are_an_error_though_they_come_twice(s3, proxied):
    Folder(PLACE).write("a", b"text")
    proxy = proxied(Plan(rates={"garbled": 1.0}, only=of_a))
    Folder(PLACE).write("b", b"other")
    assert Folder(PLACE).read("b") == b"other"
    with pytest.raises(StorageError, match="s3://originals/x/a: its bytes are not") as caught:
        Folder(PLACE).read("a")
    assert caught.value.transient
    assert proxy.plan.done["garbled"] == 3


def test_an_empty_object_is_read(s3):
    Folder(PLACE).write("a", b"")
    assert Folder(PLACE).read("a") == b""
