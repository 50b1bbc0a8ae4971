"""What a countermeasure that diverged, or one with a lower ceiling, changes in the first sentence and the caveats."""

import math

from tasks.report.findings import findings
from tasks.report.verdict import headlines, verdict
from tests.tasks.report.helpers import context, grid_of_runs, run, seeds


def said(runs):
    return verdict(findings(runs, {}), context())


def headline(runs):
    return headlines(findings(runs, {}), context())[0]


def diverged(countermeasure, **changes):
    return [
        run(countermeasure=countermeasure, seed=seed, accuracy=math.nan, diverged=True, **changes) for seed in (0, 1)
    ]


def plain_alone():
    return [*seeds("none", "none", 89.0, 91.0), *seeds("error-minimizing", "none", 11.0, 13.0)]


def test_a_countermeasure_of_which_all_runs_diverged_is_not_left_unsaid():
    runs = [*plain_alone(), *seeds("none", "jpeg-10", 79.0, 81.0), *diverged("jpeg-10")]
    assert "holds: under plain training, the only kind that came to an end, tiny reaches" in headline(runs)
    text = said(runs)
    assert "only kind tried" not in text
    assert "No countermeasure came to an end: the worst case is not known" in text
    assert "No countermeasure was tried" not in text


def test_what_diverged_does_not_count_as_tried():
    runs = [*grid_of_runs(), *diverged("blur-1"), *diverged("adversarial-training-8")]
    assert "under jpeg-10, the only countermeasure that came to an end, tiny reaches" in headline(runs)
    text = said(runs)
    assert "were not run; blur-1 came to no end." in text
    assert "Adversarial training came to no end: most published noises give way to it." in text
    assert "blur-1 were not run" not in text
    assert "blur-1, " not in text.split("Tier A is incomplete: ")[1].split(" were not run")[0]


def test_another_victims_divergence_changes_nothing():
    runs = [*grid_of_runs(), *diverged("blur-1", victim="resnet18")]
    assert "under jpeg-10, the only countermeasure tried, tiny" in headline(runs)


def test_a_countermeasure_that_is_judged_lower_by_its_own_ceiling_is_said_in_the_first_sentence():
    # 40 of 90 leaves 62.5 %; 35 beside a ceiling of 45 leaves 28.6 %.
    runs = [
        *seeds("none", "jpeg-10", 89.0, 91.0),
        *seeds("error-minimizing", "jpeg-10", 39.0, 41.0),
        *seeds("none", "grayscale", 44.0, 46.0),
        *seeds("error-minimizing", "grayscale", 34.0, 36.0),
    ]
    first = headline(runs)
    assert "only partly holds: under jpeg-10" in first
    lower = "; under grayscale, whose clean ceiling is 45.00 %, only 28.6 % is kept: undone there."
    assert first.endswith(f"62.5 % of the protection is kept{lower}")


def test_a_lower_share_in_the_same_judgement_is_not_said():
    runs = [
        *grid_of_runs(jpeg=40.0),  # 57.1 %
        *seeds("none", "grayscale", 69.0, 71.0),
        *seeds("error-minimizing", "grayscale", 37.0, 39.0),  # 53.3 %
    ]
    assert "57.1 % of the protection is kept." in headline(runs)
    assert "grayscale, whose" not in headline(runs)


def test_plain_training_may_be_judged_lower_too():
    runs = [
        *seeds("none", "none", 29.0, 31.0),
        *seeds("error-minimizing", "none", 24.0, 26.0),
        *seeds("none", "jpeg-10", 89.0, 91.0),
        *seeds("error-minimizing", "jpeg-10", 29.0, 31.0),
    ]
    assert "; under plain training, whose clean ceiling is 30.00 %, only 25.0 % is kept: undone there." in headline(
        runs
    )
