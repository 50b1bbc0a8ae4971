"""The matrix of an evaluation: every run that was asked for, once."""

from collections import Counter

import pytest

from schemas.countermeasures import Dilution, EarlyStopping, Grayscale, Jpeg, NoCountermeasure
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.evaluate.cells import cells, steps

SMALL = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=5))


def config_for(**fields):
    given = {"protected": ("a", "b"), "clean": SourceSpec(url="c"), "test": SourceSpec(url="t"), "workspace": "w"}
    return EvaluateConfig(**{**given, **fields})


def test_cells_are_the_whole_matrix_each_once():
    measures = (NoCountermeasure(), Grayscale(), Jpeg(quality=10))
    found = cells(config_for(victims=(TinyVictim(), SMALL), countermeasures=measures, seeds=4))
    assert len(found) == 2 * 3 * (1 + 2) * 4
    assert len({cell.model_dump_json() for cell in found}) == len(found)
    asked = {(cell.victim, cell.countermeasure, cell.protected, cell.seed) for cell in found}
    assert len(asked) == len(found)
    assert {cell.seed for cell in found} == {0, 1, 2, 3}
    assert {cell.protected for cell in found} == {None, "a", "b"}
    assert {cell.part for cell in found} == {"all"}


def test_the_epochs_of_all_runs_are_counted():
    assert steps(cells(config_for(victims=(TinyVictim(), SMALL), seeds=2))) == (12 + 5) * 3 * 2
    assert steps([]) == 0


def test_victims_and_countermeasures_that_come_twice_are_trained_once():
    found = cells(config_for(victims=(SMALL, SMALL), countermeasures=(Grayscale(), Grayscale()), seeds=1))
    assert len(found) == 3


@pytest.mark.parametrize("asked", [(EarlyStopping(),), (EarlyStopping(), NoCountermeasure())])
def test_early_stopping_needs_the_plain_runs_and_none_of_its_own(asked):
    found = cells(config_for(countermeasures=(*asked, Grayscale()), seeds=1))
    assert Counter(cell.countermeasure for cell in found) == {NoCountermeasure(): 3, Grayscale(): 3}


def parts_of(parts, parted):
    found = cells(config_for(parts=parts, seeds=1, countermeasures=(Dilution(percent=5),)), frozenset(parted))
    return [(cell.protected, cell.part) for cell in found]


def test_a_partly_protected_copy_is_trained_on_by_its_parts_too():
    assert parts_of(("all", "protected", "clean"), "b") == [
        (None, "all"),
        ("a", "all"),
        *(("b", part) for part in ("all", "protected", "clean")),
    ]
    assert parts_of(("clean",), "ab") == [(None, "all"), ("a", "clean"), ("b", "clean")]


def test_the_protected_part_of_a_wholly_protected_copy_is_all_of_it():
    assert parts_of(("protected",), "b") == [(None, "all"), ("a", "all"), ("b", "protected")]
    assert parts_of(("all", "protected"), "") == [(None, "all"), ("a", "all"), ("b", "all")]


def test_a_wholly_protected_copy_has_no_clean_part():
    assert parts_of(("clean",), "b") == [(None, "all"), ("b", "clean")]
