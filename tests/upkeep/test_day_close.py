"""Business days and their close: which day a moment belongs to, what is closed when, and that it adds up."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.device_events import DayClosed, DayRange
from agent.errors import StorageFailed
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import DAY_CLOSE, START, EventLog, Park, Place, Span
from agent.settings import SiteSettings
from agent.topics import DeviceName
from agent.upkeep.day_close import BusinessDays, DayCloser
from tests.log.world import SetClock, event, events, inline_log, new_ids, raw, read_all, threaded_log

BERLIN = SiteSettings(time_zone="Europe/Berlin", day_starts_at="04:00")


def day_closer(log: EventLog, clock: SetClock, site: SiteSettings = BERLIN) -> DayCloser:
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_ids(3))
    return DayCloser(log, decoder, site, clock)


def days(time_zone: str, day_starts_at: str) -> BusinessDays:
    return BusinessDays(SiteSettings(time_zone=time_zone, day_starts_at=day_starts_at))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


# --- the calendar ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-02T02:59:59.999", "2026-03-01"),  # 03:59 in Berlin
        ("2026-03-02T03:00", "2026-03-02"),
        ("2026-03-02T23:30", "2026-03-02"),  # past midnight in Berlin
        ("2026-07-01T01:59", "2026-06-30"),  # summer time
        ("2026-07-01T02:00", "2026-07-01"),
        ("2026-01-01T02:00", "2025-12-31"),
    ],
)
def test_a_day_begins_when_the_shop_s_clock_shows_its_start(moment: str, day: str) -> None:
    assert days("Europe/Berlin", "04:00").day_of(utc(moment)).isoformat() == day


def hours_of(calendar: BusinessDays, day: str) -> float:
    """How long a business day is, by asking for every minute around it."""
    begin = utc(f"{day}T00:00") - timedelta(hours=20)
    minutes = sum(calendar.day_of(begin + timedelta(minutes=minute)).isoformat() == day for minute in range(68 * 60))
    return minutes / 60


@pytest.mark.case("C5")
@pytest.mark.parametrize("day_starts_at", ["00:00", "02:00", "03:00", "04:00", "23:59"])
def test_the_day_in_which_clocks_change_has_23_or_25_hours_and_all_others_24(day_starts_at: str) -> None:
    berlin = days("Europe/Berlin", day_starts_at)
    spring = [hours_of(berlin, f"2026-03-{day}") for day in (27, 28, 29, 30)]
    autumn = [hours_of(berlin, f"2026-10-{day}") for day in (23, 24, 25, 26)]
    assert sorted(spring) == [23, 24, 24, 24]
    assert sorted(autumn) == [24, 24, 24, 25]


def test_a_start_of_day_that_is_jumped_over_takes_half_an_hour_of_either_day() -> None:
    berlin = days("Europe/Berlin", "02:30")
    assert [hours_of(berlin, f"2026-03-{day}") for day in (27, 28, 29, 30)] == [24, 23.5, 23.5, 24]


def test_a_day_that_would_begin_in_the_jumped_over_hour_begins_after_the_jump() -> None:
    berlin = days("Europe/Berlin", "02:30")  # on 2026-03-29 clocks go from 02:00 to 03:00, at 01:00 UTC
    assert berlin.day_of(utc("2026-03-29T00:59:59")) == date(2026, 3, 28)
    assert berlin.day_of(utc("2026-03-29T01:00:00")) == date(2026, 3, 29)


@pytest.mark.case("C5")
def test_the_hour_that_comes_twice_begins_a_day_once() -> None:
    berlin = days("Europe/Berlin", "02:30")  # on 2026-10-25 clocks go from 03:00 to 02:00, at 01:00 UTC
    assert berlin.day_of(utc("2026-10-25T00:29:59")) == date(2026, 10, 24)
    assert berlin.day_of(utc("2026-10-25T00:30:00")) == date(2026, 10, 25)
    assert berlin.day_of(utc("2026-10-25T01:10:00")) == date(2026, 10, 25)  # 02:10 again


@given(
    st.sampled_from(
        ["Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
    ),
    st.times(),
    st.datetimes(datetime(2009, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds it
    st.timedeltas(timedelta(0), timedelta(hours=3)),
)
def test_time_going_on_never_turns_the_calendar_back(
    zone: str, start: datetime, moment: datetime, later: timedelta
) -> None:
    calendar = days(zone, start.strftime("%H:%M"))
    assert calendar.day_of(moment) <= calendar.day_of(moment + later)
    assert abs(calendar.day_of(moment) - moment.astimezone(ZoneInfo(zone)).date()) <= timedelta(days=1)


# --- closing -----------------------------------------------------------------------------------------------

EVENING = utc("2026-03-02T18:00")
NEXT_MORNING = utc("2026-03-03T03:00")


def hashed(*sequences_and_ids: tuple[int, str]) -> str:
    return sha256("".join(f"{sequence}:{event_id}\n" for sequence, event_id in sequences_and_ids).encode()).hexdigest()


def counts(closed: DayClosed | None) -> tuple[str, dict[Stream, int]]:
    assert closed is not None
    return closed.business_day, {part.stream: part.count for part in closed.ranges}


def whole(stream: Stream, epoch: str, *sequences_and_ids: tuple[int, str]) -> DayRange:
    """A range in which nothing is missing."""
    return DayRange(
        stream=stream,
        epoch=epoch,
        first_sequence=sequences_and_ids[0][0],
        last_sequence=sequences_and_ids[-1][0],
        count=len(sequences_and_ids),
        sha256=hashed(*sequences_and_ids),
    )


async def test_nothing_is_closed_while_nothing_is_open(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        closer = day_closer(log, clock)
        assert await closer.close_if_due() is None
        assert await closer.close_now() is None
        assert read_all(log, Stream.AUDIT) == []


async def test_a_day_is_closed_once_the_next_one_begins(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        closer = day_closer(log, clock)
        log.append_now([event("a"), event("s", stream=Stream.STOCK), event("b")])
        clock.now = NEXT_MORNING - timedelta(milliseconds=1)
        assert await closer.close_if_due() is None
        clock.now = NEXT_MORNING
        closed = await closer.close_if_due()
        assert closed == DayClosed(
            business_day="2026-03-02",
            ranges=(
                whole(Stream.SALES, log.epoch, (1, "a"), (2, "b")),
                whole(Stream.STOCK, log.epoch, (1, "s")),
            ),
        )
        (stored,) = read_all(log, Stream.AUDIT)
        body = json.loads(stored.body)
        assert body["type"] == "dev.storeforward.audit.day_closed.v1"
        assert body["source"] == "/store-1/box-1/agent"
        assert DayClosed.model_validate(body["data"]) == closed
        assert log.cursor(DAY_CLOSE, Stream.SALES) == Place(1, 2)
        assert log.cursor(DAY_CLOSE, Stream.STOCK) == Place(1, 1)
        assert log.cursor(DAY_CLOSE, Stream.AUDIT) == START
        assert await closer.close_if_due() is None


async def test_a_close_belongs_to_the_day_in_which_it_was_written(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        closer = day_closer(log, clock)
        log.append_now([event("a")])
        clock.now = NEXT_MORNING
        await closer.close_if_due()
        for day in ("2026-03-03", "2026-03-04"):  # quiet days: each closes the one before
            clock.move(days=1)
            closed = await closer.close_if_due()
            assert closed is not None
            assert closed.business_day == day
            assert [(part.stream, part.count) for part in closed.ranges] == [(Stream.AUDIT, 1)]
        assert [stored.place.sequence for stored in read_all(log, Stream.AUDIT)] == [1, 2, 3]
        assert log.cursor(DAY_CLOSE, Stream.AUDIT) == Place(1, 2)


async def test_days_missed_while_the_agent_was_off_are_closed_one_by_one(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        log.append_now([event("a", stream=Stream.STOCK)])
        clock.move(days=1)
        log.append_now([event("b")])
    clock.move(days=5)
    with inline_log(tmp_path, clock) as log:
        closer = day_closer(log, clock)
        assert counts(await closer.close_if_due()) == ("2026-03-02", {Stream.STOCK: 1})
        assert counts(await closer.close_if_due()) == ("2026-03-03", {Stream.SALES: 1})
        assert await closer.close_if_due() is None


async def test_what_a_clock_that_was_ahead_recorded_is_closed_by_itself(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        closer = day_closer(log, clock)
        log.append_now(events(3, "a"))
        clock.move(days=400)
        log.append_now(events(2, "ahead"))
        await log.start_epoch("restored")
        clock.jump(days=-400)
        log.append_now(events(4, "b"))
        clock.now = NEXT_MORNING
        assert counts(await closer.close_if_due()) == ("2026-03-02", {Stream.SALES: 3})
        assert counts(await closer.close_if_due()) == ("2027-04-06", {Stream.SALES: 2})
        assert counts(await closer.close_if_due()) == ("2026-03-02", {Stream.SALES: 4})
        assert await closer.close_if_due() is None


async def test_a_damaged_page_does_not_hold_its_day_open(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        log.append_now([*events(300), event("s", stream=Stream.STOCK)])
    file = tmp_path / "events.sqlite"
    content = bytearray(file.read_bytes())
    at = content.index(b'"e-150"') // 4096 * 4096
    content[at : at + 4096] = b"\xff" * 4096
    file.write_bytes(content)
    clock.now = NEXT_MORNING
    with inline_log(tmp_path, clock) as log:
        closer = day_closer(log, clock)
        day, counted = counts(await closer.close_if_due())
        assert (day, counted[Stream.STOCK]) == ("2026-03-02", 1)
        assert 100 < counted[Stream.SALES] < 150  # what stands before the damage
        assert log.cursor(DAY_CLOSE, Stream.SALES) == Place(1, 300)
        assert await closer.close_if_due() is None


async def test_a_damaged_time_does_not_hold_its_day_open(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        log.append_now([*events(3), event("s", stream=Stream.STOCK)])
        with raw(log) as connection:
            connection.execute("UPDATE event_sales SET recorded_ms = ? WHERE place = ?", (1 << 62, Place(1, 1).key))
            connection.execute("UPDATE event_sales SET recorded_ms = x'00' WHERE place = ?", (Place(1, 2).key,))
        clock.now = NEXT_MORNING
        closer = day_closer(log, clock)
        assert counts(await closer.close_if_due()) == ("2026-03-02", {Stream.SALES: 3, Stream.STOCK: 1})


async def test_each_epoch_of_a_stream_has_its_own_range(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        first = log.epoch
        log.append_now(events(3, "a"))
        second = await log.start_epoch("restored")
        log.append_now(events(2, "b"))
        clock.now = NEXT_MORNING
        closed = await day_closer(log, clock).close_if_due()
        assert closed is not None
        assert [(part.epoch, part.first_sequence, part.last_sequence, part.count) for part in closed.ranges] == [
            (first, 1, 3, 3),
            (second, 1, 2, 2),
        ]
        assert closed.ranges[1].sha256 == hashed((1, "b-1"), (2, "b-2"))
        assert log.cursor(DAY_CLOSE, Stream.SALES) == Place(2, 2)


async def test_more_ranges_than_one_event_holds_are_closed_one_after_the_other(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        for epoch in range(33):
            log.append_now([event(f"a-{epoch}"), event(f"s-{epoch}", stream=Stream.STOCK)])
            await log.start_epoch("restored")
        closer = day_closer(log, clock)
        clock.now = NEXT_MORNING
        closes = [await closer.close_if_due() for _ in range(3)]
        assert [len(closed.ranges) if closed else 0 for closed in closes] == [64, 2, 0]
        assert {closed.business_day for closed in closes if closed} == {"2026-03-02"}
        assert sum(part.count for closed in closes if closed for part in closed.ranges) == 66


async def test_the_count_tells_what_is_really_there(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(4))
        with raw(log) as connection:
            connection.execute("DELETE FROM event_sales WHERE place = ?", (Place(1, 2).key,))
        closed = await day_closer(log, clock).close_now()
        assert closed is not None
        (part,) = closed.ranges
        assert (part.first_sequence, part.last_sequence, part.count) == (1, 4, 3)
        assert part.sha256 == hashed((1, "e-1"), (3, "e-3"), (4, "e-4"))


async def test_a_day_can_be_closed_before_it_is_over_and_again(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        closer = day_closer(log, clock)
        log.append_now([event("a")])
        first = await closer.close_now()
        log.append_now([event("b")])
        second = await closer.close_now()
        assert first is not None
        assert second is not None
        assert first.business_day == second.business_day == "2026-03-02"
        assert [(part.stream, part.first_sequence, part.count) for part in second.ranges] == [
            (Stream.SALES, 2, 1),
            (Stream.AUDIT, 1, 1),
        ]
        assert len({stored.id for stored in read_all(log, Stream.AUDIT)}) == 2


async def test_events_that_come_while_a_day_is_closed_belong_to_the_next(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    async with threaded_log(tmp_path, clock) as log:
        await log.append(events(2_000))
        clock.now = NEXT_MORNING
        closing = asyncio.create_task(day_closer(log, clock).close_if_due())
        await asyncio.sleep(0)  # it has looked at the heads and hashes now
        await log.append([event("late")])
        closed = await closing
        assert closed is not None
        assert [(part.last_sequence, part.count) for part in closed.ranges] == [(2_000, 2_000)]
        assert log.waiting(DAY_CLOSE, Stream.SALES) == 1


async def test_two_closes_at_once_are_one(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    async with threaded_log(tmp_path, clock) as log:
        await log.append(events(10))
        clock.now = NEXT_MORNING
        closer = day_closer(log, clock)
        closes = await asyncio.gather(*(closer.close_if_due() for _ in range(3)))
        assert [closed is not None for closed in closes] == [True, False, False]
        assert len(read_all(log, Stream.AUDIT)) == 1


@contextmanager
def audit_cannot_be_written(log: EventLog) -> Iterator[None]:
    with raw(log) as connection:
        connection.execute("CREATE TRIGGER fault BEFORE INSERT ON event_audit BEGIN SELECT RAISE(ABORT, 'fault'); END")
        yield
        connection.execute("DROP TRIGGER fault")


async def test_a_close_that_could_not_be_stored_moves_no_cursor_and_is_made_again(tmp_path: Path) -> None:
    clock = SetClock(EVENING)
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(3))
        clock.now = NEXT_MORNING
        closer = day_closer(log, clock)
        with audit_cannot_be_written(log), pytest.raises(StorageFailed):
            await closer.close_if_due()
        assert log.cursor(DAY_CLOSE, Stream.SALES) == START
        closed = await closer.close_if_due()
        assert closed is not None
        assert log.cursor(DAY_CLOSE, Stream.SALES) == Place(1, 3)
        assert [stored.id for stored in read_all(log, Stream.AUDIT)] == [f"day-2026-03-02-{log.epoch}-0.0"]


@pytest.mark.case("C3")
async def test_a_clock_that_steps_back_over_the_start_of_day_closes_nothing(tmp_path: Path) -> None:
    clock = SetClock(NEXT_MORNING)
    with inline_log(tmp_path, clock) as log:
        log.append_now([event("a")])
        clock.jump(seconds=-2)
        assert await day_closer(log, clock).close_if_due() is None


@pytest.mark.case("C2")
async def test_a_clock_that_was_far_ahead_does_not_hold_its_day_open(tmp_path: Path) -> None:
    clock = SetClock(EVENING + timedelta(days=400))
    with inline_log(tmp_path, clock) as log:
        log.append_now([event("a")])
        clock.now = EVENING
        closed = await day_closer(log, clock).close_if_due()
        assert closed is not None
        assert closed.business_day == "2027-04-06"


async def test_what_is_parked_is_closed_as_that_and_not_counted(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(6))
        log.append_now([], also=[Park(Stream.SALES, Span(1, 2, 3), 0x87)])
        closed = await day_closer(log, clock).close_now()
    assert closed is not None
    (part,) = (part for part in closed.ranges if part.stream is Stream.SALES)
    assert (part.first_sequence, part.last_sequence, part.count, part.parked) == (1, 6, 4, 2)
    assert part.sha256 == sha256(b"".join(b"%d:e-%d\n" % (one, one) for one in (1, 4, 5, 6))).hexdigest()
