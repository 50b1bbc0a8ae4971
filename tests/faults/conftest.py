"""One Prefect server for all runs, and jobs that can be compared byte for byte."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.settings import get_current_settings

from infra.storage import Folder
from schemas.protect import ProtectConfig
from tasks.rewrite.audit import audit
from tests.faults import runs
from tests.tasks.rewrite.helpers import TWO_PHASE, config_of, files, tar_source

SHARDS, PICTURES = 12, 6


@pytest.fixture(scope="session")
def forked(prefect_server):
    """Runs may be forked."""
    url = get_current_settings().api.url
    assert url
    runs.prepare(url)


@dataclass(frozen=True)
class Unbroken:
    """A job, and what an unbroken run of it published."""

    config: ProtectConfig
    published: dict[str, bytes]

    def afresh(self) -> None:
        """Empty the places of all but the job's identity, which the manifest tells: all runs then give equal bytes."""
        workspace = Path(self.config.workspace)
        job = (workspace / "job.json").read_bytes()
        shutil.rmtree(self.config.destination, ignore_errors=True)
        shutil.rmtree(workspace)
        workspace.mkdir()
        (workspace / "job.json").write_bytes(job)

    def require_finished(self) -> None:
        """The destination is what the unbroken run published, byte for byte, and passes its audit."""
        assert files(self.config.destination) == self.published
        assert audit(Folder(self.config.destination), self.config.source).problems == []

    def require_nothing_wrong(self) -> None:
        """What lies in a destination that may be unfinished is right; with a manifest it is all of it."""
        found = {n: d for n, d in files(self.config.destination).items() if not n.startswith(".")}
        wrong = [name for name, data in found.items() if data != self.published.get(name)]
        assert wrong == []
        if "manifest.json" in found:
            assert found == self.published


@pytest.fixture
def unbroken(forked, tmp_path):
    """A job of some shards with fitted noise, done once without a break."""
    source = tar_source(tmp_path / "in", shards=SHARDS, per_shard=PICTURES)
    config = config_of(tmp_path, source, TWO_PHASE)
    said = tmp_path / "said"
    run = runs.start(config, said)
    run.join()
    assert run.exitcode == 0, said.read_text()
    return Unbroken(config, files(config.destination))
