"""A Ray cluster is joined, and asked again where its client's server did not start."""

import signal
from types import SimpleNamespace

import pytest

from infra import ray_join

REFUSED = ConnectionAbortedError("Initialization failure from server: Starting Ray client server failed.")


class Cluster:
    """Stands for the module: `init` meets these errors in turn, then goes well, and takes SIGTERM for itself."""

    def __init__(self, *errors: Exception):
        self._errors, self.asked = list(errors), []

    def init(self, **asked):
        self.asked.append(asked)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._errors:
            raise self._errors.pop(0)


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """How long it would have waited, in seconds."""
    found = []
    monkeypatch.setattr(ray_join, "time", SimpleNamespace(sleep=found.append))
    return found


def test_a_client_that_was_refused_is_let_in_later(pauses):
    cluster = Cluster(REFUSED, REFUSED)
    ray_join.join(cluster, {"address": "ray://head:10001"}, {"env_vars": {"A": "b"}})
    assert [asked["address"] for asked in cluster.asked] == ["ray://head:10001"] * 3
    assert len(pauses) == 2


def test_the_third_refusal_is_the_last():
    cluster = Cluster(*[REFUSED] * 5)
    with pytest.raises(ConnectionAbortedError, match="Starting Ray client server failed"):
        ray_join.join(cluster, {"address": "ray://head:10001"}, {})
    assert len(cluster.asked) == 3


@pytest.mark.parametrize("error", [ConnectionError("nobody there"), RuntimeError("another version"), OSError("full")])
def test_what_will_not_mend_itself_is_told_at_once(error, pauses):
    cluster = Cluster(error)
    with pytest.raises(type(error), match=str(error)):
        ray_join.join(cluster, {"address": "ray://head:10001"}, {})
    assert (len(cluster.asked), pauses) == (1, [])


def test_a_driver_keeps_its_own_way_of_ending():
    mine = signal.getsignal(signal.SIGTERM)
    ray_join.join(Cluster(), {"address": "local"}, {})
    assert signal.getsignal(signal.SIGTERM) is mine


def test_a_driver_that_was_not_let_in_keeps_it_too():
    mine = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError):
        ray_join.join(Cluster(RuntimeError("another version")), {"address": "local"}, {})
    assert signal.getsignal(signal.SIGTERM) is mine
