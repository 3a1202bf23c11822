"""Retention: what every consumer passed and nobody can want to replay goes, in steps, and the file gets smaller."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog, Place
from tests.log.world import SetClock, event, events, inline_log, raw, read_all, stored_rows, threaded_log

KEPT_HOURS = 72


async def pass_all(log: EventLog, place: Place, *consumers: str) -> None:
    for consumer in consumers or (CLOUD, DAY_CLOSE):
        await log.advance(consumer, Stream.SALES, place)


def kept(log: EventLog) -> list[str]:
    return [stored.id for stored in read_all(log)]


@pytest.mark.case("N1")
@pytest.mark.parametrize("behind", [(CLOUD,), (DAY_CLOSE,), ()])
async def test_nothing_goes_that_a_consumer_has_not_passed(tmp_path: Path, behind: tuple[str, ...]) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(4))
        for consumer in behind:
            await pass_all(log, Place(1, 4), consumer)
        clock.move(days=400)
        assert await log.prune() == 0
        assert kept(log) == ["e-1", "e-2", "e-3", "e-4"]


async def test_a_consumer_of_its_own_is_waited_for_once_it_has_a_cursor(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(4))
        await pass_all(log, Place(1, 4))
        await pass_all(log, Place(1, 2), "learning")
        clock.move(days=400)
        assert await log.prune() == 2
        assert kept(log) == ["e-3", "e-4"]


async def test_only_what_is_older_than_the_replay_window_goes(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, replay_hours=KEPT_HOURS) as log:
        for name in ("a", "b", "c"):
            log.append_now([event(name)])
            clock.move(hours=1)
        await pass_all(log, Place(1, 3))
        clock.move(hours=KEPT_HOURS - 3)
        assert await log.prune() == 0
        clock.move(hours=1, milliseconds=1)
        assert await log.prune() == 2
        assert kept(log) == ["c"]


async def test_the_newest_event_stays_so_that_its_sequence_is_not_given_again(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        log.append_now([*events(3), event("s", stream=Stream.STOCK)])
        await pass_all(log, Place(1, 3))
        await log.advance(CLOUD, Stream.STOCK, Place(1, 1))
        await log.advance(DAY_CLOSE, Stream.STOCK, Place(1, 1))
        clock.move(days=400)
        assert await log.prune() == 2
        assert [row[3] for row in stored_rows(log)] == ["e-3", "s"]
    with inline_log(tmp_path, clock) as log:
        assert [one.sequence for one in log.append_now([event("next"), event("n", stream=Stream.STOCK)])] == [4, 2]


async def test_an_epoch_whose_events_are_all_gone_leaves_heads_and_counts_in_order(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(3, "a"))
        await log.start_epoch("restored")
        log.append_now(events(2, "b"))
        await pass_all(log, Place(2, 1))
        clock.move(days=400)
        assert await log.prune() == 4
        facts = log.head(Stream.SALES), log.waiting(CLOUD, Stream.SALES), log.unread("learning", Stream.SALES)
    with inline_log(tmp_path, clock) as log:
        assert facts == (Place(2, 2), 1, log.unread("learning", Stream.SALES))
        assert (log.head(Stream.SALES), log.waiting(CLOUD, Stream.SALES)) == facts[:2]


async def test_a_long_backlog_goes_in_steps_so_that_appends_get_in_between(tmp_path: Path) -> None:
    clock = SetClock()
    async with threaded_log(tmp_path, clock) as log:
        await log.append(events(1_300))
        await pass_all(log, Place(1, 1_300))
        clock.move(days=4)
        assert [await log.prune() for _ in range(4)] == [500, 500, 299, 0]
        assert kept(log) == ["e-1300"]


async def test_an_event_whose_clock_was_ahead_does_not_hold_up_all_that_follow(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        now, clock.now = clock.now, datetime(2099, 1, 1, tzinfo=UTC)
        log.append_now([event("ahead")])
        clock.now = now
        log.append_now(events(5))
        await pass_all(log, Place(1, 6))
        clock.move(days=4)
        assert await log.prune() == 5
        assert kept(log) == ["e-5"]


async def test_what_a_clock_that_was_ahead_recorded_is_waited_for_like_all_else(tmp_path: Path) -> None:
    clock = SetClock(datetime(2099, 1, 1, tzinfo=UTC))
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(5))
        clock.now = datetime(2026, 3, 2, tzinfo=UTC)
        await pass_all(log, Place(1, 2))
        assert await log.prune() == 0, "the replay window goes by first"
        clock.move(hours=KEPT_HOURS)
        assert await log.prune() == 2
        assert kept(log) == ["e-3", "e-4", "e-5"]


# --- damage ------------------------------------------------------------------------------------------------


async def damaged_in_sales(folder: Path, clock: SetClock) -> None:
    """A log with 300 old events in two streams, of which sales has a page of noise."""
    with inline_log(folder, clock) as log:
        for stream in (Stream.SALES, Stream.STOCK):
            log.append_now(events(300, stream=stream, prefix=stream))
            for consumer in (CLOUD, DAY_CLOSE):
                await log.advance(consumer, stream, Place(1, 300))
    clock.move(days=4)
    file = folder / "events.sqlite"
    content = bytearray(file.read_bytes())
    at = content.index(b'"sales-20"') // 4096 * 4096
    content[at : at + 4096] = b"\xff" * 4096
    file.write_bytes(content)


async def test_damage_in_one_stream_is_told_once_and_keeps_no_other_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SetClock()
    await damaged_in_sales(tmp_path, clock)
    with inline_log(tmp_path, clock) as log:
        assert [await log.prune() for _ in range(3)] == [299, 0, 0]
        assert log.uncleared == {"sales"}
        assert log.reopenings == 0
        assert [record.message for record in caplog.records] == ["old events stay: the log is damaged"]
        assert log.head(Stream.SALES) == log.head(Stream.STOCK) == Place(1, 300)


async def test_damage_that_retention_meets_refuses_no_append(tmp_path: Path) -> None:
    clock = SetClock()
    await damaged_in_sales(tmp_path, clock)
    async with threaded_log(tmp_path, clock) as log:
        before, gone, after = await asyncio.gather(log.append([event("a")]), log.prune(), log.append([event("b")]))
        assert gone == 299
        assert [before[0].sequence, after[0].sequence] == [301, 302]


async def test_the_file_gets_smaller_when_much_is_gone_and_stays_whole(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        for part in range(12):
            log.append_now(events(1_000, f"p{part}"))
        await pass_all(log, log.head(Stream.SALES))
    full_bytes = (tmp_path / "events.sqlite").stat().st_size
    clock.move(days=4)
    with inline_log(tmp_path, clock) as log:
        while await log.prune():
            pass
        with raw(log) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert kept(log) == ["p11-1000"]
    assert (tmp_path / "events.sqlite").stat().st_size < full_bytes * 0.75


@pytest.mark.case("C2")
@pytest.mark.parametrize("days", [400, -400])
async def test_a_clock_that_jumps_clears_nothing_of_the_replay_window(tmp_path: Path, days: int) -> None:
    clock = SetClock()
    async with threaded_log(tmp_path, clock) as log:
        await log.append(events(10))
        for consumer in (CLOUD, DAY_CLOSE):
            await log.advance(consumer, Stream.SALES, log.head(Stream.SALES))
        clock.move(hours=1)
        clock.jump(days=days)
        while await log.prune():
            pass
        assert len(stored_rows(log)) == 10
