"""Names of victims and countermeasures on the command line: what they stand for, and what is no name at all."""

import re
from pathlib import Path
from typing import get_args, get_origin

import pytest
import typer
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.cli import suites
from flows.cli.main import app
from infra.errors import ConfigurationError
from schemas.countermeasures import TIER_A, TIER_B, AdversarialTraining, Jpeg, Sharpen, UEraser
from schemas.evaluate import EvaluateConfig
from schemas.recipe import Recipe

PAGE = Path(__file__).parents[2] / "docs" / "evaluating.md"
NOTHING = {"family": None, "epochs": None}
NO_WEIGHTS = {"backbone": None, "weights": None}


def parameters(kind):
    return [field for field in suites.COUNTERMEASURES[kind].model_fields if field != "kind"]


WITH_A_VALUE = [kind for kind in suites.COUNTERMEASURES if parameters(kind)]


def values(kind, field):
    """Any value that a field of a countermeasure takes, with no more digits than people write."""
    info = suites.COUNTERMEASURES[kind].model_fields[field]
    if get_origin(info.annotation) is not None:
        return st.sampled_from(get_args(info.annotation))
    low = next(getattr(limit, "ge", getattr(limit, "gt", None)) for limit in info.metadata)
    high = next(limit.le for limit in info.metadata if hasattr(limit, "le"))
    if info.annotation is int:
        return st.integers(low, high)
    return st.floats(max(low, 1e-3), high).map(lambda value: float(f"{value:.4g}")).filter(lambda v: low <= v <= high)


def built(fields):
    """The victims that a whole configuration makes of their fields."""
    places = {"protected": ["d"], "clean": {"url": "s"}, "test": {"url": "t"}, "workspace": "w"}
    return EvaluateConfig.model_validate({**places, "victims": fields}).victims


def help_of(option):
    command = typer.main.get_command(app).commands["evaluate"]
    return next(each.help for each in command.params if option in each.opts)


class TestCountermeasures:
    @settings(deadline=None, max_examples=100)
    @given(st.data())
    def test_the_name_of_each_is_read_back_as_it_was(self, data):
        kind = data.draw(st.sampled_from(WITH_A_VALUE))
        given = {field: data.draw(values(kind, field)) for field in parameters(kind)}
        if given.get("mode") == "lite":
            del given["draws"]
        each = suites.COUNTERMEASURES[kind](**given)
        assert suites.countermeasures([each.name]) == [each]

    @pytest.mark.parametrize("kind", suites.COUNTERMEASURES)
    def test_the_kind_alone_is_a_name_too(self, kind):
        each = suites.COUNTERMEASURES[kind]()
        assert suites.countermeasures([kind]) == suites.countermeasures([each.name]) == [each]

    @pytest.mark.parametrize("each", [*TIER_A, *TIER_B], ids=lambda each: each.name)
    def test_each_of_a_suite_has_its_name(self, each):
        assert suites.countermeasures([each.name]) == [each]

    def test_a_value_may_be_a_number_or_a_word(self):
        names = ["jpeg-30", "ueraser-max", "sharpen-0.5-by-2", "adversarial-training-2", "adversarial-training-4-by-7"]
        assert suites.countermeasures(names) == [
            Jpeg(quality=30),
            UEraser(mode="max"),
            Sharpen(sigma=0.5, amount=2),
            AdversarialTraining(epsilon=2),
            AdversarialTraining(epsilon=4, steps=7),
        ]

    def test_suites_and_names_mix_and_each_counts_once(self):
        found = suites.countermeasures(["jpeg-30", "tier-b", "tier-a", "jpeg-30", "dilution-5", "ueraser"])
        names = [each.name for each in found]
        assert names[0] == "jpeg-30"
        assert names[-1] == "dilution-5"
        assert len(set(names)) == len(names)
        assert set(names) == {each.name for each in (*TIER_A, *TIER_B)} | {"dilution-5"}

    @pytest.mark.parametrize(
        ("name", "guess"),
        [
            ("jpg-10", "jpeg-10"),
            ("greyscale", "grayscale"),
            ("color-jitter", "colour-jitter"),
            ("cut-mix", "cutmix"),
            ("tiera", "tier-a"),
            ("adversarial-trainig-8", "adversarial-training-8"),
        ],
    )
    def test_a_slip_is_guessed(self, name, guess):
        with pytest.raises(ConfigurationError, match=rf"no countermeasure is called {name}; did you mean {guess}\?"):
            suites.countermeasures(["none", name])

    @pytest.mark.parametrize(
        ("name", "needles"),
        [
            ("prayer", ("take from none,", "tier-a")),
            ("jpeg-0", ("quality", "greater than or equal to 1")),
            ("jpeg-101", ("quality", "less than or equal to 100")),
            ("jpeg-ten", ("quality", "integer")),
            ("jpeg-10.5", ("quality", "integer")),
            ("jpeg-", ("quality", "integer")),
            ("jpeg--5", ("quality",)),
            ("median-4", ("side", "3, 5 or 7")),
            ("blur-0.1", ("sigma", "greater than or equal to")),
            ("blur-nan", ("sigma",)),
            ("mixup-0", ("beta",)),
            ("dilution-inf", ("percent",)),
            ("ueraser-maximal", ("mode", "lite")),
            ("ueraser-lite-by-3", ("draws",)),
            ("none-3", ("none has fewer values",)),
            ("sharpen-1-by-2-by-3", ("sharpen has fewer values",)),
        ],
    )
    def test_what_is_no_name_is_refused(self, name, needles):
        with pytest.raises(ConfigurationError) as caught:
            suites.countermeasures([name])
        assert f"no countermeasure is called {name}" in str(caught.value)
        assert [needle for needle in needles if needle not in str(caught.value)] == []

    def test_more_digits_than_a_name_tells_are_refused(self):
        with pytest.raises(ConfigurationError, match=r"blur-0\.7654321 says more .* give fewer digits"):
            suites.countermeasure("blur-0.7654321")


class TestVictims:
    def test_nothing_said_leaves_it_to_the_schema(self):
        assert suites.victims(None, None, NOTHING, NO_WEIGHTS) is None

    @pytest.mark.parametrize("kind", suites.VICTIMS)
    def test_epochs_change_nothing_else_of_a_recipe(self, kind):
        schema = suites.VICTIMS[kind]
        (plain,) = built(suites.victims([kind], None, NOTHING, NO_WEIGHTS))
        assert plain == schema()
        (short,) = built(suites.victims([kind], None, {"family": None, "epochs": 3}, NO_WEIGHTS))
        assert short == schema().model_copy(update={"recipe": schema().recipe.model_copy(update={"epochs": 3})})

    @pytest.mark.parametrize("family", suites.FAMILIES)
    def test_a_family_brings_its_whole_recipe(self, family):
        victims = built(suites.victims(["resnet18", "inception-resnet-v1"], None, {"family": family}, NO_WEIGHTS))
        assert [victim.recipe.model_dump() for victim in victims] == [Recipe(family=family).model_dump()] * 2

    def test_a_probe_keeps_what_is_its_own_under_every_family(self):
        (probe,) = built(suites.victims(["linear-probe"], None, {"family": "cifar100"}, NO_WEIGHTS))
        assert (probe.recipe.epochs, probe.recipe.lr) == (20, 0.1)
        assert (probe.recipe.weight_decay, probe.recipe.rotation) == (5e-5, 20)

    def test_epochs_win_over_the_family(self):
        (victim,) = built(suites.victims(["vgg11"], None, {"family": "svhn", "epochs": 2}, NO_WEIGHTS))
        assert (victim.recipe.epochs, victim.recipe.flip) == (2, False)

    def test_options_change_the_victims_of_a_file(self):
        stated = [{"kind": "resnet18", "width": 16, "recipe": {"lr": 0.5, "epochs": 7}}, {"kind": "linear-probe"}]
        recipe, weights = {"family": None, "epochs": 3}, {"backbone": "resnet50", "weights": "w.safetensors"}
        narrow, probe = built(suites.victims(None, stated, recipe, weights))
        assert (narrow.width, narrow.recipe) == (16, Recipe(lr=0.5, epochs=3))
        assert (probe.backbone, probe.weights, probe.recipe.lr) == ("resnet50", "w.safetensors", 0.1)

    def test_names_win_over_a_file(self):
        assert suites.victims(["tiny"], [{"kind": "vgg11"}], NOTHING, NO_WEIGHTS) == [{"kind": "tiny"}]

    @pytest.mark.parametrize("stated", [7, "tiny", [7], [{"kind": ["tiny"]}], [{}], [{"kind": "tiny", "recipe": 3}]])
    def test_what_a_file_states_wrongly_is_left_to_the_schema(self, stated):
        assert suites.victims(None, stated, {"family": None, "epochs": 3}, NO_WEIGHTS) == stated

    def test_weights_that_nobody_takes_are_refused(self):
        with pytest.raises(ConfigurationError, match=r"--backbone and --weights are for .*linear-probe, fine-tuned"):
            suites.victims(["tiny"], None, NOTHING, {"backbone": "resnet50", "weights": "file"})

    def test_weights_are_for_those_that_take_them(self):
        tiny, tuned = suites.victims(["tiny", "fine-tuned"], None, NOTHING, {"backbone": None, "weights": "file"})
        assert "weights" not in tiny
        assert tuned["weights"] == "file"

    def test_a_slip_is_guessed(self):
        with pytest.raises(ConfigurationError, match=r"called resnet19; did you mean resnet18\? take from"):
            suites.victims(["resnet19"], None, NOTHING, NO_WEIGHTS)


class TestHelp:
    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ("--victims", suites.VICTIMS),
            ("--countermeasures", [*suites.COUNTERMEASURES, *suites.SUITES]),
            ("--recipe", suites.FAMILIES),
            ("--weights", suites.PRETRAINED),
        ],
    )
    def test_it_lists_what_there_is(self, option, words):
        listed = help_of(option)
        assert [word for word in words if word not in listed] == []


class TestPage:
    """docs/evaluating.md says of each thing what it is."""

    @pytest.mark.parametrize("kind", [*suites.VICTIMS, *suites.FAMILIES, *suites.SUITES])
    def test_it_knows_each_victim_family_and_suite(self, kind):
        assert f"`{kind}`" in PAGE.read_text()

    @pytest.mark.parametrize("kind", suites.COUNTERMEASURES)
    def test_it_knows_each_countermeasure_and_its_suite(self, kind):
        row = next(line for line in PAGE.read_text().splitlines() if re.match(rf"\| `{kind}(-[0-9a-z.]+)?`", line))
        marks = set(re.findall(r"\b([AB])\b", row.split("|")[1]))
        suite = {mark for mark, suite in (("A", TIER_A), ("B", TIER_B)) if any(each.kind == kind for each in suite)}
        assert marks == suite

    def test_its_configurations_are_valid(self):
        whole, beside = (
            yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
        )
        config = EvaluateConfig.model_validate(whole)
        assert EvaluateConfig.model_validate(whole | beside).beside is not None
        assert len({each.name for each in config.victims}) == len(config.victims)
        assert len({each.name for each in config.countermeasures}) == len(config.countermeasures)
