"""Stock and prices of the shop's day: deliveries in the morning, levels each hour, markdowns and waste in the evening.

Seeded, and true to the sales: what the levels say is what was there in the morning, plus what came, less what the
baskets took and what was thrown away.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, Final

from agent.clock import rfc3339
from sim.store.actions import SensorAction
from sim.store.barcodes import sscc
from sim.store.baskets import Product, SalesSource
from sim.store.business_day import day_bounds, local_moment
from sim.store.money import amount_text
from sim.store.randomness import seeded

__all__ = ["PRODUCER", "backoffice_actions"]

PRODUCER: Final = "backoffice"
LOCATION: Final = "store"  # one place for all stock: shelf and back room are not told apart

SAMPLE: Final = 40  # best sellers whose level is told each hour
OTHERS_RECEIVED: Final = 60
MARKDOWNS: Final = 40
WASTED: Final = 30
PALLET_PRODUCTS: Final = 8

RECEIVING_AT: Final = time(6)
MARKDOWNS_AT: Final = time(17)
WASTE_AT: Final = time(20, 30)
MARKDOWN_FACTOR: Final = Decimal("0.70")

_FRESH: Final = ("produce", "bakery", "pastry", "dairy", "deli", "meat", "fish", "seafood", "salad")


def backoffice_actions(source: SalesSource, *, seed: int = 1) -> Iterator[SensorAction]:
    """The stock and price events of all days of a source, by time; about 1,100 a day."""
    shop = _Stockroom(source, seed)
    for day in source.days:
        yield from sorted(shop.day(day), key=lambda action: action.at)


class _Stockroom:
    """What is there of the sample, day after day."""

    def __init__(self, source: SalesSource, seed: int) -> None:
        self._source = source
        self._seed = seed
        self._products = {product.sku: product for product in source.products()}
        self._sold: defaultdict[str, list[tuple[datetime, Decimal]]] = defaultdict(list)
        frequency: Counter[str] = Counter()
        for basket in source.baskets():
            for line in basket.lines:
                frequency[line.sku] += 1
                self._sold[line.sku].append((basket.starts_at, Decimal(line.quantity)))
        self._sample = sorted(frequency, key=lambda sku: (-frequency[sku], sku))[:SAMPLE]
        self._fresh = [sku for sku, product in sorted(self._products.items()) if _is_fresh(product)]
        self._on_hand: dict[str, Decimal] = {}

    def day(self, day: date) -> Iterator[SensorAction]:
        """The day's events, each kind in order."""
        random = seeded(self._seed, "stock", day)
        wasted = self._waste(random)
        received = dict(self._deliveries(day, wasted, random))
        yield from self._received(day, received, random)
        yield from self._levels(day, received, wasted)
        yield from self._markdowns(day, random)
        for place, (sku, quantity) in enumerate(wasted.items()):
            at = local_moment(day, WASTE_AT, self._source.zone) + timedelta(seconds=20 * place)
            reason = random.choices(("expired", "damaged", "other"), (7, 2, 1))[0]
            data = {"sku": sku, "quantity": str(quantity), "location": LOCATION, "reason": reason}
            yield self._action(at, "stock.wasted.v1", data, sku)

    def _deliveries(self, day: date, wasted: dict[str, Decimal], random: Random) -> Iterator[tuple[str, Decimal]]:
        """Enough of the sample until tomorrow's delivery, and some of everything else."""
        start = local_moment(day, RECEIVING_AT, self._source.zone)
        for sku in self._sample:
            need = self._taken(sku, start, start + timedelta(hours=26))  # until tomorrow's delivery is booked
            planned = need * random.randint(100, 125) / 100 + wasted.get(sku, 0) + 2
            yield sku, planned.to_integral_value(ROUND_HALF_UP)
        others = sorted(self._products.keys() - set(self._sample))
        for sku in random.sample(others, min(OTHERS_RECEIVED, len(others))):
            yield sku, Decimal(random.randint(6, 48))

    def _received(self, day: date, received: dict[str, Decimal], random: Random) -> Iterator[SensorAction]:
        start = local_moment(day, RECEIVING_AT, self._source.zone)
        pallet = random.randrange(10**9)
        for place, (sku, quantity) in enumerate(received.items()):
            data: dict[str, Any] = {  # Any: JSON
                "sku": sku,
                "quantity": str(quantity),
                "location": LOCATION,
                "sscc": sscc(pallet + place // PALLET_PRODUCTS),
            }
            if _is_fresh(self._products[sku]):
                data["best_before"] = (day + timedelta(days=random.randint(2, 10))).isoformat()
            yield self._action(start + timedelta(seconds=50 * place), "stock.received.v1", data, sku)

    def _levels(self, day: date, received: dict[str, Decimal], wasted: dict[str, Decimal]) -> Iterator[SensorAction]:
        """The level of each sample product at every full hour of the business day."""
        zone = self._source.zone
        start, end = day_bounds(day, day, zone)
        delivered_at = local_moment(day, time(8), zone)
        wasted_at = local_moment(day, time(21), zone)
        for sku in self._sample:
            morning = self._on_hand.setdefault(sku, self._taken(sku, start, delivered_at) + 5)
            at, hour = start, 0
            while at <= end:
                level = morning - self._taken(sku, start, at)
                level += received.get(sku, Decimal(0)) if at >= delivered_at else 0
                level -= wasted.get(sku, Decimal(0)) if at >= wasted_at else 0
                assert level >= 0, "a delivery covers what the baskets take until the next one"
                self._on_hand[sku] = level
                if at < end:
                    data = {"sku": sku, "location": LOCATION, "on_hand": str(level)}
                    yield self._action(at, "stock.level.v1", data, f"{sku}:{hour:02d}")
                at, hour = at + timedelta(hours=1), hour + 1

    def _markdowns(self, day: date, random: Random) -> Iterator[SensorAction]:
        start = local_moment(day, MARKDOWNS_AT, self._source.zone)
        for place, sku in enumerate(random.sample(self._fresh, min(MARKDOWNS, len(self._fresh)))):
            at = start + timedelta(seconds=15 * place)
            price = self._products[sku].price
            data = {
                "sku": sku,
                "currency": self._source.currency,
                "unit_price": amount_text(Decimal(price) * MARKDOWN_FACTOR),
                "previous_unit_price": price,
                "reason": "markdown",
                "effective_at": rfc3339(at),
            }
            yield self._action(at, "price.changed.v1", data, sku)

    def _waste(self, random: Random) -> dict[str, Decimal]:
        perishable: Sequence[str] = self._fresh or self._sample
        return {sku: Decimal(random.randint(1, 5)) for sku in random.sample(perishable, min(WASTED, len(perishable)))}

    def _taken(self, sku: str, start: datetime, end: datetime) -> Decimal:
        """How much of a product the baskets took within [start, end)."""
        sold = self._sold[sku]
        low, high = (bisect_left(sold, moment, key=lambda entry: entry[0]) for moment in (start, end))
        return sum((quantity for _, quantity in sold[low:high]), Decimal(0))

    def _action(self, at: datetime, type_name: str, data: dict[str, Any], name: str) -> SensorAction:
        event_id = f"{self._seed}:{type_name}:{at:%Y%m%dT%H%M%S}:{name}"
        return SensorAction(at, PRODUCER, type_name, data, event_id)


def _is_fresh(product: Product) -> bool:
    department = product.department.lower()
    return any(word in department for word in _FRESH)
