"""Where tasks run: what a runner takes, and what a configuration refuses before anything is started."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig, Pairs
from schemas.protect import KeptConfig, ProtectConfig
from schemas.runner import DaskRunner, RayRunner, Runner, ThreadsRunner
from schemas.victims import FineTunedVictim

RUNNER = TypeAdapter(Runner)
FAR = {"kind": "ray", "address": "10.0.0.7:6379"}
SHARED = {
    "source": {"url": "s3://in/train"},
    "destination": "s3://out/train",
    "workspace": "/shared/private",
    "workers": 2,
}


def test_threads_are_the_default():
    config = ProtectConfig(source=SourceSpec(url="in"), destination="out", workspace="private")
    assert config.runner == ThreadsRunner()
    assert RUNNER.validate_python({}) == ThreadsRunner()


@pytest.mark.parametrize(
    ("fields", "runner"),
    [
        ({"kind": "ray"}, RayRunner()),
        ({**FAR, "cores": 4, "gpus": 0.5, "memory": 1 << 30}, RayRunner(**FAR, cores=4, gpus=0.5, memory=1 << 30)),
        ({"kind": "ray", "address": "ray://head:10001"}, RayRunner(address="ray://head:10001")),
        ({"kind": "dask", "address": "tls://head:8786", "gpus": 1}, DaskRunner(address="tls://head:8786", gpus=1)),
    ],
)
def test_a_cluster_is_named_with_what_a_task_asks_for(fields, runner):
    assert RUNNER.validate_python(fields) == runner


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "threads", "cores": 2}, "Extra inputs"),
        ({"kind": "threads", "address": "10.0.0.7:6379"}, "Extra inputs"),
        ({"address": "10.0.0.7:6379"}, "Extra inputs"),
        ({"kind": "slurm"}, "slurm"),
        # Ray takes `auto` for a cluster that it starts itself when there is none.
        ({"kind": "ray", "address": "auto"}, "pattern"),
        ({"kind": "ray", "address": ""}, "pattern"),
        ({"kind": "ray", "address": "ray://user:password@head:10001"}, "pattern"),
        ({"kind": "dask", "address": "ray://head:10001"}, "pattern"),
        ({"kind": "ray", "cores": 0}, "greater than"),
        ({"kind": "ray", "gpus": -1}, "greater than"),
        ({"kind": "ray", "gpus": 1.5}, "a fraction of one, or a whole number"),
        ({"kind": "ray", "memory": 0}, "greater than"),
        ({"kind": "dask", "gpus": 1}, "hands out no GPUs"),
    ],
)
def test_what_a_runner_can_not_use_is_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        RUNNER.validate_python(fields)


@pytest.mark.parametrize("runner", [FAR, {"kind": "dask", "address": "10.0.0.7:8786"}])
@pytest.mark.parametrize(
    "changed",
    [
        {"source": {"url": "train"}},
        {"destination": "./out"},
        {"workspace": "~/private"},
        {"public": {"url": "open"}},
        {"noise_store": "noise"},
        {"key_file": "key.txt"},
    ],
)
def test_a_place_that_is_another_on_each_node_is_refused(runner, changed):
    assert ProtectConfig.model_validate({**SHARED, "runner": runner})
    with pytest.raises(ValidationError, match="is another place on each node: give a URL, or a whole path"):
        ProtectConfig.model_validate({**SHARED, **changed, "runner": runner})
    on_this_machine = {"kind": runner["kind"]}
    assert ProtectConfig.model_validate({**SHARED, **changed, "runner": on_this_machine})


@pytest.mark.parametrize("runner", [FAR, {"kind": "dask", "address": "10.0.0.7:8786"}])
def test_how_many_shards_a_cluster_elsewhere_works_on_has_no_default(runner):
    unstated = {name: value for name, value in SHARED.items() if name != "workers"}
    with pytest.raises(ValidationError, match=r"the cluster at 10\.0\.0\.7:\d+ is can't be seen .*: say with workers"):
        ProtectConfig.model_validate({**unstated, "runner": runner})
    for here in ({}, {"kind": runner["kind"]}):
        assert ProtectConfig.model_validate({**unstated, "runner": here}).workers == 2


@given(st.sampled_from([{}, {"kind": "ray"}, FAR]), st.integers(1, 256))
def test_what_is_kept_of_a_run_is_read_again(runner, workers):
    """With the number of workers that the run had, stated or not."""
    kept = KeptConfig(config=ProtectConfig.model_validate({**SHARED, "runner": runner, "workers": workers}), folder="/")
    assert KeptConfig.model_validate_json(kept.model_dump_json()) == kept
    unstated = {name: value for name, value in SHARED.items() if name != "workers"}
    kept = KeptConfig(config=ProtectConfig.model_validate(unstated), folder="/")
    again = KeptConfig.model_validate_json(kept.model_dump_json())
    assert ProtectConfig.model_validate({**again.config.model_dump(), "runner": FAR}).workers == 2


@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_the_memory_of_a_process_is_no_place_for_a_cluster(kind):
    fields = {**SHARED, "workspace": "memory://private"}
    assert ProtectConfig.model_validate(fields)
    with pytest.raises(ValidationError, match="in the memory of one process"):
        ProtectConfig.model_validate({**fields, "runner": {"kind": kind}})


@pytest.mark.parametrize(
    "changed",
    [
        {"protected": ("out",)},
        {"clean": SourceSpec(url="in")},
        {"test": SourceSpec(url="test")},
        {"workspace": "private"},
        {"beside": Beside(train=SourceSpec(url="more"), test=SourceSpec(url="/more"))},
        {"pairs": Pairs(file="pairs.tsv", pictures=SourceSpec(url="/faces"))},
        {"pairs": Pairs(file="/pairs.tsv", pictures=SourceSpec(url="faces"))},
        {"victims": (FineTunedVictim(weights="weights.pth"),)},
    ],
)
def test_an_evaluation_refuses_places_of_one_machine_too(changed):
    shared = {
        "protected": ("s3://out",),
        "clean": SourceSpec(url="digits"),
        "test": SourceSpec(url="torchvision://CIFAR10"),
        "workspace": "/shared",
        "runner": RayRunner(**FAR),
    }
    assert EvaluateConfig(**shared)
    with pytest.raises(ValidationError, match="is another place on each node"):
        EvaluateConfig(**{**shared, **changed})


@pytest.mark.parametrize(
    ("device", "gpus", "reason"), [("cuda", 0, "needs a GPU for each task"), ("cpu", 1, "device cpu uses none")]
)
def test_devices_and_what_tasks_ask_for_go_together(device, gpus, reason):
    fields = {**SHARED, "device": device, "runner": {**FAR, "gpus": gpus}}
    with pytest.raises(ValidationError, match=reason):
        ProtectConfig.model_validate(fields)
    assert ProtectConfig.model_validate({**fields, "device": "auto"})


def test_one_process_takes_fewer_workers_than_a_cluster():
    assert ProtectConfig.model_validate({**SHARED, "runner": FAR, "workers": 2000}).workers == 2000
    with pytest.raises(ValidationError, match="too many for one process: 256 at most"):
        ProtectConfig.model_validate({**SHARED, "workers": 257})
