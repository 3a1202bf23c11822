"""What a list of ten suggestions is worth against what was bought."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Final

import numpy as np

__all__ = ["Metrics", "Scored", "score", "summarise"]

SHOWN: Final = 10
SAMPLES: Final = 1_000
DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """One question's figures; `repeat` and `explore` are None where nothing of the kind was bought."""

    recall5: float
    recall10: float
    ndcg10: float
    hit10: float
    repeat: float | None
    explore: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means over all questions; the interval holds 95 % of bootstrap means."""

    queries: int
    recall5: float
    recall10: float
    recall10_ci: tuple[float, float]
    ndcg10: float
    hit10: float
    repeat_recall10: float | None
    explore_recall10: float | None


def score(shown: Sequence[int], bought: frozenset[int], had_before: frozenset[int]) -> Scored:
    """Recall is the share of `bought` that was shown; repeat and explore split it by `had_before`."""
    hits = [item in bought for item in shown[:SHOWN]]
    gain = sum(1.0 / log2(place + 2) for place, hit in enumerate(hits) if hit)
    best = sum(1.0 / log2(place + 2) for place in range(min(SHOWN, len(bought))))
    return Scored(
        recall5=sum(hits[:5]) / len(bought),
        recall10=sum(hits) / len(bought),
        ndcg10=gain / best,
        hit10=float(any(hits)),
        repeat=_recall(shown, bought & had_before),
        explore=_recall(shown, bought - had_before),
    )


def summarise(scored: Sequence[Scored], seed: int) -> Metrics:
    """The means; needs at least one question."""
    recalls = np.array([one.recall10 for one in scored])
    random = np.random.default_rng(seed)
    means = [recalls[random.integers(0, len(recalls), len(recalls))].mean() for _ in range(SAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Metrics(
        queries=len(scored),
        recall5=_mean([one.recall5 for one in scored]) or 0.0,
        recall10=round(float(recalls.mean()), DIGITS),
        recall10_ci=(round(float(low), DIGITS), round(float(high), DIGITS)),
        ndcg10=_mean([one.ndcg10 for one in scored]) or 0.0,
        hit10=_mean([one.hit10 for one in scored]) or 0.0,
        repeat_recall10=_mean([one.repeat for one in scored if one.repeat is not None]),
        explore_recall10=_mean([one.explore for one in scored if one.explore is not None]),
    )


def _recall(shown: Sequence[int], bought: frozenset[int]) -> float | None:
    return len(bought.intersection(shown[:SHOWN])) / len(bought) if bought else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), DIGITS) if values else None
