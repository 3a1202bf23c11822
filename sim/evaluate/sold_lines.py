"""Sold lines as columns: one row per basket and product, each basket's rows together. Made from any history."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.decide.history import SoldBasket

__all__ = ["Ints", "SoldLines"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SoldLines:
    """Columns of equal length. `household` is -1 where nobody is known; the name lists are sorted."""

    basket: Ints
    household: Ints
    item: Ints
    store: Ints
    at_s: Ints
    basket_names: list[str]
    household_names: list[str]
    item_names: list[str]

    @classmethod
    def of(cls, baskets: Iterable[SoldBasket]) -> "SoldLines":
        """The columns of a history."""
        columns = [array("q") for _ in range(5)]
        basket_names: list[str] = []
        households: dict[str, int] = {}
        items: dict[str, int] = {}
        for number, sold in enumerate(baskets):
            basket_names.append(sold.id)
            household = -1 if sold.customer is None else households.setdefault(sold.customer, len(households))
            for sku in sold.skus:
                row = (number, household, items.setdefault(sku, len(items)), sold.store, int(sold.at_s))
                for column, value in zip(columns, row, strict=True):
                    column.append(value)
        basket, household_column, item, store, at_s = (np.frombuffer(column, dtype=np.int64) for column in columns)
        household_names, by_household = _sorted(households)
        item_names, by_item = _sorted(items)
        known = household_column >= 0
        sorted_households = np.where(known, by_household[household_column], -1) if households else household_column
        item = by_item[item] if items else item
        return cls(basket, sorted_households, item, store, at_s, basket_names, household_names, item_names)

    def where(self, rows: NDArray[np.bool_]) -> "SoldLines":
        """Only these rows, under the same names."""
        return SoldLines(
            self.basket[rows],
            self.household[rows],
            self.item[rows],
            self.store[rows],
            self.at_s[rows],
            self.basket_names,
            self.household_names,
            self.item_names,
        )

    def __len__(self) -> int:
        return len(self.basket)


def _sorted(numbers: dict[str, int]) -> tuple[list[str], Ints]:
    """The names in order, and the new number of each old one."""
    names = sorted(numbers)
    moved = np.zeros(len(names), dtype=np.int64)
    for new, name in enumerate(names):
        moved[numbers[name]] = new
    return names, moved
