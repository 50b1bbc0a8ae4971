"""Networks with dropout: as repeatable as those without, in any thread, stopped or not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from timm.layers import DropPath
from torch import nn
from torchvision.models import densenet121
from torchvision.ops import StochasticDepth

from tasks.nn import dropout
from tasks.nn.batches import Resident
from tasks.nn.networks import initialised, tiny
from tasks.nn.seeding import seeded
from tasks.nn.train import Training
from tests.tasks.nn.helpers import WIDTHS, easy, plan, unchanged


def with_dropout():
    return initialised(0, lambda: nn.Sequential(*list(tiny(3, WIDTHS))[:-1], nn.Dropout(0.5), nn.Linear(12, 3)))


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (nn.Dropout(0.1), True),
        (nn.Dropout2d(0.1), True),
        (nn.AlphaDropout(0.2), True),
        (DropPath(0.1), True),
        (StochasticDepth(0.1, "row"), True),
        (nn.MultiheadAttention(4, 2, dropout=0.1), True),
        (nn.Dropout(0.0), False),
        (DropPath(0.0), False),
        (nn.LPPool2d(2, 3), False),
        (nn.Linear(2, 2), False),
    ],
)
def test_it_is_found_wherever_it_is(layer, found):
    assert dropout.is_in(nn.Sequential(nn.Linear(2, 2), nn.Sequential(layer))) is found


def test_it_is_found_where_a_network_has_a_rate_and_no_layer():
    assert dropout.is_in(densenet121(weights=None, drop_rate=0.2, num_classes=2))
    assert not dropout.is_in(densenet121(weights=None, num_classes=2))


class Frozen(nn.Module):
    """A body with dropout that stays in eval mode, under a head that is trained."""

    def __init__(self):
        super().__init__()
        self.body, self.head = with_dropout().eval(), nn.Linear(3, 3)

    def train(self, mode=True):
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, x):
        return self.head(self.body(x))


def test_dropout_that_stays_in_eval_mode_draws_nothing():
    assert not dropout.is_in(Frozen().train())
    assert dropout.is_in(with_dropout().eval().train())
    assert not dropout.is_in(with_dropout().eval())


def test_a_network_whose_dropout_is_frozen_waits_for_no_other_thread():
    images, labels = easy()
    run = Training(Frozen(), Resident(images, labels), plan(epochs=1), unchanged, 3)
    with ThreadPoolExecutor(1) as pool, seeded(0):  # this thread holds what dropout waits for
        assert len(pool.submit(lambda: list(run.epochs())).result(timeout=120)) == 1


def test_a_network_that_comes_in_eval_mode_has_its_dropout_seeded_all_the_same():
    images, labels = easy()
    runs = [
        Training(with_dropout().train(mode), Resident(images, labels), plan(), unchanged, 3) for mode in (True, False)
    ]
    assert list(runs[0].epochs()) == list(runs[1].epochs())


def trained(seed=3, state=None, epochs=3):
    images, labels = easy()
    run = Training(with_dropout(), Resident(images, labels), plan(epochs=epochs), unchanged, seed)
    assert state is None or run.restore(state)
    return list(run.epochs()), run.state()


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_seed_gives_one_run_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    (first, state), (again, repeated), (other, _) = trained(), trained(), trained(seed=4)
    assert first == again
    assert equal(state, repeated)
    assert first != other
    torch.manual_seed(0)
    expected = torch.rand(3)
    trained()
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), expected)


def test_runs_side_by_side_are_what_they_are_alone():
    alone = trained()
    with ThreadPoolExecutor(3) as pool:
        for epochs, state in pool.map(lambda _: trained(), range(3)):
            assert epochs == alone[0]
            assert equal(state, alone[1])


def test_a_run_that_was_stopped_comes_to_the_same_end():
    whole, end = trained()
    images, labels = easy()
    part = Training(with_dropout(), Resident(images, labels), plan(epochs=3), unchanged, 3)
    next(part.epochs())
    rest, state = trained(seed=8, state=part.state())
    assert rest == whole[1:]
    assert equal(state, end)


def test_what_is_drawn_follows_from_the_generator():
    device = torch.device("cpu")
    found = []
    for seed in (1, 1, 2):
        with dropout.drawn_from(torch.Generator().manual_seed(seed), device):
            found.append(torch.rand(4))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
