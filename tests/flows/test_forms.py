"""Every method and form from the command line to the audited bytes, and a fit that is killed and goes on."""

import itertools
import json

import numpy as np
import pytest
from PIL import Image

from flows.protect import protect
from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.fitted import NoiseRecord
from schemas.matching import Matching
from schemas.noise import ErrorMinimizing
from tasks.noise import stage as noise_stage
from tasks.noise.store import StoredJournal
from tests.flows.cli_helpers import Places, sample, unlearnable
from tests.tasks.rewrite.helpers import config_of, shards_of, tar_source
from tests.tasks.shard.helpers import encoded, picture

pytestmark = pytest.mark.usefixtures("prefect_server")

QUICK = {
    "widths": [4, 4, 8, 8],
    "model_steps": 2,
    "min_rounds": 1,
    "max_rounds": 2,
    "steps": 2,
    "perturb_steps": 2,
    "batch_size": 8,
}
TRAINED = {"widths": [4, 4, 8, 8], "training": {"epochs": 1, "batch_size": 8}, "steps": 2, "max_rounds": 1}
COMMANDS = {
    "lbfgs, joint": (["--method", "error-minimizing-lbfgs", "--procedure", "joint"], {**QUICK, "step_size": 0.5}),
    "lbfgs, class-wise": (["--method", "error-minimizing-lbfgs", "--form", "class-wise"], {**QUICK, "step_size": 0.5}),
    "maximizing, sample-wise": (["--method", "error-maximizing"], TRAINED),
    "maximizing, class-wise": (["--method", "error-maximizing", "--form", "class-wise"], TRAINED),
    "paper": (["--preset", "paper", "--source-model", "tiny"], QUICK),
    "two-phase patch": (["--patch", "4"], QUICK),
    "class-wise patch, two sets": (["--form", "class-wise", "--patch", "5", "--mixture", "two-sets"], QUICK),
    "class-wise with uniform": (["--form", "class-wise", "--mixture", "with-uniform"], QUICK),
    "as published": (["--arithmetic", "as-published"], QUICK),
    "l2": (["--norm", "l2", "--epsilon", "60"], QUICK),
    "random, l2": (["--method", "random", "--norm", "l2", "--epsilon", "60"], {}),
}


@pytest.fixture
def places(tmp_path):
    """Two shards of pictures of three classes, 10 x 12 pixels."""
    found = Places(tmp_path)
    for shard in range(2):
        members = [sample(f"{shard}{i}", str(i % 3), picture(10 * shard + i, height=10, width=12)) for i in range(6)]
        found.put(f"train-{shard:06d}.tar", list(itertools.chain(*members)))
    return found


def config_file(places, method, **more):
    """A configuration file with these fields of the method."""
    file = places.root / "config.json"
    file.write_text(json.dumps({"method": method, **more}))
    return file


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_asks_for_is_made_and_verified(places, name):
    options, method = COMMANDS[name]
    made = unlearnable(*places.arguments("protect", *options, "--config", config_file(places, method), "--json")).json
    assert (made["samples"], made["protected"]) == (12, 12)
    verified = unlearnable("verify", places.destination, "--clean", places.source, "--json").json
    assert verified["ok"], verified["problems"]
    largest = 60 if "l2" in name else 8
    assert 0 < verified["max_abs_change"] <= largest
    if "l2" in name:
        assert 0 < verified["max_l2"] <= 60


def test_a_preset_fills_what_is_not_given(places):
    file = config_file(places, QUICK)
    done = unlearnable(*places.arguments("protect", "--preset", "paper", "--source-model", "tiny", "--config", file))
    assert done.status == 0, done.err
    (record,) = [json.loads(path.read_text()) for path in (places.workspace / "noise").glob("*/record.json")]
    method = record["method"]
    assert (method["procedure"], method["alpha"], method["stop_error"], method["source_model"]) == (
        "joint",
        0.1,
        0.01,
        "tiny",
    )
    assert method["steps"] == 2, "a field that is given takes precedence over the preset"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--preset", "best"], "preset"),
        (["--epsilon", "65"], "epsilon"),
        (["--patch", "99", "--form", "class-wise"], "patch of 99"),
        (["--mixture", "two-sets"], "mixture"),
        (["--matching", "visual"], "matching"),
        (["--backbone", "resnet18"], "backbone"),
        (["--norm", "l1"], "norm"),
        (["--method", "random", "--preset", "paper"], "preset"),
    ],
)
def test_what_does_not_go_together_is_refused(places, options, named):
    said = unlearnable(*places.arguments("protect", *options))
    assert said.status == 2
    assert named in said.error
    assert not places.destination.exists() or not list(places.destination.glob("*.tar"))


def test_a_weak_fit_is_told_everywhere(places):
    file = config_file(places, {**QUICK, "stop_error": 0.0, "max_rounds": 1})
    said = unlearnable(*places.arguments("protect", "--config", file))
    assert said.status == 0
    assert "WARNING: the fit ended with" in said.out
    assert "warning: the fit ended at-cap with" in said.err
    assert "fit: the fit sees 12 pictures and takes about" in said.err
    manifest = json.loads((places.destination / "manifest.json").read_text())
    assert manifest["protection"]["converged"] is False
    assert manifest["protection"]["noise_error"] > 0
    assert "did not converge" in (places.destination / "README.md").read_text()
    (record,) = places.workspace.glob("noise/*/record.json")
    assert json.loads(record.read_text())["stopped"] == "at-cap"
    again = unlearnable(*places.arguments("protect", "--config", file, "--json"))
    assert "warning: the fit ended at-cap with" in again.err
    assert again.json["converged"] is False


def test_a_fit_that_needs_more_memory_than_there_is_is_refused_before_it_starts(places, monkeypatch):
    monkeypatch.setattr(noise_stage, "free_memory", lambda device: 1 << 20)
    said = unlearnable(*places.arguments("protect", "--procedure", "joint"))
    assert said.status == 2
    assert "memory" in said.error
    assert "two-phase" in said.error
    assert not list(places.workspace.glob("noise/*/checkpoint*"))


class Killed(BaseException):
    """No handler takes it for an error of the job."""


@pytest.mark.parametrize("form", ["class-wise", "two-phase", "joint"])
@pytest.mark.parametrize("after", [1, 2])
def test_a_killed_fit_goes_on_and_gives_the_same_bytes(tmp_path, monkeypatch, form, after):
    chosen = {"form": "class-wise"} if form == "class-wise" else {"procedure": form}
    method = ErrorMinimizing.model_validate({**QUICK, "max_rounds": 3, "min_rounds": 3, "stop_error": 0.0, **chosen})
    source = tar_source(tmp_path / "in")
    unbroken = config_of(tmp_path / "unbroken", source, method)
    protect(unbroken)

    heard = []

    def kill(self, one):
        heard.append(one)
        if len(heard) == after:
            raise Killed

    broken = config_of(tmp_path / "broken", source, method)
    with monkeypatch.context() as patch:
        patch.setattr(StoredJournal, "heard", kill)
        with pytest.raises(Killed):
            protect(broken)
    (checkpoint,) = (tmp_path / "broken").rglob("checkpoint.safetensors")
    protect(broken)
    assert shards_of(broken.destination) == shards_of(unbroken.destination)
    assert not checkpoint.exists()
    (record,) = (tmp_path / "broken").rglob("noise/*/record.json")
    folder = Folder(str(record.parent))
    found = folder.load("record.json", NoiseRecord)
    assert found is not None
    assert found.resumed
    assert [one.round for one in found.rounds] == [1, 2, 3]


def test_noise_in_the_context_of_a_public_set(places, tmp_path):
    public = Places(tmp_path / "public")
    members = [sample(f"{i}", str(i % 2), picture(50 + i, height=16, width=16)) for i in range(8)]
    public.put("train-000000.tar", list(itertools.chain(*members)))
    more = ["--public", public.source, "--matching", "context", "--classes", "0,1"]
    made = unlearnable(*places.arguments("protect", *more, "--config", config_file(places, QUICK), "--json")).json
    assert (made["samples"], made["protected"]) == (12, 8)
    (path,) = (places.workspace / "noise").glob("*/record.json")
    record = json.loads(path.read_text())
    assert record["class_names"] == ["0", "1", "2", "public/0", "public/1"]
    assert record["samples"] == 16, "the covered private pictures and the public ones"
    assert unlearnable("verify", places.destination, "--clean", places.source).status == 0


def test_classes_matched_by_sight(tmp_path):
    """Private classes are bright, dark; public ones the same under other names, the other way round."""

    def shaded(value, seed):
        noise = np.random.default_rng(seed).integers(-20, 20, (12, 12, 3))
        return np.clip(value + noise, 0, 255).astype(np.uint8)

    places, public = Places(tmp_path / "private"), Places(tmp_path / "public")
    ours = [sample(f"{i:02d}", str(i % 2), encoded(Image.fromarray(shaded((200, 40)[i % 2], i)))) for i in range(24)]
    theirs = [
        sample(f"{i:02d}", str(i % 2), encoded(Image.fromarray(shaded((40, 200)[i % 2], 100 + i)))) for i in range(24)
    ]
    places.put("train-000000.tar", list(itertools.chain(*ours)))
    public.put("train-000000.tar", list(itertools.chain(*theirs)))
    matching = {"how": "visual", "training": {"epochs": 6, "batch_size": 8}}
    assert Matching.model_validate(matching).assignment == "one-to-one"
    file = config_file(places, QUICK, matching=matching)
    done = unlearnable(*places.arguments("protect", "--public", public.source, "--config", file))
    assert done.status == 0, done.err
    mapping = json.loads((places.workspace / "match" / "mapping.json").read_text())
    assert mapping["how"] == "visual"
    assert [(m["private"], m["public"]) for m in mapping["matches"]] == [("0", "1"), ("1", "0")]
    assert all(0 <= m["score"] <= 1 for m in mapping["matches"])


def test_a_patch_that_does_not_fit_is_a_configuration_error(tmp_path):
    config = config_of(tmp_path, tar_source(tmp_path / "in"), ErrorMinimizing(form="class-wise"))
    placement = config.application.placement.model_copy(update={"patch": 999})
    application = config.application.model_copy(update={"placement": placement})
    with pytest.raises(ConfigurationError, match="999 pixels"):
        protect(config.model_copy(update={"application": application}))
