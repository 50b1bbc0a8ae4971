"""The card's three ways to load a copy run as they stand, on the copy, and give its pictures."""

import os
import re
import subprocess
import sys

import pytest

from tests.tasks.rewrite.helpers import config_of, files, folder_source, members, protect_all, tar_source
from tests.tasks.shard.helpers import tarred

CHECKS = {
    "webdataset": """
found = list(dataset)
assert len(found) == 12, len(found)
assert {picture.shape for picture, _ in found} == {(8, 8, 3)}
assert {picture.dtype.name for picture, _ in found} == {"uint8"}
assert {int(label) for _, label in found} == {0, 1}
""",
    "torchvision": """
batches = list(loader)
pictures = torch.cat([batch[0] for batch in batches])
assert pictures.shape == (12, 3, 8, 8), pictures.shape
assert pictures.dtype == torch.float32 and 0 <= pictures.min() and 0.2 < pictures.max() <= 1
assert sorted({int(label) for batch in batches for label in batch[1]}) == [0, 1]
""",
    "datasets": """
assert len(dataset) == 12
assert {tuple(row["png"].size) for row in dataset} == {(8, 8)}
assert {row["cls"] for row in dataset} == {0, 1}
assert len({row["__key__"] for row in dataset}) == 12
""",
}


def readable(source):
    """The shards of a source with texts that are texts: Hugging Face's loader reads each member by its name."""
    for path in source.glob("*.tar"):
        kept = [(name, b"a text" if name.endswith(".txt") else data) for name, data in members(path.read_bytes())]
        path.write_bytes(tarred(kept))
    return source


@pytest.fixture(scope="module", params=["folder", "tar"])
def copy(request, tmp_path_factory):
    """A protected copy of twelve pictures, of a source in folders and of shards with members of other kinds."""
    root = tmp_path_factory.mktemp(request.param)
    source = folder_source(root / "in", 6) if request.param == "folder" else readable(tar_source(root / "in", 3, 4))
    config = config_of(root, source)
    protect_all(config)
    return config


@pytest.mark.parametrize("library", CHECKS)
def test_a_snippet_gives_the_pictures(copy, library, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", files(copy.destination)["README.md"].decode(), re.DOTALL)
    assert len(blocks) == len(CHECKS)
    code = blocks[list(CHECKS).index(library)]
    assert {"webdataset": "WebDataset(", "torchvision": "v2.Compose", "datasets": "load_dataset"}[library] in code
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", code + CHECKS[library]]
    environment = {**os.environ, **offline}
    done = subprocess.run(command, cwd=copy.destination, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
