"""docs/scaling.md against the results that its figures are drawn from."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs" / "scaling.md").read_text().split())
ROW = re.compile(r"^\| (?:([\d,]+) ([MG]), ([\d,]+))?( ?\\\*)? *\| ([\w-]+, \d+ px) \|(.+)\|$", re.MULTILINE)
CORES = (2, 64, 1024, 16_384)
TASKS = 2  # a shard: index and rewrite
ONE_JOB = 100_000  # shards: above it the page says to split a job


def figures(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())["figures"]


MEASURED = figures("scaling")


def core_seconds(work: str, runner: str, shards: float, pictures: float) -> float:
    terms, cost = MEASURED["work"][work]["terms"], MEASURED["tasks"][runner]
    a_picture = terms["picture"] + terms["byte"] * terms["bytes_a_picture"]
    return (terms["shard"] + TASKS * cost["task"]) * shards + a_picture * pictures


def seconds(work: str, runner: str, shards: int, pictures: int, cores: int) -> float:
    """The page's model."""
    cost = MEASURED["tasks"][runner]
    serial = TASKS * max(cost["driver"], cost["server"]) * shards
    return TASKS * cost["start"] + max(serial, core_seconds(work, runner, shards, pictures) / cores)


def rows() -> list[tuple[int, int, bool, str, list[float]]]:
    """Pictures, shards, whether it is marked, the work, and the hours of each row of the table."""
    found, pictures, shard = [], 0, 1
    for count, unit, size, mark, work, hours in ROW.findall((ROOT / "docs" / "scaling.md").read_text()):
        if count:
            pictures = int(count) * {"M": 10**6, "G": 10**9}[unit]
            shard = int(size.replace(",", ""))
        found.append(
            (pictures, pictures // shard, bool(mark), work, [float(h.replace(",", "")) for h in hours.split("|")])
        )
    return [row for row in found if len(row[-1]) == len(CORES)]


def test_hours_are_those_of_the_model():
    assert len(rows()) == 12
    for pictures, shards, _, work, told in rows():
        model = [seconds(work, "ray", shards, pictures, cores) / 3600 for cores in CORES]
        assert told == pytest.approx(model, rel=0.05, abs=0.005), (pictures, work)


def test_jobs_that_are_too_large_for_one_driver_are_marked():
    assert f"more than {ONE_JOB:,} shards" in PAGE
    assert {shards > ONE_JOB for _, shards, *_ in rows()} == {True, False}
    assert [row for row in rows() if row[2] != (row[1] > ONE_JOB)] == []


def test_the_model_is_told_beside_a_run_that_it_was_not_fitted_to():
    run = figures("orchestration")
    shards, each, workers = run["shards"], run["pictures_a_shard"], run["workers"]
    model = seconds("two-phase, 32 px", "threads", shards, shards * each, workers)
    measured = min(one["seconds"] for one in run["runs"]["flow"])
    assert f"The model gives {model:.0f} s for what" in PAGE
    assert f"measured at {measured:.0f} s: {shards} shards of {each} pictures of 32 px, two-phase, in two" in PAGE


def test_the_bandwidth_is_what_drivers_hand_out():
    work, shard = "class-wise, 224 px", 1000
    moved, cost = MEASURED["work"][work]["terms"]["bytes_a_picture"], MEASURED["tasks"]["ray"]
    one_job = moved * shard / (TASKS * max(cost["driver"], cost["server"]))
    all_cores = 1024 * moved / (core_seconds(work, "ray", 1 / shard, 1))
    assert f"moves {one_job / 1e9:.1f} GB/s" in PAGE
    assert f"1,024 cores would move {all_cores / 1e9:.0f} GB/s if fed by some thirty jobs" in PAGE
    assert 28 < all_cores / one_job < 33
