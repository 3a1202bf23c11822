from collections import Counter
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings

from sim.store import Basket, Product, SalesSource, SensorAction, backoffice_actions
from sim.store.generator import generate
from tests.sim.store.shop import basket_lists, decode_all, floats_in


def _source(baskets: list[Basket]) -> SalesSource:
    lines = {line.sku: line for basket in baskets for line in basket.lines}
    products = [
        Product(sku, line.gtin, line.name, line.unit_price, "Produce" if int(sku) % 2 else "Grocery")
        for sku, line in lines.items()
    ]
    return SalesSource("made up", baskets, products, time_zone="America/New_York", currency="USD")


@pytest.fixture(scope="module")
def source() -> SalesSource:
    return generate(1)


@pytest.fixture(scope="module")
def actions(source: SalesSource) -> list[SensorAction]:
    return list(backoffice_actions(source))


def test_a_day_has_deliveries_levels_markdowns_and_waste(actions: list[SensorAction]) -> None:
    assert Counter(action.type for action in actions) == {
        "stock.level.v1": 960,
        "stock.received.v1": 100,
        "price.changed.v1": 40,
        "stock.wasted.v1": 30,
    }
    assert {action.producer for action in actions} == {"backoffice"}


def test_deliveries_come_in_the_morning_and_waste_in_the_evening(
    source: SalesSource, actions: list[SensorAction]
) -> None:
    hours: dict[str, set[time]] = {}
    for action in actions:
        hours.setdefault(action.type, set()).add(action.at.astimezone(source.zone).time())
    assert time(6) <= min(hours["stock.received.v1"]) <= max(hours["stock.received.v1"]) < time(8)
    assert time(17) <= min(hours["price.changed.v1"]) <= max(hours["price.changed.v1"]) < time(18)
    assert time(20, 30) <= min(hours["stock.wasted.v1"]) <= max(hours["stock.wasted.v1"]) < time(21)
    assert {at.hour for at in hours["stock.level.v1"]} == set(range(24))


def test_levels_follow_from_deliveries_sales_and_waste(source: SalesSource, actions: list[SensorAction]) -> None:
    sku = next(action.data["sku"] for action in actions if action.type == "stock.level.v1")
    sold = [(b.starts_at, Decimal(line.quantity)) for b in source.baskets() for line in b.lines if line.sku == sku]
    changes = [(at, -quantity) for at, quantity in sold]
    for action in actions:
        if action.type in ("stock.received.v1", "stock.wasted.v1") and action.data["sku"] == sku:
            sign = 1 if action.type == "stock.received.v1" else -1
            changes.append((action.at, sign * Decimal(action.data["quantity"])))
    levels = [action for action in actions if action.type == "stock.level.v1" and action.data["sku"] == sku]
    start = Decimal(levels[0].data["on_hand"])
    for level in levels:
        if level.at.astimezone(source.zone).hour not in (6, 7):  # a delivery is booked by eight
            expected = start + sum(quantity for at, quantity in changes if at < level.at)
            assert Decimal(level.data["on_hand"]) == expected


def test_markdowns_take_thirty_percent_off_fresh_goods(source: SalesSource, actions: list[SensorAction]) -> None:
    products = {product.sku: product for product in source.products()}
    for action in actions:
        if action.type == "price.changed.v1":
            product = products[action.data["sku"]]
            assert product.department in ("Produce", "Bakery", "Dairy", "Meat", "Fish")
            assert action.data["previous_unit_price"] == product.price
            off = Decimal(action.data["unit_price"]) - Decimal(product.price) * Decimal("0.7")
            assert abs(off) <= Decimal("0.005")


def test_the_same_seed_makes_the_same_events(source: SalesSource, actions: list[SensorAction]) -> None:
    assert list(backoffice_actions(source, seed=1)) == actions
    assert list(backoffice_actions(source, seed=2)) != actions


@settings(max_examples=25)
@given(basket_lists(most=40, hours=90))
def test_any_sales_give_events_that_the_agent_accepts_and_no_stock_below_nothing(baskets: list[Basket]) -> None:
    source = _source(baskets)
    actions = list(backoffice_actions(source))
    assert len(list(decode_all(actions))) == len(actions)
    assert not floats_in([action.data for action in actions])
    assert len({action.event_id for action in actions}) == len(actions)
    assert all(first.at <= second.at for first, second in pairwise(actions))
    levels = [Decimal(action.data["on_hand"]) for action in actions if action.type == "stock.level.v1"]
    assert min(levels) >= 0
    assert source.starts_at <= actions[0].at
    assert actions[-1].at < source.ends_at


def test_every_day_of_a_longer_stretch_has_its_events(source: SalesSource) -> None:
    first = source.baskets()[0]
    later = Basket("later", first.starts_at + timedelta(days=2), None, first.lines)
    stretch = SalesSource("three days", [first, later], source.products(), time_zone="UTC", currency="EUR")
    days = Counter(
        (action.at - timedelta(hours=4)).date() for action in backoffice_actions(stretch) if "level" in action.type
    )
    assert sorted(days) == [date(2026, 3, 6), date(2026, 3, 7), date(2026, 3, 8)]
    assert len(set(days.values())) == 1
