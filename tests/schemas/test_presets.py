"""Presets fill the fields that are not given: `paper` with the table of Huang et al. 2021 for CIFAR-10."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.noise import ErrorMinimizing, ErrorMinimizingLBFGS, NoiseMethod
from schemas.presets import fields_of

KINDS = {"error-minimizing": ErrorMinimizing, "error-minimizing-lbfgs": ErrorMinimizingLBFGS}
ANY_KIND = pytest.mark.parametrize("schema", KINDS.values(), ids=KINDS)
PRESETS = ["standard", "fast", "paper"]
FORMS = ["class-wise", "sample-wise"]


def values(method, *names):
    return tuple(getattr(method, name) for name in names)


def differing(one, other):
    return {name for name, value in one.model_dump().items() if value != other.model_dump()[name]}


class TestPaper:
    def test_sample_wise_is_the_joint_procedure_of_the_table(self):
        method = ErrorMinimizing(preset="paper")
        assert values(method, "form", "procedure", "source_model") == ("sample-wise", "joint", "resnet18")
        assert values(method, "alpha", "steps", "model_steps", "stop_error") == (0.1, 20, 10, 0.01)
        assert method.widths is None, "not the network's own widths"

    def test_class_wise_takes_one_step_and_stops_at_a_tenth(self):
        method = ErrorMinimizing(preset="paper", form="class-wise")
        assert values(method, "alpha", "steps", "model_steps", "stop_error") == (0.1, 1, 10, 0.1)
        assert values(method, "source_model", "subset", "fit_samples") == ("resnet18", 0.2, 50_000)

    @pytest.mark.parametrize("form", FORMS)
    def test_its_optimiser_is_that_of_the_released_configurations(self, form):
        method = ErrorMinimizing(preset="paper", form=form)
        found = values(method, "lr", "momentum", "weight_decay", "clip", "batch_size")
        assert found == (0.1, 0.9, 5e-4, 5.0, 512)
        assert method.min_rounds == 1

    def test_two_phase_perturbs_as_it_fits(self):
        method = ErrorMinimizing(preset="paper", procedure="two-phase")
        assert values(method, "perturb_alpha", "perturb_steps") == values(method, "alpha", "steps") == (0.1, 20)

    @pytest.mark.parametrize("form", FORMS)
    def test_the_lbfgs_form_is_that_of_appendix_i(self, form):
        method = ErrorMinimizingLBFGS(preset="paper", form=form)
        assert values(method, "penalty", "steps", "perturb_steps", "model_steps") == (1.0, 200, 200, 100)
        assert method.stop_error == (0.1 if form == "class-wise" else 0.01)


class TestEveryPreset:
    @ANY_KIND
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("preset", PRESETS)
    def test_it_makes_a_method_that_comes_back_as_it_was(self, schema, preset, form):
        method = schema(preset=preset, form=form)
        assert type(method).model_validate(method.model_dump()) == method
        assert TypeAdapter(NoiseMethod).validate_json(method.model_dump_json()) == method
        assert (method.preset, method.form) == (preset, form)

    @ANY_KIND
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("preset", PRESETS)
    def test_it_states_nothing_that_the_method_does_not_know(self, schema, preset, form):
        stated = fields_of(preset, schema.model_fields["kind"].default, form)
        assert set(stated) <= set(schema.model_fields)
        assert not {"kind", "form", "preset"} & set(stated)

    @given(
        st.sampled_from(sorted(KINDS)),
        st.sampled_from(PRESETS),
        st.sampled_from(FORMS),
        st.fixed_dictionaries(
            {},
            optional={
                "steps": st.integers(1, 1000),
                "perturb_steps": st.integers(1, 1000),
                "model_steps": st.integers(1, 99),
                "fit_samples": st.integers(2, 10**6),
                "stop_error": st.floats(0, 0.99),
                "batch_size": st.integers(1, 999),
                "source_model": st.sampled_from(["tiny", "resnet18"]),
                "procedure": st.just("two-phase"),
            },
        ),
    )
    def test_what_is_given_takes_precedence_and_nothing_else_changes(self, kind, preset, form, given_):
        fields = {"kind": kind, "preset": preset, "form": form}
        whole = TypeAdapter(NoiseMethod).validate_python(fields)
        method = TypeAdapter(NoiseMethod).validate_python(fields | given_)
        assert method.model_dump() == whole.model_dump() | given_

    @ANY_KIND
    def test_standard_is_what_the_schema_says(self, schema):
        assert schema() == schema(preset="standard")
        defaults = {name: field.default for name, field in schema.model_fields.items()}
        assert schema().model_dump() == defaults

    @ANY_KIND
    def test_fast_fits_on_fewer_pictures_and_by_pgd_takes_fewer_steps(self, schema):
        fast, standard = schema(preset="fast"), schema()
        assert fast.fit_samples < standard.fit_samples
        if schema is ErrorMinimizing:
            assert fast.perturb_steps < standard.perturb_steps
        else:  # Adam's small steps can't be fewer, and the form says so
            assert fast.perturb_steps == standard.perturb_steps
            assert "error-minimizing-lbfgs costs the same a picture" in schema.model_fields["preset"].description
        assert differing(fast, standard) <= {"preset", "fit_samples", "perturb_steps", "perturb_alpha", "step_size"}

    def test_the_given_fields_are_not_changed(self):
        given_ = {"preset": "paper", "steps": 3}
        assert ErrorMinimizing.model_validate(given_).steps == 3
        assert given_ == {"preset": "paper", "steps": 3}


@ANY_KIND
@pytest.mark.parametrize("preset", ["turbo", "", None, 5, ["paper"]])
def test_an_unknown_preset_is_refused_by_name(schema, preset):
    with pytest.raises(ValidationError, match="preset"):
        schema(preset=preset)


@ANY_KIND
def test_class_wise_noise_is_not_joint_in_any_preset(schema):
    for preset in PRESETS:
        with pytest.raises(ValidationError, match="joint"):
            schema(preset=preset, form="class-wise", procedure="joint")


@ANY_KIND
def test_what_is_no_mapping_is_refused(schema):
    with pytest.raises(ValidationError):
        schema.model_validate("paper")
