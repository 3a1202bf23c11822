"""When the disk is full or fails: nothing is acknowledged that is not there, and work goes on when it can."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors import StorageFailed, StorageFull
from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, START, Advance, Appended, EventLog, Place
from agent.log.jobs import Job
from tests.log.world import SetClock, event, events, inline_log, raw, read_all, threaded_log

SMALLEST = 4 * 1_048_576


def fill(log: EventLog) -> list[Appended]:
    """Append until the log is full; what was acknowledged."""
    done: list[Appended] = []
    while True:
        try:
            done += log.append_now(events(500, f"p{len(done)}"))
        except StorageFull:
            return done


def assert_intact(log: EventLog, acknowledged: list[Appended]) -> None:
    with raw(log) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert log.head(Stream.SALES) == Place(1, len(acknowledged))
    assert [(stored.id, stored.place.sequence) for stored in read_all(log)] == [
        (one.id, one.sequence) for one in acknowledged
    ]


def test_at_the_size_limit_an_append_is_refused_whole_and_the_log_is_intact(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        done = fill(log)
        with pytest.raises(
            StorageFull, match=r"events\.sqlite: the disk or the log's size limit is reached; nothing was"
        ):
            log.append_now(events(500, "more"))
        assert_intact(log, done)
        assert (tmp_path / "events.sqlite").stat().st_size <= SMALLEST
        assert log.reopenings == 0
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:  # it opens full
        assert_intact(log, done)


async def test_a_full_log_still_moves_cursors_and_takes_events_again_after_retention(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, size_bytes_max=SMALLEST) as log:
        done = fill(log)
        for consumer in (CLOUD, DAY_CLOSE):
            await log.advance(consumer, Stream.SALES, log.head(Stream.SALES))
        assert log.waiting(CLOUD) == 0
        clock.move(days=4)
        while await log.prune():
            pass
        assert log.append_now(events(500, "again"))[0].sequence == len(done) + 1


def test_a_pair_of_a_refused_append_is_not_remembered(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        done = fill(log)
    with inline_log(tmp_path, size_bytes_max=2 * SMALLEST) as log:
        answers = log.append_now(events(500, f"p{len(done)}"))
        assert [one.duplicate for one in answers] == [False] * 500
        assert answers[0].sequence == len(done) + 1


async def test_a_new_day_begins_on_a_full_log_without_confusing_it(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, size_bytes_max=SMALLEST) as log:
        fill(log)
        clock.move(days=1)  # the table for its pairs is made, and unmade when they find no room
        refused = 0
        for size in range(500, 0, -5):
            try:
                log.append_now(events(size, f"day2-{size}"))
            except StorageFull:
                refused += 1
        assert refused
        assert log.reopenings == 0


async def test_when_a_group_does_not_fit_its_small_jobs_still_may(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        fill(log)
    async with threaded_log(tmp_path, size_bytes_max=SMALLEST) as log:
        head = log.head(Stream.SALES)
        too_large, moved, small = await asyncio.gather(
            log.append(events(600, "large")),
            log.advance(CLOUD, Stream.SALES, head),
            log.append([event("small")]),
            return_exceptions=True,
        )
        assert isinstance(too_large, StorageFull)
        assert moved is None
        assert isinstance(small, list)
        assert small[0].sequence == head.sequence + 1
        assert log.cursor(CLOUD, Stream.SALES) == head


async def test_a_full_log_moves_cursors_and_tries_no_append_that_needs_as_much_as_one_refused(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        done = fill(log)
        for at in itertools.count():
            try:
                log.append_now(events(50, f"small-{at}"))
            except StorageFull:
                break
        head = log.head(Stream.SALES)
        jobs: list[Job] = [log._append_job(events(200, f"x{at}"), ()) for at in range(20)]
        seen: list[str] = []
        log._store._connection.set_trace_callback(seen.append)  # type: ignore[union-attr]  # it is open
        answers = log._store.commit([*jobs, Advance(CLOUD, Stream.SALES, head)])
        assert [type(answer) for answer in answers] == [StorageFull] * 20 + [type(None)]
        assert seen.count("BEGIN IMMEDIATE") == 3  # together, the cursor, one append
        assert not any("min(key)" in statement for statement in seen)
        assert log.cursor(CLOUD, Stream.SALES) == head
        assert log.append_now([event(done[0].id)])[0].duplicate


# --- faults ------------------------------------------------------------------------------------------------


@contextmanager
def faulty(log: EventLog) -> Iterator[None]:
    """A file on which some statements fail, as they do on a failing disk."""
    with raw(log) as connection:
        connection.execute(
            "CREATE TRIGGER fault BEFORE INSERT ON event_sales WHEN NEW.id = 'bad'"
            " BEGIN SELECT RAISE(ABORT, 'disk fault'); END"
        )
        yield
        connection.execute("DROP TRIGGER fault")


def test_after_a_fault_nothing_is_acknowledged_and_a_retry_is_stored_once(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event("a")])
        with faulty(log):
            with pytest.raises(StorageFailed, match=r"disk fault; .*nothing of this was acknowledged, send it again"):
                log.append_now([event("b"), event("bad")])
            assert log.reopenings == 1
            assert log.append_now([event("c")])[0].sequence == 2
        assert [(one.sequence, one.duplicate) for one in log.append_now([event("b"), event("bad")])] == [
            (3, False),
            (4, False),
        ]
        assert [stored.id for stored in read_all(log)] == ["a", "c", "b", "bad"]


async def test_a_fault_fails_its_whole_group_and_the_next_group_is_stored(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        with faulty(log):
            answers = await asyncio.gather(log.append([event("bad")]), log.append([event("a")]), return_exceptions=True)
        assert isinstance(answers[0], StorageFailed)
        acknowledged = [answer[0].id for answer in answers if isinstance(answer, list)]
        assert [stored.id for stored in read_all(log)] == acknowledged
        assert [one.duplicate for one in await log.append([event("bad")])] == [False]
        assert not log.queued_events


def test_a_cursor_beside_a_failed_append_stays(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        with faulty(log), pytest.raises(StorageFailed):
            log.append_now([event("bad")], also=[Advance(CLOUD, Stream.STOCK, Place(1, 1))])
        assert log.cursor(CLOUD, Stream.STOCK) == START


def test_a_file_that_is_away_for_a_while_is_found_again(tmp_path: Path) -> None:
    file, away = tmp_path / "events.sqlite", tmp_path / "away"
    with inline_log(tmp_path) as log:
        log.append_now([event("a")])
        with faulty(log):
            file.rename(away)
            file.mkdir()
            for says in ("opening it again failed too", "unable to open database file"):
                with pytest.raises(StorageFailed, match=says):
                    log.append_now([event("bad")])
            file.rmdir()
            away.rename(file)
        assert log.append_now([event("b")])[0].sequence == 2
