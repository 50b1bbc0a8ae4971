import math

import pytest

from tasks.report.caveats import caveats
from tasks.report.display import copy_name, judge, listing, share
from tasks.report.findings import findings
from tasks.report.frame import frame
from tasks.report.truths import ALWAYS, ESCAPE, LARGE, PARTIAL, SMALL, truths
from tasks.report.verdict import sentences, verdict
from tests.tasks.report.helpers import context, grid_of_runs, protected_set, run, seeds, verified


def said(runs, covered=None, **changes):
    return verdict(findings(runs, covered or {}), context(**changes))


@pytest.mark.parametrize(
    ("jpeg", "words", "kept"),
    [
        (70.0, "is undone by jpeg-10: under jpeg-10, the only countermeasure tried, tiny reaches 70.00 ± 1", "14.3 %"),
        (40.0, "only partly holds: under jpeg-10", "57.1 %"),
        (24.0, "holds: under jpeg-10", "80.0 %"),
        (24.1, "only partly holds", "79.9 %"),
        (45.0, "only partly holds", "50.0 %"),
        (45.1, "is undone by jpeg-10", "49.9 %"),
    ],
)
def test_judgement_follows_the_worst_case(jpeg, words, kept):
    text = said(grid_of_runs(jpeg=jpeg))
    assert f"Error-minimizing noise (sample-wise, 8/255) {words}" in text
    assert f"beside a clean ceiling of 80.00 % and chance at 10.00 %; {kept} of the protection is kept" in text
    assert "Without a countermeasure it reaches 12.00 ± 1.00 % (clean ceiling 90.00 %)." in text
    assert "one seed" not in text.lower()


@pytest.mark.parametrize(
    ("jpeg", "said_of_it"),
    [(24.0, "held in part"), (24.5, "held"), (45.0, "undone"), (60.0, None), (30.0, None)],
)
def test_a_judgement_that_another_seed_might_turn_is_said(jpeg, said_of_it):
    text = said(grid_of_runs(jpeg=jpeg))
    assert ("Within the spread over seeds" in text) == (said_of_it is not None)
    if said_of_it:
        assert f"it might as well be called {said_of_it}." in text


def test_judgement_never_contradicts_the_printed_share():
    for kept in (0.79949, 0.79951, 0.4995, 0.49949, 0.8, 0.5, -0.0001):
        expected = float(share(kept).split()[0])
        assert judge(kept) == ("holds" if expected >= 80 else "partly" if expected >= 50 else "undone")
    assert share(-0.0001) == "0.0 %"


def test_plain_training_may_be_the_worst_case():
    text = said(grid_of_runs(plain=85.0, jpeg=70.0))
    assert "protects too little even without a countermeasure" in text
    assert "under plain training, which gets further than the only countermeasure tried does" in text
    text = said(grid_of_runs(plain=71.0, jpeg=70.0))
    assert "under plain training, and the only countermeasure tried gets no further, tiny reaches" in text


def test_what_fails_plainly_is_not_said_to_be_undone_by_a_countermeasure():
    text = said(grid_of_runs(plain=60.0, jpeg=70.0))
    assert "protects too little even without a countermeasure: under jpeg-10, the only countermeasure tried" in text
    assert "undone by" not in text


def test_hardest_victim_is_named():
    runs = [*grid_of_runs(jpeg=20.0), *seeds("none", "none", 94.0, 96.0, victim="resnet18")]
    runs += seeds("error-minimizing", "none", 69.0, 71.0, victim="resnet18")
    assert "resnet18 (the hardest of 2 victims) reaches 70.00 ± 1.41 %" in said(runs)


def test_each_copy_has_its_sentence_and_random_noise_is_a_baseline():
    runs = [*grid_of_runs(), *seeds("random", "none", 88.0, 89.0), *seeds("random", "jpeg-10", 78.0, 79.0)]
    text = said(runs)
    assert "Random noise (sample-wise, 8/255) protects too little" in text
    assert "Random noise is a baseline" in text
    assert "Random noise is a baseline" not in said(grid_of_runs())


def test_one_seed_is_said():
    assert "Only one seed was run: one run proves little" in said([run("none", accuracy=90.0), run()])
    assert "Some numbers come from one seed" in said([*grid_of_runs(), run(countermeasure="blur", accuracy=11.0)])


def test_missing_baseline_is_said():
    text = said(seeds("error-minimizing", "none", 11.0, 12.0, 13.0))
    assert "can't be judged" in text
    assert "There is no clean baseline, so how much protection is kept is not known." in text
    partly = [each for each in grid_of_runs() if (each.method, each.countermeasure) != ("none", "jpeg-10")]
    assert "There is no clean baseline for tiny under jpeg-10." in said(partly)


def test_baseline_that_learned_little_is_said():
    runs = [*seeds("none", "none", 14.0, 16.0), *seeds("error-minimizing", "none", 10.0, 11.0)]
    assert "itself learned little (15.00 % for tiny under none, 10.00 % by chance)" in said(runs)


def test_untried_countermeasures_are_said():
    runs = [*seeds("none", "none", 89.0, 91.0), *seeds("error-minimizing", "none", 11.0, 13.0)]
    assert "No countermeasure was tried: the worst case is not known" in said(runs)
    assert "holds: under plain training, the only kind tried" in said(runs)
    mixed = [*grid_of_runs(), *seeds("random", "none", 88.0, 89.0)]
    assert "No countermeasure was tried on random noise (sample-wise, 8/255):" in said(mixed)


def test_unconverged_fit_is_said():
    text = said(grid_of_runs(), protected=(protected_set(converged=False, noise_error=0.25),))
    assert "Warning: the fit of error-minimizing noise (sample-wise, 8/255) did not converge (error 0.25)" in text
    assert "converge" not in said(grid_of_runs(), protected=(protected_set(converged=None),))


def test_an_unconverged_fit_is_the_first_thing_said_after_the_verdict_on_its_copy():
    weak = {"converged": False, "noise_error": 0.25}
    copies = (protected_set(), protected_set(variant="patch 16", **weak))
    table = findings([*grid_of_runs(), *seeds("error-minimizing", "none", 40.0, variant="patch 16")], {})
    found = sentences(table, context(protected=copies))
    first = next(
        at for at, text in enumerate(found) if text.startswith("Error-minimizing noise (sample-wise, 8/255, p")
    )
    warning = "Warning: the fit of error-minimizing noise (sample-wise, 8/255, patch 16) did not converge"
    assert found[first + 1].startswith(warning)
    assert len([text for text in found if "converge" in text]) == 1
    assert caveats(table, context(protected=copies))[0].startswith(warning)


def test_an_unconverged_fit_is_said_even_of_a_copy_that_nothing_was_trained_on():
    copies = (protected_set(), protected_set(variant="l2", converged=False))
    assert "Warning: the fit of error-minimizing noise (sample-wise, 8/255, l2)" in said(
        grid_of_runs(), protected=copies
    )


def test_early_stopping_is_said_when_the_peak_is_far_above_the_end():
    def runs(peak):
        protected = seeds("error-minimizing", "none", 12.0, 12.0, peak_test_accuracy=peak)
        return [*seeds("none", "none", 90.0, 90.0), *protected]

    assert "Early" not in said(runs(22.0))
    assert "Early stopping helps the victim: under plain training tiny peaks at 22.10 %" in said(runs(22.1))
    text = said(runs(82.0))
    assert "holds when trained to the last epoch" in text
    assert "Early stopping undoes it" in text
    assert "leaves 10.0 % of the protection" in text


def test_diverged_and_missing_runs_are_said():
    runs = [*grid_of_runs()[:-1], run(countermeasure="jpeg-10", seed=2, accuracy=math.nan, diverged=True)]
    text = said([*runs, *seeds("random", "none", 80.0, 80.0, 80.0)])
    assert "1 run diverged and is left out" in text
    assert "from 2 to 3 of them" in text
    assert "Not run: random noise (sample-wise, 8/255) with tiny under jpeg-10." in text
    alone = said([run("none", accuracy=90.0), run(accuracy=math.nan, diverged=True)])
    assert "can't be judged: no run of tiny on it came to an end" in alone


def test_what_the_stored_bytes_say():
    assert "nothing is protected there" in said(grid_of_runs(), protected=(protected_set(changed=0),))
    assert "exceeds its budget" in said(grid_of_runs(), protected=(protected_set(max_abs_change=9),))
    l2 = {"norm": "l2", "epsilon": 300, "variant": "l2", "max_abs_change": 40}
    assert "exceeds its budget" not in said(grid_of_runs(), protected=(protected_set(max_l2=300.0, **l2),))
    text = said(grid_of_runs(), protected=(protected_set(max_l2=300.1, **l2),))
    assert "exceeds its budget as stored: pictures change by an L2 norm of up to 300.1/255" in text
    other = protected_set(method="random")
    assert "No victim was trained on random noise" in said(grid_of_runs(), protected=(other,))


def test_clean_data_alone_show_nothing():
    first = sentences(findings(seeds("none", "none", 90.0, 91.0), {}), context())[0]
    assert first.startswith("Nothing protected was evaluated")


def test_truths_fit_the_run():
    table = frame(grid_of_runs())
    small = truths(context(), table)
    assert small[0].startswith(SMALL)
    assert "32 pixels a side" in small[0]
    assert small[1:] == [f"{ESCAPE}; this report says nothing of them.", *ALWAYS]
    assert "so expect the same" in small[0]
    gray = [*grid_of_runs(), run(countermeasure="grayscale")]
    assert truths(context(), frame(gray))[0].endswith("and the results above say what both do to this noise.")
    assert LARGE in truths(context(settings={"size": 224}), table)[0]
    assert "depends on the pictures' size" in truths(context(settings={}), table)[0]
    assert PARTIAL in truths(context(), frame([run(fraction=0.8)]))
    assert PARTIAL in truths(context(protected=(protected_set(changed=800),)), table)
    assert truths(context(), frame([run("error-minimizing-lbfgs")]))[0].startswith(SMALL)
    assert truths(context(), frame([run("random")]))[1:] == list(ALWAYS)
    assert truths(context(), frame([run("none")])) == []


@pytest.mark.parametrize(
    ("changes", "unsaid"),
    [
        ({}, "them"),
        ({"verification": verified(0.9)}, "such pretrained victims and contrastive learners"),
        ({"victim": "linear-probe-resnet18"}, "contrastive learners and face verification"),
        ({"victim": "fine-tuned-resnet50", "verification": verified(0.9)}, "contrastive learners"),
    ],
)
def test_truths_know_what_the_report_says_something_of(changes, unsaid):
    (escape,) = (text for text in truths(context(), frame([run(**changes)])) if text.startswith(ESCAPE))
    assert escape == f"{ESCAPE}; this report says nothing of {unsaid}."


def test_datasets_are_told_apart():
    runs = [*grid_of_runs(), *seeds("random", "none", 80.0, 81.0, dataset="svhn")]
    assert "digits: Error-minimizing noise" in said(runs)
    assert "svhn: Random noise (sample-wise, 8/255) can't be judged" in said(runs)


def test_copies_are_named_by_their_variant():
    plain = {"method": "error-minimizing", "form": "class-wise", "epsilon": 8, "fraction": 1.0, "variant": ""}
    assert copy_name(plain) == "error-minimizing noise (class-wise, 8/255)"
    assert copy_name({**plain, "variant": "patch 16"}) == "error-minimizing noise (class-wise, 8/255, patch 16)"
    both = {**plain, "variant": "l2, fast", "fraction": 0.8}
    assert copy_name(both) == "error-minimizing noise (class-wise, 8/255, l2, fast, on 80 % of the samples)"


def test_partial_copies_are_named_by_their_share():
    assert "noise (sample-wise, 8/255, on 80 % of the samples)" in said([run(fraction=0.8)])


def test_listing():
    assert [listing(list(text), limit=3) for text in ("", "a", "ab", "abcde")] == [
        "nothing",
        "a",
        "a and b",
        "a, b, c and 2 more",
    ]
