import json
import math
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

from tasks.report.charts.confusion import confusion_matrix
from tasks.report.charts.curves import curve_panels, is_limited, learning_curves
from tasks.report.charts.dots import class_dots, suite_dots
from tasks.report.charts.look import to_spec, to_svg
from tasks.report.charts.probes import roc_curves, trigger_lines
from tasks.report.classes import same_copy
from tasks.report.findings import findings
from tests.tasks.report.helpers import by_class, grid_of_runs, obeyed, run, seeds, stopped, verified

HOSTILE = ("<script>alert(1)</script>", "$x_{1$", "قطة", "\x00\x1b[31m")


def texts(chart):
    """What a chart says in letters, from its SVG."""
    drawing = ElementTree.fromstring(to_svg(to_spec(chart, "A chart")).encode())
    return [element.text for element in drawing.iter() if element.tag.endswith("text")]


def data(chart):
    """Every row of data that a chart holds."""
    return [row for rows in to_spec(chart, "A chart")["datasets"].values() for row in rows]


def test_curves_name_every_copy_and_panel():
    drawn = texts(learning_curves(grid_of_runs()))
    for expected in ("clean data", "error-minimizing noise (sample-wise, 8/255)", "tiny · none", "tiny · jpeg-10"):
        assert expected in drawn


def test_drawings_are_the_same_bytes_in_threads_and_follow_the_theme():
    def draw(runs):
        return to_svg(to_spec(learning_curves(runs), "Curves"))

    with ThreadPoolExecutor(4) as pool:
        drawings = list(pool.map(draw, [grid_of_runs()] * 4))
    assert len(set(drawings)) == 1
    assert "prefers-color-scheme" in drawings[0]
    assert "currentColor" in drawings[0]
    assert "date" not in drawings[0]


def test_nothing_to_draw_is_none():
    assert learning_curves([run(curve=()), run(seed=1, diverged=True)]) is None
    assert confusion_matrix(run(confusion=())) is None
    assert confusion_matrix(run(classes=("a", "b"), confusion=((0, 0), (0, 0)))) is None


def test_curves_of_unequal_length_and_without_numbers_are_drawn():
    short = run(seed=1, curve=run().curve[:1])
    lost = run(seed=2, curve=tuple(point.model_copy(update={"test_accuracy": math.nan}) for point in run().curve))
    points = [row for row in data(learning_curves([run(), short, lost])) if "epoch" in row]
    assert [(row["epoch"], row["seeds"]) for row in points] == [(1, 2)]  # as far as all go, and what is a number
    assert learning_curves([lost]) is None


def test_hostile_class_names_are_plain_text():
    drawn = texts(confusion_matrix(run(classes=HOSTILE)))
    assert any(text.startswith("<script>alert(1)") for text in drawn if text)
    assert "$x_{1$" in drawn
    assert "قطة" in drawn
    assert "\\x00\\x1b[31m" in drawn


def test_a_thousand_classes_have_no_labels():
    chart = confusion_matrix(run(classes=tuple(f"class {number}" for number in range(1000))))
    assert not [text for text in texts(chart) if text and text.startswith("class")]
    assert len(json.dumps(to_spec(chart, "A chart"))) < 500_000


def suite(names, **changes):
    """Clean and protected runs under each name; what is protected reaches 20, 21, 22, ... percent."""
    return [
        one
        for place, name in enumerate(names)
        for one in (
            run("none", name, accuracy=90.0, **changes),
            run(countermeasure=name, accuracy=20.0 + place, **changes),
        )
    ]


SIX = ("none", "blur-1", "cutout-16", "jpeg-10", "mixup", "median-3")


def test_curves_of_a_large_suite_are_plain_training_and_what_teaches_most():
    runs = suite(SIX)
    assert [panel[2] for panel in curve_panels(runs)] == ["none", "jpeg-10", "median-3", "mixup"]
    assert is_limited(runs)
    few = suite(SIX[:4])
    assert len(curve_panels(few)) == 4
    assert not is_limited(few)
    assert "tiny · blur-1" not in texts(learning_curves(runs))


def test_the_clean_part_does_not_say_what_teaches_most():
    runs = [*suite(SIX), run(countermeasure="blur-1", accuracy=88.0, fraction=0.8, part="clean")]
    assert "blur-1" not in [panel[2] for panel in curve_panels(runs)]


def test_early_stopping_has_no_panel_beside_the_plain_curve_it_shares():
    plain = [run("none", accuracy=90.0), run(accuracy=20.0)]
    both = [*plain, *(stopped(one, 95.0) for one in plain)]
    assert [panel[2] for panel in curve_panels(both)] == ["none"]
    assert not is_limited(both)
    assert [panel[2] for panel in curve_panels(both[2:])] == ["early-stopping"]


def test_dots_stand_by_accuracy_beside_the_share_kept():
    drawn = texts(suite_dots(findings(suite(SIX), {}).judged))
    labels = [text for text in drawn if text in {"none (plain training)", *SIX}]
    assert labels == [*SIX[:0:-1], "none (plain training)"]  # the highest on top
    for expected in ("kept", "87.5 %", "chance", "clean ceiling", "protected: holds"):
        assert expected in drawn


def test_dots_tell_judgements_apart_and_want_enough_countermeasures():
    runs = [*suite(SIX[:4]), *seeds("none", "jpeg-30", 90.0, 90.0), *seeds("error-minimizing", "jpeg-30", 85.0, 87.0)]
    drawn = texts(suite_dots(findings(runs, {}).judged))
    assert "protected: undone" in drawn
    assert "protected: partly" not in drawn
    assert suite_dots(findings(suite(SIX[:3]), {}).judged) is None
    lost = [run(countermeasure=name, accuracy=math.nan, diverged=True) for name in SIX]
    assert suite_dots(findings(lost, {}).summary) is None


def test_dots_without_a_ceiling_are_drawn():
    runs = [run(countermeasure=name, accuracy=20.0) for name in SIX]
    drawn = texts(suite_dots(findings(runs, {}).judged))
    assert "protected" in drawn
    assert "–" in drawn


def test_classes_are_drawn_in_their_order_the_protected_on_top():
    runs = [
        *by_class("none", "none", ((90, 80, 70),)),
        *by_class("error-minimizing", "none", ((90, 5, 70),), form="class-wise", variant="class b"),
    ]
    found = findings(runs, {"error-minimizing noise (class-wise, 8/255, class b)": frozenset("b")})
    drawn = texts(class_dots(same_copy(found.classes, found.judged.iloc[0]), "class"))
    assert [text for text in drawn if text in {"a", "b (protected)", "c"}] == ["b (protected)", "a", "c"]
    assert {"protected class", "other class", "clean ceiling"} <= set(drawn)


def test_roc_names_every_copy_and_its_auc():
    runs = [
        run("none", verification=verified(0.99)),
        *seeds("error-minimizing", "none", 1.0, 2.0, verification=verified(0.6)),
    ]
    drawn = texts(roc_curves(runs, "none"))
    for expected in ("clean data", "error-minimizing noise (sample-wise, 8/255)", "0.9900", "0.6000", "tiny"):
        assert expected in drawn
    assert roc_curves(runs, "grayscale") is None
    assert roc_curves([run()], "none") is None


def test_triggers_are_drawn_where_a_noise_has_several_shares():
    def probed(fraction, **changes):
        share = "" if fraction == 1 else f", on {100 * fraction:g} % of the samples"
        trigger = f"random, class-wise, 8/255{share}"
        return run("random", form="class-wise", fraction=fraction, backdoor=obeyed(50.0, trigger), **changes)

    drawn = texts(trigger_lines(findings([probed(0.2), probed(0.2, seed=1), probed(1.0)], {}).triggers, "none"))
    assert "random (class-wise, 8/255)" in drawn
    assert trigger_lines(findings([probed(0.2)], {}).triggers, "none") is None
    assert trigger_lines(findings([run()], {}).triggers, "none") is None
