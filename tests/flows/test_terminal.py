"""What a person sees: bars on a terminal, with colours unless NO_COLOR is set; lines in a log; one object by --json."""

import contextlib
import json
import os
import pty
import re
import subprocess

import pytest
from prefect.settings import get_current_settings

from tests.flows.cli_helpers import SCRIPT, Places, environment, process

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9](;[0-9]+)*m")


@pytest.fixture
def server(prefect_server):
    """The address of the tests' server: one of its own would cost each command half a minute."""
    return get_current_settings().api.url


def on_a_terminal(folder, server, *arguments, **variables):
    """Exit status and all that a command writes to a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    plain = {
        name: value for name, value in environment(folder, server).items() if name not in ("NO_COLOR", "FORCE_COLOR")
    }
    shape = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    command = [SCRIPT, *map(str, arguments)]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    said = b""
    with subprocess.Popen(command, cwd=folder, env={**plain, **shape, **variables}, **streams) as running:
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux says so when the last writer is gone
            while data := os.read(ours, 65536):
                said += data
    os.close(ours)
    return running.returncode, said


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}], ids=["colours", "NO_COLOR"])
def test_a_terminal_gets_bars_with_pace_and_colours_unless_they_are_refused(two_shards: Places, server, variables):
    status, said = on_a_terminal(two_shards.root, server, *two_shards.protect, **variables)
    assert status == 0, said.decode(errors="replace")
    plain = ESCAPE.sub(b"", said).decode()
    assert re.search(r"Indexing\s+\S+ 2/2 shards", plain)
    assert re.search(r"Rewriting\s+\S+ 2/2 shards .* images/s", plain)
    assert bool(COLOUR.search(said)) is ("NO_COLOR" not in variables)
    last = plain.rstrip().splitlines()[-1]
    assert last == f"Next: unlearnable verify {two_shards.destination} --clean {two_shards.source}"


def test_a_log_gets_lines_and_json_one_object(two_shards: Places, server):
    said = process(*two_shards.protect, "--json", cwd=two_shards.root, server=server)
    assert said.status == 0, said.err
    assert set(json.loads(said.out)) >= {"samples", "protected", "quarantined", "shards", "skipped_shards"}
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.err
    assert "index: 2 shards" in said.err.splitlines()
    assert re.search(r"^rewrite: 2 shards in \d+\.\d s, [\d,]+ images/s$", said.err, re.MULTILINE)
    assert "Next:" not in said.out + said.err


def test_the_next_command_is_one_that_can_be_typed(two_shards: Places, server):
    first = process(*two_shards.protect, cwd=two_shards.root, server=server)
    assert first.status == 0, first.err
    words = first.out.splitlines()[-1].removeprefix("Next: unlearnable ").split()
    then = process(*words, cwd=two_shards.root, server=server)
    assert then.status == 0, then.err
    assert then.out.startswith("ok: 8 samples")
    assert then.out.splitlines()[-1].startswith("Next: unlearnable evaluate ")
