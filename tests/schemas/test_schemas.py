import hashlib
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import Schema, Stored, canonical, digest
from schemas.countermeasures import Countermeasure, Grayscale, Jpeg
from schemas.coverage import Coverage
from schemas.dataset import DatasetManifest, ShardRecord, SourceSpec
from schemas.evaluate import EpochPoint, EvaluateConfig, VictimRun
from schemas.fitted import FitRound, NoiseRecord
from schemas.matching import ClassMatch, Mapping
from schemas.noise import (
    MAX_EPSILON,
    MAX_EPSILON_L2,
    Application,
    ErrorMaximizing,
    ErrorMinimizing,
    ErrorMinimizingLBFGS,
    NoiseBudget,
    NoiseMethod,
    Placement,
    RandomNoise,
)
from schemas.protect import ProtectConfig
from schemas.recipe import Recipe, TinyRecipe
from schemas.report import ReportContext
from schemas.victims import ResNet18Victim, TinyVictim, Victim

METHODS = [ErrorMinimizing, ErrorMinimizingLBFGS, ErrorMaximizing, RandomNoise]
CONFIGS = [SourceSpec, ProtectConfig, EvaluateConfig, NoiseBudget, Placement, Application, *METHODS, Coverage, Recipe]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def every_schema(base=Schema):
    for one in base.__subclasses__():
        if one.__module__.startswith("schemas."):
            yield one
            yield from every_schema(one)


def protect_config(**changes):
    return ProtectConfig(**{"source": SourceSpec(url="s"), "destination": "d", "workspace": "w", **changes})


def shard(**changes):
    fields = {"name": "a.tar", "url": "s3://b/a.tar", "samples": 2, "bytes": 10, "sha256": "0" * 64}
    return ShardRecord(**{**fields, "class_counts": {"0": 1, "1": 1}, "sizes": None, **changes})


def manifest(*shards, **changes):
    fields = {
        "source": SourceSpec(url="s"),
        "format": "webdataset",
        "class_names": ("cat", "dog"),
        "labels": ("0", "7"),
    }
    return DatasetManifest(**{**fields, "shards": shards, "quarantined": 0, **changes})


def victim_run(loss):
    return VictimRun(
        inputs="i",
        dataset="digits",
        method="none",
        form="none",
        epsilon=0,
        fraction=0.0,
        victim="tiny",
        countermeasure="none",
        seed=0,
        test_accuracy=10.0,
        peak_test_accuracy=11.0,
        train_accuracy=12.0,
        epochs=1,
        seconds=1.5,
        samples=3,
        test_samples=2,
        classes=("cat", "dog"),
        curve=(EpochPoint(epoch=1, loss=loss, train_accuracy=1.0, test_accuracy=2.0),),
        confusion=((1, 0), (1, 0)),
        device="cpu",
        precision="bf16",
        diverged=True,
    )


def noise_record(**changes):
    fields = {
        "inputs": "i",
        "method": ErrorMinimizing(),
        "budget": NoiseBudget(),
        "class_names": ("cat", "dog"),
        "dataset": "d",
        "key_fingerprint": "f",
        "working_size": 32,
        "samples": 5,
        "rounds": (FitRound(round=1, error=0.5, loss=math.nan, seconds=0.1, image_steps=7),),
        "kept_round": 1,
        "stopped": "at-cap",
        "precision": "fp32",
        "device": "cpu",
        "seconds": 0.1,
        "tensors_bytes": 3,
        "tensors_sha256": "0" * 64,
    }
    return NoiseRecord(**{**fields, **changes})


class TestEverySchema:
    @pytest.mark.parametrize("schema", sorted(set(every_schema()), key=lambda s: s.__name__), ids=lambda s: s.__name__)
    def test_it_is_frozen_strict_and_says_what_it_is(self, schema):
        assert schema.model_config["frozen"] is True
        assert schema.model_config["extra"] == "forbid"
        assert schema.__doc__

    def test_all_of_them_were_looked_at(self):
        found = set(every_schema())
        assert {*CONFIGS, VictimRun, NoiseRecord, DatasetManifest, Mapping, ReportContext} <= found
        assert len(found) > 30

    @pytest.mark.parametrize("schema", sorted(set(every_schema(Stored)), key=lambda s: s.__name__))
    def test_what_is_stored_carries_the_version_of_its_layout(self, schema):
        assert schema.model_fields["schema_version"].default == 1

    def test_a_value_cannot_be_changed(self):
        spec = SourceSpec(url="s")
        with pytest.raises(ValidationError):
            spec.url = "t"
        assert spec.url == "s"

    def test_an_unknown_field_is_refused_by_name(self):
        with pytest.raises(ValidationError, match="epsilom"):
            NoiseBudget(epsilom=8)

    def test_a_record_of_another_version_is_refused(self):
        text = noise_record().model_dump_json().replace('"schema_version":1', '"schema_version":2')
        with pytest.raises(ValidationError, match="schema_version"):
            NoiseRecord.model_validate_json(text)


def explained(schema, name):
    """A field explains itself, or is a noun that does; the tag of a union has nothing to choose."""
    field = schema.model_fields[name]
    noun = isinstance(field.annotation, type) and issubclass(field.annotation, Schema) and field.annotation.__doc__
    return bool(field.description or noun or name == "kind")


@pytest.mark.parametrize("schema", CONFIGS, ids=lambda s: s.__name__)
def test_a_form_explains_every_field_that_a_user_fills_in(schema):
    assert [name for name in schema.model_fields if not explained(schema, name)] == []


class TestDigest:
    @settings(deadline=None)
    @given(st.dictionaries(st.text(max_size=5), JSON, min_size=2, max_size=5), st.randoms())
    def test_the_order_of_names_does_not_count(self, content, random):
        names = list(content)
        random.shuffle(names)
        assert digest(content) == digest({name: content[name] for name in names})

    @settings(deadline=None)
    @given(JSON, JSON)
    def test_other_content_gives_another_digest(self, one, two):
        # By JSON text: 1, 1.0 and true are equal in Python and different in JSON.
        same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
        assert (digest(one) == digest(two)) == same

    def test_it_is_64_hex_digits_and_the_same_in_every_process(self):
        expected = hashlib.sha256(b'{"a":null,"b":[1,2]}\n').hexdigest()
        assert digest({"b": [1, 2], "a": None}) == expected

    def test_parts_are_not_merely_joined(self):
        assert len({digest("a", "b"), digest("ab"), digest("b", "a"), digest(["a", "b"])}) == 4

    @pytest.mark.parametrize(
        "other",
        [ErrorMinimizing(steps=6), ErrorMinimizing(form="class-wise"), ErrorMinimizing(alpha=0.1), RandomNoise()],
    )
    def test_every_parameter_of_a_method_counts(self, other):
        assert digest(ErrorMinimizing()) == digest(ErrorMinimizing(steps=5))
        assert digest(ErrorMinimizing()) != digest(other)

    def test_a_schema_has_the_digest_of_its_json(self):
        spec = SourceSpec(url="s", limit=3)
        assert digest(spec) == digest(json.loads(spec.model_dump_json()))
        assert canonical(spec) == canonical(SourceSpec.model_validate_json(spec.model_dump_json()))


class TestJson:
    @pytest.mark.parametrize("loss", [0.5, math.nan, math.inf, -math.inf], ids=str)
    def test_a_loss_that_is_no_number_comes_back(self, loss):
        text = victim_run(loss).model_dump_json()
        json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        again = VictimRun.model_validate_json(text)
        assert again.curve[0].loss == pytest.approx(loss, nan_ok=True)
        assert again.model_dump_json() == text
        record = noise_record(rounds=(FitRound(round=1, error=1, loss=loss, seconds=1, image_steps=1),))
        assert NoiseRecord.model_validate_json(record.model_dump_json()).model_dump_json() == record.model_dump_json()

    @pytest.mark.parametrize(
        "record",
        [
            protect_config(method=RandomNoise(form="class-wise"), coverage=Coverage(classes=("cat",))),
            EvaluateConfig(
                protected=("d",),
                clean=SourceSpec(url="s"),
                test=SourceSpec(url="t", split="test"),
                workspace="w",
                countermeasures=(Jpeg(quality=30), Grayscale()),
            ),
            manifest(shard()),
            noise_record(
                application=Application(placement=Placement(patch=8), mixture="two-sets"), resumed=True, rounds=()
            ),
            noise_record(
                method=ErrorMaximizing(form="class-wise"), budget=NoiseBudget(norm="l2", epsilon=500), rounds=()
            ),
            Mapping(inputs="i", how="name", matches=(ClassMatch(private="a", public="b"),)),
        ],
        ids=lambda record: type(record).__name__,
    )
    def test_a_record_comes_back_as_it_was(self, record):
        assert type(record).model_validate_json(record.model_dump_json()) == record

    @pytest.mark.parametrize(("union", "kinds"), [(NoiseMethod, 4), (Victim, 11), (Countermeasure, 21)])
    def test_a_member_of_a_union_is_chosen_by_its_kind(self, union, kinds):
        adapter = TypeAdapter(union)
        mapping = adapter.json_schema()["discriminator"]["mapping"]
        assert len(mapping) >= kinds
        for kind in mapping:
            assert adapter.validate_python({"kind": kind}).kind == kind
        with pytest.raises(ValidationError, match="kind"):
            adapter.validate_python({"kind": "nonsense"})


class TestLimits:
    @pytest.mark.parametrize("epsilon", [0, -1, MAX_EPSILON + 1, 8.5, None, "many"])
    def test_a_budget_outside_its_range_is_refused(self, epsilon):
        with pytest.raises(ValidationError, match="epsilon"):
            NoiseBudget(epsilon=epsilon)

    @given(st.integers(1, MAX_EPSILON))
    def test_every_budget_in_its_range_is_taken(self, epsilon):
        assert NoiseBudget(epsilon=epsilon).epsilon == epsilon

    @given(st.integers(1, MAX_EPSILON_L2))
    def test_a_larger_number_bounds_an_l2_norm_only(self, epsilon):
        assert NoiseBudget(norm="l2", epsilon=epsilon).epsilon == epsilon
        if epsilon > MAX_EPSILON:
            with pytest.raises(ValidationError, match="at most 64 with norm linf"):
                NoiseBudget(norm="linf", epsilon=epsilon)

    @pytest.mark.parametrize("epsilon", [0, -1, MAX_EPSILON_L2 + 1, 8.5, None])
    def test_an_l2_budget_has_its_range_too(self, epsilon):
        with pytest.raises(ValidationError, match="epsilon"):
            NoiseBudget(norm="l2", epsilon=epsilon)

    @pytest.mark.parametrize("mixture", ["two-sets", "with-uniform"])
    @pytest.mark.parametrize("schema", METHODS)
    def test_mixtures_are_for_class_wise_noise(self, schema, mixture):
        laid = Application(mixture=mixture)
        assert protect_config(method=schema(form="class-wise"), application=laid).application.mixture == mixture
        with pytest.raises(ValidationError, match="class-wise"):
            protect_config(method=schema(form="sample-wise"), application=laid)
        assert protect_config(method=schema(form="sample-wise")).application.mixture == "none"

    @pytest.mark.parametrize("how", ["visual", "context"])
    def test_matching_by_looks_or_context_needs_public_data(self, how):
        with pytest.raises(ValidationError, match="public dataset"):
            protect_config(matching={"how": how})
        assert protect_config(matching={"how": how}, public=SourceSpec(url="p")).matching.how == how
        assert protect_config(matching={"how": "name"}).public is None

    def test_joint_noise_is_not_class_wise(self):
        with pytest.raises(ValidationError, match="joint"):
            ErrorMinimizing(form="class-wise", procedure="joint")
        assert ErrorMinimizing(form="sample-wise", procedure="joint").procedure == "joint"
        assert ErrorMinimizing(form="class-wise").form == "class-wise"

    @pytest.mark.parametrize(
        ("schema", "field", "value"),
        [
            (Coverage, "fraction", 0),
            (Coverage, "fraction", 1.01),
            (Coverage, "fraction", math.nan),
            (Coverage, "classes", ()),
            (ErrorMinimizing, "steps", 0),
            (ErrorMinimizing, "alpha", 0),
            (ErrorMinimizing, "alpha", math.nan),
            (ErrorMinimizing, "lr", -0.1),
            (ErrorMinimizing, "stop_error", 1),
            (ErrorMinimizing, "max_rounds", 0),
            (ErrorMinimizing, "subset", 0),
            (ErrorMinimizing, "batch_size", 0),
            (ErrorMinimizing, "form", "patch-wise"),
            (ErrorMinimizing, "source_model", "vgg"),
            (ErrorMinimizing, "working_size", 7),
            (ErrorMinimizing, "widths", (8, 8, 8)),
            (ErrorMinimizingLBFGS, "penalty", -1),
            (ErrorMinimizingLBFGS, "step_size", 0),
            (ErrorMinimizingLBFGS, "alpha", 0.1),
            (ErrorMaximizing, "steps", 0),
            (ErrorMaximizing, "stop_error", 0),
            (ErrorMaximizing, "stop_error", 1.1),
            (ErrorMaximizing, "procedure", "joint"),
            (Placement, "patch", 0),
            (Placement, "place", "corner"),
            (Application, "mixture", "three-sets"),
            (Application, "arithmetic", "rounded"),
            (NoiseBudget, "norm", "l1"),
            (Recipe, "epochs", 0),
            (Recipe, "batch_size", 1),
            (Recipe, "schedule", "none"),
            (Recipe, "momentum", 1),
            (TinyRecipe, "momentum", 0),
            (Jpeg, "quality", 0),
            (Jpeg, "quality", 101),
        ],
    )
    def test_a_value_that_makes_no_sense_is_refused_by_name(self, schema, field, value):
        with pytest.raises(ValidationError, match=field):
            schema(**{field: value})

    @pytest.mark.parametrize(
        "change", [{"url": ""}, {"split": "../up"}, {"limit": 0}, {"shard_size": 0}, {"max_bad_share": 2}]
    )
    def test_a_source_that_makes_no_sense_is_refused_by_name(self, change):
        with pytest.raises(ValidationError, match=next(iter(change))):
            SourceSpec(**{"url": "s", **change})

    @pytest.mark.parametrize("change", [{"destination": ""}, {"workspace": ""}, {"workers": 0}, {"device": "tpu"}])
    def test_a_job_that_makes_no_sense_is_refused_by_name(self, change):
        with pytest.raises(ValidationError, match=next(iter(change))):
            protect_config(**change)


class TestMeaning:
    def test_a_manifest_has_one_digest_wherever_its_shards_lie(self):
        here, there = manifest(shard()), manifest(shard(url="/elsewhere/a.tar"), source=SourceSpec(url="other"))
        assert here.digest == there.digest

    @pytest.mark.parametrize("change", [{"sha256": "1" * 64}, {"name": "b.tar"}, {"bad_positions": (0,)}])
    def test_a_changed_shard_changes_the_digest(self, change):
        assert manifest(shard(**change)).digest != manifest(shard()).digest

    def test_a_changed_class_changes_the_digest(self):
        assert manifest(shard(), class_names=("cat", "cow")).digest != manifest(shard()).digest
        assert manifest(shard(), labels=("0", "1")).digest != manifest(shard()).digest

    def test_a_class_is_found_by_its_label_as_it_is_written(self):
        found = manifest(shard(), shard(name="b.tar"))
        assert [found.class_index(label) for label in ("0", "7")] == [0, 1]
        assert found.samples == 4
        with pytest.raises(KeyError):
            found.class_index("1")

    def test_a_mapping_gives_an_index_for_each_private_class_that_is_matched(self):
        matches = tuple(ClassMatch(private=a, public=b) for a, b in [("cat", "y"), ("dog", "x"), ("ox", "y")])
        mapping = Mapping(inputs="i", how="file", matches=matches)
        assert mapping.public_indices(("x", "y", "z")) == {"cat": 1, "dog": 0, "ox": 1}

    def test_a_fit_that_ended_above_its_target_did_not_converge(self):
        ends = ("at-lambda", "at-cap", "diverged", "no-fit")
        converged = {stopped: noise_record(stopped=stopped).converged for stopped in ends}
        assert converged == {"at-lambda": True, "at-cap": False, "diverged": False, "no-fit": True}

    def test_the_error_of_a_fit_is_that_of_the_round_that_was_kept(self):
        rounds = tuple(FitRound(round=i, error=i / 10, loss=1, seconds=1, image_steps=1) for i in (1, 2, 3))
        assert noise_record(rounds=rounds, kept_round=2).error == 0.2
        assert noise_record(rounds=(), kept_round=None).error is None

    def test_a_countermeasure_is_named_with_what_shapes_it(self):
        assert [Jpeg(quality=30).name, Grayscale().name] == ["jpeg-30", "grayscale"]

    def test_a_victim_is_named_with_widths_that_are_not_its_own(self):
        assert TinyVictim().name == TinyVictim(widths=(32, 64, 128, 128)).name == "tiny"
        assert TinyVictim(widths=(16, 32, 64, 64)).name == "tiny-w16-32-64-64"
        assert [ResNet18Victim().name, ResNet18Victim(width=16).name] == ["resnet18", "resnet18-w16"]


def test_a_mapping_without_a_public_dataset_is_refused():
    with pytest.raises(ValidationError, match="public dataset"):
        ProtectConfig(source=SourceSpec(url="digits"), destination="out", workspace="private", mapping="map.yaml")
