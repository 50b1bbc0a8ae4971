"""The proxy does what its plan says, to a plain server behind it, and counts it."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from tests.faults import tally
from tests.faults.proxy import KINDS, FaultProxy, Plan

BODY = bytes(range(200))


class Behind(BaseHTTPRequestHandler):
    """Gives BODY to GET, keeps what is PUT, and remembers the Host."""

    kept: ClassVar[list[bytes]] = []
    hosts: ClassVar[list[str]] = []

    def do_GET(self):
        self.hosts.append(self.headers["Host"])
        self._answer(BODY)

    def do_PUT(self):
        self.kept.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def _answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def behind():
    Behind.kept.clear()
    Behind.hosts.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask(proxy, method="GET", body=None, timeout=10):
    link = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=timeout)
    try:
        link.request(method, "/bucket/key", body)
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def through(behind, kind, **more):
    return FaultProxy(behind, Plan(rates={kind: 1.0}), **more)


def test_without_a_plan_requests_go_through_with_their_host(behind):
    with FaultProxy(behind) as proxy:
        assert ask(proxy) == (200, BODY)
        assert ask(proxy, "PUT", b"text") == (200, b"")
        assert Behind.kept == [b"text"]
        assert Behind.hosts == [urlsplit(proxy.url).netloc]
        assert [request.method for request in proxy.seen] == ["GET", "PUT"]


@pytest.mark.parametrize("kind", ["500", "503"])
def test_errors_are_answered_and_the_server_is_not_asked(behind, kind):
    with through(behind, kind) as proxy:
        assert ask(proxy, "PUT", b"text")[0] == int(kind)
        assert Behind.kept == []
        assert proxy.plan.done == {kind: 1}


def test_a_reset_comes_before_the_server_is_asked(behind):
    with through(behind, "reset") as proxy:
        with pytest.raises(ConnectionError):
            ask(proxy, "PUT", b"text")
        assert Behind.kept == []


def test_a_swallowed_answer_is_lost_after_the_deed(behind):
    with through(behind, "swallowed") as proxy:
        with pytest.raises(ConnectionError):
            ask(proxy, "PUT", b"text")
        assert Behind.kept == [b"text"]


def test_a_slow_answer_outlasts_a_timeout(behind):
    with through(behind, "slow", slow=60) as proxy, pytest.raises(TimeoutError):
        ask(proxy, timeout=0.5)


def test_a_truncated_body_is_shorter_than_was_promised(behind):
    with through(behind, "truncated") as proxy, pytest.raises(http.client.IncompleteRead) as caught:
        ask(proxy)
    assert caught.value.partial == BODY[:100]


def test_a_garbled_body_differs_in_one_byte(behind):
    with through(behind, "garbled") as proxy:
        _, body = ask(proxy)
    assert len(body) == len(BODY)
    assert sum(a != b for a, b in zip(body, BODY, strict=True)) == 1


def test_a_garbled_upload_differs_in_one_byte(behind):
    with through(behind, "garbled upload") as proxy:
        assert ask(proxy, "PUT", BODY)[0] == 200
    assert sum(a != b for a, b in zip(Behind.kept[0], BODY, strict=True)) == 1


def test_a_plan_is_the_same_each_time_and_ends(behind):
    def drawn(seed):
        with FaultProxy(behind, Plan(seed=seed, rates={"500": 0.5}, most=4)) as proxy:
            return [ask(proxy)[0] for _ in range(20)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1).count(500) == 4


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="no such fault"):
        Plan(rates={"earthquake": 0.1})


def test_what_came_of_faults_is_written_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("UNLEARNABLE_FAULTS", raising=False)
    tally.record("500", 1, "nowhere")
    monkeypatch.setenv("UNLEARNABLE_FAULTS", str(tmp_path / "faults.jsonl"))
    for kind in KINDS:
        tally.record(kind, 2, "same bytes")
    lines = [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == list(KINDS)
    assert lines[0] == {"kind": "500", "faults": 2, "outcome": "same bytes"}
