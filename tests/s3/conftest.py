"""The real server that `make test-s3` starts, and users and proxies in front of it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import s3fs
import yaml
from botocore.config import Config

from tests.faults.proxy import FaultProxy, Plan
from tests.flows.conftest import no_waiting, states  # noqa: F401 - fixtures
from tests.s3 import places

SCRIPT = Path(__file__).parents[2] / "infra" / "s3" / "server.sh"


@dataclass(frozen=True)
class Server:
    """The server of the tests, with the keys of the user who owns its buckets."""

    endpoint: str
    access: str
    secret: str

    def client(self, access: str | None = None, secret: str | None = None) -> Any:
        """A client of a library that is not the product's."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access or self.access,
            aws_secret_access_key=secret or self.secret,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 5, "mode": "standard"}),
        )

    def run(self, *words: str) -> str:
        """What infra/s3/server.sh prints to these words."""
        done = subprocess.run([SCRIPT, *words], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def user(self, name: str) -> tuple[str, str]:
        """Access key and secret key of a user without buckets, made when it isn't there."""
        try:
            found = self.run("admin", "user", "info", f"--uid={name}")
        except AssertionError:
            found = self.run("admin", "user", "create", f"--uid={name}", f"--display-name={name}")
        keys = json.loads(found)["keys"][0]
        return keys["access_key"], keys["secret_key"]


@pytest.fixture(scope="session")
def server() -> Server:
    """The server that the environment names; it must be this machine's own."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if urlsplit(endpoint).hostname != "127.0.0.1" or "UNLEARNABLE_S3_DIR" not in os.environ:
        pytest.fail("these tests want a server of their own: run make test-s3")
    return Server(endpoint, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> Iterator[None]:
    """Each test starts as the owner, without connections of an earlier one."""
    places.environment(monkeypatch, tmp_path, server.access, server.secret)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def s3(server: Server) -> Iterator[Any]:
    """A client, and three empty buckets."""
    with places.buckets(server.client()) as client:
        yield client


@pytest.fixture
def proxied(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FaultProxy]]:
    """`proxied(plan)`: from then on the product reaches the server through a proxy with this plan."""
    started: list[FaultProxy] = []

    def start(plan: Plan | None = None, slow: float = 3.0) -> FaultProxy:
        proxy = FaultProxy(server.endpoint, plan, slow).__enter__()
        started.append(proxy)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        s3fs.S3FileSystem.clear_instance_cache()
        return proxy

    yield start
    for proxy in started:
        proxy.__exit__()


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """`options({prefix: {...}})` puts them into the file that UNLEARNABLE_STORAGE names."""

    def write(given: dict[str, Any]) -> None:
        file = tmp_path / "storage.yaml"
        file.write_text(yaml.safe_dump(given))
        monkeypatch.setenv("UNLEARNABLE_STORAGE", str(file))
        s3fs.S3FileSystem.clear_instance_cache()

    return write
