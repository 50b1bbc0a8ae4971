"""The command line, called in this process, and sources to feed it."""

import json
import logging
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.cli.main import main
from tests.tasks.shard.helpers import picture, tarred

KEY = "a key for the tests only"
PROGRESS = ("index: ", "fit: ", "rewrite: ", "verify: ", "evaluate: ")


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
        return found

    @property
    def error(self) -> str:
        """The one line that begins with `error: `; it must be the last, and only lines of progress may precede it."""
        assert self.status != 0, self.out
        *before, last = self.err.splitlines() or [""]
        assert last.startswith("error: "), self.err
        assert [line for line in before if not line.startswith(PROGRESS)] == []
        return last


class CommandLine:
    """`unlearnable` in this process: arguments in, status and both streams out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Said:
        self._monkeypatch.setattr(sys, "argv", ["unlearnable", *map(str, arguments)])
        terminate, disabled = signal.getsignal(signal.SIGTERM), logging.root.manager.disable
        # In a process of its own the command line sets Prefect's level before Prefect is imported.
        logging.disable(logging.CRITICAL)
        self._capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            logging.disable(disabled)
            signal.signal(signal.SIGTERM, terminate)
        said = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)


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


def failing_writes(patch: pytest.MonkeyPatch, folder: Path, error: BaseException, after: int = 0) -> list[str]:
    """Let writes below `folder` fail as a disk would, once `after` of them went well; gives the names that failed."""
    real, left, failed = os.replace, [after], []

    def replace(source: Any, target: Any) -> None:
        if Path(target).is_relative_to(folder):
            left[0] -= 1
            if left[0] < 0:
                failed.append(Path(target).name)
                raise error
        real(source, target)

    patch.setattr(os, "replace", replace)
    return failed
