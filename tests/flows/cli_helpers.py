"""The command line, called in this process, and sources to feed it."""

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect.settings import temporary_settings

from flows.cli.main import main
from tests.tasks.shard.helpers import picture, tarred

SCRIPT = Path(sys.executable).parent / "unlearnable"
KEY = "a key for the tests only"
PROGRESS = ("warning: ", "index: ", "fit: ", "rewrite: ", "verify: ", "evaluate: ", "reproduce: ")


@dataclass(frozen=True)
class Said:
    """What a command gave back."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout: a second one, or any other word there, fails."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert self.out.count("\n") == 1, "more than one line on stdout"
        self.require_progress(self.err.splitlines())
        return found

    @property
    def error(self) -> str:
        """The one line that begins with `error: `; it must be the last, and only lines of progress may precede it."""
        assert self.status != 0, self.out
        *before, last = self.err.splitlines() or [""]
        assert last.startswith("error: "), self.err
        self.require_progress(before)
        return last

    @staticmethod
    def require_progress(lines: list[str]) -> None:
        """Lines of progress and nothing else."""
        assert [line for line in lines if not line.startswith(PROGRESS)] == []


def unlearnable(*arguments: object) -> Said:
    """The command line in this process: arguments in, status and both streams out."""
    terminate, disabled = signal.getsignal(signal.SIGTERM), logging.root.manager.disable
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sys, "argv", ["unlearnable", *map(str, arguments)])
        # In a process of its own the command line sets Prefect's level before Prefect is imported.
        stack.callback(logging.disable, disabled)
        logging.disable(logging.CRITICAL)
        stack.callback(signal.signal, signal.SIGTERM, terminate)
        # A heartbeat thread would hold up the end of every run for half a second.
        stack.enter_context(temporary_settings({"flows.heartbeat_frequency": None}))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        ended = stack.enter_context(pytest.raises(SystemExit))
        main()
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Places:
    """Three places of a job below one folder."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def destination(self) -> Path:
        return self.root / "protected"

    @property
    def workspace(self) -> Path:
        return self.root / "private"

    @property
    def protect(self) -> tuple[object, ...]:
        """Arguments of a quick protect run."""
        return self.arguments("protect", "--method", "random", "--workers", 1)

    def arguments(self, command: str, *more: object) -> tuple[object, ...]:
        return (command, self.source, self.destination, "--workspace", self.workspace, *more)

    def put(self, name: str, members: list[tuple[str, bytes | None]]) -> Path:
        """A shard in the source."""
        return self.put_bytes(name, tarred(members))

    def put_bytes(self, name: str, data: bytes) -> Path:
        target = self.source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def quarantine(self) -> dict[str, str]:
        """Reason by key."""
        rows = pd.read_parquet(self.workspace / "dataset" / "quarantine.parquet")
        return dict(zip(rows["key"], rows["reason"], strict=True))

    def published(self) -> dict[str, bytes]:
        """The protected shards."""
        return {path.name: path.read_bytes() for path in sorted(self.destination.glob("*.tar"))}


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that lies below a folder, by relative path: bytes of a file, None for a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def sample(key: str, label: str | None, data: bytes | None = None) -> list[tuple[str, bytes | None]]:
    """Members of a sample: its picture, and its label unless it has none."""
    found: list[tuple[str, bytes | None]] = [(f"{key}.png", picture(len(key)) if data is None else data)]
    return found if label is None else [*found, (f"{key}.cls", label.encode())]


def failing_writes(
    patch: pytest.MonkeyPatch, folder: Path, error: BaseException | signal.Signals, after: int = 0
) -> list[str]:
    """Let writes below `folder` fail as a disk would, once `after` of them went well; gives the names that failed.

    Given a signal, this process gets it in the middle of the write that fails.
    """
    real, left, failed = os.replace, [after], []

    def replace(source: Any, target: Any) -> None:
        if Path(target).is_relative_to(folder):
            left[0] -= 1
            if left[0] < 0:
                failed.append(Path(target).name)
                if isinstance(error, signal.Signals):
                    os.kill(os.getpid(), error)
                else:
                    raise error
        real(source, target)

    patch.setattr(os, "replace", replace)
    return failed


def refuse(cli, places, status, *needles, command=None, finished=()):
    """Run a command that must fail with `status` and one line that holds all `needles`, and that loses nothing.

    Below the places' folder nothing may change or be added but for the workspace, and for the shards `finished`. The
    folder of the destination may be there, empty, once the run has held it.
    """
    before = tree(places.root)
    said = cli(*(command or places.protect))
    after = tree(places.root)
    assert said.status == status, said
    line = said.error
    assert [str(needle) for needle in needles if str(needle) not in line] == [], line
    assert "; " in line, "no mend"
    assert "Traceback" not in said.err
    assert said.out == ""
    others = {name: data for name, data in before.items() if name.partition("/")[0] != places.workspace.name}
    assert {name: after.get(name) for name in others} == others
    added = {name for name in after.keys() - before.keys() if name.partition("/")[0] != places.workspace.name}
    assert added - {places.destination.name} == {f"{places.destination.name}/{name}" for name in finished}
    return line


def environment(folder: Path, server: str | None = None) -> dict[str, str]:
    """Of a process with a Prefect home of its own, and with a server of its own unless one is named."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    address = {} if server is None else {"PREFECT_API_URL": server}
    return {**plain, **address, "PREFECT_HOME": str(folder / "prefect"), "UNLEARNABLE_KEY": KEY, "OMP_NUM_THREADS": "1"}


def process(*arguments: object, cwd: Path, server: str | None = None) -> Said:
    """The installed script, in a process of its own."""
    command = [SCRIPT, *map(str, arguments)]
    plain = environment(cwd, server)
    done = subprocess.run(command, cwd=cwd, env=plain, capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)
