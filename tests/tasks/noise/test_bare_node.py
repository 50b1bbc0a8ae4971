import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.evaluate import TinyVictim
from tests.tasks.noise.helpers import METHODS

ROOT = Path(__file__).parents[3]

BLOCK = """
import sys

FORBIDDEN = {"pydantic", "pydantic_core", "prefect", "webdataset", "s3fs", "schemas"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ModuleNotFoundError(f"{name} is not installed on a bare node")

sys.meta_path.insert(0, Absent())
"""

CORE = """
import json
from types import SimpleNamespace
import torch
import tasks.nn.augment, tasks.nn.batches, tasks.nn.fold, tasks.nn.networks, tasks.nn.train
import tasks.noise.pgd, tasks.noise.minmin, tasks.noise.class_wise, tasks.noise.sample_wise
import tasks.noise.fitted, tasks.noise.resize
import tasks.noise.methods.error_minimizing, tasks.noise.methods.random
from infra.keys import BucketKey
from tasks.noise import method as methods
from tasks.noise.fitted import Batch, FitData, NoiseSource

torch.manual_seed(0)
images, labels = torch.randint(0, 256, (8, 8, 8, 3), dtype=torch.uint8), torch.arange(8) % 2
data = FitData(images, labels, tuple("abcdefgh"), 2)
key = BucketKey(b"a key for the tests")
for fields in json.loads(sys.stdin.read()):
    method = SimpleNamespace(**fields)
    fitted = methods.fit(method, 8, data, key, lambda one: None)
    made = methods.perturber(NoiseSource(method, 8, fitted.tensors, 2, 8, key, torch.device("cpu")))
    noise = made.noise(Batch(images, labels, data.keys))
    assert noise.shape == (8, 8, 8, 3) and 0 < noise.abs().max() <= 8
    print(method.kind, method.form)
assert not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}
"""

VICTIM = """
import json
from types import SimpleNamespace
import torch
import tasks.evaluate.victim

victim = json.loads(sys.stdin.read(), object_hook=lambda fields: SimpleNamespace(**fields))
images, labels = torch.zeros(8, 8, 8, 3, dtype=torch.uint8), torch.arange(8) % 2
pictures = SimpleNamespace(images=images, labels=labels, classes=("a", "b"))
none = SimpleNamespace(kind="none")
result = tasks.evaluate.victim.run(victim, none, pictures, pictures, 0, lambda point: None)
print(len(result.curve))
assert not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}
"""


def bare(code, given=None):
    command, environment = [sys.executable, "-c", BLOCK + code], {**os.environ, "OMP_NUM_THREADS": "1"}
    text = json.dumps(given)
    return subprocess.run(command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, check=False)


def test_noise_is_fitted_and_made_where_only_torch_is_installed():
    done = bare(CORE, [method.model_dump(mode="json") for method in METHODS.values()])
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(METHODS) == 5


def test_a_victim_is_trained_where_only_torch_is_installed():
    recipe = {"epochs": 1, "batch_size": 4, "crop_padding": 1}
    victim = TinyVictim.model_validate({"widths": (4, 4, 4, 4), "recipe": recipe})
    done = bare(VICTIM, victim.model_dump(mode="json"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize("name", ["prefect", "pydantic", "webdataset", "s3fs", "schemas.noise"])
def test_the_block_does_block(name):
    done = bare(f"import {name}")
    assert done.returncode == 1
    assert "not installed on a bare node" in done.stderr
