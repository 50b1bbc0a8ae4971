"""How much memory a fit is told to take: an honest bound, that grows with what the fit holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import ConfigurationError
from schemas.noise import ErrorMaximizing, ErrorMinimizing, ErrorMinimizingLBFGS, RandomNoise
from schemas.recipe import TinyRecipe
from tasks.noise import memory
from tests.tasks.noise.helpers import METHODS

ROOT = Path(__file__).parents[3]
PICTURE = 32 * 32 * 3

FIT = """
import json, os, resource, sys, tempfile
import torch
torch.set_num_threads(1)
from infra.storage import Folder
from schemas.noise import ErrorMinimizing
from tasks.nn import networks, train
from tasks.nn.batches import FitData
from tasks.noise import memory, store
from tests.tasks.noise.helpers import fit, spec_of

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def measure(samples, size, classes=10, **fields):
    method = ErrorMinimizing(steps=1, model_steps=1, min_rounds=1, max_rounds=1, **fields)
    before = peak()
    images = torch.randint(0, 256, (samples, size, size, 3), dtype=torch.uint8)
    data = FitData(images, torch.arange(samples) % classes, tuple(map(str, range(samples))), classes)
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(spec_of(method), data, store.StoredJournal(Folder(folder), lambda one: None, "seen"))
        store.encode(fitted.tensors)
    print(json.dumps([peak() - before, memory.needed(method, samples, size, classes), images.numel()]), flush=True)

# What torch takes for itself on its first step is no fit's.
model = networks.build("tiny", 2, 8, 0, (2, 2, 2, 2))
train.step(model, train.sgd(model, 0.1, 0.9, 0.0), torch.rand(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64), 5.0)
for case in json.loads(sys.argv[1]):
    if (child := os.fork()) == 0:
        measure(**case)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
SMALL = {"widths": (4, 4, 4, 4), "size": 32, "batch_size": 64}
CASES = [
    {**SMALL, "form": "class-wise", "samples": 2000},
    {**SMALL, "procedure": "joint", "samples": 2000},
    {**SMALL, "procedure": "joint", "samples": 6000},
    {"form": "class-wise", "widths": (32, 64, 128, 128), "size": 64, "samples": 32, "batch_size": 32},
    {**SMALL, "procedure": "two-phase", "samples": 2000},
    {**SMALL, "procedure": "two-phase", "samples": 6000},
    {**SMALL, "form": "class-wise", "samples": 1000, "batch_size": 16, "classes": 1000},
    {**SMALL, "form": "class-wise", "samples": 1000, "batch_size": 16, "classes": 5000},
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a peak is counted in other units")
def test_a_fit_takes_no_more_than_it_is_told_to():
    command = [sys.executable, "-c", FIT, json.dumps(CASES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(CASES)
    assert all(pictures < growth <= told for growth, told, pictures in found), found
    # The fixed part hides nothing: a joint fit's growth with its pictures is bounded, and so is a network's share.
    joint, network, two_phase, by_class = found[1:3], found[3], found[4:6], found[6:8]
    for (few, many), copies in ((joint, 8), (two_phase, 5)):
        assert many[0] - few[0] <= copies * (many[2] - few[2])
    assert 0.3 * (network[1] - memory._BASE) < network[0]
    few, many = by_class
    assert 0.3 * (many[1] - few[1]) < many[0] - few[0] <= many[1] - few[1]


def slope(method):
    """Bytes a further picture takes, in pictures."""
    few, many = (memory.needed(method, samples, 32, 10) for samples in (10_000, 50_000))
    return (many - few) / (40_000 * PICTURE)


def test_it_grows_with_the_pictures_and_where_noise_is_kept_for_each_with_that():
    assert slope(RandomNoise()) == slope(RandomNoise(form="class-wise")) == 0
    assert slope(ErrorMinimizing(form="class-wise")) == slope(ErrorMaximizing(form="class-wise")) == 2
    assert slope(ErrorMaximizing(form="sample-wise", subset=0.5)) == 2 + 3 * 0.5
    for schema in (ErrorMinimizing, ErrorMinimizingLBFGS):
        assert slope(schema(procedure="joint")) == 8
        assert slope(schema(procedure="two-phase")) == 5, "no round's noise is kept"


@pytest.mark.parametrize("schema", [ErrorMinimizing, ErrorMinimizingLBFGS, ErrorMaximizing, RandomNoise])
def test_class_wise_noise_grows_with_the_classes(schema):
    few, many = (memory.needed(schema(form="class-wise"), 1000, 32, classes) for classes in (200, 1200))
    least = 1 if schema is RandomNoise else 4  # int8, or float
    assert many - few > 1000 * PICTURE * least


def test_the_larger_batch_counts_where_there_are_two():
    def told(batch, training):
        recipe = TinyRecipe(batch_size=training)
        return memory.needed(ErrorMaximizing(batch_size=batch, training=recipe), 1000, 32, 10)

    assert told(16, 256) == told(256, 16) == told(256, 256) > told(16, 16)


def test_a_batch_is_no_larger_than_the_pictures():
    told = {memory.needed(ErrorMinimizing(batch_size=batch), 100, 32, 10) for batch in (100, 128, 4096)}
    assert len(told) == 1


@pytest.mark.parametrize("size", [8, 9, 32, 63, 64, 224])
@pytest.mark.parametrize("network", ["tiny", "resnet18"])
def test_it_is_told_for_every_network_and_size(network, size):
    method = ErrorMinimizing(source_model=network, form="class-wise", batch_size=16)
    told = memory.needed(method, 100, size, 10)
    assert told > memory.needed(method, 50, size, 10)
    assert told > memory.needed(method.model_copy(update={"batch_size": 8}), 100, size, 10)
    assert told < memory.needed(method.model_copy(update={"widths": (64, 128, 256, 512)}), 100, size, 10) * 2


@pytest.mark.parametrize("name", METHODS)
def test_it_is_told_for_every_method(name):
    assert memory.needed(METHODS[name], 12, 8, 3) > 12 * 8 * 8 * 3


class TestCheck:
    @given(st.integers(1, 2**50), st.integers(0, 2**50), st.sampled_from(list(METHODS)))
    def test_a_fit_is_refused_when_it_needs_more_than_there_is(self, needed, available, name):
        if needed <= available:
            memory.check(needed, available, METHODS[name])
        else:
            with pytest.raises(ConfigurationError):
                memory.check(needed, available, METHODS[name])

    def test_nothing_is_refused_where_nobody_knows(self):
        memory.check(2**60, None, METHODS["joint"])

    def test_it_says_how_much(self):
        with pytest.raises(ConfigurationError, match=r"takes about 12\.3 GB of memory, and 4\.0 GB are free"):
            memory.check(12_345_678_901, 4_000_000_000, METHODS["joint"])

    @pytest.mark.parametrize("name", METHODS)
    def test_its_mend_names_levers_that_the_method_has_and_that_help(self, name):
        method = METHODS[name]
        with pytest.raises(ConfigurationError) as caught:
            memory.check(2, 1, method)
        mend = caught.value.mend
        assert "--working-size" in mend
        assert ("--procedure two-phase" in mend) == name.endswith("joint")
        assert ("--fit-samples" in mend) == (hasattr(method, "fit_samples") and not name.endswith("joint"))
        assert ("method.batch_size" in mend) == hasattr(method, "batch_size")
        assert ("method.training.batch_size" in mend) == (method.kind == "error-maximizing")

    @pytest.mark.parametrize("name", [name for name in METHODS if hasattr(METHODS[name], "batch_size")])
    def test_each_lever_brings_it_down(self, name):
        def told(samples=5000, size=32, **changes):
            return memory.needed(METHODS[name].model_copy(update=changes), samples, size, 10)

        assert told(samples=1000) < told()
        assert told(size=16) < told()
        recipe = {"training": TinyRecipe(batch_size=8)} if METHODS[name].kind == "error-maximizing" else {}
        assert told(batch_size=8, **recipe) < told(batch_size=512)


def test_bytes_are_written_in_gigabytes():
    assert [memory.gigabytes(count) for count in (0, 1_240_000_000, 137 * 10**9)] == ["0.0 GB", "1.2 GB", "137.0 GB"]
