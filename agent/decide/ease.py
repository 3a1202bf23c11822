"""EASE (Steck, 2019): item weights from which baskets hold which products, in closed form. Only for a child process.

G counts the baskets that hold both products; P is the inverse of G + lambda; the weight of product j for product i
is -P[j, i] / P[i, i], and nothing for itself.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.decide.solved import NEIGHBOURS_MAX, Neighbours

__all__ = ["LAMBDA", "Ints", "Weights", "gram", "solve_weights", "strongest"]

LAMBDA: Final = 100.0
PAIRS_PER_STEP: Final = 4_000_000  # 100 MB while their equals are counted

Ints = NDArray[np.int64]
Weights = NDArray[np.float32]


def gram(baskets: Ints, items: Ints, items_count: int) -> NDArray[np.float64]:
    """In how many baskets each pair of items is; row n of the two arrays is one line, each basket's lines together."""
    together = np.zeros(items_count * items_count)
    if len(baskets):
        starts = np.flatnonzero(np.r_[True, baskets[1:] != baskets[:-1]])
        sizes = np.diff(np.r_[starts, len(baskets)])
        for size in np.unique(sizes):
            of_size = items[starts[sizes == size][:, None] + np.arange(size)]
            step = max(1, PAIRS_PER_STEP // int(size * size))
            for first in range(0, len(of_size), step):
                some = of_size[first : first + step]
                pairs, counts = np.unique(some[:, :, None] * items_count + some[:, None, :], return_counts=True)
                together[pairs] += counts
    return together.reshape(items_count, items_count)


def solve_weights(together: NDArray[np.float64], regularisation: float = LAMBDA) -> Weights:
    """The weight of each item (row) for each other one (column). `together` is used up."""
    diagonal = np.diag_indices(len(together))
    together[diagonal] += regularisation
    inverse = np.linalg.inv(together)
    weights = (-inverse / inverse[diagonal][None, :]).astype(np.float32)
    weights[diagonal] = 0.0
    return weights


def strongest(weights: Weights, numbers: Ints, count: int = NEIGHBOURS_MAX) -> dict[int, Neighbours]:
    """Each item's best neighbours with a weight above zero; `numbers` are the items' own numbers."""
    found: dict[int, Neighbours] = {}
    for place, row in enumerate(weights):
        best = np.argsort(-row, kind="stable")[:count]
        best = best[row[best] > 0]
        found[int(numbers[place])] = list(zip(numbers[best].tolist(), row[best].tolist(), strict=True))
    return found
