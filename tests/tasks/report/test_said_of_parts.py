"""Sentences on parts, classes, faces and triggers, and the caveats on the suite and on recipes."""

import pytest

from schemas.countermeasures import TIER_A
from tasks.report.findings import findings
from tasks.report.verdict import sentences, verdict
from tests.tasks.report.helpers import by_class, context, grid_of_runs, obeyed, run, seeds, stopped, verified

BIRD = {"form": "class-wise", "variant": "class b"}
COVERED = {"error-minimizing noise (class-wise, 8/255, class b)": frozenset("b")}
TIER_NAMES = [each.name for each in TIER_A]


def said(runs, covered=None, **changes):
    return verdict(findings(runs, covered or {}), context(**changes))


def parted(everything, clean, protected=(11.0, 12.0, 13.0)):
    parts = (("all", everything), ("clean", clean), ("protected", protected))
    numbers = [
        one for part, found in parts for one in seeds("error-minimizing", "none", *found, fraction=0.8, part=part)
    ]
    return [*seeds("none", "none", 94.0, 95.0, 96.0), *numbers]


@pytest.mark.parametrize(
    ("everything", "clean", "words"),
    [
        ((86.0, 87.0, 88.0), (83.0, 84.0, 85.0), ", and even adds 3.00 points to what the rest teaches alone."),
        ((84.0, 85.0, 86.0), (83.0, 84.0, 85.0), ", which teaches as much as it does alone."),
        ((84.9,), (84.0,), ", which teaches as much as it does alone."),
    ],
)
def test_a_protected_part_is_said_not_to_shield_the_rest(everything, clean, words):
    text = said(parted(everything, clean))
    assert f"the protected part does not shield the rest{words}" in text
    assert "on its protected part alone 12.00 ± 1.00 %" in text
    assert "(clean ceiling 95.00 %), on its clean part alone" in text


@pytest.mark.parametrize(
    ("everything", "words"),
    [
        ((78.0, 79.0, 80.0), "takes 5.00 points from what the rest teaches alone, but does not shield it."),
        ((39.0, 40.0, 41.0), "takes 44.00 points from what the rest teaches alone, which shields it in part."),
        ((11.0, 12.0, 13.0), "takes 72.00 points from what the rest teaches alone, which shields it."),
    ],
)
def test_what_a_protected_part_takes_from_the_rest_is_said_too(everything, words):
    assert words in said(parted(everything, (83.0, 84.0, 85.0)))


def test_whole_copy_and_protected_part_are_judged_the_clean_part_is_not():
    found = sentences(findings(parted((86.0, 87.0, 88.0), (83.0, 84.0, 85.0)), {}), context())
    judged = [text for text in found if text.startswith("Error-minimizing noise")]
    assert [text.split(":")[0] for text in judged] == [
        "Error-minimizing noise (sample-wise, 8/255, on 80 % of the samples) protects too little even without a "
        "countermeasure",
        "Error-minimizing noise (sample-wise, 8/255, on 80 % of the samples, protected part alone) holds",
    ]
    alone = said(
        [*seeds("none", "none", 94.0, 95.0), *seeds("error-minimizing", "none", 80.0, fraction=0.8, part="clean")]
    )
    assert alone.startswith("Nothing protected was evaluated: only parts of a copy")


def test_without_parts_nothing_is_said_of_them():
    assert "part" not in said(grid_of_runs()).replace("only partly", "")


def test_protected_classes_and_others_stand_beside_the_same_classes_of_the_ceiling():
    runs = [
        *by_class("none", "none", ((90, 80, 70), (92, 84, 70), (94, 88, 70))),
        *by_class("error-minimizing", "none", ((90, 0, 70), (92, 2, 70), (94, 4, 70)), **BIRD),
    ]
    text = said(runs, COVERED)
    assert text.startswith("Error-minimizing noise (class-wise, 8/255, class b) holds: under plain training")
    assert (
        "tiny reaches 2.00 ± 2.00 % on clean test pictures of the protected class b, beside a clean ceiling of 84.00"
        in text
    )
    assert (
        "tiny gets 2.00 ± 2.00 % of the test pictures of the protected class b right (clean ceiling 84.00 ± 4.00 %), "
        "and of the other 2 classes 81.00 ± 1.00 % (clean ceiling 81.00 ± 1.00 %), unharmed within the spread."
    ) in text


def test_peaks_of_some_classes_are_said_to_be_those_of_all():
    clean = by_class("none", "none", ((90, 80, 70),))
    assert "the protected classes alone may have had a better one" in said(
        [*clean, *by_class("error-minimizing", "none", ((90, 0, 70),), **BIRD)], COVERED
    )
    assert "the protected classes alone" not in said(grid_of_runs())


def test_what_always_the_same_answer_gives_is_said_where_classes_differ_in_size():
    uneven = {"classes": ("cat", "dog"), "confusion": ((85, 5), (5, 5))}
    runs = [*seeds("none", "none", 97.0, **uneven), *seeds("error-minimizing", "none", 90.0, **uneven)]
    assert "always answering cat is right in 90.00 %, while chance is 50.00 %" in said(runs)
    assert "always answering" not in said(grid_of_runs())


def test_harm_to_the_other_classes_is_said():
    runs = [
        *by_class("none", "none", ((90, 80, 70), (91, 80, 70))),
        *by_class("error-minimizing", "none", ((60, 0, 70), (61, 2, 70)), **BIRD),
    ]
    assert "of the other 2 classes 65.25 ± 0.35 % (clean ceiling 80.25 ± 0.35 %), 15.00 points less." in said(
        runs, COVERED
    )


def test_many_protected_classes_are_counted():
    covered = {name: frozenset("abcdef") for name in COVERED}
    runs = [
        *by_class("none", "none", ((90,) * 8,)),
        *by_class("error-minimizing", "none", ((5,) * 6 + (90,) * 2,), **BIRD),
    ]
    text = said(runs, covered)
    assert "clean test pictures of the 6 protected classes" in text
    assert "of the other 2 classes" in text


def faces(auc, tar, clean=(0.9975, 0.98), **changes):
    return [
        *(run("none", seed=seed, accuracy=86.0, verification=verified(clean[0], clean[1])) for seed in range(3)),
        *(run(seed=seed, accuracy=16.0, verification=verified(auc, tar), **changes) for seed in range(3)),
    ]


@pytest.mark.parametrize(
    ("auc", "words"),
    [
        (0.5321, "verification is brought close to guessing."),
        (0.7, "verification is weakened, not stopped."),
        (0.96, "verification survives, so its embeddings still tell people apart."),
        (0.9975, "still tell people apart as well as after training on clean data."),
    ],
)
def test_what_is_left_of_verification_is_said_in_words(auc, words):
    text = said(faces(auc, 0.61))
    assert f"has an AUC of {auc:.4f} ± 0.0000 (clean ceiling 0.9975 ± 0.0000, guessing 0.5)" in text
    assert "at 1 % of false acceptances 61.0 % of true pairs are accepted, beside 98.0 %" in text
    assert words in text


def test_a_ceiling_that_does_not_verify_says_little():
    assert "hardly tells people apart, so that says little" in said(faces(0.52, 0.02, clean=(0.55, 0.03)))


def test_verification_without_a_clean_baseline_is_not_judged():
    assert "with no clean baseline to compare with" in said(faces(0.9, 0.5)[3:])


def test_a_countermeasure_that_gives_verification_back_is_named():
    text = said([*faces(0.6, 0.1), *faces(0.95, 0.8, countermeasure="grayscale")[3:]])
    assert "Under grayscale the AUC comes back to 0.9500 ± 0.0000." in text
    assert "comes back" not in said([*faces(0.6, 0.1), *faces(0.6, 0.1, countermeasure="grayscale")[3:]])


def test_classes_of_faces_are_identities():
    runs = [
        *by_class("none", "none", ((90, 80),), verification=verified(0.99)),
        *by_class("error-minimizing", "none", ((90, 0),), verification=verified(0.9), **BIRD),
    ]
    assert "of the protected identity b right" in said(runs, COVERED)


def test_a_backdoor_is_told_beside_a_clean_victim():
    own = "error-minimizing, sample-wise, 8/255"
    runs = [
        *seeds("none", "none", 90.0, 91.0, backdoor=obeyed(9.0, own)),
        *seeds("error-minimizing", "none", 12.0, 13.0),
    ]
    with_trigger = [
        one.model_copy(update={"backdoor": obeyed(75.0, own)}) if one.method != "none" else one for one in runs
    ]
    assert (
        "Backdoor test: under this noise tiny takes 75.00 ± 0.00 % of clean test pictures of other classes for the "
        "class of the noise (a victim of clean data 9.00 ± 0.00 %)."
    ) in said(with_trigger)
    without = [one.model_copy(update={"backdoor": obeyed(9.0, own)}) for one in runs]
    assert "(a victim of clean data 9.00 ± 0.00 %), so no backdoor shows." in said(without)
    assert "Backdoor" not in said(runs)


def test_early_stopping_as_a_countermeasure_replaces_the_sentence_on_peaks():
    plain = [
        *seeds("none", "none", 90.0, 90.0),
        *seeds("error-minimizing", "none", 12.0, 12.0, peak_test_accuracy=50.0),
    ]
    assert "Early stopping undoes it" in said(
        [*plain[:2], *(one.model_copy(update={"peak_test_accuracy": 82.0}) for one in plain[2:])]
    )
    runs = [*plain, *(stopped(one, max(one.peak_test_accuracy, one.test_accuracy)) for one in plain)]
    text = said(runs)
    assert "Early stopping helps" not in text
    assert "only partly holds: under early-stopping, the only countermeasure tried, tiny reaches 50.00 ± 0.00 %" in text
    later = [
        *seeds("none", "mixup", 90.0, 90.0),
        *seeds("error-minimizing", "mixup", 20.0, 20.0, peak_test_accuracy=70.0),
    ]
    assert "Early stopping undoes it: under mixup tiny peaks at 70.00 %" in said([*runs, *later])


def test_what_tier_a_lacks_is_listed():
    text = said(grid_of_runs())
    missing = [name for name in TIER_NAMES if name not in ("none", "jpeg-10")]
    assert f"Tier A is incomplete: {', '.join(missing[:-1])} and {missing[-1]} were not run." in text
    assert "Adversarial training was not tried: most published noises give way to it." in text


def test_a_complete_suite_is_not_called_incomplete():
    runs = [one for name in [*TIER_NAMES, "adversarial-training-8"] for one in _both(name)]
    text = said(runs)
    assert "Tier A" not in text
    assert "Adversarial training was not" not in text
    less = [one for one in runs if one.countermeasure != "none"]
    assert "Tier A is incomplete: plain training was not run." in said(less)


def test_adversarial_training_below_the_noises_bound_is_none():
    runs = [
        one for name in [*TIER_NAMES, "adversarial-training-2", "adversarial-training-4-by-7"] for one in _both(name)
    ]
    assert "Adversarial training was tried at 4/255 alone, less than the noise: most" in said(runs)
    assert "Adversarial training" not in said([*runs, *_both("adversarial-training-8-by-4-by-0.5")])


def test_copies_that_lack_different_countermeasures_are_told_apart():
    runs = [one for name in TIER_NAMES for one in _both(name)]
    text = said([*runs, *seeds("random", "none", 80.0, 80.0), *seeds("random", "grayscale", 80.0, 80.0)])
    assert "Tier A is incomplete on random noise (sample-wise, 8/255): early-stopping, " in text
    assert "Tier A is incomplete on error" not in text


def test_diverged_runs_are_counted_once_though_early_stopping_tells_of_them_too():
    lost = run(seed=5, diverged=True)
    assert "1 run diverged" in said([*grid_of_runs(), lost, stopped(lost, 20.0)])


def _both(name):
    return [*seeds("none", name, 90.0, 90.0), *seeds("error-minimizing", name, 12.0, 12.0)]


def settings_of(kind, family="cifar10", size=32):
    return {"victims": [{"kind": kind, "recipe": {"family": family, "size": size}}]}


def test_a_recipe_that_does_not_fit_the_pictures_is_said_with_the_one_that_does():
    runs = grid_of_runs()
    large = said(runs, settings=settings_of("resnet18", size=224))
    assert "resnet18 was trained by the recipe for CIFAR-10 on pictures of 224 pixels a side" in large
    assert "the recipe of the family imagenet fits" in large
    face_runs = [one.model_copy(update={"verification": verified(0.9)}) for one in runs]
    assert "the family faces fits" in said(face_runs, settings=settings_of("resnet18", size=112))
    names = tuple(f"class {number}" for number in range(100))
    many = [run("none", classes=names, accuracy=60.0), run(classes=names, accuracy=1.0)]
    assert "on pictures of 100 classes" in said(many, settings=settings_of("vgg11"))
    assert "the family cifar100 fits" in said(many, settings=settings_of("vgg11"))


@pytest.mark.parametrize(
    "given",
    [
        settings_of("resnet18", size=32),
        settings_of("resnet18", family="imagenet", size=224),
        settings_of("tiny", size=224),
        settings_of("resnet18", size=None),
        {},
    ],
)
def test_a_recipe_that_fits_or_is_not_known_is_not_blamed(given):
    assert "recipe" not in said(grid_of_runs(), settings=given)
