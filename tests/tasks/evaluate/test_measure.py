"""How far a copy is from its originals: what the report prints of it."""

import pytest

from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.noise import NoiseBudget
from tasks.evaluate import measure
from tasks.rewrite.audit import audit
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all


def row(place, source, ssim=True, **changes):
    job = config_of(place, source, **changes)
    manifest = protect_all(job)
    return measure.protected_set(manifest, audit(Folder(job.destination), SourceSpec(url=str(source)), ssim=ssim))


@pytest.fixture
def source(tmp_path):
    return folder_source(tmp_path / "in", per_class=10, side=16)


def test_structural_similarity_stands_beside_the_norms(source, tmp_path):
    faint, strong = (row(tmp_path / str(e), source, budget=NoiseBudget(epsilon=e)) for e in (2, 16))
    assert 0 < strong.ssim < faint.ssim < 1
    assert (faint.max_abs_change, strong.max_abs_change) == (2, 16)


def test_unchanged_pictures_count_as_alike(source, tmp_path):
    whole = row(tmp_path / "whole", source)
    half = row(tmp_path / "half", source, coverage=Coverage(classes=("cat",)))
    assert half.changed == 10
    assert half.ssim > whole.ssim
    assert 1 - half.ssim == pytest.approx((1 - whole.ssim) / 2, rel=0.3)


def test_without_it_there_is_no_number(source, tmp_path):
    assert row(tmp_path / "copy", source, ssim=False).ssim is None
