"""Facts from stored events, and the decay of what they weigh."""

import json
from typing import Any

import pytest

from agent.decide.decay import CUSTOMER_HALF_LIFE_D, decay_weight
from agent.decide.facts import BoughtBasket, CustomerFact, StockFact, basket_key, facts_of
from tests.decide.shop import ANNA, DAY_S, NOON_S, sale
from tests.examples import EXAMPLES


def stored(type_name: str, told: dict[str, Any]) -> bytes:  # Any: JSON
    return json.dumps(
        {"type": f"dev.storeforward.{type_name}", "time": "2026-03-02T12:00:00Z", "data": told},
        separators=(",", ":"),
    ).encode()


def test_a_sale_becomes_a_basket_and_a_forgotten_customer_nobody() -> None:
    told = sale("bread", "tea", basket_id="b-1").model_dump(exclude_none=True)
    key = basket_key("till-1", "b-1", "2026-03-02")
    assert facts_of([stored("pos.sale.v1", told)]) == [BoughtBasket(key, NOON_S, ("bread", "tea"), None)]
    (known,) = facts_of([stored("pos.sale.v1", told | {"customer_id": ANNA})])
    assert isinstance(known, BoughtBasket)
    assert known.customer == ANNA
    (nobody,) = facts_of([stored("pos.sale.v1", told | {"customer_id": "forgotten"})])
    assert isinstance(nobody, BoughtBasket)
    assert nobody.customer is None


def test_changes_of_customers_and_stock_are_facts_and_all_else_passes_by() -> None:
    found = facts_of(stored(name, told) for name, told in EXAMPLES.items())
    assert {type(fact) for fact in found} == {BoughtBasket, StockFact} | (
        {CustomerFact} if EXAMPLES["customer.changed.v1"]["change"] not in ("enrolled", "updated") else set()
    )
    assert facts_of([stored("customer.changed.v1", {"customer_id": ANNA, "change": "forgotten"})]) == [
        CustomerFact(ANNA, "forgotten")
    ]
    assert facts_of([stored("customer.changed.v1", {"customer_id": ANNA, "change": "updated"})]) == []


def test_a_half_life_halves() -> None:
    now, then = NOON_S, NOON_S - CUSTOMER_HALF_LIFE_D * DAY_S
    halved = decay_weight(then, CUSTOMER_HALF_LIFE_D) / decay_weight(now, CUSTOMER_HALF_LIFE_D)
    assert halved == pytest.approx(0.5)


@pytest.mark.parametrize("at_s", [-1e12, 0.0, 1e12])
def test_no_date_makes_a_weight_that_is_none(at_s: float) -> None:
    assert 0 < decay_weight(at_s, 28.0) < 1e300
