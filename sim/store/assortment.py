"""What the shop sells today: every product with its place, the stock of the morning, and the price of the moment.

As CSV it is what `storeforward catalogue import` and the pack `catalogue` take.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Final

from sim.store.baskets import Product, SalesSource
from sim.store.randomness import seeded

__all__ = ["Assortment", "is_age_restricted"]

COLUMNS: Final = ("sku", "gtin", "name", "department", "category", "aisle", "bay", "stock", "price", "currency")
BAYS_PER_AISLE: Final = 12
LEFT_OVER: Final = (4, 60)  # what is there in the evening: the day never empties a shelf
_RESTRICTED: Final = ("spirit", "liquor", "beer", "wine", "cigar", "tobacco")

_Row = tuple[str | int | Decimal, ...]


class Assortment:
    """The products of a source; prices may change during the day."""

    def __init__(self, source: SalesSource, *, seed: int) -> None:
        self._products = {product.sku: product for product in source.products()}
        self._prices = {product.sku: product.price for product in source.products()}
        self._offers: dict[str, str] = {}
        self.currency: Final = source.currency
        self._described = dict(_described(source, seed))

    def __len__(self) -> int:
        return len(self._products)

    def product(self, sku: str) -> Product | None:
        """The product; None for one that the shop does not sell."""
        return self._products.get(sku)

    def price(self, sku: str) -> str:
        """What one costs now at the till."""
        return self._offers.get(sku, self._prices[sku])

    def set_price(self, sku: str, price: str) -> None:
        """From now on this is its shelf price."""
        self._prices[sku] = price

    def offer(self, sku: str, price: str) -> None:
        """For the rest of the day it costs only this."""
        self._offers[sku] = price

    @property
    def offers(self) -> Mapping[str, str]:
        """The price of every product on offer."""
        return self._offers

    def csv(self, skus: Iterable[str] | None = None) -> str:
        """These products, or all, as they are now."""
        written = io.StringIO(newline="")
        rows = csv.writer(written)
        rows.writerow(COLUMNS)
        for sku in self._products if skus is None else skus:
            rows.writerow((*self._described[sku], self._prices[sku], self.currency))
        return written.getvalue()


def is_age_restricted(product: Product) -> bool:
    """Whether a till asks for the customer's age."""
    kind = f"{product.department} {product.category}".lower()
    return any(word in kind for word in _RESTRICTED)


def _described(source: SalesSource, seed: int) -> Iterable[tuple[str, _Row]]:
    """Each product's cells without the price."""
    products, sold = source.products(), _sold(source)
    places = _places(products)
    random = seeded(seed, "morning stock")
    for one in products:
        stock = sold[one.sku].to_integral_value(ROUND_CEILING) + random.randint(*LEFT_OVER)
        place = places[one.department, one.category]
        yield one.sku, (one.sku, one.gtin or "", one.name, one.department, one.category, *place, stock)


def _sold(source: SalesSource) -> defaultdict[str, Decimal]:
    quantities: defaultdict[str, Decimal] = defaultdict(Decimal)
    for basket in source.baskets():
        for line in basket.lines:
            quantities[line.sku] += Decimal(line.quantity)
    return quantities


def _places(products: Iterable[Product]) -> dict[tuple[str, str], tuple[int, int]]:
    """Aisle and bay of each category: a department begins with an aisle of its own, and fills as many as it needs."""
    places: dict[tuple[str, str], tuple[int, int]] = {}
    aisle = bay = 0
    before = None
    for department, category in sorted({(one.department, one.category) for one in products}):
        is_full = bay == BAYS_PER_AISLE
        aisle, bay = (aisle + 1, 1) if department != before or is_full else (aisle, bay + 1)
        places[department, category], before = (aisle, bay), department
    return places
