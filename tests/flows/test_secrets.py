"""No secret gets out: two jobs and an evaluation, and a look at all that they left, for any trace of what they knew."""

import base64
import hashlib
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.flows.cli_helpers import SCRIPT, Places, environment
from tests.tasks.shard.helpers import shard

KEY = "k3y-0f-the-bucket-7f31c9ae5512"
FILE_KEY = "k3y-1n-a-file-52d09be1774a"
AWS = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYz0EXAMPLE"
SECRETS = {"UNLEARNABLE_KEY": KEY, "the key file": FILE_KEY, "AWS_SECRET_ACCESS_KEY": AWS}
EVALUATE = ("--victims", "tiny", "--epochs", 1, "--seeds", 1, "--device", "cpu")


def traces(secret: str) -> set[bytes]:
    """The ways in which a secret may stand in a file: as it is, in hex, in base64 at any offset, hashed, backwards."""
    plain = secret.encode()
    found = {plain, plain.hex().encode(), plain.hex().upper().encode(), plain[::-1], secret.encode("utf-16-le")}
    for lead in range(3):
        # The first and the last characters hang on what stands beside the secret.
        whole = base64.b64encode(bytes(lead) + plain)
        found |= {whole[4:-4], whole[4:-4].replace(b"+", b"-").replace(b"/", b"_")}
    return found | {getattr(hashlib, name)(plain).hexdigest().encode() for name in ("md5", "sha1", "sha256")}


def leaks(what: str, data: bytes) -> list[str]:
    return [f"{name} in {what}" for name, secret in SECRETS.items() for trace in traces(secret) if trace in data]


def arguments_of(process: subprocess.Popen[bytes]) -> bytes:
    """The command lines of a process and of all that it started, as any user of the machine may read them."""
    found, waiting = b"", [process.pid]
    while waiting:
        pid = waiting.pop()
        try:
            found += Path(f"/proc/{pid}/cmdline").read_bytes() + b"\n"
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            waiting += [int(child) for child in children.split()]
        except OSError:
            continue  # it has ended meanwhile, or there is no /proc
    return found


def run(root: Path, *arguments: object, **variables: str) -> tuple[bytes, bytes]:
    """A command with its secrets in the environment: what it printed, and the arguments of its processes."""
    plain = {**environment(root), "AWS_ACCESS_KEY_ID": "public-name", "AWS_SECRET_ACCESS_KEY": AWS}
    plain.pop("UNLEARNABLE_KEY")
    said, seen = root / "said", b""
    with said.open("wb") as file:
        command = [SCRIPT, *map(str, arguments)]
        process = subprocess.Popen(command, cwd=root, env={**plain, **variables}, stdout=file, stderr=file)
        while process.poll() is None:
            seen += arguments_of(process)
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
    text = said.read_bytes()
    assert process.returncode == 0, text.decode()
    return text, seen


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """All that two jobs and an evaluation leave, by what it is."""
    root = tmp_path_factory.mktemp("secrets")
    places = Places(root)
    places.put("a.tar", shard(6))
    Places(root / "test").put("t.tar", shard(4, first=40))
    key_file = root / "key.txt"
    key_file.write_text(FILE_KEY + "\n")
    job = ("protect", places.source, places.destination, "--workspace", places.workspace, "--method", "random")
    by_file = ("protect", places.source, root / "second", "--workspace", root / "second-private", "--method", "random")
    evaluation = ("evaluate", places.destination, "--clean", places.source, "--test", root / "test" / "source")
    found: dict[str, bytes] = {}
    runs = {
        "protect": run(root, *job, "--debug", "--json", UNLEARNABLE_KEY=KEY),
        "protect by file": run(root, *by_file, "--key-file", key_file, "--debug"),
        "evaluate": run(root, *evaluation, "--workspace", places.workspace, *EVALUATE, "--debug", UNLEARNABLE_KEY=KEY),
    }
    for name, (said, arguments) in runs.items():
        found[f"output of {name}"], found[f"arguments of {name}"] = said, arguments
    key_file.unlink()
    for path in root.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def test_the_traces_are_found_where_they_are():
    for secret in SECRETS.values():
        encoded = base64.b64encode(b'{"key": "' + secret.encode() + b'", "x": 1}')
        for data in (secret.encode(), secret.encode().hex().encode(), encoded, b"x" + encoded):
            assert leaks("there", b"before " + data + b" behind")
    assert leaks("nowhere", os.urandom(10_000)) == []


def test_the_look_sees_all_that_was_left(left):
    """Records, reports, what was published, Prefect's database, its log on the console, and its processes."""
    names = list(left)
    for part in ("private/job.json", "private/reports/", "protected/manifest.json", "protected/a.tar", "second/a.tar"):
        assert [name for name in names if name.startswith(part)], part
    assert b"Flow run" in left["output of protect"]
    assert b"Flow run" in left["output of evaluate"]
    if Path("/proc/self/cmdline").exists():
        assert b"unlearnable" in left["arguments of protect"]
        assert b"uvicorn" in left["arguments of protect"]


def test_prefect_has_kept_runs_logs_and_artifacts_in_its_database(left, tmp_path):
    (database,) = [data for name, data in left.items() if name.endswith("prefect.db")]
    for name, data in left.items():
        if "/prefect.db" in f"/{name}":
            (tmp_path / Path(name).name).write_bytes(data)
    assert database.startswith(b"SQLite format 3")
    with sqlite3.connect(tmp_path / "prefect.db") as opened:
        rows = {
            table: opened.execute(f"select count(*) from {table}").fetchone()[0]
            for table in ("flow_run", "task_run", "log", "artifact")
        }
        parameters = [text for (text,) in opened.execute("select parameters from flow_run")]
    assert rows["flow_run"] == 3
    assert rows["task_run"] >= 10
    assert rows["log"] >= 10
    assert rows["artifact"] >= 2
    assert any("destination" in text for text in parameters)


def test_no_secret_is_in_anything_that_was_left(left):
    assert [leak for what, data in left.items() for leak in leaks(what, data)] == []
