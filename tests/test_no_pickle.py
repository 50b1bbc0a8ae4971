"""Nothing that lies in a place is ever unpickled or run: in the code, and when it is tried."""

import ast
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save

from infra.checkpoint import Checkpoint
from infra.errors import ConfigurationError, DataError
from infra.storage import Folder, sha256
from schemas.dataset import SourceSpec
from tasks.match import classes
from tasks.nn import pretrained
from tasks.noise import store
from tests.tasks.noise.test_store import record_of
from tests.tasks.rewrite.helpers import config_of, files, protect_all
from tests.tasks.shard.helpers import manifest_of, reasons, shard, tarred

ROOT = Path(__file__).parents[1]
CODE = sorted(file for package in ("flows", "tasks", "schemas", "infra") for file in (ROOT / package).rglob("*.py"))

# Calls that run what they are given, and the names by which they may be reached.
FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "cloudpickle.load",
    "cloudpickle.loads",
    "dill.load",
    "dill.loads",
    "joblib.load",
    "marshal.loads",
    "shelve.open",
    "pd.read_pickle",
    "pandas.read_pickle",
    "torch.jit.load",
    "torch.hub.load",
    "np.lib.format.read_array",
    "os.system",
    "os.popen",
    "runpy.run_path",
}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a call's function; what isn't a name of that kind is empty."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def keywords(call: ast.Call) -> dict[str, object]:
    return {each.arg: each.value.value for each in call.keywords if each.arg and isinstance(each.value, ast.Constant)}


def offences(text: str) -> list[str]:
    """Every call of a module that may run what it is given."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "cloudpickle", "dill", "joblib", "marshal"):
            found += [f"from {node.module} import {each.name}" for each in node.names]
        if not isinstance(node, ast.Call):
            continue
        name, stated = dotted(node.func), keywords(node)
        if name in FORBIDDEN or stated.get("shell") is True or "allow_pickle" in stated:
            found.append(name)
        if name == "torch.load" and stated.get("weights_only") is not True:
            found.append("torch.load without weights_only=True")
        if name in ("yaml.load", "yaml.load_all") and not any("BaseLoader" in ast.dump(each) for each in node.args):
            found.append(f"{name} without BaseLoader")
        if name in ("yaml.unsafe_load", "yaml.full_load"):
            found.append(name)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "decode" and "WebDataset" in ast.dump(node.func):
            found.append("webdataset's decoders, which unpickle .pyd and .pickle")
    return found


def test_no_code_runs_what_it_reads():
    assert len(CODE) > 150
    assert {str(file.relative_to(ROOT)): found for file in CODE if (found := offences(file.read_text()))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "eval(x)",
        "pickle.loads(x)",
        "from pickle import loads",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f, allow_pickle=True)",
        "yaml.load(t, yaml.Loader)",
        "yaml.load(t)",
        "subprocess.run(c, shell=True)",
        "wds.WebDataset(u).decode()",
    ],
)
def test_the_look_at_the_code_finds_them(text):
    assert offences(text)


@pytest.mark.parametrize(
    "text", ["torch.load(f, weights_only=True)", "yaml.load(t, yaml.BaseLoader)", "yaml.safe_load(t)", "model.eval()"]
)
def test_the_look_at_the_code_lets_others_pass(text):
    assert offences(text) == []


def test_what_torchvision_unpickles_is_checked_by_it_or_refused_by_us():
    """A dataset of torchvision's that reads pickles and is new here needs a look, and a line here or a refusal."""
    folder = Path(torchvision.__file__).parent / "datasets"
    reading = {file.name for file in folder.glob("*.py") if set(offences(file.read_text())) - {"exec", "eval"}}
    assert reading <= {"cifar.py", "lsun.py"}
    cifar = (folder / "cifar.py").read_text()
    assert "_check_integrity" in cifar  # by MD5, before anything is unpickled


@pytest.mark.parametrize("name", ["LSUN", "LSUNClass"])
def test_a_torchvision_dataset_that_unpickles_unchecked_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match="unpickles a file without checking it"):
        manifest_of(SourceSpec(url=f"torchvision://{name}?root={tmp_path}"), Folder(str(tmp_path / "work")))


class Hostile:
    """What makes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path):
    """The folder that no test may find made, and that the pickle does make when it is loaded."""
    trial = tmp_path / "trial"
    pickle.loads(pickle.dumps(Hostile(trial)))
    assert trial.is_dir()
    found = tmp_path / "pwned"
    yield found
    assert not found.exists()


def pickles(mark: Path, tmp_path: Path) -> dict[str, bytes]:
    """The same pickle as a bare one, as torch saves it in both of its formats, and as numpy does."""
    plain = pickle.dumps(Hostile(mark))
    torch.save(Hostile(mark), tmp_path / "zip.pt")
    torch.save(Hostile(mark), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    np.save(tmp_path / "a.npy", np.array([Hostile(mark)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "own.pt", "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3\n")
    saved = {name: (tmp_path / name).read_bytes() for name in ("zip.pt", "old.pt", "a.npy", "own.pt")}
    return {"plain": plain, **saved}


FORMS = ("plain", "zip.pt", "old.pt", "a.npy", "own.pt")


@pytest.mark.parametrize("form", FORMS)
def test_fitted_noise_that_is_a_pickle_is_refused(tmp_path, mark, form):
    data = pickles(mark, tmp_path)[form]
    workspace = Folder(str(tmp_path / "work"))
    record = record_of(data)
    assert record.tensors_sha256 == sha256(data)  # whoever can write the one can write the other
    store.save(workspace, record, data)
    with pytest.raises(DataError, match="no safetensors file"):
        store.load(workspace, record)


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_that_is_a_pickle_counts_for_nothing(tmp_path, mark, form):
    folder = Folder(str(tmp_path / "work"))
    folder.write("state.safetensors", pickles(mark, tmp_path)[form])
    assert Checkpoint(folder, "state", "seen").load([]) is None


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors", "bin"])
@pytest.mark.parametrize("form", FORMS)
def test_weights_that_are_a_pickle_are_refused(tmp_path, mark, form, suffix):
    file = tmp_path / f"weights.{suffix}"
    file.write_bytes(pickles(mark, tmp_path)[form])
    with pytest.raises(ConfigurationError, match=r"weights\..* can't be read as the weights of resnet18"):
        pretrained.load("resnet18", str(file))


@pytest.mark.parametrize("extension", ["pyd", "pickle", "pkl", "npy", "npz", "pth", "pt", "ten", "mp"])
def test_a_member_that_is_a_pickle_is_copied_and_never_read(tmp_path, mark, extension):
    hostile = pickles(mark, tmp_path)
    data = hostile["a.npy" if extension.startswith("np") else "plain"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tar").write_bytes(tarred([*shard(1), (f"0000.{extension}", data), *shard(3, 1)]))
    config = config_of(tmp_path / "job", tmp_path / "in")
    protect_all(config)
    assert data in files(config.destination)["a.tar"]


def test_the_loading_code_of_the_card_reads_no_pickle(tmp_path, mark, monkeypatch):
    (tmp_path / "in").mkdir()
    hostile = [(f"0000.{extension}", pickle.dumps(Hostile(mark))) for extension in ("pyd", "pkl", "pickle")]
    (tmp_path / "in" / "a.tar").write_bytes(tarred([*shard(1), *hostile, *shard(3, 1)]))
    config = config_of(tmp_path / "job", tmp_path / "in")
    protect_all(config)
    code = files(config.destination)["README.md"].decode().partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(config.destination)
    names: dict[str, Any] = {}
    exec(code, names)
    found = list(names["dataset"])
    assert [(image.shape, label) for image, label in found] == [((8, 8, 3), i % 2) for i in range(4)]


@pytest.mark.parametrize("part", ["cls", "json", "png"])
def test_a_pickle_in_the_place_of_a_label_or_picture_is_quarantined(tmp_path, mark, part):
    data = pickle.dumps(Hostile(mark))
    members = dict(shard(1, 9))
    members[f"0009.{part}"] = data
    if part == "json":
        members.pop("0009.cls")
    place = Folder(str(tmp_path / "in"))
    place.write("a.tar", tarred([*shard(4), *members.items()]))
    manifest, indices = manifest_of(SourceSpec(url=place.url, max_bad_share=0.5), Folder(str(tmp_path / "work")))
    assert manifest.samples == 4
    assert list(reasons(indices)) == ["0009"]


def test_yaml_that_builds_objects_is_refused(tmp_path, mark):
    text = f"!!python/object/apply:os.mkdir ['{mark}']\n"
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match="is no mapping"):
        classes.from_file(text.encode(), "mapping.yaml", ["a"], ["a"], ["a"])
    from flows.cli.options import read_config

    with pytest.raises(ConfigurationError, match="can't be read"):
        read_config(tmp_path / "mapping.yaml")


def test_tensors_are_what_safetensors_says(tmp_path):
    """So that the refusals above are not of everything."""
    data = save({"a": torch.ones(2)})
    workspace = Folder(str(tmp_path))
    record = record_of(data)
    store.save(workspace, record, data)
    assert store.load(workspace, record)["a"].tolist() == [1, 1]
