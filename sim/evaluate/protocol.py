"""The questions: which baskets teach, and which ask. Train before the split, ask after it, models frozen between."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from agent.errors import CallerError
from sim.evaluate.sold_lines import Ints, SoldLines

__all__ = ["ITEM_BASKETS_MIN", "EvaluationRefused", "Query", "Split", "Task"]

ITEM_BASKETS_MIN: Final = 50
BASKET_ITEMS_MIN: Final = 4
BASKET_QUERIES_MAX: Final = 4_000
HOUSEHOLD_BASKETS_MIN: Final = 3

Task = Literal["basket", "next"]


class EvaluationRefused(CallerError):
    """Sales from which nothing can be asked."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question: what was bought beside `given`, by which household (-1: unknown)."""

    id: str
    household: int
    store: int
    given: tuple[int, ...]
    bought: frozenset[int]


@dataclass(frozen=True, slots=True)
class Split:
    """Lines of catalogue products before (`train`) and after the split, products renumbered from 0 by SKU."""

    train: SoldLines
    test: SoldLines
    seed: int

    @classmethod
    def at(cls, lines: SoldLines, split_s: float, *, seed: int, item_baskets_min: int = ITEM_BASKETS_MIN) -> "Split":
        """Split at a moment; the catalogue is what lies in `item_baskets_min` train baskets.

        Raises:
            EvaluationRefused: when one of the two sides is empty.
        """
        before = lines.at_s < split_s
        counts = np.bincount(lines.item[before], minlength=len(lines.item_names))
        kept = np.flatnonzero(counts >= item_baskets_min)
        if not len(kept):
            raise EvaluationRefused(f"no product lies in {item_baskets_min} baskets before the split")
        new = np.full(len(lines.item_names), -1, dtype=np.int64)
        new[kept] = np.arange(len(kept))
        names = [lines.item_names[number] for number in kept]
        train, test = (
            _renumbered(lines.where(side & (new[lines.item] >= 0)), new, names) for side in (before, ~before)
        )
        if not len(test):
            raise EvaluationRefused("no basket with products of the catalogue after the split")
        return cls(train, test, seed)

    @property
    def items(self) -> int:
        """How many products the catalogue has."""
        return len(self.train.item_names)

    def queries(self, task: Task) -> list[Query]:
        """The questions of a task, seeded, in a stable order."""
        return self._basket_queries() if task == "basket" else self._next_queries()

    def had_before(self) -> dict[int, frozenset[int]]:
        """What each household bought before the split."""
        order = np.argsort(self.train.household, kind="stable")
        households, starts = np.unique(self.train.household[order], return_index=True)
        parts = np.split(self.train.item[order], starts[1:]) if len(order) else []
        return {int(who): frozenset(part.tolist()) for who, part in zip(households, parts, strict=True) if who >= 0}

    def of_store(self, store: int) -> "Split":
        """What this store alone sold and knows."""
        return Split(self.train.where(self.train.store == store), self.test.where(self.test.store == store), self.seed)

    def _basket_queries(self) -> list[Query]:
        """Baskets of at least 4: permuted, the first half shown (rounded up), the rest asked for."""
        random = np.random.default_rng(self.seed)
        baskets = [basket for basket in _baskets(self.test) if len(basket.items) >= BASKET_ITEMS_MIN]
        queries = []
        for place in random.permutation(len(baskets))[:BASKET_QUERIES_MAX]:
            basket = baskets[int(place)]
            items = [int(item) for item in random.permutation(basket.items)]
            shown = (len(items) + 1) // 2
            queries.append(
                Query(basket.name, basket.household, basket.store, tuple(items[:shown]), frozenset(items[shown:]))
            )
        return queries

    def _next_queries(self) -> list[Query]:
        """The first basket after the split of each household with at least 3 baskets before it."""
        seen = np.unique(np.stack([self.train.household, self.train.basket]), axis=1)[0]
        households, counts = np.unique(seen, return_counts=True)
        regular = set(households[counts >= HOUSEHOLD_BASKETS_MIN].tolist()) - {-1}
        first: dict[int, _Basket] = {}
        for basket in sorted(_baskets(self.test), key=lambda basket: (basket.at_s, basket.number)):
            if basket.household in regular:
                first.setdefault(basket.household, basket)
        return [
            Query(basket.name, household, basket.store, (), frozenset(basket.items.tolist()))
            for household, basket in sorted(first.items())
        ]


@dataclass(frozen=True, slots=True)
class _Basket:
    number: int
    name: str
    household: int
    store: int
    at_s: int
    items: Ints


def _renumbered(lines: SoldLines, new: Ints, names: list[str]) -> SoldLines:
    return replace(lines, item=new[lines.item], item_names=names)


def _baskets(lines: SoldLines) -> Iterator[_Basket]:
    numbers, starts = np.unique(lines.basket, return_index=True)
    parts = np.split(lines.item, starts[1:]) if len(lines) else []
    for number, start, items in zip(numbers, starts, parts, strict=True):
        yield _Basket(
            int(number),
            lines.basket_names[number],
            int(lines.household[start]),
            int(lines.store[start]),
            int(lines.at_s[start]),
            items,
        )
