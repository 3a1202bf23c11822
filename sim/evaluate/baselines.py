"""The models to beat: popularity, association rules, each household's own favourites, EASE on the basket alone."""

import numpy as np
from numpy.typing import NDArray

from agent.decide.ease import gram, solve_weights
from sim.evaluate.model import SHOWN
from sim.evaluate.protocol import Query, Split, Task

__all__ = ["AssociationRules", "BasketEase", "PersonalTop", "Popularity", "pair_counts"]

MEBIBYTE = 1_048_576
RULE_BASKETS_MIN = 5  # fewer common baskets are chance


def pair_counts(split: Split) -> NDArray[np.float64]:
    """In how many train baskets each pair of products is."""
    by_basket = np.argsort(split.train.basket, kind="stable")
    return gram(split.train.basket[by_basket], split.train.item[by_basket], split.items)


class Popularity:
    """The products in the most train baskets."""

    name = "popularity"
    tasks: tuple[Task, ...] = ("basket", "next")

    def __init__(self, split: Split) -> None:
        self._counts = _counts(split)

    @property
    def size_mb(self) -> float:
        return _mebibytes(self._counts)

    @property
    def state_mb(self) -> float:
        return self.size_mb

    def answer(self, query: Query) -> list[int]:
        """The same for all, without what is given."""
        return _best(self._counts, query)


class AssociationRules:
    """Each given product's rules `given -> other`; the most confident one counts."""

    name = "association_rules"
    tasks: tuple[Task, ...] = ("basket",)

    def __init__(self, together: NDArray[np.float64]) -> None:
        counts = np.maximum(together.diagonal(), 1.0)
        self._confidences = np.where(together >= RULE_BASKETS_MIN, together, 0.0).astype(np.float32)
        self._confidences /= counts[:, None].astype(np.float32)

    @property
    def size_mb(self) -> float:
        return round(np.count_nonzero(self._confidences) * 8 / MEBIBYTE, 2)  # a number and a weight per rule

    @property
    def state_mb(self) -> float:
        return self.size_mb

    def answer(self, query: Query) -> list[int]:
        """By the highest confidence."""
        return _best(self._confidences[list(query.given)].max(axis=0), query)


class PersonalTop:
    """What the household bought most often, then what is popular."""

    name = "personal_top_frequency"
    tasks: tuple[Task, ...] = ("basket", "next")

    def __init__(self, split: Split) -> None:
        self._shares = _counts(split) / (len(split.train) + 1.0)  # below 1: only breaks ties
        known = split.train.household >= 0
        pairs = np.stack([split.train.household[known], split.train.item[known]])
        found, counts = np.unique(pairs, axis=1, return_counts=True)
        households, starts = np.unique(found[0], return_index=True)
        parts = zip(np.split(found[1], starts[1:]), np.split(counts, starts[1:]), strict=True)
        self._favourites = {int(who): part for who, part in zip(households, parts, strict=True)}
        self._rows = len(counts)

    @property
    def size_mb(self) -> float:
        return _mebibytes(self._shares)

    @property
    def state_mb(self) -> float:
        return round(self.size_mb + self._rows * 12 / MEBIBYTE, 2)

    def answer(self, query: Query) -> list[int]:
        """By the household's counts."""
        scores = self._shares.copy()
        if query.household in self._favourites:
            items, counts = self._favourites[query.household]
            scores[items] += counts
        return _best(scores, query)


class BasketEase:
    """EASE with all weights, from the given products alone."""

    name = "ease_basket_only"
    tasks: tuple[Task, ...] = ("basket",)

    def __init__(self, together: NDArray[np.float64]) -> None:
        self._weights = solve_weights(together)

    @property
    def size_mb(self) -> float:
        return _mebibytes(self._weights)

    @property
    def state_mb(self) -> float:
        return self.size_mb

    def answer(self, query: Query) -> list[int]:
        """By the sum of the weights."""
        return _best(self._weights[list(query.given)].sum(axis=0), query)


def _counts(split: Split) -> NDArray[np.float64]:
    return np.bincount(split.train.item, minlength=split.items).astype(np.float64)


def _best(scores: NDArray[np.floating], query: Query) -> list[int]:
    """Equal scores by the product's number."""
    wanted = SHOWN + len(query.given)
    count = min(wanted, len(scores))
    reached = np.partition(scores, -count)[-count]
    near = np.flatnonzero(scores >= reached)
    order = near[np.argsort(-scores[near], kind="stable")]
    given = set(query.given)
    return [int(item) for item in order[: count + len(given)] if int(item) not in given][:SHOWN]


def _mebibytes(values: NDArray[np.floating]) -> float:
    return round(values.nbytes / MEBIBYTE, 2)
