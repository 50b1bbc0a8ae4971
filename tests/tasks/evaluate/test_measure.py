"""How far a copy is from its originals: what the report prints of it."""

import pytest

from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.noise import NoiseBudget
from tasks.evaluate import measure
from tasks.rewrite.audit import Audit, audit
from tasks.rewrite.similarity import Similarity
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all


def row(place, source, ssim=True, **changes):
    job = config_of(place, source, **changes)
    manifest = protect_all(job)
    return measure.protected_set(
        job.destination, manifest, audit(Folder(job.destination), SourceSpec(url=str(source)), ssim=ssim), {}
    )


@pytest.fixture
def source(tmp_path):
    return folder_source(tmp_path / "in", per_class=10, side=16)


def test_structural_similarity_stands_beside_the_norms(source, tmp_path):
    faint, strong = (row(tmp_path / str(e), source, budget=NoiseBudget(epsilon=e)) for e in (2, 16))
    assert 0 < strong.ssim < faint.ssim < 1
    assert (faint.max_abs_change, strong.max_abs_change) == (2, 16)


def test_pictures_that_carry_no_noise_do_not_make_it_look_fainter(source, tmp_path):
    whole = row(tmp_path / "whole", source)
    half = row(tmp_path / "half", source, coverage=Coverage(classes=("cat",)))
    assert (half.changed, half.samples) == (10, 20)
    assert half.psnr == pytest.approx(whole.psnr, abs=0.5)  # 3 dB more if all of them counted
    assert half.mean_l2 == pytest.approx(whole.mean_l2, rel=0.1)
    assert 1 - half.ssim == pytest.approx(1 - whole.ssim, rel=0.3)


def test_where_nothing_changed_there_is_no_number(source, tmp_path):
    job = config_of(tmp_path, source)
    found = measure.protected_set("copy", protect_all(job), Audit(samples=20, similarity=Similarity(20)), {})
    assert (found.changed, found.mean_l2, found.psnr, found.ssim) == (0, None, None, None)


def test_without_it_there_is_no_number(source, tmp_path):
    assert row(tmp_path / "copy", source, ssim=False).ssim is None
