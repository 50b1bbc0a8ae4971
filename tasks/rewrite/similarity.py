"""How alike originals and stored pictures look: structural similarity (Wang et al. 2004), by torchmetrics."""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

MOST = 1000
_WINDOW = 11  # of the Gaussian with deviation 1.5 that the metric is defined with
_DEVIATION = 1.5
_LARGEST = 512
_BATCH_PIXELS = 1 << 16
_WAITING_PIXELS = 1 << 22

Picture = NDArray[np.uint8]


class Similarity:
    """Mean SSIM of changed pictures and their originals, over at most `most` of `pictures`, drawn evenly and seeded.

    `pictures` is how many are to come; those beyond are not counted.

    The metric costs more than decoding, so large datasets are sampled. Memory is bounded: pictures wait in batches of
    one size, and of a picture with a side above 512 pixels the middle counts. The window is the largest odd one that
    fits into pictures with a side below 11; those with a side below 3 have no structure, and are left out.
    """

    def __init__(self, pictures: int, most: int = MOST):
        chosen = np.random.default_rng(0).choice(max(1, pictures), min(most, max(1, pictures)), replace=False)
        self._chosen = frozenset(chosen.tolist())
        self._seen = 0
        self._waiting: dict[tuple[int, ...], list[tuple[Picture, Picture]]] = {}
        self._total, self._count = 0.0, 0

    def add(self, before: Picture, after: Picture) -> None:
        """The next picture that differs from its original, both uint8 [H, W, 3]: counted when its turn was drawn."""
        turn, self._seen = self._seen, self._seen + 1
        if turn not in self._chosen or min(before.shape[:2]) < 3:
            return
        before, after = _middle(before), _middle(after)
        group = self._waiting.setdefault(before.shape, [])
        group.append((before, after))
        area = before.shape[0] * before.shape[1]
        if len(group) >= max(1, _BATCH_PIXELS // area):
            self._measure(self._waiting.pop(before.shape))
        elif sum(len(each) * shape[0] * shape[1] for shape, each in self._waiting.items()) > _WAITING_PIXELS:
            self._measure_all()

    def mean(self) -> float | None:
        """Mean over the pictures that were counted, at most 1; None when there are none."""
        self._measure_all()
        return self._total / self._count if self._count else None

    def _measure_all(self) -> None:
        groups, self._waiting = self._waiting, {}
        for group in groups.values():
            self._measure(group)

    def _measure(self, group: list[tuple[Picture, Picture]]) -> None:
        originals, stored = (torch.from_numpy(np.stack(side)) for side in zip(*group, strict=True))
        self._total += float(ssim(originals, stored).double().sum())
        self._count += len(group)


def ssim(originals: torch.Tensor, stored: torch.Tensor) -> torch.Tensor:
    """SSIM of each pair of uint8 [N, H, W, 3] (sides of 3 pixels or more), float32 [N], mean over place and channel."""
    from torchmetrics.functional.image import structural_similarity_index_measure  # takes seconds to import

    # As float they stay in channels_last memory, which the metric's convolution is faster in.
    x, y = (pictures.permute(0, 3, 1, 2).to(torch.float32) for pictures in (originals, stored))
    window = min(_WINDOW, *originals.shape[1:3])
    reach = (window - 1) // 2
    deviation = _DEVIATION * reach / (_WINDOW // 2)
    found = structural_similarity_index_measure(y, x, sigma=deviation, reduction="none", data_range=255.0)
    return cast(torch.Tensor, found).reshape(len(originals))


def _middle(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    top, left = max(0, height - _LARGEST) // 2, max(0, width - _LARGEST) // 2
    return picture[top : top + _LARGEST, left : left + _LARGEST]
