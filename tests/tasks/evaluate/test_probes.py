"""What a victim is asked besides its test pictures, and that a run is known by it."""

import pytest
import torch

from schemas.dataset import SourceSpec
from schemas.evaluate import Backdoor, EvaluateConfig, Pairs
from schemas.noise import NoiseBudget, RandomNoise
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.evaluate import probes, sets
from tasks.evaluate.cells import cells
from tasks.evaluate.stage import train_victim
from tests.tasks.nn.helpers import small_net
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all, value_of


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()
    probes.forget()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two class-wise copies and a sample-wise one, and pairs of their originals."""
    root = tmp_path_factory.mktemp("copies")
    source = folder_source(root / "in", per_class=8)
    for name, epsilon, form in (("a", 8, "class-wise"), ("b", 16, "class-wise"), ("c", 8, "sample-wise")):
        protect_all(config_of(root / name, source, RandomNoise(form=form), budget=NoiseBudget(epsilon=epsilon)))
    (root / "pairs.tsv").write_text("key_a\tkey_b\tsame\ncat_000\tcat_001\t1\ncat_000\tdog_001\t0\n")
    return root


def config_for(place, copies="abc", faces=True, backdoor=True, **changes):
    spec = SourceSpec(url=str(place / "in"))
    fields = {
        "protected": tuple(str(place / name / "out") for name in copies),
        "clean": spec,
        "test": spec,
        "workspace": str(place / "w"),
        "pairs": Pairs(file=str(place / "pairs.tsv"), pictures=spec) if faces else None,
        "backdoor": backdoor,
        "victims": (TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=1, batch_size=8)),),
        "seeds": 1,
        "device": "cpu",
    }
    return EvaluateConfig(**{**fields, **changes})


def test_without_a_wish_there_is_nothing_to_ask(place):
    probe = probes.of(config_for(place, faces=False, backdoor=False), None, 8)
    assert probe.digests() == []
    assert probe.examine(small_net(2), None) == {}


def test_a_trained_network_is_asked_all_that_was_wished(place):
    config = config_for(place)
    found = probes.of(config, None, 8).examine(small_net(2), sets.test_set(config, 8))
    assert (found["verification"].pairs, found["verification"].same) == (2, 1)
    assert [each.trigger for each in found["backdoor"]] == ["random, class-wise, 8/255", "random, class-wise, 16/255"]
    assert all(isinstance(each, Backdoor) and each.pictures == 16 for each in found["backdoor"])


def test_a_victim_of_a_copy_is_shown_that_copys_noise(place):
    config = config_for(place)
    asked = {copy: [caption for caption, _ in probes.of(config, copy, 8).triggers] for copy in config.protected}
    assert list(asked.values()) == [["random, class-wise, 8/255"], ["random, class-wise, 16/255"], []]


def test_pictures_and_noise_are_of_the_size_that_the_victim_sees(place):
    probe = probes.of(config_for(place), None, 12)
    assert probe.faces.images.shape[1:] == (12, 12, 3)
    assert {each.noise.shape[1:] for _, each in probe.triggers} == {torch.Size((12, 12, 3))}


def test_a_run_is_known_by_what_its_probes_show(place):
    whole, none = config_for(place), config_for(place, faces=False, backdoor=False)
    asked = [
        *(probes.of(whole, copy, 8) for copy in (None, *whole.protected[:2])),
        probes.of(whole, None, 12),
        probes.of(config_for(place, backdoor=False), None, 8),
        probes.of(config_for(place, faces=False), None, 8),
        probes.of(none, None, 8),
    ]
    digests = [tuple(probe.digests()) for probe in asked]
    assert len(set(digests)) == len(digests)
    probes.forget()
    assert tuple(probes.of(whole, None, 8).digests()) == digests[0]


def test_what_is_forgotten_is_read_again(place, tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_bytes((place / "pairs.tsv").read_bytes())
    pairs = Pairs(file=str(file), pictures=SourceSpec(url=str(place / "in")))
    config = config_for(place, pairs=pairs, backdoor=False)
    first = probes.of(config, None, 8).digests()
    file.write_text(file.read_text().replace("dog_001", "dog_002"))
    assert probes.of(config, None, 8).digests() == first
    probes.forget()
    assert probes.of(config, None, 8).digests() != first


def test_the_stage_keeps_what_the_probes_find(place, tmp_path):
    config = config_for(place, "ac", workspace=str(tmp_path))
    clean, class_wise, sample_wise = (value_of(train_victim.fn(cell, config)) for cell in cells(config))
    assert {run.verification.pairs for run in (clean, class_wise, sample_wise)} == {2}
    assert [len(run.backdoor) for run in (clean, class_wise, sample_wise)] == [1, 1, 0]
    assert clean.backdoor[0].trigger == class_wise.backdoor[0].trigger == sets.caption(config.protected[0])
    again = [value_of(train_victim.fn(cell, config)) for cell in cells(config)]
    assert again == [clean, class_wise, sample_wise]
    other = config.model_copy(update={"backdoor": False})
    assert value_of(train_victim.fn(cells(other)[0], other)).backdoor == ()
