"""A folder, buckets and a Prefect server in which the pages' commands are run as a reader would run them."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import boto3
import pytest
import s3fs
from prefect.client.orchestration import get_client

from tests.docs import tables
from tests.docs.commands import Command
from tests.docs.furniture import furnish
from tests.flows.cli_helpers import KEY, Said, environment, unlearnable
from tests.s3 import places

BUCKETS = ("pictures", "pictures-protected", "private", "open")
FULL = {"pictures": "train", "open": "animals"}  # what lies in them at the beginning of a page
DEPLOYMENT = "protect-bucket/protect-bucket-nightly"
PATIENCE = 120  # seconds until a command that lasts has said that it is at work


class Scene:
    """One for all pages; each page finds the buckets as they were at first, each section a shell of its own."""

    def __init__(self, root: Path, endpoint: str, api: str):
        self.root, self.api = root, api
        self.s3 = boto3.client("s3", endpoint_url=endpoint)
        self.shown: list[str] = []
        self.section, self.folder = "", root
        self.lasting: list[subprocess.Popen[bytes]] = []
        plain = environment(root, api)
        del plain["UNLEARNABLE_KEY"]
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        path = f"{root / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.plain = {**plain, **aws, "AWS_ENDPOINT_URL": endpoint, "HOME": str(root), "PATH": path, "NO_COLOR": "1"}
        self.environment = self.plain
        furnish(root, endpoint)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def turn_to(self, page: str) -> None:
        """A page from its beginning: full and empty buckets, a server without deployments, what the page builds on."""
        self.begin("")
        forget()
        for bucket in BUCKETS:
            with contextlib.suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):
                self.s3.create_bucket(Bucket=bucket)
            places.clear(self.s3, bucket)
        for bucket, prefix in FULL.items():
            places.upload(self.s3, self.root / "buckets" / prefix, bucket, prefix)
        before = tables.BEFORE.get(page, tables.COPIES)
        if before is tables.COPIES and len(self.reports()) > 1:
            before = []
        for text in before:
            said = self.run(Command(page, "", 0, "sh", text))
            assert said.status == 0, f"before {page}: {text}\n{said.out}{said.err}"

    def begin(self, section: str) -> None:
        """A section: what went on in the last one is ended, and its variables are gone."""
        self.section, self.folder, self.environment = section, self.root, self.plain
        while self.lasting:
            end(self.lasting.pop())

    def written_for(self, command: Command) -> str:
        """The command as it is run here: at places of the scene, and short."""
        text = command.text
        for page, written, stand_in in tables.STAND_INS:
            if page in {"", command.page}:
                text = text.replace(written, stand_in)
        for name, place in self.places().items():
            text = text.replace(f"{{{name}}}", place()) if f"{{{name}}}" in text else text
        words = text.split()
        # Random noise has no rounds.
        short = tables.SHORT.get(words[1], "") if is_ours(text) and "--method random" not in text else ""
        return f"{text} {short}".strip()

    def places(self) -> dict[str, Callable[[], str]]:
        """What {NAME} in a stand-in is."""
        return {
            "api": lambda: self.api,
            "port": lambda: str(self.port),
            "run": lambda: self.reports()[-1].name,
            "other": lambda: self.reports()[0].name,
            "shard": lambda: f"./{next(self.root.glob('protected/*.tar')).relative_to(self.root)}",
            "schedule": schedule,
        }

    def reports(self) -> list[Path]:
        """Folders of the reports in ./private, the last one last."""
        return sorted(self.root.glob("private/reports/*"))

    def run(self, command: Command) -> Said:
        """Run a command in the shell of its section; `unlearnable` in this process, which spares its imports.

        The first command of the README is left to the installed script.
        """
        if command.section != self.section:
            self.begin(command.section)
        if command.language == "python":
            return self.shell(f"python -c {shlex.quote(command.text)}", self.reports()[-1])
        text = self.written_for(command)
        waited_for = next((said for begun, said in tables.LASTING.items() if begun in text), None)
        if waited_for is not None:
            return self.start(text, waited_for)
        if is_ours(text) and ".venv/bin/unlearnable plan" not in command.text:
            return self.inside(shlex.split(text)[1:])
        return self.shell(text, self.folder)

    def inside(self, arguments: list[str]) -> Said:
        s3fs.S3FileSystem.clear_instance_cache()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(webbrowser, "open", self.shown.append),
            contextlib.chdir(self.folder),
        ):
            return unlearnable(*arguments)

    def shell(self, text: str, folder: Path) -> Said:
        """Bash, from which variables and folder are taken over as in a reader's own."""
        after = self.root / "after"
        script = f'{text}\nstatus=$?\nenv -0 >"$1"\nexit $status'
        done = subprocess.run(
            ["bash", "-c", script, "bash", after],
            cwd=folder,
            env=self.environment,
            input=KEY + "\n",  # what `getpass` reads where there is no terminal
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        found = dict(each.split("=", 1) for each in after.read_text().split("\0") if each)
        self.folder = Path(found.get("PWD", self.folder)) if folder == self.folder else self.folder
        self.environment = {name: value for name, value in found.items() if name not in {"_", "SHLVL", "OLDPWD"}}
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, text: str, waited_for: str) -> Said:
        """A command that lasts, until it has said what it is to say; it goes on to the end of the section."""
        file = self.root / f"lasting-{len(self.lasting)}.log"
        with file.open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec env {text}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.lasting.append(process)
        until = time.monotonic() + PATIENCE
        while waited_for not in file.read_text() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        said = file.read_text()
        return Said(0 if waited_for in said and process.poll() is None else 1, said, "")


def is_ours(text: str) -> bool:
    """Whether it is `unlearnable COMMAND ...` alone, with nothing that only a shell knows."""
    first, *rest = text.split()
    return Path(first).name == "unlearnable" and rest[:1] != [] and not re.search(r"[|&;<>$`]|^-", " ".join(rest))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command that lasts as Ctrl-C does, with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def schedule() -> str:
    """Id of the one schedule of the nightly deployment; empty when it isn't deployed."""
    with get_client(sync_client=True) as client:
        found = [each for each in client.read_deployments() if DEPLOYMENT.endswith(f"/{each.name}")]
        return str(client.read_deployment_schedules(found[0].id)[0].id) if found else ""


def forget() -> None:
    """Take off the tests' server what the commands of a page have made on it."""
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        for pool in client.read_work_pools():
            client.delete_work_pool(pool.name)
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        for limit in client.read_global_concurrency_limits():
            if limit.name.startswith("gpu-"):
                client.delete_global_concurrency_limit_by_name(limit.name)
        for block in client.read_block_documents():
            if block.name == "pictures-key":
                client.delete_block_document(block.id)


def credentials(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Keys that open nothing but the server of the tests."""
    places.environment(patch, root, "testing", "testing")
    patch.setenv("AWS_MAX_ATTEMPTS", "1")
