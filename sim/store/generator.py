"""A seeded day of an invented shop: households with habits, for when there is no data at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from itertools import accumulate
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from sim.store.baskets import Basket, Line, Product, SalesSource
from sim.store.business_day import local_moment
from sim.store.invented_products import invented_products
from sim.store.money import cents_text
from sim.store.randomness import seeded

__all__ = ["BASKETS_DEFAULT", "BASKETS_MAX", "DAY", "TIME_ZONE", "generate"]

BASKETS_DEFAULT: Final = 3_000
BASKETS_MAX: Final = 100_000
DAY: Final = date(2026, 3, 6)
TIME_ZONE: Final = "Europe/Bucharest"

# Share of the day's customers by the hour they come: a bump at noon, the peak after work.
_HOURS: Final = dict(
    zip(range(6, 23), (8, 22, 38, 50, 58, 66, 74, 64, 58, 62, 84, 112, 104, 72, 42, 20, 6), strict=True)
)
_BASKETS_PER_HOUSEHOLD: Final = 1.2  # some come twice
_FAVOURITES: Final = 40
_FAVOURITE_SHARE: Final = 0.6  # of lines: what this household buys again and again
_CARD_SHARE: Final = 0.7  # of households: known by a customer card
_MAIN_TRIP_SHARE: Final = 0.4  # the others come for a few things
_LINES_MAX: Final = 120
_OFFER_SHARE: Final = 0.08  # of products: cheaper today
_OFFER_PERCENT: Final = (10, 15, 20, 25, 30)


@dataclass(frozen=True, slots=True)
class _Household:
    customer: str | None
    size: int
    hour: int
    favourites: tuple[int, ...]


def generate(seed: int = 1, *, baskets: int = BASKETS_DEFAULT, day: date = DAY) -> SalesSource:
    """One day with so many baskets of about ten lines; the same seed, the same households and shelf on every day."""
    if not 1 <= baskets <= BASKETS_MAX:
        raise ValueError(f"{baskets} baskets; expected 1 to {BASKETS_MAX:,}")
    range_ = invented_products()
    shelf = _Shelf(range_, seeded(seed, "shelf"))
    households = list(_households(max(1, round(baskets / _BASKETS_PER_HOUSEHOLD)), shelf, seeded(seed, "households")))
    random = seeded(seed, "baskets", day)
    made = [_basket(number, random.choice(households), shelf, day, random) for number in range(1, baskets + 1)]
    sold = {line.sku for basket in made for line in basket.lines}
    return SalesSource(
        f"seeded generator, seed {seed}",
        made,
        (product for product in range_ if product.sku in sold),
        time_zone=TIME_ZONE,
        currency="EUR",
    )


class _Shelf:
    """The products with how often they sell and what they cost today."""

    def __init__(self, products: Sequence[Product], random: Random) -> None:
        self.products = products
        ranks = random.sample(range(len(products)), len(products))
        self._weights = list(accumulate(1 / (rank + 12) for rank in ranks))  # a long tail: few sell daily
        self._offers = {
            product.sku: random.choice(_OFFER_PERCENT) for product in products if random.random() < _OFFER_SHARE
        }

    def draw(self, count: int, random: Random) -> list[int]:
        """Places of products, the popular ones more often; may hold some twice."""
        return random.choices(range(len(self.products)), cum_weights=self._weights, k=count)

    def line(self, place: int, quantity: int) -> Line:
        product = self.products[place]
        shelf_cents = int(product.price.replace(".", ""))
        cents = shelf_cents * (100 - self._offers.get(product.sku, 0)) // 100 * quantity
        return Line(product.sku, product.gtin, product.name, str(quantity), product.price, cents_text(cents))


def _households(count: int, shelf: _Shelf, random: Random) -> Iterator[_Household]:
    hours, weights = list(_HOURS), list(_HOURS.values())
    for number in range(1, count + 1):
        yield _Household(
            customer=f"card-{number:05d}" if random.random() < _CARD_SHARE else None,
            size=random.choices((1, 2, 3, 4, 5), (30, 34, 16, 14, 6))[0],
            hour=random.choices(hours, weights)[0],
            favourites=tuple(shelf.draw(_FAVOURITES, random)),
        )


def _basket(number: int, household: _Household, shelf: _Shelf, day: date, random: Random) -> Basket:
    hour = local_moment(day, time(household.hour), ZoneInfo(TIME_ZONE))
    return Basket(
        f"{day:%y%m%d}-{number:05d}",
        hour + timedelta(seconds=random.randrange(3600)),
        household.customer,
        tuple(shelf.line(place, _quantity(household, random)) for place in _places(household, shelf, random)),
    )


def _places(household: _Household, shelf: _Shelf, random: Random) -> list[int]:
    """What goes into the basket, each product once, favourites and the rest of the shop mixed."""
    mean = 12 + 4.0 * household.size if random.random() < _MAIN_TRIP_SHARE else 4.5
    wanted = min(1 + int(random.gammavariate(2, mean / 2)), _LINES_MAX)
    familiar = sum(random.random() < _FAVOURITE_SHARE for _ in range(wanted))
    picked = random.choices(household.favourites, k=familiar) + shelf.draw(wanted - familiar, random)
    random.shuffle(picked)
    return list(dict.fromkeys(picked))


def _quantity(household: _Household, random: Random) -> int:
    if random.random() < 0.82:
        return 1
    return random.randint(2, 2 + household.size)
