"""What was dismissed in this basket, and what this customer was shown often enough today."""

import json

from agent.decide.exposure import SHOWN_BASKETS_MAX, DecisionPlace, ExposureBoard
from agent.event_types import KioskDecision, KioskDismissed, KioskShown
from agent.events import close_event, event_ending
from tests.decide.shop import ANNA, BEN

NOW = "2026-03-02T12:00:00.000Z"
TODAY = "2026-03-02"


def place(basket: str, customer: str | None = ANNA, day: str = TODAY) -> DecisionPlace:
    return DecisionPlace("till-1", basket, customer, day)


def decided(board: ExposureBoard, basket: str, customer: str | None = ANNA) -> str:
    decision_id = f"d-{basket}"
    event = KioskDecision(
        decision_id=decision_id,
        till_id="till-1",
        basket_id=basket,
        customer_id=customer,
        items=(),
        model_version="rates",
        took_ms=1.0,
    )
    board.apply(event, NOW)
    return decision_id


def shown(board: ExposureBoard, basket: str, sku: str) -> None:
    board.apply(KioskShown(decision_id=decided(board, basket), till_id="till-1", sku=sku, slot=0), NOW)


def test_dismissed_counts_for_its_basket_only() -> None:
    board = ExposureBoard()
    board.apply(KioskDismissed(decision_id=decided(board, "b-1"), till_id="till-1", sku="tea", slot=0), NOW)
    assert board.of(place("b-1")).dismissed == {"tea"}
    assert board.of(place("b-2")).dismissed == set()


def test_a_reaction_to_an_unknown_decision_changes_nothing() -> None:
    board = ExposureBoard()
    board.apply(KioskDismissed(decision_id="d-9", till_id="till-1", sku="tea", slot=0), NOW)
    board.apply(KioskShown(decision_id="d-9", till_id="till-1", sku="tea", slot=0), NOW)
    assert board.of(place("b-1")).dismissed == set()


def test_a_product_is_capped_after_so_many_baskets_of_a_customers_day() -> None:
    board = ExposureBoard()
    for number in range(SHOWN_BASKETS_MAX):
        assert board.of(place("b-new")).capped == set()
        shown(board, f"b-{number}", "tea")
        shown(board, f"b-{number}", "tea")
    assert board.of(place("b-new")).capped == {"tea"}
    assert board.of(place("b-0")).capped == set(), "what is on the screen stays there"
    assert board.of(place("b-new", BEN)).capped == set()
    assert board.of(place("b-new", day="2026-03-03")).capped == set()
    assert board.of(place("b-new", None)).capped == set()


def test_it_is_the_same_after_a_restart() -> None:
    board = ExposureBoard()
    ending = event_ending("e-1", NOW, clock_synced=True)
    stored = []
    made = {"model_version": "rates", "took_ms": 1.0}
    for number, (name, told) in enumerate(
        [
            ("kiosk.decision.v1", {"decision_id": "d-1", "till_id": "t", "basket_id": "b", "items": [], **made}),
            ("kiosk.dismissed.v1", {"decision_id": "d-1", "till_id": "t", "sku": "tea", "slot": 0}),
            ("kiosk.dismissed.v1", {"decision_id": "d-1"}),
            ("health.v1", {}),
        ]
    ):
        text = json.dumps({"type": f"dev.storeforward.{name}", "time": NOW, "data": told})
        stored.append(close_event(text[:-1].encode(), number, ending))
    board.restore(stored)
    assert board.of(DecisionPlace("t", "b", None, TODAY)).dismissed == {"tea"}
