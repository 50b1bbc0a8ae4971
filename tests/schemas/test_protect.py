"""What a job may ask for: options that would protect nothing, or next to nothing, are refused with the mend."""

import pytest
from pydantic import ValidationError

from schemas.dataset import SourceSpec
from schemas.fitted import NoiseRecord
from schemas.noise import ErrorMaximizing, ErrorMinimizing, ErrorMinimizingLBFGS, NoiseBudget, RandomNoise
from schemas.protect import ProtectConfig, ProtectionRecord
from tests.schemas.test_schemas import noise_record

PUBLIC = SourceSpec(url="p")
MIN_MIN = pytest.mark.parametrize("schema", [ErrorMinimizing, ErrorMinimizingLBFGS])


def job(**changes):
    return ProtectConfig(**{"source": SourceSpec(url="s"), "destination": "d", "workspace": "w", **changes})


def joint(schema=ErrorMinimizing, epsilon=8, **fields):
    return {"method": schema(procedure="joint", **fields), "budget": NoiseBudget(epsilon=epsilon)}


class TestJointNoiseAndPublicData:
    @MIN_MIN
    @pytest.mark.parametrize(
        "matching", [{}, {"matching": {"how": "visual"}}, {"mapping": "m.yaml"}], ids=["name", "visual", "file"]
    )
    def test_noise_of_public_pictures_is_not_laid_on_private_ones(self, schema, matching):
        with pytest.raises(ValidationError, match=r"joint noise .* use --procedure two-phase, or leave --public out"):
            job(method=schema(procedure="joint"), public=PUBLIC, **matching)

    def test_the_paper_preset_is_joint_sample_wise_only(self):
        with pytest.raises(ValidationError, match="joint noise"):
            job(method=ErrorMinimizing(preset="paper"), public=PUBLIC)
        assert job(method=ErrorMinimizing(preset="paper", form="class-wise"), public=PUBLIC).public == PUBLIC

    @MIN_MIN
    def test_in_a_context_the_private_pictures_are_in_the_fit(self, schema):
        found = job(method=schema(procedure="joint"), public=PUBLIC, matching={"how": "context"})
        assert found.in_context

    def test_a_mapping_file_takes_the_context_away(self):
        with pytest.raises(ValidationError, match="joint noise"):
            job(method=ErrorMinimizing(procedure="joint"), public=PUBLIC, matching={"how": "context"}, mapping="m.yaml")

    @pytest.mark.parametrize("method", [ErrorMinimizing(), ErrorMaximizing(), RandomNoise()], ids=lambda m: m.kind)
    def test_other_noise_goes_with_public_data(self, method):
        assert job(method=method, public=PUBLIC).public == PUBLIC

    def test_joint_noise_without_public_data_is_taken(self):
        assert job(**joint()).public is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"public": PUBLIC}, False),
        ({"public": PUBLIC, "matching": {"how": "visual"}}, False),
        ({"public": PUBLIC, "matching": {"how": "context"}}, True),
        ({"public": PUBLIC, "matching": {"how": "context"}, "mapping": "m.yaml"}, False),
    ],
)
def test_noise_is_made_in_a_context_where_no_mapping_file_says_otherwise(fields, expected):
    assert job(**fields).in_context is expected


class TestJointNoiseLeavesZero:
    @pytest.mark.parametrize(
        "asked",
        [
            joint(epsilon=1, steps=1, alpha=0.25),
            joint(epsilon=4, steps=1, alpha=0.1),
            joint(epsilon=1, steps=2, alpha=0.25),
            joint(ErrorMinimizingLBFGS, epsilon=2, steps=2, step_size=0.1),
        ],
        ids=["one step", "small steps", "exactly a half", "lbfgs"],
    )
    def test_steps_that_are_rounded_away_are_refused(self, asked):
        with pytest.raises(ValidationError, match=r"stay at 0; raise --epsilon, method\.steps"):
            job(**asked)

    @pytest.mark.parametrize(
        "asked",
        [
            joint(),
            joint(epsilon=1),
            joint(epsilon=1, steps=3, alpha=0.25),
            joint(ErrorMinimizingLBFGS, epsilon=1),
            joint(epsilon=1, preset="paper"),
        ],
    )
    def test_steps_that_come_to_a_whole_one_are_taken(self, asked):
        assert job(**asked).method == asked["method"]

    def test_it_is_a_rule_for_joint_noise_in_linf_alone(self):
        few = {"steps": 1, "alpha": 0.25}
        one = NoiseBudget(epsilon=1)
        assert job(method=ErrorMinimizing(**few), budget=one).method.steps == 1
        assert job(method=ErrorMinimizing(form="class-wise", **few), budget=one).method.steps == 1
        l2 = NoiseBudget(norm="l2", epsilon=1)
        assert job(method=ErrorMinimizing(procedure="joint", **few), budget=l2).budget == l2


class TestL2Budget:
    def test_it_has_no_default(self):
        with pytest.raises(ValidationError, match=r"norm l2 has no default epsilon: .*--epsilon.*443 at 32 px"):
            NoiseBudget(norm="l2")
        with pytest.raises(ValidationError, match="no default epsilon"):
            job(budget={"norm": "l2"})
        assert NoiseBudget(norm="linf") == NoiseBudget() == NoiseBudget(epsilon=8)

    def test_a_small_one_is_taken_when_it_is_meant(self):
        assert NoiseBudget(norm="l2", epsilon=8).epsilon == 8

    @pytest.mark.parametrize("budget", [NoiseBudget(), NoiseBudget(norm="l2", epsilon=8)], ids=["linf", "l2"])
    def test_what_is_stored_states_it_and_comes_back(self, budget):
        assert NoiseBudget.model_validate_json(budget.model_dump_json()) == budget
        record = noise_record(budget=budget)
        assert NoiseRecord.model_validate_json(record.model_dump_json()).budget == budget
        config = job(budget=budget)
        assert ProtectConfig.model_validate_json(config.model_dump_json()) == config
        assert ProtectConfig.model_validate(config.model_dump()) == config

    def test_the_record_of_a_destination_gives_its_budget(self):
        known = {"method": "random", "form": "class-wise", "fraction": 1.0, "classes": None, "protected": 1}
        record = ProtectionRecord(**known, norm="l2", epsilon=8, max_abs_change=1, software="s")
        assert ProtectionRecord.model_validate_json(record.model_dump_json()).budget == NoiseBudget(
            norm="l2", epsilon=8
        )


class TestNoiseRecord:
    def test_the_error_of_released_noise_is_stored_when_it_is_known(self):
        assert noise_record().released_error is None
        record = noise_record(released_error=0.25)
        assert NoiseRecord.model_validate_json(record.model_dump_json()).released_error == 0.25

    def test_a_record_from_before_it_was_known_is_read(self):
        fields = noise_record().model_dump(mode="json")
        del fields["released_error"]
        assert NoiseRecord.model_validate(fields).released_error is None

    @pytest.mark.parametrize("value", [-0.1, 1.1])
    def test_it_is_a_share(self, value):
        with pytest.raises(ValidationError, match="released_error"):
            noise_record(released_error=value)
