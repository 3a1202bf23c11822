"""A till beside a kiosk: what the kiosk puts in belongs to the sale, and a refused request leaves the basket alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sim.demo.register import Register, Reply
from sim.demo.till_requests import Asked
from sim.store.actions import TillAction
from sim.store.assortment import Assortment
from sim.store.baskets import Basket, Line, Product, SalesSource
from sim.store.checkout import Checkout, Workplace

AT = datetime(2026, 3, 6, 10, tzinfo=UTC)
TILL = Workplace("till-11", "op-1", "EUR", ZoneInfo("UTC"))


def product(sku: str, price: str = "2.00", category: str = "Bakery") -> Product:
    return Product(sku, None, f"Product {sku}", price, category=category)


def line(sku: str, quantity: str = "1", amount: str = "2.00") -> Line:
    return Line(sku, None, f"Product {sku}", quantity, "2.00", amount)


BASKET = Basket("b-1", AT, None, (line("1"), line("2", "3", "5.00"), line("3")))
ASSORTMENT_PRODUCTS = [product(sku) for sku in "12345"] + [product("6", category="Beers/Ales")]


class AlwaysWilling(Random):
    """No item has to be weighed first."""

    def random(self) -> float:
        return 0.99


class NeverWilling(Random):
    """Every item has to be weighed first."""

    def random(self) -> float:
        return 0.0


def register(random: Random | None = None) -> Register:
    source = SalesSource("test", [BASKET], ASSORTMENT_PRODUCTS, time_zone="UTC", currency="EUR")
    return Register(Assortment(source, seed=1), random or AlwaysWilling())


def historic() -> Iterator[TillAction]:
    """The checkout of the basket without a double scan."""
    checkout = next(made for made in (Checkout.sale_of(BASKET, seed) for seed in range(99)) if len(made.entries) == 3)
    return checkout.actions(AT, TILL)


def asked(sku: str, request_id: str = "r-1", **changes: Any) -> Asked:
    return Asked(request_id=request_id, basket_id="b-1", kind="add_item", sku=sku, quantity="1").model_copy(
        update=changes
    )


def played(till: Register, after_scan: int, *requests: Asked) -> tuple[list[TillAction], list[Reply]]:
    """What the till did in a whole visit with these requests after a scan, and its replies."""
    done, replies = [], []
    for number, action in enumerate(historic()):
        real = till.take(action, AT)
        if real is not None:
            done.append(real)
        if number == after_scan:
            replies = [till.reply(request, AT) for request in requests]
            done += [reply.action for reply in replies if reply.action is not None]
    return done, replies


def skus(sale: TillAction) -> list[str]:
    return [item["sku"] for item in sale.data["items"]]


def test_a_sale_equals_its_lines_after_an_item_was_added() -> None:
    done, (reply,) = played(register(), 0, asked("4"))
    sale = done[-1].data
    assert reply.refusal is None
    assert skus(done[-1]) == ["1", "2", "3", "4"]
    assert sale["total"] == "11.00" == str(sum(Decimal(item["extended_amount"]) for item in sale["items"]))
    assert sum(Decimal(tender["amount"]) for tender in sale["tenders"]) == Decimal(sale["total"])


def test_an_item_from_the_kiosk_is_a_scan_that_says_so() -> None:
    till = register()
    till.take(next(historic()), AT)
    added = till.reply(asked("4"), AT).action
    assert added is not None
    assert (added.type, added.data["entry_method"], added.data["line"]) == ("pos.scan.v1", "kiosk", 501)
    assert added.data["description"] == "Product 4"


def test_what_the_kiosk_added_is_not_scanned_once_more() -> None:
    done, _ = played(register(), 0, asked("3"))
    assert [action.data["sku"] for action in done if action.type == "pos.scan.v1"] == ["1", "3", "2"]
    assert sorted(skus(done[-1])) == ["1", "2", "3"]


def test_what_was_taken_back_is_not_sold() -> None:
    done, replies = played(register(), 0, asked("4"), asked("4", "r-2", kind="remove_item"))
    assert [reply.refusal for reply in replies] == [None, None]
    assert [action.type for action in done].count("pos.void.v1") == 1
    assert skus(done[-1]) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("request_made", "random", "reason"),
    [
        (asked("99"), AlwaysWilling(), "unknown article"),
        (asked("6"), AlwaysWilling(), "check the age, then scan it"),
        (asked("4"), NeverWilling(), "weigh it first"),
        (asked("4", basket_id="b-0"), AlwaysWilling(), "this basket is not open"),
        (asked("4", kind="remove_item"), AlwaysWilling(), "it is not in the basket"),
    ],
)
def test_a_refused_request_leaves_the_basket_alone(request_made: Asked, random: Random, reason: str) -> None:
    done, (reply,) = played(register(random), 1, request_made)
    assert reply == Reply(refusal=reason)
    untouched, _ = played(register(), 1)
    assert done == untouched


def test_nothing_is_added_once_payment_has_begun_or_without_a_basket() -> None:
    till = register()
    assert till.reply(asked("4"), AT).refusal == "this basket is not open"
    till.take(next(historic()), AT)
    till.paying = True
    assert till.reply(asked("4", "r-2"), AT).refusal == "payment has begun"


def test_a_request_that_comes_again_is_granted_once() -> None:
    done, (first, again) = played(register(), 0, asked("4"), asked("4"))
    assert first.action is not None
    assert (again.action, again.refusal) == (None, None)
    assert skus(done[-1]) == ["1", "2", "3", "4"]


def test_a_basket_of_which_everything_was_taken_back_is_voided() -> None:
    scan, *_, sale = historic()
    till = register()
    till.take(scan, AT)
    assert till.reply(asked("1", kind="remove_item"), AT).action is not None
    paid = till.take(sale, AT)
    assert paid is not None
    assert (paid.type, "line" in paid.data) == ("pos.void.v1", False)


def test_the_drawer_holds_the_cash_of_what_the_kiosk_added() -> None:
    till = register()
    *scans, sale = historic()
    for scan in scans:
        till.take(scan, AT)
    till.reply(asked("4"), AT)
    cash = [{"tender_type": "cash", "amount": sale.data["total"]}]
    till.take(replace(sale, data=sale.data | {"tenders": cash}), AT)
    closed = {"till_id": "till-11", "operator_id": "op-1", "action": "closed", "cash_counted": "209.00"}
    counted = till.take(TillAction(AT, "till-11", "pos.shift.v1", closed, "shift"), AT)
    assert counted is not None
    assert counted.data["cash_counted"] == "211.00"


def test_a_new_price_and_an_offer_are_what_the_till_charges() -> None:
    source = SalesSource("test", [BASKET], ASSORTMENT_PRODUCTS, time_zone="UTC", currency="EUR")
    assortment = Assortment(source, seed=1)
    assortment.set_price("4", "1.80")
    assortment.offer("5", "1.50")
    done, _ = played(Register(assortment, AlwaysWilling()), 0, asked("4"), asked("5", "r-2"))
    amounts = {item["sku"]: item["extended_amount"] for item in done[-1].data["items"]}
    assert (amounts["4"], amounts["5"], done[-1].data["total"]) == ("1.80", "1.50", "12.30")
