"""The mirrored baskets: what tills send is what is shown, late and broken retries change nothing."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import IdFactory, SystemClock, system_random
from agent.event_types import EventData, LineItem, PosSale, PosScan, PosVoid, RfidRead
from agent.events import Draft, EventDecoder, Origin
from agent.tills.baskets import Basket, BasketBoard, _Till, decimal_places
from agent.topics import DeviceName

CUSTOMER = "p1:" + "0" * 32


def scan(
    line: int = 1,
    *,
    till: str = "t1",
    basket: str = "b1",
    quantity: str = "1",
    price: str = "1.50",
    currency: str = "EUR",
    customer: str | None = None,
) -> PosScan:
    return PosScan(
        till_id=till,
        basket_id=basket,
        line=line,
        sku=f"sku-{line}",
        quantity=quantity,
        actual_unit_price=price,
        currency=currency,
        customer_id=customer,
    )


def void(line: int | None = None, *, till: str = "t1", basket: str = "b1") -> PosVoid:
    return PosVoid(till_id=till, basket_id=basket, line=line)


def sale(*, till: str = "t1", basket: str = "b1", total: str = "9.99") -> PosSale:
    item = LineItem(line=1, sku="sku-1", quantity="1", actual_unit_price="9.99", extended_amount="9.99")
    return PosSale(
        till_id=till, basket_id=basket, business_day="2026-03-05", items=(item,), total=total, currency="EUR"
    )


def board_of(*events: EventData) -> BasketBoard:
    board = BasketBoard()
    for number, event in enumerate(events):
        board.apply(event, f"time-{number}")
    return board


def basket_of(*events: EventData, till: str = "t1") -> Basket:
    basket = board_of(*events).basket(till)
    assert basket is not None
    return basket


def test_a_scan_opens_a_basket_with_one_line() -> None:
    basket = basket_of(scan(quantity="2", customer=CUSTOMER))
    assert basket.basket_id == "b1"
    assert basket.status == "open"
    assert [(item.line, item.sku, item.quantity, item.extended_amount) for item in basket.items] == [
        (1, "sku-1", "2", "3.00")
    ]
    assert (basket.total, basket.currency, basket.customer_id, basket.updated) == ("3.00", "EUR", CUSTOMER, "time-0")


def test_a_till_that_has_shown_nothing_has_no_basket() -> None:
    assert BasketBoard().basket("t1") is None


def test_the_same_line_again_is_a_correction() -> None:
    basket = basket_of(scan(1), scan(2), scan(1, quantity="3"))
    assert [(item.line, item.quantity) for item in basket.items] == [(1, "3"), (2, "1")]
    assert basket.total == "6.00"


def test_a_voided_line_is_gone_and_an_unknown_one_is_no_matter() -> None:
    basket = basket_of(scan(1), scan(2), void(1), void(77))
    assert [item.line for item in basket.items] == [2]


def test_a_void_without_a_line_voids_the_whole_basket() -> None:
    basket = basket_of(scan(1), scan(2), void())
    assert (basket.status, basket.items, basket.total) == ("voided", (), "0.00")


def test_a_sale_replaces_the_scans_by_what_was_paid() -> None:
    basket = basket_of(scan(1), scan(2), sale(total="9.00"))
    assert (basket.status, basket.total, len(basket.items)) == ("paid", "9.00", 1)
    assert basket.items[0].extended_amount == "9.99"


@pytest.mark.parametrize("late", [scan(2), void(1), void(), sale(total="1.00")])
def test_a_late_event_for_a_paid_basket_changes_nothing(late: EventData) -> None:
    board = board_of(scan(1), sale())
    before = board.basket("t1")
    assert not board.apply(late, "later")
    assert board.basket("t1") == before


def test_a_late_event_for_a_paid_basket_does_not_hide_the_next_one() -> None:
    basket = basket_of(scan(1), sale(), scan(1, basket="b2"), scan(9, basket="b1"))
    assert (basket.basket_id, basket.status) == ("b2", "open")


def test_a_basket_laid_aside_keeps_its_lines() -> None:
    basket = basket_of(scan(1), scan(2), scan(1, basket="b2"), sale(basket="b2"), scan(3))
    assert (basket.basket_id, [item.line for item in basket.items]) == ("b1", [1, 2, 3])


def test_only_so_many_baskets_are_laid_aside() -> None:
    board = board_of(*(scan(1, basket=f"b{number}") for number in range(10)), scan(2, basket="b0"))
    basket = board.basket("t1")
    assert basket is not None
    assert [item.line for item in basket.items] == [2], "the oldest of ten was forgotten, so it begins again"


def test_tills_are_separate_even_with_the_same_basket_id() -> None:
    board = board_of(scan(1, till="t1"), scan(2, till="t2"), void(till="t1"))
    first, second = board.basket("t1"), board.basket("t2")
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == ("voided", "open")


def test_versions_grow_with_every_change_and_only_then() -> None:
    board = BasketBoard()
    versions = []
    for event in (scan(1), scan(2), sale(), scan(3), scan(1, basket="b2")):
        board.apply(event, "now")
        basket = board.basket("t1")
        assert basket is not None
        versions.append(basket.version)
    assert versions == [1, 2, 3, 3, 4]


def test_the_snapshot_is_made_once_per_change() -> None:
    board = board_of(scan(1))
    assert board.basket("t1") is board.basket("t1")


@pytest.mark.parametrize(
    ("quantity", "price", "currency", "amount"),
    [
        ("0.345", "12.50", "EUR", "4.31"),
        ("0.1", "0.05", "EUR", "0.01"),
        ("3", "0.1", "EUR", "0.30"),
        ("0.5", "3", "JPY", "2"),
        ("1", "1.2345", "KWD", "1.235"),
        ("-0.001", "1", "EUR", "0.00"),
        ("999999999.999", "999999999999.9999", "EUR", "999999999998999900000.00"),
    ],
)
def test_amounts_are_rounded_half_up_to_the_currency(quantity: str, price: str, currency: str, amount: str) -> None:
    basket = basket_of(scan(quantity=quantity, price=price, currency=currency))
    assert basket.total == basket.items[0].extended_amount == amount


def test_other_events_pass_by() -> None:
    board = BasketBoard()
    assert not board.apply(RfidRead(reader_id="r", epc="0" * 24), "now")
    assert board.till_ids == ()


def test_watchers_hear_their_till_until_they_stop() -> None:
    board = BasketBoard()
    heard: list[str] = []
    stop = board.watch("t1", lambda: heard.append("t1"))
    stop_both = board.watch("t1", lambda: heard.append("again"))
    board.apply(scan(1), "now")
    board.apply(scan(1, till="t2"), "now")
    stop()
    stop()
    board.apply(scan(2), "now")
    stop_both()
    board.apply(scan(3), "now")
    assert heard == ["t1", "again", "again"]


def test_the_longest_idle_till_is_forgotten_beyond_the_limit() -> None:
    board = BasketBoard(tills_max=3)
    for till in ("t1", "t2", "t3", "t1", "t4"):
        board.apply(scan(1, till=till), "now")
    assert board.till_ids == ("t3", "t1", "t4")


def test_idle_tills_are_forgotten_when_all_lines_are_too_many() -> None:
    board = BasketBoard(lines_max=10)
    for till in ("t1", "t2", "t3"):
        for line in range(5):
            board.apply(scan(line, till=till), "now")
    assert board.till_ids == ("t2", "t3")


def test_a_basket_takes_no_more_lines_than_a_sale_can_have() -> None:
    board = BasketBoard()
    for line in range(1_005):
        board.apply(scan(line), "now")
    basket = board.basket("t1")
    assert basket is not None
    assert len(basket.items) == 1_000


def drafts_of(*events: EventData) -> list[Draft]:
    clock = SystemClock()
    decoder = EventDecoder(Origin(DeviceName("s", "d")), wall=clock.wall, new_id=IdFactory(clock.wall, system_random()))
    return [decoder.make(event, "till-1") for event in events]


def test_what_was_committed_and_what_was_restored_show_the_same() -> None:
    drafts = drafts_of(scan(1), scan(2), RfidRead(reader_id="r", epc="0" * 24), void(1), scan(1, till="t2"))
    live, restored = BasketBoard(), BasketBoard()
    live.on_commit(drafts)
    bodies = [draft.opening + b"}" for draft in drafts]  # the log closes them with more
    assert restored.restore(bodies) == 4
    assert [restored.basket(till) for till in ("t1", "t2")] == [live.basket(till) for till in ("t1", "t2")]


def test_a_stored_event_that_no_longer_fits_its_model_is_passed_by() -> None:
    body = b'{"type":"dev.storeforward.pos.scan.v1","time":"2026-01-01T00:00:00Z","data":{"till_id":"t1"}}'
    assert BasketBoard().restore([body]) == 0


# --- the mirror against a naive model ---------------------------------------------------------------------

EVENTS = st.lists(
    st.one_of(
        st.builds(
            scan,
            st.integers(0, 4),
            till=st.sampled_from(["t1", "t2"]),
            basket=st.sampled_from(["b1", "b2", "b3"]),
            quantity=st.decimals("-9", "99", places=3).map(str),
            price=st.decimals("0", "999", places=2).map(str),
        ),
        st.builds(
            void,
            st.none() | st.integers(0, 4),
            till=st.sampled_from(["t1", "t2"]),
            basket=st.sampled_from(["b1", "b2", "b3"]),
        ),
        st.builds(sale, till=st.sampled_from(["t1", "t2"]), basket=st.sampled_from(["b1", "b2", "b3"])),
    ),
    max_size=30,
)


class NaiveTill:
    """Keeps everything for ever and recomputes all of it."""

    def __init__(self) -> None:
        self.events: dict[str, list[PosScan | PosVoid | PosSale]] = {}
        self.current = ""

    def apply(self, event: PosScan | PosVoid | PosSale) -> None:
        if self.status(event.basket_id) == "open":
            self.events.setdefault(event.basket_id, []).append(event)
            self.current = event.basket_id

    def status(self, basket: str) -> str:
        last = self.events.get(basket, [])[-1:]
        if last and isinstance(last[0], PosSale):
            return "paid"
        return "voided" if last and isinstance(last[0], PosVoid) and last[0].line is None else "open"

    def shown(self) -> tuple[str, str, dict[int, str], str]:
        status = self.status(self.current)
        lines: dict[int, Decimal] = {}
        for event in self.events[self.current]:
            if isinstance(event, PosScan):
                exact = Decimal(event.quantity) * Decimal(event.actual_unit_price)
                lines[event.line] = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
            elif isinstance(event, PosVoid):
                lines = {} if event.line is None else {key: lines[key] for key in lines if key != event.line}
            else:
                lines = {item.line: Decimal(item.extended_amount) for item in event.items}
        last = self.events[self.current][-1]
        total = last.total if isinstance(last, PosSale) else f"{sum(lines.values(), Decimal('0.00')) + 0:f}"
        return self.current, status, {key: f"{value + 0:f}" for key, value in lines.items()}, total


def counted_lines(till: _Till) -> int:
    """What one till holds in memory, counted anew."""
    held = {id(mirror): mirror for mirror in (*till.open.values(), till.current) if mirror is not None}
    return sum(mirror.line_count for mirror in held.values())


@given(EVENTS)
def test_the_mirror_equals_a_naive_model(events: list[PosScan | PosVoid | PosSale]) -> None:
    board = BasketBoard()
    naive: dict[str, NaiveTill] = {}
    for event in events:
        board.apply(event, "now")
        naive.setdefault(event.till_id, NaiveTill()).apply(event)
    assert board._lines == sum(counted_lines(till) for till in board._tills.values())
    for till, model in naive.items():
        basket = board.basket(till)
        assert basket is not None
        shown = {item.line: item.extended_amount for item in basket.items}
        assert (basket.basket_id, basket.status, shown, basket.total) == model.shown()


def test_currencies_have_their_minor_units() -> None:
    assert [decimal_places(code) for code in ("EUR", "JPY", "KWD", "CLF", "XYZ")] == [2, 0, 3, 4, 2]
