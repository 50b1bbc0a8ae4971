"""The noise stage: what is done stays done, what was begun goes on, and only on the data that it was begun on."""

from dataclasses import dataclass

import pytest
from prefect.client.schemas.objects import State

from infra.storage import Folder
from schemas.fitted import NoiseRecord
from schemas.matching import Matching
from schemas.noise import ErrorMaximizing, ErrorMinimizing, NoiseMethod, RandomNoise
from schemas.protect import ProtectConfig
from tasks.noise import stage, store
from tasks.noise.fit_data import Together
from tests.tasks.noise.helpers import FAST, MAXIMIZING, dataset

# On a dozen pictures the error may come to its bound after any round: three rounds in any case, and on every machine.
ROUNDS = {"max_rounds": 3, "fit_samples": 12}
MINIMIZING = {**FAST, **ROUNDS, "min_rounds": 3}
FITS: dict[str, NoiseMethod] = {
    "two-phase": ErrorMinimizing(**MINIMIZING),
    "class-wise": ErrorMinimizing(form="class-wise", **MINIMIZING),
    "joint": ErrorMinimizing(procedure="joint", **MINIMIZING),
    "maximizing": ErrorMaximizing(form="class-wise", **{**MAXIMIZING, **ROUNDS, "alpha": 0.05}),
}
BEFORE, AFTER = {"ant": 12, "bee": 6}, {"ant": 10, "bee": 5}


class KilledError(BaseException):
    """No handler takes it for an error of the job."""


@dataclass(frozen=True)
class Places:
    """A bucket whose content may change, and a workspace."""

    root: object

    def config(self, method):
        url, places = f"{self.root}/bucket/tree", {"destination": "out", "workspace": "work"}
        paths = {name: f"{self.root}/{path}" for name, path in places.items()}
        return ProtectConfig(source={"url": url}, method=method, matching=Matching(), device="cpu", **paths)

    def bucket(self, counts):
        folder = Folder(f"{self.root}/bucket")
        for name in folder.list():
            folder.delete(name)
        return dataset(self.root / "bucket", counts)

    def folder(self):
        (record,) = (name for name in Folder(f"{self.root}/work").list() if name.endswith(store.TENSORS))
        return Folder(f"{self.root}/work").child(record.rsplit("/", 1)[0])


@pytest.fixture
def places(tmp_path):
    (tmp_path / "bucket").mkdir()
    return Places(tmp_path)


def fit(config, private):
    """The record, and whether it was found done."""
    made = stage.fit_noise.fn(config, private, None)
    return (made.data, True) if isinstance(made, State) else (made, False)


def killed_after_a_round(config, private):
    def kill(self, one):
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.StoredJournal, "heard", kill)
        with pytest.raises(KilledError):
            fit(config, private)


@pytest.mark.parametrize("name", FITS)
def test_a_fit_goes_on_where_it_was_killed(places, name):
    config, private = places.config(FITS[name]), places.bucket(BEFORE)
    killed_after_a_round(config, private)
    record, done = fit(config, private)
    assert (record.resumed, done) == (True, False)
    assert [one.round for one in record.rounds] == [1, 2, 3]
    assert not [name for name in places.folder().list() if name.startswith(store.CHECKPOINT)]


@pytest.mark.parametrize("name", FITS)
def test_a_fit_that_was_killed_starts_anew_when_the_bucket_has_changed(places, name):
    config = places.config(FITS[name])
    killed_after_a_round(config, places.bucket(BEFORE))
    private = places.bucket(AFTER)
    record, _ = fit(config, private)
    assert not record.resumed
    folder = places.folder()
    for each in folder.list():
        folder.delete(each)
    assert fit(config, private)[0].tensors_sha256 == record.tensors_sha256, "it is not the fit of this data alone"


def test_what_a_fit_sees_is_told_apart(places):
    before = places.bucket(BEFORE)
    config, smaller = places.config(FITS["two-phase"]), places.config(ErrorMinimizing(fit_samples=6))
    seen = stage.seen_by(config, Together(before, None))
    assert seen == stage.seen_by(config, Together(before, None))
    assert seen != stage.seen_by(smaller, Together(before, None))
    assert seen != stage.seen_by(config, Together(places.bucket(AFTER), None))


def test_tensors_that_were_damaged_are_fitted_again(places):
    config, private = places.config(FITS["two-phase"]), places.bucket(BEFORE)
    first, _ = fit(config, private)
    assert fit(config, private) == (first, True)
    whole = places.folder().read(store.TENSORS)
    places.folder().write(store.TENSORS, whole[:-1] + bytes([whole[-1] ^ 1]))
    again, done = fit(config, private)
    assert not done
    assert places.folder().read(store.TENSORS) == whole
    assert again.tensors_sha256 == first.tensors_sha256


def test_the_record_tells_the_error_of_the_noise_that_is_released(places):
    record, _ = fit(places.config(FITS["two-phase"]), places.bucket(BEFORE))
    assert 0 <= record.released_error <= 1
    assert places.folder().load(store.RECORD, NoiseRecord) == record


@pytest.mark.parametrize("form", ["class-wise", "sample-wise"])
def test_noise_without_a_fit_reads_no_picture(places, form):
    private = places.bucket(BEFORE)
    Folder(private.source.url).delete("ant/00.png")
    moved = tuple(shard.model_copy(update={"url": "nowhere.tar"}) for shard in private.shards)
    record, _ = fit(places.config(RandomNoise(form=form)), private.model_copy(update={"shards": moved}))
    assert (record.samples, record.stopped, record.released_error) == (0, "no-fit", None)
