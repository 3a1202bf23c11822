"""The ledger: each place once, each effect once, nothing dropped, in any order, over any number of restarts."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.topics import parse_topic
from sim.cloud import ledger as ledger_module
from sim.cloud.holes import Gap
from sim.cloud.ledger import Ledger, Outcome
from sim.cloud.schema import LedgerUnusable, open_ledger_reader
from tests.sim.cloud.publishes import DEVICE, EPOCH, FixedClock, batch, event, events_topic, rows, sales

OTHER_EPOCH = "01900000-0000-7000-8000-000000000002"


def sale(sequence: int, total: str, *, event_id: str | None = None, epoch: str = EPOCH) -> dict[str, Any]:
    data = event(1, type_name="pos.sale.v1")["data"] | {"total": total}
    return event(sequence, type_name="pos.sale.v1", data=data, event_id=event_id, epoch=epoch)


def snapshot(file: Path) -> list[Any]:
    """Everything that has an effect."""
    return [
        rows(file, "SELECT stream, sequence, source, id, type, counted, body FROM events ORDER BY number"),
        rows(file, "SELECT device, stream, epoch, upto, last_id, stored, counted, conflicts FROM streams"),
        rows(file, "SELECT * FROM totals ORDER BY device, currency"),
        rows(file, "SELECT * FROM days ORDER BY device, business_day"),
        rows(file, "SELECT * FROM holes ORDER BY stream, first"),
    ]


def test_an_event_is_stored_once_with_what_anyone_needs_to_count(ledger: Ledger, file: Path) -> None:
    assert ledger.accept(events_topic(), batch(event(1))) == Outcome(stored=1)
    ((number, sequence, source, event_id, type_name, received, monotonic_ns, body),) = rows(
        file, "SELECT stream, sequence, source, id, type, received, received_monotonic_ns, body FROM events"
    )
    assert (number, sequence, source) == (1, 1, f"/{DEVICE}/till-3")
    assert (event_id, type_name) == ("sales-0001-1", "pos.scan.v1")
    assert (received, monotonic_ns) == ("2026-11-21T10:00:00.000Z", 12_500_000_000)
    assert json.loads(body) == event(1)


def test_the_same_publish_again_has_no_effect(ledger: Ledger, file: Path) -> None:
    publish = batch(event(1), sale(2, "3.86"), sale(3, "-0.10"))
    ledger.accept(events_topic(), publish)
    before = snapshot(file)
    for _ in range(3):
        assert ledger.accept(events_topic(), publish) == Outcome(redelivered=3)
    assert snapshot(file) == before
    assert rows(file, "SELECT redelivered FROM streams") == [(9,)]


def test_sums_of_sales_are_exact_and_by_currency(ledger: Ledger, file: Path) -> None:
    dollars = sale(4, "9.99")
    dollars["data"]["currency"] = "USD"
    ledger.accept(events_topic(), batch(*(sale(number, "0.10") for number in range(1, 4)), dollars))
    ledger.accept(events_topic(), batch(sale(5, "0.1001"), sale(2, "0.10")))
    assert rows(file, "SELECT device, currency, sales, total FROM totals ORDER BY currency") == [
        (DEVICE, "EUR", 4, "0.4001"),
        (DEVICE, "USD", 1, "9.99"),
    ]


@pytest.mark.parametrize("change", [{"total": 3.86}, {"total": "1e5"}, {"currency": "eur"}, {"currency": None}])
def test_a_sale_without_a_readable_total_is_stored_and_told(change: dict[str, Any], ledger: Ledger, file: Path) -> None:
    broken = event(1, type_name="pos.sale.v1")
    ledger.accept(events_topic(), batch(broken | {"data": broken["data"] | change}, event(2) | {"type": "any.v1"}))
    assert rows(file, "SELECT count(*) FROM events") == [(2,)]
    assert rows(file, "SELECT count(*) FROM totals") == [(0,)]
    ((reason,),) = rows(file, "SELECT reason FROM dead_letters")
    assert reason.startswith("stored without effect: data.")


def test_another_event_at_a_taken_sequence_is_kept_aside_and_told(ledger: Ledger, file: Path) -> None:
    sales(ledger, [1, 2])
    other = sale(2, "5.00", event_id="another")
    assert ledger.accept(events_topic(), batch(other)) == Outcome(conflicts=1)
    assert ledger.accept(events_topic(), batch(other)) == Outcome()
    kept = rows(file, "SELECT sequence, id, kept_id, reason, seen, body FROM conflicts")
    assert kept == [(2, "another", "sales-0001-2", "sequence of another event", 2, json.dumps(other))]
    assert rows(file, "SELECT conflicts, redelivered FROM streams") == [(1, 0)]
    assert rows(file, "SELECT count(*) FROM totals") == [(0,)]


def test_the_same_event_at_another_place_is_stored_but_counts_once(ledger: Ledger, file: Path) -> None:
    ledger.accept(events_topic(), batch(sale(1, "3.00", event_id="A"), sale(2, "4.00", event_id="B")))
    again = sale(1, "4.00", event_id="B", epoch=OTHER_EPOCH) | {"time": "2026-11-21T11:11:11.000Z"}
    assert ledger.accept(events_topic(), batch(again, event(2, epoch=OTHER_EPOCH))) == Outcome(stored=2)
    assert rows(file, "SELECT sales, total FROM totals") == [(2, "7.00")]
    assert rows(file, "SELECT stored, counted FROM streams ORDER BY number") == [(2, 2), (2, 1)]
    assert rows(file, "SELECT count(*) FROM conflicts") == [(0,)]


def test_an_event_twice_in_one_publish_counts_once(ledger: Ledger, file: Path) -> None:
    publish = batch(sale(1, "3.00"), sale(1, "3.00"), sale(2, "1.00", event_id="X"), sale(3, "1.00", event_id="X"))
    assert ledger.accept(events_topic(), publish) == Outcome(stored=3, redelivered=1)
    assert rows(file, "SELECT sales, total FROM totals") == [(2, "4.00")]


def test_a_known_id_with_another_body_is_a_conflict(ledger: Ledger, file: Path) -> None:
    ledger.accept(events_topic(), batch(sale(1, "3.00", event_id="A")))
    other = sale(1, "30.00", event_id="A", epoch=OTHER_EPOCH)
    assert ledger.accept(events_topic(), batch(other)) == Outcome(stored=1, conflicts=1)
    assert rows(file, "SELECT reason, body FROM conflicts") == [("id with another body", json.dumps(other))]
    assert rows(file, "SELECT sales, total FROM totals") == [(1, "3.00")]


def test_the_same_id_from_two_producers_are_two_events(ledger: Ledger, file: Path) -> None:
    first, second = (event(number, event_id="1", producer=f"till-{number}") for number in (1, 2))
    assert ledger.accept(events_topic(), batch(first, second)) == Outcome(stored=2)
    assert rows(file, "SELECT sum(counted) FROM events") == [(2,)]


def test_streams_devices_and_epochs_count_apart(ledger: Ledger) -> None:
    ledger.accept(events_topic(), batch(event(1), event(1, epoch=OTHER_EPOCH)))
    ledger.accept(events_topic("stock"), batch(event(4, type_name="stock.counted.v1", stream="stock")))
    ledger.accept(events_topic(device="store-1/box-2"), batch(event(2, device="store-1/box-2")))
    found = [(book.key.stream, book.key.epoch, book.holes.upto) for book in ledger.books(DEVICE)]
    assert found == [("sales", EPOCH, 1), ("sales", OTHER_EPOCH, 1), ("stock", EPOCH, 4)]
    assert ledger.devices() == {DEVICE, "store-1/box-2"}


def test_malformed_publishes_go_to_the_dead_letters(ledger: Ledger, file: Path) -> None:
    assert ledger.accept(events_topic(), b"\xff") == Outcome(dead=1)
    assert ledger.accept(events_topic(), b'[{"id":1}, 2]') == Outcome(dead=2)
    found = rows(file, "SELECT topic, reason, size_bytes, body FROM dead_letters")
    assert found[0] == (str(events_topic()), "not UTF-8 at byte 0", 1, b"\xff")
    assert [reason for _, reason, _, _ in found[1:]] == [
        "id: missing or not a text of 1 to 200 printable characters",
        "not an object",
    ]
    assert ledger.accept(events_topic(), batch(event(1))) == Outcome(stored=1)


def test_dead_letters_have_a_limit(ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "DEAD_LETTERS_MAX", 3)
    monkeypatch.setattr(ledger_module, "DEAD_LETTER_BYTES_MAX", 2)
    for number in range(5):
        ledger.accept(events_topic(), b"%d bad" % number)
    assert rows(file, "SELECT number, size_bytes, body FROM dead_letters") == [
        (number + 1, 5, b"%d " % number) for number in range(2, 5)
    ]


def test_a_failing_transaction_leaves_no_trace_and_the_publish_can_come_again(
    ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales(ledger, [1, 5])
    before = snapshot(file)
    with monkeypatch.context() as patch:
        patch.setattr(ledger_module, "_STORE", ledger_module._STORE.replace("events", "no_such_table"))
        with pytest.raises(sqlite3.OperationalError):
            ledger.accept(events_topic(), batch(event(3), sale(6, "1.00")))
    assert snapshot(file) == before
    assert ledger.books(DEVICE)[0].holes.spans(Gap.MISSING) == [(2, 4)]
    assert ledger.accept(events_topic(), batch(event(3), sale(6, "1.00"))) == Outcome(stored=2)
    assert rows(file, "SELECT sales, total FROM totals") == [(1, "1.00")]


def test_a_ledger_opened_again_goes_on_where_it_was(file: Path) -> None:
    with closing(Ledger.open(file, FixedClock())) as first:
        first.accept(events_topic(), batch(event(1), event(7), sale(4, "2.50")))
    with closing(Ledger.open(file, FixedClock())) as second:
        (book,) = second.books(DEVICE)
        assert (book.holes.upto, book.holes.spans(Gap.MISSING), book.last_id) == (7, [(2, 3), (5, 6)], "sales-0001-7")
        assert second.accept(events_topic(), batch(event(7), sale(4, "2.50"), sale(5, "2.50"))) == Outcome(
            stored=1, redelivered=2
        )
    assert rows(file, "SELECT sales, total FROM totals") == [(2, "5.00")]


def test_two_twins_cannot_share_a_ledger(ledger: Ledger, file: Path) -> None:
    assert ledger.devices() == set()
    with pytest.raises(LedgerUnusable, match="in use by another cloud twin"):
        Ledger.open(file, FixedClock())


def test_a_newer_older_or_foreign_file_is_refused(tmp_path: Path) -> None:
    newer, older, foreign = (tmp_path / f"{name}.sqlite" for name in ("newer", "older", "foreign"))
    for file, version in ((newer, 99), (older, 1)):
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
    foreign.write_bytes(b"not a database, certainly not one of ours" * 100)
    with pytest.raises(LedgerUnusable, match="format 99; this version reads ledgers of format 2"):
        Ledger.open(newer, FixedClock())
    with pytest.raises(LedgerUnusable, match=r"format 1; .*name another file"):
        Ledger.open(older, FixedClock())
    with pytest.raises(LedgerUnusable, match="cannot use"):
        Ledger.open(foreign, FixedClock())
    with pytest.raises(LedgerUnusable, match="format 99"):
        open_ledger_reader(newer)
    with pytest.raises(LedgerUnusable, match="no ledger"):
        open_ledger_reader(foreign)
    with pytest.raises(LedgerUnusable, match="cannot open"):
        open_ledger_reader(tmp_path / "absent.sqlite")


def test_a_new_session_of_a_device_is_noticed_once(ledger: Ledger, file: Path) -> None:
    topic = parse_topic(f"sf/v1/{DEVICE}/state")
    online, again = b'{"status":"online","session":"s1"}', b'{"status":"online","session":"s1","waiting":3}'
    assert ledger.note_state(topic, online)
    assert not ledger.note_state(topic, again)
    assert not ledger.note_state(topic, b'{"status":"offline","session":"s1"}')
    assert ledger.note_state(topic, online)
    assert ledger.note_state(topic, b'{"status":"online","session":"s2"}')
    assert rows(file, "SELECT device, status, session FROM devices") == [(DEVICE, "online", "s2")]
    assert ledger.devices() == {DEVICE}


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"7", b'"online"', b"\xff", b"[" * 100_000])
def test_a_malformed_state_goes_to_the_dead_letters(payload: bytes, ledger: Ledger, file: Path) -> None:
    assert not ledger.note_state(parse_topic(f"sf/v1/{DEVICE}/state"), payload)
    assert rows(file, "SELECT reason FROM dead_letters") == [("not a state message",)]


PLACES = st.tuples(st.integers(1, 12), st.sampled_from("AB"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(publishes=st.lists(st.lists(PLACES, min_size=1, max_size=8), max_size=8), reopen_after=st.integers(0, 8))
def test_any_order_of_repeats_and_conflicts_equals_a_naive_model(
    publishes: list[list[tuple[int, str]]], reopen_after: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    kept: dict[int, str] = {}
    conflicts: set[tuple[int, str]] = set()
    repeats = 0
    ledger = Ledger.open(file, FixedClock())
    try:
        for number, publish in enumerate(publishes):
            if number == reopen_after:
                ledger.close()
                ledger = Ledger.open(file, FixedClock())
            ledger.accept(
                events_topic(), batch(*(sale(place, "1.00", event_id=f"{name}{place}") for place, name in publish))
            )
            for place, _ in publish:  # a publish is sorted out place by place: first come, first kept
                kept.setdefault(place, next(name for at, name in publish if at == place))
            repeats += sum(kept[place] == name for place, name in publish)
            conflicts |= {(place, name) for place, name in publish if kept[place] != name}
        for book in ledger.books(DEVICE):
            assert book.holes.upto == max(kept)
            assert book.holes.count(Gap.MISSING) == max(kept) - len(kept)
            assert (book.stored, book.counted, book.conflicts) == (len(kept), len(kept), len(conflicts))
            assert book.redelivered == repeats - len(kept)
            assert book.last_id == f"{kept[max(kept)]}{max(kept)}"
    finally:
        ledger.close()
    assert {(place, name[0]) for place, name in rows(file, "SELECT sequence, id FROM events")} == set(kept.items())
    assert {(place, name[0]) for place, name in rows(file, "SELECT sequence, id FROM conflicts")} == conflicts
    assert rows(file, "SELECT sales FROM totals") == ([(len(kept),)] if kept else [])
