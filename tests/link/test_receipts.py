"""Receipts: refused unless exact, and turned into what to do before publishing."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.event_types import Stream
from agent.link.errors import ReceiptRefused
from agent.link.receipts import Gap, Rewind, StartEpoch, compare, parse_receipts, tell_of_our_epoch
from agent.log import START, Place

OLD, NEW = "0195a2b3-0000-7000-8000-000000000000", "0195a2b4-0000-7000-8000-000000000000"


@dataclass
class Facts:
    """A log as a comparison sees it: the places it has per stream, and how far the cloud has acknowledged."""

    places: dict[Stream, list[Place]]
    cursors: dict[Stream, Place] = field(default_factory=dict)
    heads: dict[Stream, Place] = field(default_factory=dict)
    epochs: tuple[str, ...] = (OLD, NEW)
    """By number from 1; an empty one is a number that was skipped."""

    @property
    def epoch(self) -> str:
        return self.epochs[-1]

    def epoch_numbers(self) -> list[int]:
        return [number for number, epoch in enumerate(self.epochs, 1) if epoch]

    def epoch_id(self, number: int) -> str:
        return self.epochs[number - 1]

    def epoch_number(self, epoch_id: str) -> int | None:
        return self.epochs.index(epoch_id) + 1 if epoch_id in self.epochs else None

    def head(self, stream: Stream) -> Place:
        return max(self.places.get(stream, []), default=self.heads.get(stream, START))

    def cursor(self, stream: Stream) -> Place:
        return self.cursors.get(stream, START)

    def id_at(self, stream: Stream, place: Place) -> str | None:
        return id_of(stream, place) if place in self.places.get(stream, []) else None

    def first_after(self, stream: Stream, place: Place) -> Place | None:
        return min((there for there in self.places.get(stream, []) if there > place), default=None)


def id_of(stream: str, place: Place) -> str:
    return f"{stream}-{place.epoch}-{place.sequence}"


def log(epoch: int, first: int, last: int, *, cursor: int) -> Facts:
    places = [Place(epoch, sequence) for sequence in range(first, last + 1)]
    heads = {Stream.SALES: Place(epoch, last)} if last else {}
    return Facts({Stream.SALES: places}, {Stream.SALES: Place(epoch, cursor) if cursor else START}, heads)


def receipt(epoch: str = NEW, upto: int = 10, **changes: Any) -> dict[str, Any]:  # Any: a JSON object
    number = (OLD, NEW).index(epoch) + 1 if epoch in (OLD, NEW) else 9
    last_id = id_of("sales", Place(number, upto)) if upto else ""
    return {
        "stream": "sales",
        "epoch": epoch,
        "upto": upto,
        "last_id": last_id,
        "missing": [],
        "conflicts": 0,
    } | changes


def compared(
    facts: Facts,
    *receipts: dict[str, Any],  # Any: a JSON object
    complete: bool = False,
) -> list[StartEpoch | Rewind | Gap]:
    return compare(parse_receipts(json.dumps({"complete": complete, "receipts": receipts}).encode()), facts)


# --- parsing ---------------------------------------------------------------------------------------------------


def test_a_receipt_of_the_ledger_is_read_whole_and_unknown_fields_are_ignored() -> None:
    day = {
        "business_day": "2017-03-05",
        "stream": "sales",
        "epoch": NEW,
        "ok": False,
        "count": 100,
        "missing": 2,
        "conflicts": 1,
        "problem": "2 missing",
        "new_in_v1": True,
    }
    document = {"receipts": [receipt(missing=[[5, 7]], missing_count=3)], "days": [day], "later": 1}
    receipts = parse_receipts(json.dumps(document).encode())
    assert receipts.receipts[0].missing == [[5, 7]]
    assert receipts.days[0].problem == "2 missing"


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "object"),
        (b'{"receipts":[],"receipts":[]}', "twice"),
        (b'{"receipts":[{"stream":"sales"}]}', "receipts[0].epoch"),
        (b'{"days":[]}', "receipts"),
        (b'{"receipts":[],"complete":"yes"}', "complete"),
        (json.dumps({"receipts": [receipt(upto=-1)]}).encode(), "receipts[0].upto"),
        (json.dumps({"receipts": [receipt() | {"upto": "5"}]}).encode(), "receipts[0].upto"),
        (json.dumps({"receipts": [receipt(missing=[[7, 5]])]}).encode(), "receipts[0]"),
        (json.dumps({"receipts": [receipt(missing=[[5, 11]])]}).encode(), "receipts[0]"),
        (json.dumps({"receipts": [receipt(missing=[[5, 6], [6, 7]])]}).encode(), "receipts[0]"),
        (json.dumps({"receipts": [receipt(missing=[[0, 2]])]}).encode(), "receipts[0].missing[0][0]"),
        (json.dumps({"receipts": [receipt(missing=[[1, 2, 3]])]}).encode(), "receipts[0].missing[0]"),
        (json.dumps({"receipts": [receipt(missing=[[n, n] for n in range(1, 202, 2)], upto=300)]}).encode(), "missing"),
        (json.dumps({"receipts": [receipt()] * 65}).encode(), "receipts"),
        (json.dumps({"receipts": [receipt(last_id="x" * 201)]}).encode(), "last_id"),
        (b'{"receipts":[],"days":[{"business_day":"yesterday"}]}', "days[0].business_day"),
        (b" " * 300_000, "262,144"),
        (b"\xff\xfe", "UTF-8"),
        (b"NaN", "NaN"),
    ],
)
def test_anything_else_is_refused_with_the_place_of_the_fault(payload: bytes, says: str) -> None:
    with pytest.raises(ReceiptRefused, match="not a receipt") as refused:
        parse_receipts(payload)
    assert says in str(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(payload: bytes) -> None:
    with pytest.raises(ReceiptRefused):
        parse_receipts(payload)


# --- comparing -------------------------------------------------------------------------------------------------


def test_a_ledger_that_agrees_asks_for_nothing() -> None:
    assert compared(log(2, 1, 10, cursor=10), receipt()) == []


def test_a_ledger_behind_our_head_but_not_behind_our_cursor_asks_for_nothing() -> None:
    assert compared(log(2, 1, 20, cursor=10), receipt()) == []


def test_a_ledger_ahead_of_our_cursor_but_not_of_our_head_asks_for_nothing() -> None:
    assert compared(log(2, 1, 20, cursor=5), receipt()) == []


def test_a_ledger_ahead_of_our_head_means_a_new_epoch() -> None:
    (action,) = compared(log(2, 1, 9, cursor=9), receipt())
    assert isinstance(action, StartEpoch)
    assert "10" in action.reason
    assert "9" in action.reason


def test_a_ledger_that_knows_a_stream_of_which_this_log_has_nothing_means_a_new_epoch() -> None:
    (action,) = compared(Facts({}), receipt())
    assert isinstance(action, StartEpoch)


def test_a_head_in_an_older_epoch_counts_as_nothing_in_the_current_one() -> None:
    (action,) = compared(log(1, 1, 50, cursor=50), receipt(upto=10))
    assert isinstance(action, StartEpoch)


def test_another_event_at_the_ledgers_place_means_a_new_epoch() -> None:
    (action,) = compared(log(2, 1, 20, cursor=20), receipt(last_id="somebody-else"))
    assert isinstance(action, StartEpoch)
    assert "another event" in action.reason


def test_an_event_that_retention_cleared_away_is_not_another_event() -> None:
    assert compared(log(2, 15, 20, cursor=10), receipt(last_id="somebody-else")) == []


def test_many_reasons_make_one_new_epoch() -> None:
    facts = Facts({Stream.SALES: [Place(2, 1)]})
    actions = compared(facts, receipt(), receipt(stream="stock"), receipt(stream="audit"))
    assert [type(action) for action in actions] == [StartEpoch]


def test_an_older_epoch_that_is_ahead_was_dealt_with_when_it_ended() -> None:
    assert compared(log(1, 1, 9, cursor=9), receipt(epoch=OLD)) == []


def test_a_ledger_behind_our_cursor_is_sent_the_rest_again() -> None:
    (action,) = compared(log(2, 1, 20, cursor=20), receipt())
    assert isinstance(action, Rewind)
    assert (action.stream, action.place) == (Stream.SALES, Place(2, 10))


def test_a_hole_below_our_cursor_is_sent_again_from_just_before_it() -> None:
    (action,) = compared(log(2, 1, 10, cursor=10), receipt(missing=[[5, 6], [8, 8]]))
    assert isinstance(action, Rewind)
    assert action.place == Place(2, 4)


def test_a_hole_above_our_cursor_will_be_sent_anyway() -> None:
    assert compared(log(2, 1, 10, cursor=4), receipt(missing=[[5, 6]])) == []


def test_what_the_log_no_longer_has_is_reported_and_the_rest_sent_again() -> None:
    rewind, gap = compared(log(2, 6, 10, cursor=10), receipt(missing=[[4, 7]]))
    assert isinstance(rewind, Rewind)
    assert rewind.place == Place(2, 5)
    assert gap == Gap(Stream.SALES, NEW, 4, 5)
    assert "4 to 5" in str(gap)


def test_a_hole_that_is_gone_altogether_is_reported_and_the_next_one_sent_again() -> None:
    rewind, gap = compared(log(2, 6, 10, cursor=10), receipt(missing=[[2, 3], [8, 9]]))
    assert isinstance(rewind, Rewind)
    assert rewind.place == Place(2, 7)
    assert gap == Gap(Stream.SALES, NEW, 2, 3)


def test_a_lost_end_that_is_gone_from_the_log_is_reported() -> None:
    assert compared(log(2, 21, 20, cursor=20), receipt()) == [Gap(Stream.SALES, NEW, 11, 20)]


def test_an_older_epochs_lost_end_is_sent_again_if_the_log_has_it() -> None:
    places = [Place(1, sequence) for sequence in range(1, 13)] + [Place(2, 1), Place(2, 2)]
    facts = Facts({Stream.SALES: places}, {Stream.SALES: Place(2, 2)})
    (action,) = compared(facts, receipt(epoch=OLD), receipt(upto=2))
    assert isinstance(action, Rewind)
    assert action.place == Place(1, 10)


def test_an_older_epoch_that_the_ledger_has_whole_asks_for_nothing() -> None:
    places = [Place(1, sequence) for sequence in range(1, 11)] + [Place(2, 1), Place(2, 2)]
    facts = Facts({Stream.SALES: places}, {Stream.SALES: Place(2, 2)})
    assert compared(facts, receipt(epoch=OLD), receipt(upto=2)) == []


def test_of_two_epochs_the_earlier_place_counts() -> None:
    places = [Place(1, sequence) for sequence in range(1, 11)] + [Place(2, sequence) for sequence in range(1, 11)]
    facts = Facts({Stream.SALES: places}, {Stream.SALES: Place(2, 10)})
    (action,) = compared(facts, receipt(missing=[[3, 3]]), receipt(epoch=OLD, missing=[[7, 7]]))
    assert isinstance(action, Rewind)
    assert action.place == Place(1, 6)
    assert compared(facts, receipt(epoch=OLD, missing=[[7, 7]]), receipt(missing=[[3, 3]])) == [action]


def test_receipts_of_another_log_or_an_unknown_stream_are_ignored() -> None:
    facts = log(2, 1, 10, cursor=10)
    assert compared(facts, receipt(epoch="0195a2b5-0000-7000-8000-000000000000"), receipt(stream="weather")) == []


def test_an_empty_receipt_asks_for_nothing() -> None:
    assert compared(log(2, 1, 10, cursor=10)) == []


def test_what_a_complete_receipt_does_not_name_is_sent_again_from_the_first_that_is_kept() -> None:
    (action,) = compared(log(2, 1, 10, cursor=10), complete=True)
    assert isinstance(action, Rewind)
    assert action.place == Place(2, 0)
    rewind, gap = compared(log(2, 6, 10, cursor=10), complete=True)
    assert isinstance(rewind, Rewind)
    assert rewind.place == Place(2, 5)
    assert gap == Gap(Stream.SALES, NEW, 1, 5)
    assert compared(log(2, 1, 10, cursor=10), receipt(), complete=True) == []


def test_what_a_complete_receipt_does_not_name_may_be_of_an_older_epoch() -> None:
    places = [Place(1, sequence) for sequence in range(1, 13)] + [Place(2, 1), Place(2, 2)]
    facts = Facts({Stream.SALES: places}, {Stream.SALES: Place(2, 2)})
    (action,) = compared(facts, receipt(upto=2), complete=True)
    assert isinstance(action, Rewind)
    assert action.place == Place(1, 0)
    assert compared(facts, receipt(upto=2)) == []


def test_numbers_of_epochs_that_were_skipped_are_no_epochs() -> None:
    epochs = ("", OLD, "", "", NEW)  # a replaced log skips ahead
    places = [Place(2, 1), Place(2, 2), Place(5, 1), Place(5, 2)]
    facts = Facts({Stream.SALES: places}, {Stream.SALES: Place(5, 2)}, epochs=epochs)
    (action,) = compared(facts, receipt(upto=2, last_id=id_of("sales", Place(5, 2))), complete=True)
    assert isinstance(action, Rewind)
    assert action.place == Place(2, 0)


def test_a_high_water_mark_that_was_declared_has_no_event_to_compare() -> None:
    assert compared(log(2, 1, 10, cursor=10), receipt(upto=10, last_id="", shed=2, quarantined=1)) == []
    (action,) = compared(log(2, 1, 10, cursor=10), receipt(upto=11, last_id=""))
    assert isinstance(action, StartEpoch)


def test_what_was_never_sent_need_not_be_named() -> None:
    assert compared(log(2, 1, 10, cursor=0), complete=True) == []


def test_holes_beyond_those_that_a_receipt_lists_are_sent_again() -> None:
    facts = log(2, 300, 1_000, cursor=1_000)
    listed = [[sequence, sequence] for sequence in range(1, 201, 2)]
    rewind, *gaps = compared(facts, receipt(upto=1_000, missing=listed, missing_count=150))
    assert isinstance(rewind, Rewind)
    assert rewind.place == Place(2, 299)
    assert len(gaps) == 100
    assert len(compared(facts, receipt(upto=1_000, missing=listed, missing_count=100))) == 100
    assert len(compared(facts, receipt(upto=199, last_id="x", missing=listed, missing_count=150))) == 102


@pytest.mark.parametrize(
    ("facts", "receipts", "complete", "told"),
    [
        (log(2, 1, 10, cursor=10), [receipt()], False, True),
        (log(2, 1, 10, cursor=10), [receipt(epoch=OLD)], False, False),
        (log(2, 1, 10, cursor=10), [receipt(epoch=OLD)], True, True),
        (log(2, 1, 10, cursor=0), [receipt(epoch=OLD)], False, True),
        (log(1, 1, 10, cursor=10), [receipt(epoch=OLD)], False, True),
    ],
)
def test_receipts_may_say_nothing_of_what_we_sent_in_our_epoch(
    facts: Facts,
    receipts: list[dict[str, Any]],  # Any: a JSON object
    *,
    complete: bool,
    told: bool,
) -> None:
    parsed = parse_receipts(json.dumps({"complete": complete, "receipts": receipts}).encode())
    assert tell_of_our_epoch(parsed, facts) is told


def test_a_ledger_that_lost_everything_is_sent_everything() -> None:
    (action,) = compared(log(2, 1, 10, cursor=10), receipt(upto=0))
    assert isinstance(action, Rewind)
    assert action.place == Place(2, 0)


@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(1, 31),
    st.integers(0, 40),
    st.lists(st.integers(1, 40), unique=True, max_size=8),
)
def test_whatever_the_ledger_lacks_below_our_cursor_is_sent_again_or_reported(
    head: int, cursor: int, first_kept: int, upto: int, lost: list[int]
) -> None:
    cursor, first_kept = min(head, cursor), min(first_kept, cursor + 1)
    missing = [[sequence, sequence] for sequence in sorted(lost) if sequence < upto]
    facts = log(2, first_kept, head, cursor=cursor)
    actions = compared(facts, receipt(upto=upto, missing=missing))
    if upto > head:
        assert [type(action) for action in actions] == [StartEpoch]
        return
    lacking = {sequence for sequence, _ in missing if sequence <= cursor} | set(range(upto + 1, cursor + 1))
    again = {s for a in actions if isinstance(a, Rewind) for s in range(a.place.sequence + 1, head + 1)}
    reported = {s for a in actions if isinstance(a, Gap) for s in range(a.first, a.last + 1)}
    assert lacking <= again | reported  # retention clears away only what is behind the cursor
    assert all(sequence < first_kept for sequence in reported)
