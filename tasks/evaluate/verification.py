"""Face verification: whether two pictures are of one person, by the cosine of a victim's embeddings.

Huang et al. 2021, figure 7. ROC and AUC are scikit-learn's.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor, nn
from torch.nn import functional

from schemas.evaluate import Verification
from tasks.evaluate.pairs import Faces
from tasks.nn.embedding import embed

VERSION = 1
FAR = 0.01  # the one that figures and tables tell of
FARS = (0.001, FAR, 0.1)
_POINTS = 200


def verify(model: nn.Module, faces: Faces) -> Verification:
    """How well the embeddings of a trained victim tell the pairs apart."""
    scores = cosines(embed(model, faces.images).cpu(), faces.a, faces.b)
    return measure(scores, faces.same.numpy())


def cosines(embeddings: Tensor, a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """Cosine similarity, -1 to 1, of the pairs int64 [P] and [P] of embeddings float [N, D]; float64 [P].

    Pairs with an embedding of zeros, or of what is no number, get 0: such a victim says nothing about them.
    """
    unit = functional.normalize(embeddings.double(), dim=1)
    return (unit[a] * unit[b]).sum(1).nan_to_num(0.0).numpy()


def measure(scores: NDArray[np.float64], same: NDArray[np.bool_]) -> Verification:
    """Verification by `scores` [P], higher for those that look like one person; `same` [P] has both kinds.

    TAR at a FAR is the highest true acceptance rate of any threshold whose false acceptance rate is not above it.
    """
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    return Verification(
        pairs=len(same),
        same=int(same.sum()),
        auc=float(roc_auc_score(same, scores)),
        tar_at_far=tuple((bound, float(tar[far <= bound].max())) for bound in FARS),
        roc=thinned(far, tar),
    )


def thinned(far: NDArray[np.float64], tar: NDArray[np.float64], most: int = _POINTS) -> tuple[tuple[float, float], ...]:
    """At most `most` points of a curve that rises from (0, 0) to (1, 1), both ends among them, evenly along its way."""
    way = far + tar
    chosen = np.arange(len(way)) if len(way) <= most else np.unique(np.searchsorted(way, np.linspace(0, way[-1], most)))
    return tuple((float(far[i]), float(tar[i])) for i in chosen)
