"""The log through its public methods, inline: what an append promises, cursors, epochs, what is known of them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.errors import IdConflict
from agent.event_types import Stream
from agent.events import Draft
from agent.log import CLOUD, DAY_CLOSE, START, Advance, Appended, EpochReason, EventLog, Place, Span
from tests.log.world import (
    NOON,
    SetClock,
    audit_event,
    event,
    events,
    inline_log,
    raw,
    read_all,
    stored_rows,
    threaded_log,
)


def sequences(answers: list[Appended]) -> list[int]:
    return [answer.sequence for answer in answers]


def test_an_append_is_in_the_file_for_another_connection_when_it_returns(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        for draft in events(3):
            log.append_now([draft])
            with raw(log) as connection:
                assert connection.execute("SELECT count(*) FROM event WHERE id = ?", (draft.id,)).fetchone() == (1,)


def test_the_answer_says_where_each_event_is_and_the_file_has_it_there(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        answers = log.append_now([event("a"), event("b", stream=Stream.STOCK), event("c")])
        assert answers == [
            Appended("a", Stream.SALES, log.epoch, 1, duplicate=False),
            Appended("b", Stream.STOCK, log.epoch, 1, duplicate=False),
            Appended("c", Stream.SALES, log.epoch, 2, duplicate=False),
        ]
        assert stored_rows(log) == [("sales", 1, 1, "a"), ("sales", 1, 2, "c"), ("stock", 1, 1, "b")]


def test_a_stored_event_is_the_draft_closed_with_its_place_and_its_recorded_time(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        draft = event("a")
        log.append_now([event("first"), draft])
        stored = log.read(Stream.SALES, Place(1, 1), events_max=1, bytes_max=10_000)[0]
        assert stored.body.startswith(draft.opening)
        body = json.loads(stored.body)
        assert (body["id"], body["sequence"], body["epoch"]) == ("a", "000000000002", log.epoch)
        assert body["recordedtime"] == "2026-03-02T12:00:00.000Z"
        assert isinstance(body["clocksynced"], bool)


def test_sequences_are_contiguous_per_stream_whatever_the_calls_were(tmp_path: Path) -> None:
    streams = [Stream.SALES, Stream.STOCK, Stream.SENSOR]
    with inline_log(tmp_path) as log:
        for call in range(1, 140, 13):  # one row, and more rows than one statement takes
            log.append_now([event(stream=streams[at % 3]) for at in range(call)])
        for stream in streams:
            found = [stored.place.sequence for stored in read_all(log, stream)]
            assert found == list(range(1, log.head(stream).sequence + 1))


def test_an_empty_append_stores_nothing(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        assert log.append_now([]) == []
        assert stored_rows(log) == []


def test_a_retry_gets_the_first_answer_and_leaves_one_row(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        first = log.append_now([event("a"), event("b")])
        again = log.append_now([event("b"), event("c"), event("a")])
        assert [(one.id, one.sequence, one.duplicate) for one in again] == [
            ("b", 2, True),
            ("c", 3, False),
            ("a", 1, True),
        ]
        assert again[2] == first[0]._replace(duplicate=True)
        assert [row[3] for row in stored_rows(log)] == ["a", "b", "c"]


def test_the_same_event_twice_in_one_call_is_one_row(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        answers = log.append_now([event("a"), event("b"), event("a")])
        assert [(one.sequence, one.duplicate) for one in answers] == [(1, False), (2, False), (1, True)]
        assert len(stored_rows(log)) == 2


def test_the_same_id_with_another_body_is_refused_and_the_first_stands(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event("a", say="x")])
        with pytest.raises(IdConflict) as refused:
            log.append_now([event("new"), event("a", say="y")])
        assert (refused.value.source, refused.value.event_id) == ("/store-1/box-1/till-1", "a")
        assert [row[3] for row in stored_rows(log)] == ["a"]
        assert b'"x"' in read_all(log)[0].body


def test_the_same_id_with_two_bodies_in_one_call_is_refused(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        with pytest.raises(IdConflict):
            log.append_now([event("a", say="x"), event("a", say="y")])
        assert stored_rows(log) == []
        assert sequences(log.append_now([event("a", say="y")])) == [1]


def test_two_sources_with_the_same_id_are_two_rows(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        answers = log.append_now([event("a", producer="till-1"), event("a", producer="till-2", say="other")])
        assert [(one.sequence, one.duplicate) for one in answers] == [(1, False), (2, False)]


# --- cursors -----------------------------------------------------------------------------------------------


async def test_a_cursor_is_durable_when_advance_returned(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        await log.append(events(5))
        await log.advance(CLOUD, Stream.SALES, Place(1, 3))
        with raw(log) as connection:
            kept = connection.execute("SELECT sequence FROM cursor WHERE consumer = 'cloud' AND stream = 'sales'")
            assert kept.fetchone() == (3,)
    with inline_log(tmp_path) as log:
        assert log.cursor(CLOUD, Stream.SALES) == Place(1, 3)
        assert log.cursor(CLOUD, Stream.STOCK) == START


async def test_a_cursor_may_go_back_and_its_events_wait_again(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        await log.append(events(5))
        await log.advance(CLOUD, Stream.SALES, Place(1, 5))
        assert log.waiting(CLOUD) == 0
        await log.advance(CLOUD, Stream.SALES, Place(1, 2))
        assert log.waiting(CLOUD, Stream.SALES) == 3
        assert log.unread(CLOUD, Stream.SALES) == [Span(1, 3, 5)]


async def test_a_cursor_beyond_the_head_leaves_nothing_waiting(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        await log.append(events(2))
        await log.advance(CLOUD, Stream.SALES, Place(1, 9))
        assert log.waiting(CLOUD) == 0


def test_a_consumer_of_its_own_starts_before_the_first_event(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event(), event(stream=Stream.STOCK)])
        assert log.cursor("learning", Stream.SALES) == START
        assert (log.waiting("learning"), log.waiting("learning", Stream.STOCK)) == (2, 1)


def test_a_cursor_beside_an_append_moves_with_it_and_only_with_it(tmp_path: Path) -> None:
    move = Advance(DAY_CLOSE, Stream.SALES, Place(1, 1))
    with inline_log(tmp_path) as log:
        log.append_now([event("a", say="x")])
        with pytest.raises(IdConflict):
            log.append_now([event("a", say="y")], also=[move])
        assert log.cursor(DAY_CLOSE, Stream.SALES) == START
        log.append_now([event("b")], also=[move])
        assert log.cursor(DAY_CLOSE, Stream.SALES) == Place(1, 1)


# --- epochs ------------------------------------------------------------------------------------------------


async def test_a_new_epoch_begins_every_stream_at_1_and_keeps_what_was(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        first = log.epoch
        log.append_now([*events(3), event("s", stream=Stream.STOCK)])
        second = await log.start_epoch("restored")
        assert log.epoch == second != first
        assert log.head(Stream.SALES) == Place(1, 3)
        answers = log.append_now([event("n"), event("m", stream=Stream.STOCK)])
        assert [(one.epoch, one.sequence) for one in answers] == [(second, 1), (second, 1)]
        assert [stored.place for stored in read_all(log)] == [Place(1, 1), Place(1, 2), Place(1, 3), Place(2, 1)]
        assert (log.epoch_id(1), log.epoch_number(second), log.epoch_number("another")) == (first, 2, None)


async def test_the_beginning_of_an_epoch_is_on_record_once_an_audit_event_tells_it(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        assert (log.epoch_reason, log.epoch_on_record) == ("created", False)
        log.append_now([audit_event("a")])
        assert log.epoch_on_record
        await log.start_epoch("restored")
        facts = log.epoch_reason, log.epoch_on_record
        assert facts == ("restored", False)
    with inline_log(tmp_path) as log:  # a kill in between forgets nothing
        assert (log.epoch_reason, log.epoch_on_record) == facts
        log.append_now([audit_event("b")])
        assert log.epoch_on_record


async def test_waiting_counts_across_epochs(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(4, "a"))
        await log.start_epoch("behind_ledger")
        await log.start_epoch("behind_ledger")  # an epoch without an event counts nothing
        log.append_now(events(2, "b"))
        assert log.waiting(CLOUD, Stream.SALES) == 6
        await log.advance(CLOUD, Stream.SALES, Place(1, 3))
        assert log.unread(CLOUD, Stream.SALES) == [Span(1, 4, 4), Span(3, 1, 2)]
        await log.advance(CLOUD, Stream.SALES, Place(3, 1))
        assert log.waiting(CLOUD, Stream.SALES) == 1


async def test_a_retry_of_an_earlier_epoch_is_told_that_epoch(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        first = log.append_now(events(2))
        await log.start_epoch("restored")
        assert log.append_now(events(2)) == [one._replace(duplicate=True) for one in first]


async def test_listeners_hear_of_each_new_epoch(tmp_path: Path) -> None:
    heard: list[tuple[str, EpochReason]] = []
    with inline_log(tmp_path) as log:
        log.add_epoch_listener(lambda epoch, reason: heard.append((epoch, reason)))
        epoch = await log.start_epoch("restored")
    assert heard == [(epoch, "restored")]


# --- listeners and opening ---------------------------------------------------------------------------------


def test_listeners_get_the_drafts_that_were_new(tmp_path: Path) -> None:
    heard: list[list[Draft]] = []
    with inline_log(tmp_path) as log:
        log.add_listener(lambda drafts: heard.append(list(drafts)))
        one, two = event("1"), event("2")
        log.append_now([one])
        log.append_now([one, two, two])
        log.append_now([one])
        with pytest.raises(IdConflict):
            log.append_now([event("1", say="other")])
    assert heard == [[one], [two]]


def test_everything_is_known_again_after_reopening(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        assert log.created
        first = log.append_now(events(5))
        epoch = log.epoch
    with inline_log(tmp_path) as log:
        assert not log.created
        assert (log.epoch, log.head(Stream.SALES), log.head(Stream.AUDIT)) == (epoch, Place(1, 5), START)
        assert log.append_now(events(5)) == [one._replace(duplicate=True) for one in first]
        assert sequences(log.append_now([event("more")])) == [6]


async def test_inline_and_threaded_form_leave_the_same_rows_for_the_same_input(tmp_path: Path) -> None:
    calls = [events(3, "a"), [event("x", stream=Stream.STOCK), *events(2, "a")], events(70, "b")]

    async def play(log: EventLog) -> list[list[Appended]]:
        answers = [await log.append(call) for call in calls]
        await log.advance(CLOUD, Stream.SALES, Place(1, 2))
        await log.start_epoch("restored")
        return [*answers, await log.append([event("last")])]

    with inline_log(tmp_path / "inline", SetClock()) as log:
        inline_answers = await play(log)
    async with threaded_log(tmp_path / "threaded", SetClock()) as log:
        threaded_answers = await play(log)
    assert inline_answers == threaded_answers
    inline_dump, threaded_dump = (dump(tmp_path / form / "events.sqlite") for form in ("inline", "threaded"))
    assert inline_dump == threaded_dump


def dump(file: Path) -> list[str]:
    with raw(file) as connection:
        return list(connection.iterdump())


def test_the_boot_and_the_monotonic_clock_are_kept_with_each_event(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(2))
        log.append_now([event("later")])
    with inline_log(tmp_path) as log, raw(log) as connection:
        rows = connection.execute("SELECT recorded_ms, boot, monotonic_us FROM event ORDER BY sequence").fetchall()
        now_ms = int(NOON.timestamp() * 1000)
        assert rows == [(now_ms, 1, 1000), (now_ms, 1, 1000), (now_ms, 1, 2000)]
        assert connection.execute("SELECT count(*) FROM boot").fetchone() == (1,)


def test_opening_the_log_loads_no_heavy_library() -> None:
    asked = "sqlite_utils", "pandas", "pyarrow", "numpy", "aiohttp", "paho"
    script = f"import sys, agent.log; print([name for name in {asked!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "[]"


def test_a_log_can_be_closed_twice(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.close_now()


async def test_a_threaded_log_can_be_closed_twice(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        await log.close()


@pytest.mark.case("P6")
async def test_a_listener_that_raises_keeps_no_other_from_hearing(tmp_path: Path) -> None:
    heard: list[str] = []

    def fail(_: Sequence[Draft]) -> None:
        raise RuntimeError("a fault of a listener")

    async with threaded_log(tmp_path) as log:
        log.add_listener(fail)
        log.add_listener(lambda drafts: heard.extend(draft.id for draft in drafts))
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        await log.append(events(1))
        await log.append(events(1, "f"))
    assert heard == ["e-1", "f-1"]
