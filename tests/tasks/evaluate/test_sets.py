"""What a victim is trained on: parts of a copy, diluted or beside another dataset, each made once for all its runs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from infra.errors import ConfigurationError, DataError
from schemas.countermeasures import Grayscale, Jpeg
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig
from schemas.noise import NoiseBudget
from tasks.evaluate import data, sets, training
from tasks.evaluate.cells import Cell
from tasks.evaluate.treatment import Treatment, treatment_of
from tests.tasks.rewrite.helpers import RANDOM, config_of, folder_source, protect_all

CPU = torch.device("cpu")
SIZE = 8


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A source of cats and dogs, a copy of which about half carries noise, and a source of emus and dogs."""
    root = tmp_path_factory.mktemp("sets")
    source = folder_source(root / "in", per_class=20)
    folder_source(root / "other", per_class=6, classes=("dog", "emu"), first=50)
    protect_all(config_of(root, source, coverage=Coverage(fraction=0.5)))
    return root


@pytest.fixture
def config(place):
    return config_for(place)


def config_for(place, **fields):
    source = SourceSpec(url=str(place / "in"))
    given = {"protected": (str(place / "out"),), "clean": source, "test": source, "workspace": str(place / "w")}
    return EvaluateConfig(**{**given, "device": "cpu", "memory": "resident", **fields})


def training_set(config, part="all", share=0.0, copy=True, size=SIZE):
    return sets.training_set(config, config.protected[0] if copy else None, part, share, size)


def differing(pictures, config):
    """Names of the pictures that differ from their originals."""
    before = data.select(sets.clean_set(config, SIZE), pictures.names)
    flags = (pictures.images != before.images).flatten(1).any(1)
    return {name for name, flag in zip(pictures.names, flags.tolist(), strict=True) if flag}


class TestParts:
    def test_they_are_the_copy_cut_in_two_by_what_is_stored(self, config):
        whole, protected, clean = (training_set(config, part) for part in ("all", "protected", "clean"))
        assert 5 < len(protected.images) < 35
        assert sorted(protected.names + clean.names) == sorted(whole.names)
        assert differing(protected, config) == set(protected.names)
        assert differing(clean, config) == set()
        assert protected.classes == clean.classes == whole.classes
        for part in (protected, clean):
            again = data.select(whole, part.names)
            assert torch.equal(part.images, again.images)
            assert torch.equal(part.labels, again.labels)

    def test_noise_that_the_working_size_hides_still_tells_them_apart(self, config):
        """A patch that shrinking averages away would make a protected picture pass for a clean one."""
        assert training_set(config, "protected", size=1).names == training_set(config, "protected").names

    def test_the_clean_pictures_have_no_parts(self, config):
        assert training_set(config, "clean", copy=False) is sets.clean_set(config, SIZE)

    def test_a_part_that_is_empty_is_refused(self, place, tmp_path):
        protect_all(config_of(tmp_path, place / "in"))
        whole = config_for(place, protected=(str(tmp_path / "out"),))
        assert len(training_set(whole, "protected").images) == 40
        with pytest.raises(DataError, match=r"out holds no clean pictures, as its stored pixels tell"):
            training_set(whole, "clean")


class TestDilution:
    @pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
    def test_a_share_of_the_pictures_is_the_original_again(self, config, share):
        protected, diluted = training_set(config, "protected"), training_set(config, "protected", share)
        assert diluted.names == protected.names
        count = len(protected.names)
        assert len(differing(diluted, config)) == count - round(share * count)
        assert len(training_set(config, "all", share).names) == 40

    def test_all_runs_know_the_same_originals(self, config):
        one = training_set(config, share=0.3)
        sets.forget()
        assert training_set(config, share=0.3).digest() == one.digest()

    def test_the_pictures_before_it_stay_as_they_were(self, config):
        before = training_set(config).images.clone()
        training_set(config, share=0.5)
        assert torch.equal(training_set(config).images, before)

    def test_the_clean_pictures_can_not_be_diluted(self, config):
        assert training_set(config, share=0.5, copy=False) is sets.clean_set(config, SIZE)

    @pytest.mark.parametrize(
        ("samples", "share", "count"),
        [(10, 0.25, 2), (200, 0.005, 1), (3, 1.0, 3), (5, 0.0, 0), (20, 0.005, 1), (3, 0.1, 1)],
    )
    def test_so_many_are_put_back(self, samples, share, count):
        found = data.put_back(samples, share)
        assert (found.dtype, len(found), int(found.sum())) == (torch.bool, samples, count)


class TestBeside:
    def config(self, place, **fields):
        other = SourceSpec(url=str(place / "other"))
        return config_for(place, beside=Beside(train=other, test=other, **fields))

    def test_the_other_datasets_classes_come_after_those_of_the_copy(self, place):
        config = self.config(place)
        plain, found = sets.training_set(config_for(place), None, "all", 0.0, SIZE), training_set(config, copy=False)
        assert found.classes == ("cat", "dog (added)", "dog", "emu")
        assert len(found.images) == 40 + 12
        assert torch.equal(found.images[:40], plain.images)
        assert torch.equal(found.labels[:40], plain.labels)
        assert torch.bincount(found.labels).tolist() == [20, 20, 6, 6]
        assert len(set(found.names)) == 52
        test = sets.test_set(config, SIZE)
        assert test.classes == found.classes
        assert torch.bincount(test.labels).tolist() == [20, 20, 6, 6]

    def test_some_classes_of_the_copy_alone_can_be_learnt_beside_it(self, place):
        found = training_set(self.config(place, classes=("dog",)))
        assert found.classes == ("dog (added)", "dog", "emu")
        assert torch.bincount(found.labels).tolist() == [20, 6, 6]
        chosen = data.of_classes(training_set(config_for(place)), ("dog",))
        assert torch.equal(found.images[:20], chosen.images)

    def test_a_class_that_is_none_is_refused_by_name(self, place):
        with pytest.raises(ConfigurationError, match="the dataset has no class cow"):
            training_set(self.config(place, classes=("cow",)))

    def test_its_test_pictures_go_by_the_classes_that_are_learnt(self, place, tmp_path):
        """One that lacks a class has another order of its own; a class that is not learnt can't be tested."""
        train = SourceSpec(url=str(place / "other"))
        few = folder_source(tmp_path / "few", per_class=3, classes=("emu",), first=80)
        config = config_for(place, beside=Beside(train=train, test=SourceSpec(url=str(few))))
        test = sets.test_set(config, SIZE)
        assert test.classes == training_set(config).classes == ("cat", "dog (added)", "dog", "emu")
        assert torch.bincount(test.labels).tolist() == [20, 20, 0, 3]
        strange = folder_source(tmp_path / "strange", per_class=2, classes=("dog", "yak"))
        config = config_for(place, beside=Beside(train=train, test=SourceSpec(url=str(strange))))
        with pytest.raises(DataError, match="has the classes yak, which the other dataset lacks"):
            sets.test_set(config, SIZE)

    def test_it_goes_with_parts(self, place):
        config = self.config(place)
        protected = training_set(config, "protected")
        assert len(protected.images) == len(training_set(config_for(place), "protected").images) + 12


def test_classes_that_are_left_keep_their_pictures_in_the_order_that_is_asked_for(place):
    found = data.load(SourceSpec(url=str(place / "in")), SIZE)
    chosen = data.of_classes(found, ("dog", "cat"))
    assert chosen.classes == ("dog", "cat")
    assert torch.equal(chosen.labels, 1 - found.labels)
    assert chosen.names == found.names


class TestSharing:
    """However many runs there are, pictures lie in memory once."""

    def asked(self, config, seed, countermeasure, part="all", share=0.0):
        does = Treatment(pictures=treatment_of(countermeasure).pictures, clean_share=share)
        cell = Cell(
            protected=config.protected[0],
            part=part,
            victim=config.victims[0],
            countermeasure=countermeasure,
            seed=seed,
        )
        return training.pictures(config, cell, does, SIZE).batches(does, seed, CPU)

    @pytest.mark.parametrize(("part", "share"), [("all", 0.0), ("protected", 0.0), ("all", 0.4)])
    @pytest.mark.parametrize("countermeasure", [Grayscale(), Jpeg(quality=10)])
    def test_runs_side_by_side_have_one_copy_after_the_countermeasure(self, config, countermeasure, part, share):
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda seed: self.asked(config, seed, countermeasure, part, share), range(4)))
        assert len({each.images.data_ptr() for each in found}) == 1
        plain = training_set(config, part, share)
        expected = treatment_of(countermeasure).pictures(plain.images)
        assert torch.equal(found[0].images, expected)
        assert torch.equal(found[0].labels, plain.labels)

    @pytest.mark.parametrize("part", ["all", "protected"])
    def test_runs_without_a_countermeasure_have_the_pictures_as_they_were_loaded(self, config, part):
        cell = Cell(
            protected=config.protected[0],
            part=part,
            victim=config.victims[0],
            countermeasure=config.countermeasures[0],
            seed=0,
        )
        does = Treatment()
        one, other = (training.pictures(config, cell, does, SIZE).batches(does, seed, CPU) for seed in (0, 1))
        assert one.images.data_ptr() == other.images.data_ptr() == training_set(config, part).images.data_ptr()

    def test_what_is_forgotten_is_made_again(self, config, place):
        gray = self.asked(config, 0, Grayscale()).images
        half = training_set(config, "protected")
        sets.forget()
        assert self.asked(config, 0, Grayscale()).images.data_ptr() != gray.data_ptr()
        assert training_set(config, "protected") is not half

    def test_what_is_learnt_first_is_learnt_by_each_seed(self, config):
        def learn(images, labels, seed):
            assert len(images) == len(labels) == 40
            return lambda pictures: torch.full_like(pictures, seed)

        does = Treatment(learn=learn, pictures=lambda images: images + 1)
        cell = Cell(
            protected=config.protected[0],
            victim=config.victims[0],
            countermeasure=Grayscale(),
            seed=0,
        )
        chosen = training.pictures(config, cell, does, SIZE)
        assert [int(chosen.batches(does, seed, CPU).images.max()) for seed in (3, 4)] == [4, 5]


def test_a_copy_of_another_epsilon_has_another_digest(place, tmp_path):
    protect_all(config_of(tmp_path, place / "in", RANDOM, budget=NoiseBudget(epsilon=16)))
    digests = [training_set(config_for(place, protected=(str(each / "out"),))).digest() for each in (place, tmp_path)]
    assert len(set(digests)) == 2
    assert np.all([len(each) == 64 for each in digests])


def test_copies_are_compared_without_their_pixels(place, tmp_path, monkeypatch):
    """More copies than are kept in memory: none is loaded to tell that it holds the same samples."""
    protect_all(config_of(tmp_path, place / "in", RANDOM, budget=NoiseBudget(epsilon=16)))
    loaded = []
    load = sets._loaded
    monkeypatch.setattr(sets, "_loaded", lambda spec, *rest: loaded.append(spec.url) or load(spec, *rest))
    config = config_for(place, protected=(str(place / "out"), str(tmp_path / "out")))
    assert sets.clean_set(config, SIZE).names == sets.protected_set(config.protected[1], SIZE).names
    assert loaded[:-1] == [str(place / "out"), str(place / "in")]
