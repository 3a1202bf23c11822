from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from sim.store import Basket
from sim.store.checkout import Checkout, Workplace
from tests.sim.store.shop import NOON, basket, basket_lists, decode_all, floats_in, line

PLACE = Workplace("till-01", "op-01-day", "EUR", ZoneInfo("UTC"))
seeds = st.integers(0, 10_000)


@given(basket_lists(most=3), seeds)
def test_a_sale_is_exactly_the_basket(baskets: list[Basket], seed: int) -> None:
    for each in baskets:
        *_, sale = Checkout.sale_of(each, seed).actions(NOON, PLACE)
        assert sale.type == "pos.sale.v1"
        assert [(item["sku"], item["extended_amount"]) for item in sale.data["items"]] == [
            (line.sku, line.extended_amount) for line in each.lines
        ]
        total = sum(Decimal(item["extended_amount"]) for item in sale.data["items"])
        assert Decimal(sale.data["total"]) == total
        assert sum((Decimal(tender["amount"]) for tender in sale.data["tenders"]), Decimal(0)) == total


@given(basket_lists(most=3), seeds)
def test_the_lines_sold_are_the_lines_scanned_and_not_voided(baskets: list[Basket], seed: int) -> None:
    for each in baskets:
        *entries, sale = Checkout.sale_of(each, seed).actions(NOON, PLACE)
        left: dict[int, str] = {}
        for entry in entries:
            if entry.type == "pos.scan.v1":
                assert entry.data["line"] not in left
                left[entry.data["line"]] = entry.data["sku"]
            else:
                assert entry.type == "pos.void.v1"
                del left[entry.data["line"]]
        assert left == {item["line"]: item["sku"] for item in sale.data["items"]}


@given(basket_lists(most=3), seeds)
def test_actions_stand_in_order_within_the_duration(baskets: list[Basket], seed: int) -> None:
    for each in baskets:
        checkout = Checkout.sale_of(each, seed)
        times = [action.at for action in checkout.actions(NOON, PLACE)]
        assert times == sorted(times)
        assert times[0] > NOON
        assert times[-1] == NOON + checkout.duration


@given(basket_lists(most=3), seeds)
def test_the_agent_accepts_every_action(baskets: list[Basket], seed: int) -> None:
    for each in baskets:
        actions = [
            *Checkout.sale_of(each, seed).actions(NOON, PLACE),
            *Checkout.return_of(each, seed).actions(NOON, PLACE),
        ]
        assert len(list(decode_all(actions))) == len(actions)
        assert len({action.event_id for action in actions}) == len(actions)
        assert not floats_in([action.data for action in actions])


def test_scans_take_three_to_six_seconds_a_line() -> None:
    checkout = Checkout.sale_of(basket("b-1", *(line(str(number)) for number in range(1, 200))), 1)
    scans = [action for action in checkout.actions(NOON, PLACE) if action.type == "pos.scan.v1"]
    gaps = [later.at - earlier.at for earlier, later in pairwise(scans)]
    assert min(gaps) >= timedelta(seconds=3)
    assert sorted(gaps)[len(gaps) // 2] <= timedelta(seconds=6)


def test_about_one_line_in_a_hundred_is_voided_and_half_of_those_are_scanned_again() -> None:
    reasons: Counter[str] = Counter()
    for number in range(200):
        checkout = Checkout.sale_of(basket(f"b-{number}", *(line(str(sku)) for sku in range(1, 101))), 1)
        reasons.update(action.data["reason"] for action in checkout.actions(NOON, PLACE) if "reason" in action.data)
    assert set(reasons) == {"wrong entry", "scanned twice"}
    assert 150 <= sum(reasons.values()) <= 250
    assert min(reasons.values()) >= 60


def test_the_raw_customer_stays_outside_the_event() -> None:
    actions = list(Checkout.sale_of(basket(customer="household-7"), 1).actions(NOON, PLACE))
    assert {action.raw_customer for action in actions if action.type != "pos.void.v1"} == {"household-7"}
    assert "household-7" not in str([action.data for action in actions])


def test_a_return_brings_one_line_back_for_what_was_paid() -> None:
    sold = basket("b-1", line("1", "3", "1.99", "5.00"))
    (back,) = Checkout.return_of(sold, 1).actions(NOON, PLACE)
    assert back.data["original_basket_id"] == "b-1"
    assert back.data["basket_id"] == "b-1-return"
    assert back.data["total"] == back.data["items"][0]["extended_amount"] == "5.00"
    assert back.raw_customer == "household-7"


def test_nothing_to_pay_needs_no_tender() -> None:
    *_, sale = Checkout.sale_of(basket("b-1", line(unit_price="0.00")), 1).actions(NOON, PLACE)
    assert (sale.data["total"], sale.data["tenders"]) == ("0.00", [])


def test_cash_card_and_vouchers_are_taken() -> None:
    taken: Counter[str] = Counter()
    for number in range(300):
        *_, sale = Checkout.sale_of(basket(f"b-{number}", line(unit_price="20.00")), 1).actions(NOON, PLACE)
        taken.update(tender["tender_type"] for tender in sale.data["tenders"])
    assert taken["card"] > taken["cash"] > taken["voucher"] > 0
