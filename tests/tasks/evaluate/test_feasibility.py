"""What can't be done as asked is refused before anything is trained: in one line, with a mend."""

import pytest

from infra.errors import ConfigurationError, DataError
from schemas.countermeasures import Cutout, EarlyStopping, Grayscale, Jpeg, NoCountermeasure, OrthogonalProjection
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig, Pairs
from schemas.noise import Application, Placement, RandomNoise
from schemas.recipe import TinyRecipe
from schemas.victims import (
    FineTunedVictim,
    InceptionResNetVictim,
    LinearProbeVictim,
    ResNet18Victim,
    TinyVictim,
    VGG11Victim,
)
from tasks.evaluate import feasibility, probes, sets, victim
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all

HEADER = "key_a\tkey_b\tsame\n"


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()
    probes.forget()


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    def refuse(*args):
        raise AssertionError("a victim was trained")

    monkeypatch.setattr(victim, "run", refuse)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Copies of one source of three classes, 8 px."""
    root = tmp_path_factory.mktemp("copies")
    source = folder_source(root / "in", per_class=8, classes=("cat", "cow", "dog"))
    folder_source(root / "test", per_class=2, classes=("cat", "cow", "dog"), first=50)
    class_wise = RandomNoise(form="class-wise")
    patch = Application(placement=Placement(patch=4))
    protect_all(config_of(root / "class-wise", source, class_wise))
    protect_all(config_of(root / "sample-wise", source, RandomNoise()))
    protect_all(config_of(root / "patches", source, class_wise, application=patch))
    protect_all(config_of(root / "cats", source, class_wise, coverage=Coverage(classes=("cat",))))
    return root


def config_for(place, *copies, **changes):
    spec = SourceSpec(url=str(place / "in"))
    protected = tuple(str(place / name / "out") for name in copies or ("class-wise",))
    test = SourceSpec(url=str(place / "test"))
    fields = {"protected": protected, "clean": spec, "test": test, "workspace": str(place / "w"), "device": "cpu"}
    return EvaluateConfig(**{**fields, **changes})


def refused(config):
    """The one line with which it is refused."""
    with pytest.raises(ConfigurationError) as caught:
        feasibility.check(config)
    line = str(caught.value)
    assert line.isprintable()
    assert "; " in line, "no mend"
    return line


def pairs_of(place, text):
    file = place / "pairs.tsv"
    file.write_text(text)
    return Pairs(file=str(file), pictures=SourceSpec(url=str(place / "test")))


class TestNames:
    def test_two_victims_of_one_name_are_refused(self, place):
        victims = (TinyVictim(), ResNet18Victim(), TinyVictim(recipe=TinyRecipe(epochs=3)))
        assert "the victim tiny is asked for more than once" in refused(config_for(place, victims=victims))

    def test_two_countermeasures_of_one_name_are_refused(self, place):
        twice = (Jpeg(quality=10), NoCountermeasure(), Jpeg())
        assert "the countermeasure jpeg-10 is asked for more" in refused(config_for(place, countermeasures=twice))

    def test_early_stopping_beside_none_is_welcome(self, place):
        feasibility.check(config_for(place, countermeasures=(NoCountermeasure(), EarlyStopping(), Grayscale())))


class TestParts:
    def test_parts_of_whole_copies_are_refused(self, place):
        line = refused(config_for(place, "class-wise", "sample-wise", parts=("all", "clean", "protected")))
        assert "parts asks for the clean and the protected pictures of a copy, and no copy is partly protected" in line

    def test_one_partly_protected_copy_will_do(self, place):
        feasibility.check(config_for(place, "class-wise", "cats", parts=("all", "clean")))

    def test_a_part_twice_is_refused(self, place):
        assert "the part clean is asked for more than" in refused(config_for(place, "cats", parts=("clean", "clean")))


class TestBeside:
    def beside(self, place, **fields):
        train, test = (SourceSpec(url=str(place / name)) for name in ("in", "test"))
        return Beside(**{"train": train, "test": test, **fields})

    def test_what_is_measured_on_the_copies_alone_is_refused(self, place):
        pairs = pairs_of(place, HEADER + "cat_050\tcat_051\t1\ncat_050\tdog_051\t0\n")
        config = config_for(place, beside=self.beside(place), pairs=pairs)
        assert "pairs can't be measured on victims that learn another dataset" in refused(config)
        assert "backdoor can't be" in refused(config.model_copy(update={"pairs": None, "backdoor": True}))
        assert "pairs and backdoor can't" in refused(config.model_copy(update={"backdoor": True}))

    def test_classes_that_a_copy_lacks_are_refused(self, place):
        config = config_for(place, beside=self.beside(place, classes=("cat", "emu")))
        assert "beside names the class emu, which" in (line := refused(config))
        assert "its classes are cat, cow, dog" in line
        twice = config_for(place, beside=self.beside(place, classes=("cat", "cat")))
        assert "the class of beside cat is asked for more than once" in refused(twice)

    def test_streaming_is_refused(self, place):
        assert "can't be streamed" in refused(config_for(place, beside=self.beside(place), memory="streamed"))

    def test_test_pictures_that_are_learnt_are_refused(self, place):
        beside = self.beside(place, test=SourceSpec(url=str(place / "in"), split="test"))
        assert "in are training pictures too" in refused(config_for(place, beside=beside))

    def test_good_classes_pass(self, place):
        feasibility.check(config_for(place, beside=self.beside(place, classes=("cat", "dog"))))


class TestTestPictures:
    """They are no training pictures (see test_places), and of no other classes."""

    def test_those_that_are_trained_on_are_refused(self, place):
        assert "training pictures too" in refused(config_for(place, test=SourceSpec(url=str(place / "in"))))

    def test_those_of_a_class_that_training_lacks_are_refused(self, place, tmp_path):
        other = folder_source(tmp_path / "test", classes=("cat", "emu"))
        with pytest.raises(DataError, match="has the classes emu, which the other dataset lacks"):
            feasibility.check(config_for(place, test=SourceSpec(url=str(other))))


class TestClasses:
    def test_more_than_a_picture_has_values_are_too_many_for_a_projection(self, tmp_path):
        names = tuple(f"c{i:02d}" for i in range(12))
        source = folder_source(tmp_path / "in", per_class=1, classes=names)
        test = folder_source(tmp_path / "test", per_class=1, classes=names, first=9)
        protect_all(config_of(tmp_path, source))
        config = EvaluateConfig(
            protected=(str(tmp_path / "out"),),
            clean=SourceSpec(url=str(source)),
            test=SourceSpec(url=str(test)),
            workspace=str(tmp_path / "w"),
            victims=(TinyVictim(recipe=TinyRecipe(size=8)),),
            countermeasures=(NoCountermeasure(), OrthogonalProjection()),
        )
        feasibility.check(config)
        measures = config.countermeasures
        with pytest.raises(
            ConfigurationError, match="orthogonal-projection takes up to 11 classes of pictures of 2 pixels"
        ):
            feasibility.check_classes(measures, 12, 2)
        feasibility.check_classes(measures, 11, 2)


class TestSizes:
    def test_a_victim_that_can_not_take_the_size_is_refused(self, place):
        line = refused(config_for(place, victims=(TinyVictim(), InceptionResNetVictim(), VGG11Victim())))
        least = victim.module_of(InceptionResNetVictim()).smallest(InceptionResNetVictim())
        assert f"pictures of 8 pixels are too small for victim inception-resnet-v1 (from {least} on)" in line
        assert "tiny" not in line

    def test_it_is_welcome_at_a_size_that_it_takes(self, place):
        feasibility.check(config_for(place, victims=(InceptionResNetVictim(recipe={"size": 112}),)))

    def test_a_countermeasure_that_can_not_be_done_at_the_size_is_refused(self, place):
        line = refused(config_for(place, countermeasures=(Grayscale(), Cutout(side=9))))
        assert "too small for countermeasure cutout-9 (from" in line
        victims = (TinyVictim(), VGG11Victim(recipe={"size": 32}))
        both = refused(config_for(place, victims=victims, countermeasures=(Cutout(side=9),)))
        assert "pictures of 8 pixels are too small for countermeasure cutout-9" in both
        feasibility.check(config_for(place, victims=victims[1:], countermeasures=(Cutout(side=9),)))


@pytest.mark.parametrize("kind", [LinearProbeVictim, FineTunedVictim])
def test_pretrained_weights_that_are_not_at_hand_are_refused(place, tmp_path, kind):
    recipe = {"size": 64}
    missing = kind(weights=str(tmp_path / "none.safetensors"), recipe=recipe)
    assert "are not at hand: none.safetensors" in refused(config_for(place, victims=(missing,)))
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    bad = kind(weights=str(tmp_path / "bad.safetensors"), recipe=recipe)
    assert "bad.safetensors" in refused(config_for(place, victims=(bad,)))
    assert "nothing-of-the-kind" in refused(config_for(place, victims=(kind(backbone="nothing-of-the-kind"),)))


class TestPairs:
    def test_good_pairs_pass_and_are_kept_for_the_runs(self, place):
        pairs = pairs_of(place, HEADER + "cat_050\tcat_051\t1\ncat_050\tdog_051\t0\n")
        config = config_for(place, pairs=pairs)
        feasibility.check(config)
        (place / "pairs.tsv").unlink()
        assert probes.of(config, None, 8).faces.images.shape == (3, 8, 8, 3)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "is empty"),
            ("cat_050\tcat_051\t1\n", "line 1 of"),
            (HEADER + "cat_050\tcat_051\t2\n", "line 2 of"),
            (HEADER + "cat_050\tcat_051\t1\n", "no pair of two people"),
            (HEADER + "cat_050\tcat_051\t1\ncat_050\temu_001\t0\n", "names emu_001, which"),
        ],
    )
    def test_bad_ones_are_refused(self, place, text, problem):
        assert problem in refused(config_for(place, pairs=pairs_of(place, text)))

    def test_a_file_that_is_not_there_is_named(self, place):
        pairs = Pairs(file=str(place / "none.tsv"), pictures=SourceSpec(url=str(place / "test")))
        assert "none.tsv is not there" in refused(config_for(place, pairs=pairs))


class TestBackdoor:
    def test_a_class_wise_copy_will_do_whatever_else_there_is(self, place):
        feasibility.check(config_for(place, "class-wise", "sample-wise", backdoor=True))
        feasibility.check(config_for(place, "cats", backdoor=True))

    def test_without_one_it_is_refused(self, place):
        assert "no copy is class-wise" in refused(config_for(place, "sample-wise", backdoor=True))

    def test_a_copy_with_patches_at_random_places_is_refused_by_name(self, place):
        line = refused(config_for(place, "class-wise", "patches", backdoor=True))
        assert f"{place / 'patches' / 'out'} can't give the trigger of a backdoor test" in line
        assert "leave this copy out, or the test" in line
