"""Scores: what the basket's neighbours and the customer's own habits say of each product. Pure, over plain numbers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter
from typing import Final

__all__ = ["HABITS_ASKED_MAX", "Blend", "Part"]

# All three were chosen on November of Complete Journey, the month before the test month.
PERSONAL_WEIGHT: Final = 0.6
PROFILE_WEIGHT: Final = 0.6
HABITS_ASKED_MAX: Final = 50
"""So many of a customer's strongest habits speak for their neighbours when the basket is empty."""

_SCORE: Final = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Part:
    """What one cause adds to a product's score: a product beside it (`anchor`), or, without one, the own habit."""

    anchor: int | None
    value: float


class Blend:
    """One question's scores. `shares` are the decayed shares of the customer's baskets that held each product."""

    def __init__(
        self, basket: Collection[int], shares: Mapping[int, float], neighbours: Mapping[int, Mapping[int, float]]
    ) -> None:
        self._basket = frozenset(basket)
        self._shares = shares
        self._neighbours = neighbours
        self._scores = self._sum()

    @staticmethod
    def asked(basket: Collection[int], shares: Mapping[int, float]) -> Collection[int]:
        """The products whose neighbours this question needs: the basket's, or an empty one's customer's favourites."""
        return basket or nlargest(HABITS_ASKED_MAX, shares, key=shares.__getitem__)

    def ranked(self, count: int) -> list[tuple[int, float]]:
        """The best products outside the basket with their scores; of equal ones that which was heard of first."""
        return nlargest(count, self._scores.items(), key=_SCORE)

    def parts(self, item: int) -> list[Part]:
        """What makes the item's score, the strongest first."""
        parts = [
            Part(anchor, weight * self._factor(anchor))
            for anchor, row in self._neighbours.items()
            if (weight := row.get(item)) is not None
        ]
        if item in self._shares:
            parts.append(Part(None, PERSONAL_WEIGHT * self._shares[item]))
        return sorted(parts, key=lambda part: -part.value)

    def _sum(self) -> dict[int, float]:
        scores = {item: PERSONAL_WEIGHT * share for item, share in self._shares.items()}
        for anchor, row in self._neighbours.items():
            _add(scores, row, self._factor(anchor))
        for item in self._basket:
            scores.pop(item, None)
        return scores

    def _factor(self, anchor: int) -> float:
        return 1.0 if self._basket else PERSONAL_WEIGHT * PROFILE_WEIGHT * self._shares[anchor]


def _add(scores: dict[int, float], row: Mapping[int, float], factor: float) -> None:
    for item, weight in row.items():
        scores[item] = scores.get(item, 0.0) + weight * factor
