"""Victims, countermeasures, recipes, and what is asked of an evaluation."""

import math
from collections import Counter

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.base import digest
from schemas.countermeasures import (
    TIER_A,
    TIER_B,
    AdversarialTraining,
    BitDepth,
    Blur,
    ColourJitter,
    Countermeasure,
    Cutout,
    Dilution,
    Median,
    Mixup,
    NoCountermeasure,
    OrthogonalProjection,
    RandAugment,
    Rescale,
    Sharpen,
    UEraser,
)
from schemas.dataset import SourceSpec
from schemas.evaluate import Backdoor, Beside, EpochPoint, EvaluateConfig, Pairs, Verification, VictimRun
from schemas.recipe import Recipe, ScreenRecipe, TinyRecipe
from schemas.victims import FineTunedVictim, InceptionResNetVictim, LinearProbeVictim, TinyVictim, Victim

CLEAN, TEST = SourceSpec(url="s"), SourceSpec(url="t", split="test")
# What the paper trains with (section 4, appendix A) on each family; the rest is as on CIFAR-10.
CIFAR10 = {
    "epochs": 60,
    "batch_size": 128,
    "lr": 0.025,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "clip": 5.0,
    "schedule": "cosine",
    "crop_padding": 4,
    "flip": True,
    "rotation": 0.0,
    "resized_crop": False,
    "jitter": (0.0, 0.0, 0.0, 0.0),
}
OTHERWISE = {
    "cifar10": {},
    "svhn": {"epochs": 30, "crop_padding": 0, "flip": False},
    "cifar100": {"epochs": 100, "weight_decay": 5e-5, "rotation": 20.0},
    "imagenet": {
        "epochs": 100,
        "weight_decay": 5e-5,
        "crop_padding": 0,
        "resized_crop": True,
        "jitter": (0.4, 0.4, 0.4, 0.2),
    },
    "faces": {"crop_padding": 0},
}
# Common practice (schemas/countermeasures.py), spelled out: whoever changes a suite changes what reports can say.
NAMES_A = (
    "none early-stopping cutout-16 mixup cutmix rand-augment trivial-augment auto-augment grayscale "
    "jpeg-10 jpeg-30 jpeg-50 jpeg-70 jpeg-90 bit-depth-2 bit-depth-3 bit-depth-4 blur-0.5 blur-1 blur-2 "
    "median-3 median-5 rescale-2 standardise colour-jitter"
)
NAMES_B = (
    "adversarial-training-2 adversarial-training-4 adversarial-training-8 ueraser-lite ueraser-max "
    "orthogonal-projection sharpen-1"
)


def members(union):
    """A member of each kind, with its defaults."""
    adapter = TypeAdapter(union)
    return [adapter.validate_python({"kind": kind}) for kind in adapter.json_schema()["discriminator"]["mapping"]]


def evaluation(**fields):
    return EvaluateConfig(**{"protected": ("d",), "clean": CLEAN, "test": TEST, "workspace": "w", **fields})


class TestRecipe:
    @pytest.mark.parametrize("family", OTHERWISE)
    def test_a_family_has_the_recipe_of_the_paper(self, family):
        recipe = Recipe(family=family)
        assert recipe.model_dump(exclude={"family", "size", "nesterov"}) == {**CIFAR10, **OTHERWISE[family]}
        assert (recipe.nesterov, recipe.size) == (False, None)

    def test_the_family_of_no_word_is_cifar10(self):
        assert Recipe() == Recipe(family="cifar10")

    @pytest.mark.parametrize("family", OTHERWISE)
    def test_what_is_stated_wins_over_the_family(self, family):
        assert Recipe(family=family, epochs=7, flip=False, crop_padding=1).model_dump(
            include={"epochs", "flip", "crop_padding"}
        ) == {"epochs": 7, "flip": False, "crop_padding": 1}

    @pytest.mark.parametrize("recipe", [*(Recipe(family=family) for family in OTHERWISE), TinyRecipe(), Recipe(flip=0)])
    def test_it_comes_back_from_json_as_it_was(self, recipe):
        again = type(recipe).model_validate_json(recipe.model_dump_json())
        assert again == recipe
        assert digest(again) == digest(recipe)

    def test_a_small_nets_recipe_is_short_and_augments_nothing(self):
        recipe = TinyRecipe()
        assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.schedule) == (12, 64, 0.1, "one-cycle")
        assert {**recipe.model_dump(), "epochs": 6} == ScreenRecipe().model_dump()
        assert (recipe.crop_padding, recipe.flip, recipe.rotation, recipe.resized_crop) == (0, False, 0.0, False)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("family", "mnist"),
            ("lr", 0),
            ("lr", math.nan),
            ("weight_decay", -1),
            ("clip", 0),
            ("crop_padding", -1),
            ("rotation", 181),
            ("jitter", (0.4, 0.4, 0.4)),
            ("jitter", (-0.1, 0.0, 0.0, 0.0)),
            ("jitter", (0.0, math.nan, 0.0, 0.0)),
            ("size", 7),
            ("size", 2000),
        ],
    )
    def test_a_value_that_makes_no_sense_is_refused_by_name(self, field, value):
        with pytest.raises(ValidationError, match=field):
            Recipe(**{field: value})

    def test_jitter_says_which_of_its_strengths_is_wrong(self):
        with pytest.raises(ValidationError, match=r"jitter of the brightness is -1; it has to be from 0 to 1 "):
            Recipe(jitter=(-1, 0, 0, 2))
        with pytest.raises(ValidationError, match=r"jitter of the hue is 0.6; it has to be from 0 to 0.5"):
            Recipe(jitter=(1, 1, 1, 0.6))
        assert Recipe(jitter=(1, 1, 1, 0.5)).jitter == (1, 1, 1, 0.5)


class TestCountermeasures:
    def test_the_suites_hold_what_reports_should_hold(self):
        assert " ".join(each.name for each in TIER_A) == NAMES_A
        assert " ".join(each.name for each in TIER_B) == NAMES_B

    def test_each_is_told_by_its_name(self):
        found = {each.name: each for each in (*members(Countermeasure), *TIER_A, *TIER_B)}
        assert len(found) == len({digest(each) for each in (*members(Countermeasure), *TIER_A, *TIER_B)})

    @pytest.mark.parametrize("each", [*members(Countermeasure), *TIER_A, *TIER_B], ids=lambda each: each.name)
    def test_it_comes_back_from_json_as_it_was(self, each):
        assert TypeAdapter(Countermeasure).validate_json(each.model_dump_json()) == each

    @pytest.mark.parametrize("each", members(Countermeasure), ids=lambda each: each.kind)
    def test_a_form_explains_every_field_that_a_user_fills_in(self, each):
        fields = type(each).model_fields
        assert [name for name, field in fields.items() if name != "kind" and not field.description] == []
        assert type(each).__doc__

    @pytest.mark.parametrize(
        ("schema", "field", "value"),
        [
            (BitDepth, "bits", 0),
            (BitDepth, "bits", 8),
            (Blur, "sigma", 0.1),
            (Blur, "sigma", math.nan),
            (Median, "side", 4),
            (Rescale, "factor", 1),
            (Sharpen, "sigma", 0),
            (Sharpen, "amount", 0),
            (OrthogonalProjection, "epochs", 0),
            (Cutout, "side", 0),
            (Mixup, "beta", 0),
            (RandAugment, "magnitude", 31),
            (ColourJitter, "strength", 1.1),
            (UEraser, "mode", "mean"),
            (UEraser, "draws", 1),
            (UEraser, "draws", 4),  # of mode lite, which has one
            (AdversarialTraining, "epsilon", 0),
            (AdversarialTraining, "epsilon", 65),
            (AdversarialTraining, "steps", 0),
            (Dilution, "percent", 0),
            (Dilution, "percent", 101),
        ],
    )
    def test_a_value_that_makes_no_sense_is_refused_by_name(self, schema, field, value):
        with pytest.raises(ValidationError, match=field):
            schema(**{field: value})


class TestVictims:
    def test_no_two_have_one_name(self):
        assert max(Counter(each.name for each in members(Victim)).values()) == 1

    @pytest.mark.parametrize("each", members(Victim), ids=lambda each: each.name)
    def test_it_comes_back_from_json_as_it_was(self, each):
        again = TypeAdapter(Victim).validate_json(each.model_dump_json())
        assert again == each
        assert type(again.recipe) is type(each.recipe)

    def test_faces_have_a_recipe_of_their_own(self):
        assert InceptionResNetVictim().recipe.model_dump() == Recipe(family="faces").model_dump()

    def test_those_with_pretrained_weights_are_trained_for_less_long(self):
        assert [victim().recipe.epochs for victim in (LinearProbeVictim, FineTunedVictim)] == [20, 20]
        assert FineTunedVictim().recipe.lr < LinearProbeVictim().recipe.lr

    def test_a_backbone_is_in_the_name(self):
        assert LinearProbeVictim(backbone="resnet50").name == "linear-probe-resnet50"
        assert FineTunedVictim().name == "fine-tuned-resnet18"

    @pytest.mark.parametrize("field", ["backbone", "weights"])
    def test_an_empty_name_is_refused(self, field):
        with pytest.raises(ValidationError, match=field):
            LinearProbeVictim(**{field: ""})


class TestConfig:
    def test_the_least_that_can_be_said(self):
        config = evaluation()
        assert (config.victims, config.countermeasures) == ((TinyVictim(),), (NoCountermeasure(),))
        assert (config.parts, config.seeds, config.memory, config.device) == (("all",), 3, "auto", "auto")
        assert (config.beside, config.pairs, config.backdoor) == (None, None, False)

    def test_all_that_can_be_said_comes_back_from_json_as_it_was(self):
        config = evaluation(
            victims=tuple(members(Victim)),
            countermeasures=(*TIER_A, *TIER_B, Dilution(percent=0.5)),
            parts=("all", "protected", "clean"),
            beside=Beside(train=CLEAN, test=TEST, classes=("cat",)),
            pairs=Pairs(file="pairs.tsv", pictures=TEST),
            backdoor=True,
            seeds=5,
            device="cpu",
            memory="streamed",
        )
        assert EvaluateConfig.model_validate_json(config.model_dump_json()) == config

    @pytest.mark.parametrize("field", ["protected", "victims", "countermeasures", "parts", "workspace"])
    def test_what_would_leave_nothing_to_do_is_refused(self, field):
        with pytest.raises(ValidationError, match=field):
            evaluation(**{field: ""} if field == "workspace" else {field: ()})

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("parts", ("some",)),
            ("memory", "disk"),
            ("seeds", 0),
            ("seeds", 101),
            ("pairs", {"file": "pairs.tsv"}),
            ("pairs", {"file": "", "pictures": {"url": "t"}}),
            ("beside", {"train": {"url": "s"}}),
            ("countermeasures", ({"kind": "jpeg", "quality": 101},)),
            ("victims", ({"kind": "tiny", "recipe": {"epochs": 0}},)),
        ],
    )
    def test_what_makes_no_sense_is_refused_by_name(self, field, value):
        with pytest.raises(ValidationError, match=field):
            evaluation(**{field: value})

    def test_beside_with_no_classes_at_all_is_refused(self):
        with pytest.raises(ValidationError, match="classes"):
            Beside(train=CLEAN, test=TEST, classes=())


class TestRun:
    def run(self, **changes):
        fields = {
            "inputs": "i",
            "dataset": "digits",
            "method": "random",
            "form": "class-wise",
            "epsilon": 8,
            "fraction": 0.5,
            "victim": "tiny",
            "countermeasure": "jpeg-10",
            "seed": 0,
            "test_accuracy": 10.0,
            "peak_test_accuracy": 11.0,
            "train_accuracy": 12.0,
            "epochs": 1,
            "seconds": 1.5,
            "samples": 3,
            "test_samples": 2,
            "classes": ("cat", "dog"),
            "curve": (EpochPoint(epoch=1, loss=math.inf, train_accuracy=1.0, test_accuracy=2.0),),
            "confusion": ((1, 0), (1, 0)),
            "device": "cpu",
            "precision": "fp32",
        }
        return VictimRun(**{**fields, **changes})

    def test_it_comes_back_as_it_was_with_all_that_a_victim_was_asked(self):
        run = self.run(
            part="protected",
            variant="patch 16",
            peak_confusion=((0, 1), (1, 0)),
            per_class=((1, 1), (0, 1)),
            peak_per_class=((0, 1), (0, 1)),
            verification=Verification(
                pairs=4, same=2, auc=0.75, tar_at_far=((0.01, 0.5),), roc=((0.0, 0.0), (0.5, 1.0), (1.0, 1.0))
            ),
            backdoor=(Backdoor(trigger="random, class-wise, 8/255", pictures=1, success=100.0),),
            diverged=True,
        )
        assert VictimRun.model_validate_json(run.model_dump_json()) == run

    def test_a_record_without_what_came_later_is_still_read(self):
        """A run that is done is not trained again because the record has more to tell now."""
        later = {"part", "peak_confusion", "per_class", "peak_per_class", "verification", "backdoor"}
        text = self.run().model_dump_json(exclude=later)
        assert VictimRun.model_validate_json(text) == self.run()


def test_a_recipe_that_states_one_field_keeps_what_is_the_victims_own():
    face = InceptionResNetVictim.model_validate({"recipe": {"epochs": 3}}).recipe
    assert (face.epochs, face.family, face.crop_padding) == (3, "faces", 0)
    probe = LinearProbeVictim.model_validate({"recipe": {"size": 224}}).recipe
    assert (probe.size, probe.epochs, probe.lr) == (224, 20, 0.1)
    tiny = TinyVictim.model_validate({"recipe": {"family": "svhn"}}).recipe
    assert (tiny.epochs, tiny.schedule, tiny.flip) == (12, "one-cycle", False)
