"""The same key gives the same bytes, another key other noise, whatever ran before and in whatever company."""

import random
import threading

import numpy as np
import pytest
import torch

from infra import devices
from tasks.noise import store
from tasks.noise.fitted import Batch, Fitted
from tests.tasks.noise.helpers import (
    CLASS_WISE,
    METHODS,
    OTHER,
    SAMPLE_WISE,
    batch_of,
    fit,
    fit_data,
    noise_of,
    perturber,
    spec_of,
)

EVERY = pytest.mark.parametrize("name", METHODS)
FROZEN = ["two-phase", "lbfgs two-phase", "maximizing sample-wise"]


class TestKey:
    @EVERY
    @pytest.mark.parametrize("laid", [{}, {"patch": 3}, {"norm": "l2", "epsilon": 60}], ids=["whole", "patch", "l2"])
    def test_the_same_key_gives_the_same_bytes(self, name, laid):
        assert torch.equal(noise_of(spec_of(name, **laid)), noise_of(spec_of(name, **laid)))

    @EVERY
    def test_another_key_gives_other_noise(self, name):
        assert not torch.equal(noise_of(spec_of(name)), noise_of(spec_of(name, key=OTHER)))

    @pytest.mark.parametrize("name", CLASS_WISE)
    @pytest.mark.parametrize("mixture", ["two-sets", "with-uniform"])
    def test_it_is_so_for_mixtures_too(self, name, mixture):
        one, again, other = (noise_of(spec_of(name, mixture=mixture, **key)) for key in ({}, {}, {"key": OTHER}))
        assert torch.equal(one, again)
        assert not torch.equal(one, other)


@pytest.fixture
def drawn(monkeypatch):
    """What this thread takes from Python's generator, by name: Prefect's threads in this process draw from it too."""
    calls, ours = [], threading.get_ident()

    def watched(name, real):
        def call(*arguments, **named):
            if threading.get_ident() == ours:
                calls.append(name)
            return real(*arguments, **named)

        return call

    for name in (
        "seed",
        "random",
        "uniform",
        "randint",
        "randrange",
        "choice",
        "choices",
        "shuffle",
        "sample",
        "gauss",
    ):
        monkeypatch.setattr(random, name, watched(name, getattr(random, name)))
    return calls


class TestGlobalGenerators:
    @EVERY
    def test_a_fit_leaves_them_alone(self, name, drawn):
        states = torch.get_rng_state(), np.random.get_state()[1].tolist()
        noise_of(spec_of(name))
        assert torch.equal(torch.get_rng_state(), states[0])
        assert np.random.get_state()[1].tolist() == states[1]
        assert drawn == []

    def test_a_draw_would_be_seen(self, drawn):
        random.shuffle([1, 2])
        assert drawn == ["shuffle"]

    @EVERY
    def test_a_fit_does_not_depend_on_them(self, name):
        torch.manual_seed(1)
        one = noise_of(spec_of(name))
        torch.manual_seed(2)
        assert torch.equal(one, noise_of(spec_of(name)))


class TestFile:
    @EVERY
    def test_what_was_fitted_survives_its_file(self, name):
        spec = spec_of(name)
        fitted = fit(spec)
        again = Fitted(store.load_tensors(store.encode(fitted.tensors)))
        assert again.tensors.keys() == fitted.tensors.keys()
        noise = [perturber(spec, one).noise(batch_of(fit_data())) for one in (fitted, again)]
        assert torch.equal(*noise)

    @EVERY
    def test_the_same_fit_has_the_same_file(self, name):
        one, two = (store.encode(fit(spec_of(name)).tensors) for _ in range(2))
        assert one == two

    @EVERY
    def test_the_pictures_are_not_changed(self, name):
        data = fit_data()
        noise_of(spec_of(name), data)
        assert torch.equal(data.images, fit_data().images)


class TestCompany:
    """What a sample's noise depends on: itself, and not the samples that come with it."""

    @pytest.fixture(params=[False, True], ids=["fp32", "bf16"], autouse=True)
    def arithmetic(self, request, monkeypatch):
        monkeypatch.setattr(devices, "fast_bf16", lambda kind: request.param)

    @pytest.fixture(params=["cpu", "cuda"])
    def device(self, request):
        if request.param == "cuda" and not torch.cuda.is_available():
            pytest.skip("no GPU here: on one, this has never been shown")
        return devices.pick_device(request.param)

    @pytest.mark.parametrize("name", SAMPLE_WISE)
    @pytest.mark.parametrize("laid", [{}, {"patch": 3}, {"norm": "l2", "epsilon": 60}], ids=["whole", "patch", "l2"])
    def test_order_does_not_matter(self, name, laid, device):
        data, spec = fit_data(24), spec_of(name, **laid)
        made = perturber(spec, fit(spec, data), data, device)
        whole = made.noise(batch_of(data))
        order = torch.randperm(24, generator=torch.Generator().manual_seed(3))
        keys = tuple(data.keys[i] for i in order)
        assert torch.equal(made.noise(Batch(data.images[order], data.labels[order], keys)), whole[order])
        assert len(whole.unique(dim=0)) > 20

    @pytest.mark.parametrize("name", SAMPLE_WISE)
    @pytest.mark.parametrize("length", [1, 5, 11])
    def test_the_size_of_a_batch_does_not_matter(self, name, length, device):
        data, spec = fit_data(24), spec_of(name)
        made = perturber(spec, fit(spec, data), data, device)
        parts = [made.noise(batch_of(data, slice(start, start + length))) for start in range(0, 24, length)]
        assert torch.equal(torch.cat(parts), made.noise(batch_of(data)))

    @pytest.mark.parametrize("name", FROZEN)
    def test_what_was_perturbed_before_does_not_matter(self, name, device):
        data, spec = fit_data(24), spec_of(name)
        fitted = fit(spec, data)
        batches = [batch_of(data, slice(start, start + 8)) for start in (0, 8, 16)]
        forward, backward = (perturber(spec, fitted, data, device) for _ in range(2))
        first = [forward.noise(batch) for batch in batches]
        assert all(torch.equal(backward.noise(batches[i]), first[i]) for i in (2, 0, 1, 2))
