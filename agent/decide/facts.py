"""What the tables learn from: facts taken from stored events, as frozen values. It knows no tables."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final, Literal

from agent.event_fields import FORGOTTEN
from agent.event_types import TYPE_PREFIX

__all__ = ["FACT_TYPES", "BoughtBasket", "CustomerFact", "Fact", "StockFact", "basket_key", "facts_of"]

ITEMS_PER_BASKET_MAX: Final = 500  # a trader's cart; 99.9 % of shoppers' baskets have fewer than 100 products

FACT_TYPES: Final = (
    "pos.sale.v1",
    "customer.changed.v1",
    "stock.level.v1",
    "stock.counted.v1",
)
"""Event types that say something to learn from."""

_MARKS: Final = tuple(f'"type":"{TYPE_PREFIX}{name}"'.encode("ascii") for name in FACT_TYPES)


@dataclass(frozen=True, slots=True)
class BoughtBasket:
    """A paid basket: each product once. `key` tells it from every other basket, so that it counts once."""

    key: int
    at_s: float
    skus: tuple[str, ...]
    customer: str | None


@dataclass(frozen=True, slots=True)
class CustomerFact:
    """A customer was forgotten, or said no or yes to being learned from."""

    customer: str
    change: Literal["forgotten", "consent_withdrawn", "consent_given"]


@dataclass(frozen=True, slots=True)
class StockFact:
    """What lies at one place of the shop."""

    sku: str
    location: str
    on_hand: float


Fact = BoughtBasket | CustomerFact | StockFact


def basket_key(*names: str) -> int:
    """A basket's identity as one signed 64-bit number."""
    return int.from_bytes(blake2b("\n".join(names).encode(), digest_size=8).digest(), signed=True)


def facts_of(bodies: Iterable[bytes]) -> list[Fact]:
    """The facts in stored CloudEvents, in their order; other events pass by."""
    found = []
    for body in bodies:
        if any(mark in body for mark in _MARKS):
            event: dict[str, Any] = json.loads(body)  # Any: a stored CloudEvent was checked when it came in
            fact = _fact(event["type"].removeprefix(TYPE_PREFIX), event["data"], event["time"])
            if fact is not None:
                found.append(fact)
    return found


def _fact(type_name: str, told: dict[str, Any], time: str) -> Fact | None:  # Any: as above
    match type_name:
        case "pos.sale.v1":
            return _basket(told, time)
        case "customer.changed.v1" if told["change"] in ("forgotten", "consent_withdrawn", "consent_given"):
            return CustomerFact(told["customer_id"], told["change"])
        case "stock.level.v1":
            return StockFact(told["sku"], told["location"], float(told["on_hand"]))
        case "stock.counted.v1":
            return StockFact(told["sku"], told["location"], float(told["counted"]))
    return None


def _basket(told: dict[str, Any], time: str) -> BoughtBasket | None:  # Any: as above
    bought = dict.fromkeys(item["sku"] for item in told["items"] if Decimal(item["quantity"]) > 0)
    if not bought:
        return None
    customer = told.get("customer_id")
    return BoughtBasket(
        key=basket_key(told["till_id"], told["basket_id"], told["business_day"]),
        at_s=datetime.fromisoformat(time).timestamp(),
        skus=tuple(bought)[:ITEMS_PER_BASKET_MAX],
        customer=None if customer == FORGOTTEN else customer,
    )
