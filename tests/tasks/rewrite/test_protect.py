"""The bytes and the budget: what is stored is within epsilon of the original, and all else is as it was."""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from infra.keys import BucketKey
from schemas.noise import MAX_EPSILON, NoiseBudget, RandomNoise
from tasks.noise.fitted import Batch
from tasks.noise.resize import to_pictures
from tasks.rewrite import protect as module
from tasks.rewrite.protect import Plan, chunk_length, protect
from tasks.shard import png
from tasks.shard.pictures import encode_png
from tasks.shard.samples import Sample
from tasks.shard.scale import to_working
from tasks.shard.tar import build
from tests.tasks.noise.helpers import KEY, METHODS, fit, fit_data, perturber, spec_of
from tests.tasks.rewrite.helpers import EIGHT_BIT, MODES, by_pillow, by_webdataset, picture

CLASSES, FITTED_SIZE = 3, 8
RANDOM = [RandomNoise(form="sample-wise"), RandomNoise(form="class-wise")]
FITTED = [METHODS["class-wise"], METHODS["two-phase"]]


@functools.cache
def fitted(spec, size):
    return fit(spec, fit_data(classes=CLASSES, size=size))


def plan_of(method, epsilon=8, size=FITTED_SIZE, key=KEY, covered=lambda s: True, **wanted):
    spec = spec_of(method, epsilon, key=key, **wanted)
    noise = perturber(spec, fitted(spec, size), fit_data(classes=CLASSES, size=size))
    return Plan(noise, spec.budget, size, 10**6, lambda s: int(s.label) if covered(s) else None, lambda s: s.key)


def sample_of(key, mode="RGB", height=8, width=8, seed=0, place=1, prefix=""):
    data, extension = picture(mode, height, width, seed)
    others = [("json", b'{"a":  1}\r\n'), ("txt", b"\xff\xfe text"), ("npy", bytes(range(256)) * (seed % 3))]
    others.append(("cls", str(seed % CLASSES).encode()))
    parts = [*others[:place], (f"{prefix}{extension}", data), *others[place:]]
    return Sample(key, str(seed % CLASSES), tuple(parts), place, f"shard/{key}")


@st.composite
def sample_lists(draw):
    count = draw(st.integers(1, 6))
    return [
        sample_of(
            f"key-{i:03d}",
            draw(st.sampled_from(MODES)),
            draw(st.integers(1, 40)),
            draw(st.integers(1, 40)),
            draw(st.integers(0, 2**20)),
            draw(st.integers(0, 4)),
            draw(st.sampled_from(["", "img.", "left.eye."])),
        )
        for i in range(count)
    ]


def change_of(sample, done):
    before, after = by_pillow(sample.picture), by_pillow(done.parts[sample.image][1])
    assert before.shape == after.shape
    return np.abs(before - after).max()


def assert_kept(samples, done, epsilon):
    """Everything that must hold of rewritten samples, whatever made the noise."""
    assert [one.key for one in done] == [one.key for one in samples]
    assert [one.label for one in done] == [one.label for one in samples]
    for sample, one in zip(samples, done, strict=True):
        assert len(one.parts) == len(sample.parts)
        for i, (before, after) in enumerate(zip(sample.parts, one.parts, strict=True)):
            if i == sample.image:
                assert after[0] == before[0].rpartition(".")[0] + "." * ("." in before[0]) + "png"
                assert after[1].startswith(b"\x89PNG")
            else:
                assert after == before
        assert change_of(sample, one) == one.max_abs_change <= epsilon


@settings(deadline=None, max_examples=60)
@given(sample_lists(), st.integers(1, MAX_EPSILON), st.sampled_from(RANDOM), st.integers(8, 48), st.integers(1, 7))
def test_any_picture_under_random_noise_keeps_the_budget_and_all_else(samples, epsilon, method, size, chunk):
    done = list(protect(iter(samples), plan_of(method, epsilon, size), chunk))
    assert_kept(samples, done, epsilon)


@settings(deadline=None, max_examples=25)
@given(sample_lists(), st.sampled_from([1, 8, 17, MAX_EPSILON]), st.sampled_from(FITTED))
def test_any_picture_under_fitted_noise_keeps_the_budget_and_all_else(samples, epsilon, method):
    assert_kept(samples, list(protect(iter(samples), plan_of(method, epsilon), 3)), epsilon)


@settings(deadline=None, max_examples=40)
@given(sample_lists(), st.integers(1, 2000), st.sampled_from([*RANDOM, *FITTED]))
def test_any_picture_keeps_an_l2_budget_whatever_its_size(samples, epsilon, method):
    if method in FITTED:
        epsilon = min((1, 60, 300), key=lambda one: abs(one - epsilon))  # few fits
    for sample, one in zip(samples, protect(iter(samples), plan_of(method, epsilon, norm="l2"), 3), strict=True):
        change = (by_pillow(sample.picture) - by_pillow(one.parts[sample.image][1])).astype(int)
        assert int((change**2).sum()) == one.squared_change <= epsilon**2


def plainly(samples, plan):
    """(key, members) as the documented rule gives them, a picture at a time and with nothing clever."""
    for sample in samples:
        before, made = by_pillow(sample.picture), None
        height, width, _ = before.shape
        if plan.noise_class(sample) is not None:
            scaled = to_working(before.astype(np.uint8), plan.working_size)[None]
            batch = Batch(torch.from_numpy(scaled), torch.tensor([plan.noise_class(sample)]), (plan.identity(sample),))
            made = to_pictures(plan.noise.noise(batch).numpy(), height, width, plan.budget)[0].astype(np.int16)
        after = np.clip(before + (0 if made is None else made), 0, 255).astype(np.uint8)
        parts = list(sample.parts)
        parts[sample.image] = (".".join([*parts[sample.image][0].split(".")[:-1], "png"]), encode_png(after))
        yield sample.key, tuple(parts)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(sample_lists(), st.integers(1, MAX_EPSILON), st.sampled_from(RANDOM), st.integers(8, 24), st.integers(1, 7))
def test_blocks_of_pictures_become_what_each_becomes_alone(samples, epsilon, method, size, chunk):
    half = plan_of(method, epsilon, size, covered=lambda sample: int(sample.key[-1]) % 2 == 0)
    for plan in (half, plan_of(method, epsilon, size)):
        done = protect(iter(samples), plan, chunk)
        assert [(one.key, one.parts) for one in done] == list(plainly(samples, plan))


def test_long_runs_of_one_size_among_others_become_what_each_becomes_alone():
    sizes = [(16, 16)] * 300 + [(9, 16)] * 2 + [(16, 16)] * 40 + [(260, 260)] * 3
    samples = [sample_of(f"k{i:03d}", "RGB jpeg", h, w, seed=i) for i, (h, w) in enumerate(sizes)]
    plan = plan_of(RANDOM[0], 8, 16, covered=lambda sample: sample.key[-1] != "7")
    done = list(protect(iter(samples), plan, 350))
    assert [(one.key, one.parts) for one in done] == list(plainly(samples, plan))
    assert [one.covered for one in done] == [sample.key[-1] != "7" for sample in samples]


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(sample_lists())
def test_the_shard_made_of_it_is_read_by_webdataset(samples):
    done = list(protect(iter(samples), plan_of(RANDOM[0]), 4))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train-000000.tar"
        path.write_bytes(build((one.key, one.parts) for one in done))
        found = by_webdataset([path])
    assert [one["__key__"] for one in found] == [sample.key for sample in samples]
    for one, sample in zip(found, done, strict=True):
        assert {name: data for name, data in one.items() if not name.startswith("__")} == dict(sample.parts)


@pytest.mark.parametrize("mode", MODES)
def test_an_uncovered_picture_becomes_png_with_the_very_same_pixels(mode):
    sample = sample_of("one", mode, 13, 7, seed=4)
    (done,) = protect(iter([sample]), plan_of(RANDOM[0], covered=lambda s: False), 1)
    assert done.parts[1][0] == "png"
    assert change_of(sample, done) == done.max_abs_change == done.squared_change == done.values == 0
    assert not done.covered


@pytest.mark.parametrize("mode", EIGHT_BIT)
@pytest.mark.parametrize("method", [*RANDOM, *FITTED], ids=lambda m: f"{m.kind} {m.form}")
def test_a_covered_picture_does_change(mode, method):
    samples = [sample_of(f"k{i}", mode, 8, 8, seed=i) for i in range(6)]
    done = list(protect(iter(samples), plan_of(method), 6))
    assert all(one.covered and 0 < change_of(s, one) <= 8 for s, one in zip(samples, done, strict=True))


def test_the_measured_change_is_the_change_of_the_stored_pixels():
    samples = [sample_of(f"k{i}", "RGB", 9, 11, seed=i) for i in range(4)]
    for sample, done in zip(samples, protect(iter(samples), plan_of(RANDOM[0], 16), 2), strict=True):
        change = by_pillow(sample.picture) - by_pillow(done.parts[1][1])
        assert done.squared_change == int((change.astype(int) ** 2).sum())
        assert done.values == change.size == 9 * 11 * 3


def test_black_and_white_pictures_stay_within_0_and_255():
    for value in (0, 255):
        (done,) = protect(iter([flat("flat", value)]), plan_of(RANDOM[0], MAX_EPSILON), 1)
        change = by_pillow(done.parts[0][1]) - value
        assert np.abs(change).max() <= MAX_EPSILON
        assert change.any()
        assert (change >= 0).all() if value == 0 else (change <= 0).all()


def flat(key, value, side=16):
    from PIL import Image

    from tests.tasks.shard.helpers import encoded

    data = encoded(Image.fromarray(np.full((side, side, 3), value, np.uint8)))
    return Sample(key, "0", (("png", data), ("cls", b"0")), 0, key)


@pytest.mark.parametrize("method", [*RANDOM, *FITTED], ids=lambda m: f"{m.kind} {m.form}")
def test_pictures_of_many_sizes_share_one_working_size(method):
    sizes = [(8, 8), (1, 1), (3, 40), (40, 3), (64, 64), (7, 9)]
    samples = [sample_of(f"k{i}", "RGB", h, w, seed=i) for i, (h, w) in enumerate(sizes)]
    done = list(protect(iter(samples), plan_of(method, 8), len(samples)))
    assert_kept(samples, done, 8)
    assert [by_pillow(one.parts[1][1]).shape[:2] for one in done] == sizes
    assert all(one.max_abs_change > 0 for one in done[2:])


@pytest.mark.parametrize("method", [*RANDOM, FITTED[0]], ids=lambda m: f"{m.kind} {m.form}")
def test_noise_does_not_depend_on_how_samples_are_chunked(method):
    samples = [sample_of(f"k{i}", "RGB", 8, 8, seed=i) for i in range(7)]
    whole = list(protect(iter(samples), plan_of(method), 7))
    assert list(protect(iter(samples), plan_of(method), 2)) == whole
    assert list(protect(iter(samples), plan_of(method), 1)) == whole


@pytest.mark.parametrize("method", [*RANDOM, *FITTED], ids=lambda m: f"{m.kind} {m.form}")
def test_same_key_same_bytes_and_other_key_other_bytes(method):
    samples = [sample_of(f"k{i}", "RGB", 8, 8, seed=i) for i in range(4)]
    first = list(protect(iter(samples), plan_of(method), 4))
    fitted.cache_clear()
    assert list(protect(iter(samples), plan_of(method), 4)) == first
    other = list(protect(iter(samples), plan_of(method, key=BucketKey(b"another key")), 4))
    assert all(a.parts[1] != b.parts[1] for a, b in zip(first, other, strict=True))


def test_sample_wise_noise_differs_from_sample_to_sample_and_class_wise_does_not():
    samples = [flat(f"k{i}", 128) for i in range(2)]
    one, two = protect(iter(samples), plan_of(RANDOM[0]), 2)
    assert one.parts != two.parts
    one, two = protect(iter(samples), plan_of(RANDOM[1]), 2)
    assert one.parts == two.parts


def test_a_member_in_the_way_of_the_png_is_refused_by_name():
    sample = Sample("k", "0", (("jpg", picture("RGB jpeg", 8, 8, 0)[0]), ("png", b"no"), ("cls", b"0")), 0, "k")
    with pytest.raises(DataError, match=r"sample k has another member called \.png"):
        list(protect(iter([sample]), plan_of(RANDOM[0]), 1))


def test_a_codec_that_changes_pixels_is_found_out(monkeypatch):
    real = png.encode

    def gray(rgb, _):
        return cv2.imencode(".png", rgb[:, :, 0])[1].tobytes()

    def another(rgb, _):
        return picture("RGB", *rgb.shape[:2], seed=99)[0]

    def one_step_off(rgb, _):
        return real((rgb ^ np.eye(*rgb.shape[:2], dtype=np.uint8)[:, :, None])[None])[0]

    def fewer_rows(rgb, _):
        return real(rgb[None, :-1])[0]

    samples = [sample_of("first"), flat("other", 128), sample_of("last", "L")]
    for defect in (gray, another, one_step_off, fewer_rows, lambda _, data: b"", lambda _, data: data[:-40]):
        for bad in range(3):
            seen = iter(range(3))

            def encode(rgb, defect=defect, bad=bad, seen=seen):
                wrong = [next(seen) == bad for _ in rgb]
                return [defect(*one) if hit else one[1] for hit, *one in zip(wrong, rgb, real(rgb), strict=True)]

            monkeypatch.setattr(module.pngs, "encode", encode)
            with pytest.raises(DataError, match=f"sample {samples[bad].key} does not decode to what was encoded"):
                list(protect(iter(samples), plan_of(RANDOM[0]), 3))
            monkeypatch.undo()


def test_noise_above_the_budget_is_found_out():
    plan = plan_of(RANDOM[0], 64)
    tight = replace(plan, budget=NoiseBudget(epsilon=3))
    with pytest.raises(DataError, match="sample k"):
        list(protect(iter([sample_of("k")]), tight, 1))
    plan = plan_of(RANDOM[0], 64, norm="l2")
    tight = replace(plan, budget=NoiseBudget(norm="l2", epsilon=40))
    with pytest.raises(DataError, match="sample k"):
        list(protect(iter([flat("k", 128, side=FITTED_SIZE)]), tight, 1))


@given(st.integers(1, 10**9))
def test_chunks_hold_at_least_one_picture_and_no_more_pixels_than_memory_allows(area):
    length = chunk_length(area)
    assert 1 <= length <= 128
    assert length == 1 or length * area <= 1 << 25
