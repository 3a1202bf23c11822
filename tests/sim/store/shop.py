"""What the tests of the simulated shop share: small baskets, Hypothesis strategies, and the agent's own decoder."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Any

from hypothesis import strategies as st

from agent.clock import IdFactory
from agent.event_types import EVENT_TYPES
from agent.events import Draft, EventDecoder, Origin
from agent.topics import DeviceName
from sim.store import Basket, Line, SensorAction, TillAction
from sim.store.money import amount_text

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
PSEUDONYM = "p1:" + "0123456789abcdef" * 2


def line(sku: str = "104233", quantity: str = "1", unit_price: str = "2.49", extended_amount: str = "") -> Line:
    paid = extended_amount or amount_text(Decimal(quantity) * Decimal(unit_price))
    return Line(sku, None, f"Article {sku}", quantity, unit_price, paid)


def basket(
    basket_id: str = "b-1", *lines: Line, starts_at: datetime = NOON, customer: str | None = "household-7"
) -> Basket:
    return Basket(basket_id, starts_at, customer, lines or (line(),))


_cents = st.integers(0, 100_000).map(lambda cents: amount_text(Decimal(cents).scaleb(-2)))
_quantities = st.one_of(st.integers(1, 40).map(str), st.sampled_from(["0.345", "1.5", "12.001"]))
lines = st.builds(
    Line,
    sku=st.integers(1, 99_999_999).map(str),
    gtin=st.none(),
    name=st.just("Article"),
    quantity=_quantities,
    unit_price=_cents,
    extended_amount=_cents,
)


@st.composite
def basket_lists(draw: st.DrawFn, *, most: int = 30, hours: int = 40) -> list[Basket]:
    """Baskets that crowd, with gaps, over more than one business day."""
    starts = draw(st.lists(st.integers(0, hours * 3600), min_size=1, max_size=most))
    return [
        Basket(
            f"b-{number}",
            NOON + timedelta(seconds=start),
            draw(st.one_of(st.none(), st.just(f"household-{number}"))),
            tuple(draw(st.lists(lines, min_size=1, max_size=6))),
        )
        for number, start in enumerate(starts)
    ]


def decode_all(actions: Iterable[TillAction | SensorAction]) -> Iterator[Draft]:
    """What the agent makes of the actions: its strict pre-pass, its card guard and its models."""
    decoder = EventDecoder(
        Origin(DeviceName("store-1", "box-1")), wall=lambda: NOON, new_id=IdFactory(lambda: NOON, Random(1))
    )
    waiting = iter(actions)
    while batch := list(islice(waiting, 200)):
        yield from decoder.decode(json.dumps([_short_form(action) for action in batch]).encode(), "producer-1")


def _short_form(action: TillAction | SensorAction) -> dict[str, Any]:
    data = dict(action.data)
    if isinstance(action, TillAction):
        knows_customer = "customer_id" in EVENT_TYPES[action.type].model.model_fields
        assert knows_customer or action.raw_customer is None
        if action.raw_customer is not None:
            data["customer_id"] = PSEUDONYM
    return {"type": action.type, "id": action.event_id, "time": action.at.isoformat(), "data": data}


def floats_in(value: Any) -> list[float]:
    """Every float anywhere in a JSON value."""
    if isinstance(value, float):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [found for item in inner for found in floats_in(item)]
