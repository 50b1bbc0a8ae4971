"""A run that is interrupted, by Ctrl-C or by a signal."""

import os
import signal
import subprocess

import pytest

from tests.flows.cli_helpers import SCRIPT, Places, Said, environment, failing_writes, tree
from tests.tasks.shard.helpers import shard


@pytest.fixture
def places(two_shards):
    return two_shards


class TestInterrupt:
    def test_an_interrupted_run_ends_in_one_line_and_the_next_one_finishes(self, cli, places, monkeypatch):
        for i in range(3):
            places.put(f"c{i}.tar", shard(4, first=8 + 4 * i))
        whole = Places(places.root / "unbroken")
        whole.root.mkdir()
        whole.source.symlink_to(places.source)
        assert cli(*whole.protect).status == 0

        before = tree(places.source)
        with monkeypatch.context() as patch:
            interrupted = failing_writes(patch, places.destination, signal.SIGINT, after=1)
            said = cli(*places.protect)
        assert interrupted == ["b.tar"]
        assert (said.status, said.out) == (130, "")
        assert said.error == "error: interrupted; run the same command again to go on from here"
        assert tree(places.source) == before
        assert not (places.destination / "manifest.json").exists()
        kept = places.published()
        assert kept.keys() >= {"a.tar"}
        assert kept == {name: whole.published()[name] for name in kept}

        again = cli(*places.protect, "--json")
        assert (again.status, again.json["skipped_shards"], again.json["protected"]) == (0, len(kept), 20)
        assert places.published() == whole.published()

    def test_ctrl_c_on_a_terminal_does_not_reach_the_server_that_the_run_has_started(self, tmp_path):
        """Were the server gone, the run would try to tell it of the interruption, and fail as if the network were."""
        command = [SCRIPT, "protect", "digits", tmp_path / "protected", "--workspace", tmp_path / "private"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(tmp_path), start_new_session=True, **streams
        ) as running:
            assert running.stderr is not None
            said = []
            for line in running.stderr:
                said.append(line)
                if line.startswith("fit: "):
                    os.killpg(running.pid, signal.SIGINT)
                    break
            out, rest = running.communicate()
        found = Said(running.returncode, out, "".join(said) + rest)
        assert (found.status, found.out) == (130, ""), found
        assert found.error.startswith("error: interrupted; run the same command again")
