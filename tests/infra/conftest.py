import pytest
from fsspec.implementations.memory import MemoryFileSystem

from infra.storage import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "place"))


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path):
    if request.param == "disk":
        yield Folder(str(tmp_path / "place"))
    else:
        yield Folder(f"memory://{tmp_path.name}")
        MemoryFileSystem.store.clear()
