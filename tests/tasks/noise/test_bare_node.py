import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.victims import TinyVictim
from tests.tasks.noise.helpers import CLASS_WISE, METHODS, spec_of

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
import pkgutil
import importlib
from types import SimpleNamespace
import torch
import tasks.nn, tasks.noise
from infra.keys import BucketKey
from tasks.nn.batches import FitData
from tasks.noise import method as methods
from tasks.noise.fitted import Batch, NoiseSource, NoiseSpec
from tasks.noise.journal import Unkept

given = json.loads(sys.stdin.read(), object_hook=lambda fields: SimpleNamespace(**fields))
for package in (tasks.nn, tasks.noise):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name not in given.elsewhere:
            importlib.import_module(found.name)

torch.manual_seed(0)
images, labels = torch.randint(0, 256, (8, 8, 8, 3), dtype=torch.uint8), torch.arange(8) % 2
data = FitData(images, labels, tuple("abcdefgh"), 2)
key = BucketKey(b"a key for the tests")
for one in given.specs:
    spec = NoiseSpec(one.method, one.budget, one.application, key)
    fitted = methods.fit(spec, data, Unkept())
    made = methods.perturber(NoiseSource(spec, fitted.tensors, 2, 8, torch.device("cpu")))
    noise = made.noise(Batch(images, labels, data.keys))
    assert noise.shape == (8, 8, 8, 3) and 0 < noise.abs().max() <= one.budget.epsilon
    print(one.method.kind, one.method.form)
assert not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}
"""

# Not of the numerical core: they read datasets and records.
ELSEWHERE = [f"tasks.noise.{name}" for name in ("fit_data", "identity", "shown", "stage", "store")]
LAID = [
    {},
    {"norm": "l2", "epsilon": 100, "patch": 5},
    {"mixture": "two-sets", "arithmetic": "as-published", "epsilon": 40},
    {"mixture": "with-uniform", "patch": 3, "place": "centre"},
]

VICTIM = """
import json
from types import SimpleNamespace
import torch
import tasks.evaluate.victim
from tasks.evaluate.treatment import Treatment
from tasks.nn.batches import Resident

victim = json.loads(sys.stdin.read(), object_hook=lambda fields: SimpleNamespace(**fields))
images, labels = torch.zeros(8, 8, 8, 3, dtype=torch.uint8), torch.arange(8) % 2
test = tasks.evaluate.victim.Examination(images, labels, 2)
result = tasks.evaluate.victim.run(victim, Treatment(), Resident(images, labels), test, 0, lambda point: None)
print(len(result.curve))
assert not FORBIDDEN & {name.partition(".")[0] for name in sys.modules}
"""


def bare(code, given=None):
    command, environment = [sys.executable, "-c", BLOCK + code], {**os.environ, "OMP_NUM_THREADS": "1"}
    text = json.dumps(given)
    return subprocess.run(command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, check=False)


def plain(name, laid):
    spec = spec_of(name, **laid)
    return {
        "method": spec.method.model_dump(mode="json"),
        "budget": spec.budget.model_dump(mode="json"),
        "application": spec.application.model_dump(mode="json"),
    }


def test_noise_of_every_method_and_kind_is_made_where_only_torch_is_installed():
    wanted = [(name, laid) for name in METHODS for laid in LAID if name in CLASS_WISE or "mixture" not in laid]
    done = bare(CORE, {"specs": [plain(*one) for one in wanted], "elsewhere": ELSEWHERE})
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(wanted)


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
