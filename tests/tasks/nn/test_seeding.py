from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from time import sleep

import pytest
import torch

from tasks.nn.seeding import drawn_seed, seeded


def draws(seed, count=20, pause=0.0):
    with seeded(seed):
        found = []
        for _ in range(count):
            found.append(torch.rand(()))
            sleep(pause)
    return torch.stack(found)


def test_the_seed_tells_what_is_drawn():
    assert torch.equal(draws(1), draws(1))
    assert not torch.equal(draws(1), draws(2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        assert torch.equal(draws(1), torch.stack([torch.rand(()) for _ in range(20)]))


def test_the_global_generator_is_left_as_it_was():
    before = torch.get_rng_state()
    draws(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_so_after_an_error_too_and_the_next_one_has_its_turn():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeded(3):
        torch.rand(1).view(2)
    assert torch.equal(torch.get_rng_state(), before)
    with ThreadPoolExecutor(1) as pool:
        assert torch.equal(pool.submit(draws, 1).result(timeout=120), draws(1))


def test_one_within_another_does_not_disturb_it():
    found = []

    def nested():
        with seeded(1):
            found.append(torch.rand(10))
            draws(2)
            found.append(torch.rand(10))

    thread = Thread(target=nested, daemon=True)  # it would wait for itself for ever, and the test must end
    thread.start()
    thread.join(timeout=120)
    assert len(found) == 2
    with seeded(1):
        assert torch.equal(torch.cat(found), torch.cat([torch.rand(10), torch.rand(10)]))


def test_threads_side_by_side_draw_as_each_would_alone():
    together = Barrier(3)

    def one(seed):
        together.wait(timeout=120)
        return draws(seed, pause=0.001)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(one, range(3)))
    assert all(torch.equal(each, draws(seed)) for seed, each in enumerate(found))


def test_a_seed_is_drawn_from_the_given_generator_alone():
    before = torch.get_rng_state()
    one, other = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    seeds = [drawn_seed(one) for _ in range(50)]
    assert seeds == [drawn_seed(other) for _ in range(50)]
    assert len(set(seeds)) == 50
    assert all(0 <= seed < 2**62 for seed in seeds)
    assert torch.equal(torch.get_rng_state(), before)
