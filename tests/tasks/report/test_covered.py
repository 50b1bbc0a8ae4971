"""What the manifests of protected copies say, under the names that the report and its runs use."""

import pytest

from infra.errors import DataError
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig
from schemas.noise import RandomNoise
from tasks.evaluate import sets
from tasks.report.covered import covered_classes
from tasks.report.frame import name_of, own_trigger
from tests.tasks.report.helpers import CLASSES, run
from tests.tasks.rewrite.helpers import config_of, protect_all

DIGITS = SourceSpec(url="digits", limit=60, shard_size=60)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Digits under random noise: all of them, four tenths, and two classes."""
    found = []
    for name, coverage in (("all", {}), ("share", {"fraction": 0.4}), ("classes", {"classes": ("3", "8")})):
        method = RandomNoise(form="class-wise")
        job = config_of(tmp_path_factory.mktemp(name), DIGITS, method, coverage=Coverage(**coverage))
        protect_all(job)
        found.append(job.destination)
    return found


def asked(copies, **fields):
    return EvaluateConfig(protected=copies, clean=DIGITS, test=DIGITS, workspace="w", **fields)


def runs():
    common = {"method": "random", "form": "class-wise"}
    return run(**common), run(**common, fraction=0.4), run(**common, variant="classes 3/8")


def test_protected_classes_stand_under_the_names_of_the_copies(copies):
    found = covered_classes(asked(copies), run())
    whole, share, some = map(name_of, runs())
    assert found == {whole: frozenset(CLASSES), share: frozenset(CLASSES), some: frozenset("38")}


def test_classes_of_a_dataset_beside_are_not_protected(copies):
    beside = run(classes=(*(f"{digit} (added)" for digit in CLASSES), *CLASSES), confusion=())
    found = covered_classes(asked(copies[2:]), beside)
    assert list(found.values()) == [frozenset({"3 (added)", "8 (added)"})]


def test_nor_are_classes_there_of_the_name_of_one_that_is_not_learnt_beside_it(copies):
    """3 and 8 carry noise, and 3 alone is learnt: so the 8 that is learnt is the other dataset's."""
    beside = run(classes=("3", "7", "8"), confusion=())
    learnt = Beside(train=DIGITS, test=DIGITS, classes=("3",))
    found = covered_classes(asked(copies[2:], beside=learnt), beside)
    assert list(found.values()) == [frozenset({"3"})]


def test_own_triggers_are_called_as_the_evaluation_calls_them(copies):
    assert [own_trigger(each) for each in runs()] == [sets.caption(copy) for copy in copies]


def test_what_is_no_destination_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"manifest\.json"):
        covered_classes(asked([str(tmp_path)]), run())
