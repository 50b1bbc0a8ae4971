"""A copy's variant: short, in a fixed order, and nothing when all is as the method's standard has it."""

import pytest

from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.matching import Matching
from schemas.noise import (
    Application,
    ErrorMaximizing,
    ErrorMinimizing,
    ErrorMinimizingLBFGS,
    NoiseBudget,
    Placement,
    RandomNoise,
)
from schemas.protect import ProtectConfig
from tasks.rewrite.variant import variant

PUBLIC = SourceSpec(url="the-public-data")


def of(**fields):
    given = {"source": SourceSpec(url="in"), "destination": "out", "workspace": "private", "key_file": "key.txt"}
    return variant(ProtectConfig(**{**given, **fields}))


@pytest.mark.parametrize(
    "method",
    [
        ErrorMinimizing(),
        ErrorMinimizing(form="class-wise"),
        ErrorMinimizingLBFGS(),
        ErrorMaximizing(),
        RandomNoise(),
        RandomNoise(form="class-wise"),
    ],
    ids=lambda m: f"{m.kind} {m.form}",
)
def test_the_standard_has_none(method):
    assert of(method=method, coverage=Coverage(fraction=0.4), budget=NoiseBudget(epsilon=16)) == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"budget": NoiseBudget(norm="l2", epsilon=300)}, "l2"),
        ({"method": ErrorMinimizing(preset="fast")}, "fast"),
        ({"method": ErrorMinimizing(preset="paper")}, "paper"),
        ({"method": ErrorMinimizing(preset="paper", form="class-wise")}, "paper"),
        ({"method": ErrorMinimizingLBFGS(preset="paper")}, "paper"),
        ({"method": ErrorMinimizing(procedure="joint")}, "joint"),
        ({"method": ErrorMinimizing(preset="fast", procedure="joint")}, "fast, joint"),
        ({"application": Application(placement=Placement(patch=16))}, "patch 16"),
        ({"application": Application(placement=Placement(patch=16, place="centre"))}, "patch 16, centred"),
        ({"application": Application(placement=Placement(place="centre"))}, ""),
        ({"application": Application(arithmetic="as-published")}, "as published"),
        ({"coverage": Coverage(classes=("ship",))}, "class ship"),
        ({"coverage": Coverage(classes=("airplane", "ship"))}, "classes airplane/ship"),
        ({"coverage": Coverage(classes=("airplane", "cat", "ship"))}, "3 classes"),
        ({"coverage": Coverage(classes=("a \n# b",))}, "class a # b"),
        ({"public": PUBLIC}, "public noise"),
        ({"public": PUBLIC, "matching": Matching(how="visual")}, "public noise"),
        ({"public": PUBLIC, "matching": Matching(how="context")}, "in context"),
        ({"public": PUBLIC, "matching": Matching(how="context"), "mapping": "map.yaml"}, "public noise"),
    ],
)
def test_each_part_by_itself(fields, expected):
    assert of(**fields) == expected


@pytest.mark.parametrize(("mixture", "expected"), [("two-sets", "two sets"), ("with-uniform", "with uniform")])
def test_mixtures(mixture, expected):
    assert of(method=RandomNoise(form="class-wise"), application=Application(mixture=mixture)) == expected


def test_the_parts_stand_in_one_order():
    found = of(
        budget=NoiseBudget(norm="l2", epsilon=300),
        method=ErrorMinimizing(form="class-wise", preset="fast"),
        application=Application(
            placement=Placement(patch=8, place="centre"), mixture="two-sets", arithmetic="as-published"
        ),
        coverage=Coverage(classes=("cat", "dog")),
        public=PUBLIC,
    )
    assert found == "l2, fast, patch 8, centred, two sets, as published, classes cat/dog, public noise"
