"""The writer's thread: group commit, limits, closing, and a bug in it that ends the process instead of hanging it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.errors import IdConflict, IntakeFull, StorageFailed
from agent.event_types import Stream
from agent.events import Draft
from agent.log import CLOUD, START, EventLog, Place
from tests.log.world import event, events, inline_log, raw, read_all, stored_rows, threaded_log

Answer = TypeVar("Answer")


@asynccontextmanager
async def disk_held(log: EventLog) -> AsyncIterator[None]:
    """A disk on which no commit gets ahead, with the writer at it: what is submitted meanwhile is one group."""
    with raw(log) as connection:
        connection.execute("BEGIN IMMEDIATE")
        plug = asyncio.create_task(log.advance("plug", Stream.HEALTH, START))
        assert log._writer is not None
        while not plug.done():
            await asyncio.sleep(0)
            if log._writer._queue.empty():
                break
        yield
        connection.execute("ROLLBACK")
    await plug


async def submitted(*calls: Coroutine[Any, Any, Answer]) -> list[asyncio.Task[Answer]]:  # Any: as asyncio has it
    """The calls, each as far as it gets without the disk."""
    tasks = [asyncio.create_task(call) for call in calls]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def commits_of(log: EventLog) -> list[int]:
    """How many new events each commit from now on has."""
    sizes: list[int] = []
    log.add_listener(lambda drafts: sizes.append(len(drafts)))
    return sizes


# --- group commit ------------------------------------------------------------------------------------------


async def test_appends_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        commits = commits_of(log)
        async with disk_held(log):
            tasks = await submitted(*(log.append([event(f"{at}")]) for at in range(20)))
        answers = await asyncio.gather(*tasks)
        assert commits == [20]
        assert [one.sequence for answer in answers for one in answer] == list(range(1, 21))


async def test_a_commit_takes_no_more_events_than_its_limit_except_one_call(tmp_path: Path) -> None:
    async with threaded_log(tmp_path, commit_events_max=250) as log:
        commits = commits_of(log)
        async with disk_held(log):
            tasks = await submitted(*(log.append(events(size, f"p{size}")) for size in (100, 150, 1, 300, 250, 2)))
        await asyncio.gather(*tasks)
        assert commits == [250, 1, 300, 250, 2]


async def test_a_conflict_leaves_the_others_of_its_group_alone(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        await log.append([event("taken", say="x")])
        async with disk_held(log):
            tasks = await submitted(
                log.append([event("a")]),
                log.append([event("b"), event("taken", say="y")]),
                log.append([event("a")]),
                log.append([event("a", say="other")]),
                log.append([event("c")]),
            )
        a, conflict, again, other, c = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(conflict, IdConflict)
        assert isinstance(other, IdConflict)
        assert isinstance(a, list)
        assert isinstance(c, list)
        assert (a[0].sequence, c[0].sequence) == (2, 3)
        assert again == [a[0]._replace(duplicate=True)]
        assert [stored.id for stored in read_all(log)] == ["taken", "a", "c"]


async def test_jobs_take_effect_in_the_order_they_were_submitted(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        async with disk_held(log):
            tasks = await submitted(
                log.append([event("a"), event("b")]),
                log.advance(CLOUD, Stream.SALES, Place(1, 2)),
                log.start_epoch("restored"),
                log.append([event("c")]),
                log.advance(CLOUD, Stream.SALES, Place(1, 1)),
            )
        await asyncio.gather(*tasks)
        assert stored_rows(log) == [("sales", 1, 1, "a"), ("sales", 1, 2, "b"), ("sales", 2, 1, "c")]
        assert log.cursor(CLOUD, Stream.SALES) == Place(1, 1)
        assert log.head(Stream.SALES) == Place(2, 1)


async def test_many_producers_at_once_leave_no_gap_and_lose_nothing(tmp_path: Path) -> None:
    streams = [Stream.SALES, Stream.STOCK, Stream.SENSOR]
    async with threaded_log(tmp_path) as log:

        async def produce(producer: int) -> list[tuple[str, int, str]]:
            done: list[tuple[str, int, str]] = []
            for call in range(10):
                drafts = [event(f"{producer}-{call}-{at}", stream=streams[at % 3]) for at in range(producer + 1)]
                done += [(one.stream, one.sequence, one.id) for one in await log.append(drafts)]
            return done

        answers = await asyncio.gather(*(produce(producer) for producer in range(8)))
        acknowledged = sorted(one for answer in answers for one in answer)
        assert acknowledged == [(stream, sequence, event_id) for stream, _, sequence, event_id in stored_rows(log)]
        for stream in streams:
            found = [sequence for of, sequence, _ in acknowledged if of == stream]
            assert found == list(range(1, len(found) + 1))


async def test_the_event_loop_and_reading_go_on_while_the_disk_does_not(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        await log.append(events(3))
        async with disk_held(log):
            (task,) = await submitted(log.append([event("late")]))
            assert [stored.id for stored in read_all(log)] == ["e-1", "e-2", "e-3"]
            assert log.head(Stream.SALES) == Place(1, 3)
            assert not task.done()
        assert (await task)[0].sequence == 4


# --- limits and callers that go away -----------------------------------------------------------------------


async def test_a_full_queue_refuses_more_events_and_takes_them_later(tmp_path: Path) -> None:
    async with threaded_log(tmp_path, queue_events_max=100) as log:
        async with disk_held(log):
            tasks = await submitted(log.append(events(60, "a")), log.append(events(40, "b")))
            assert log.queued_events == 100
            with pytest.raises(IntakeFull, match="100 events wait for the disk; send again in a moment"):
                await log.append([event("c")])
            (cursor_move,) = await submitted(log.advance(CLOUD, Stream.SALES, START))  # no event, so not refused
        await asyncio.gather(*tasks, cursor_move)
        assert log.queued_events == 0
        assert (await log.append([event("c")]))[0].sequence == 101


async def test_one_call_larger_than_the_queue_is_taken_when_nothing_waits(tmp_path: Path) -> None:
    async with threaded_log(tmp_path, queue_events_max=100) as log:
        assert len(await log.append(events(300))) == 300


async def test_a_caller_that_gives_up_leaves_its_event_stored_and_the_others_served(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        async with disk_held(log):
            gone, stays = await submitted(log.append([event("gone")]), log.append([event("stays")]))
            gone.cancel()
        assert (await stays)[0].sequence == 2
        assert (await log.append([event("gone")]))[0].duplicate


# --- closing -----------------------------------------------------------------------------------------------


async def test_closing_commits_what_was_submitted_and_answers_it(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        async with disk_held(log):
            tasks = await submitted(*(log.append([event(f"{at}")]) for at in range(5)))
            (closing,) = await submitted(log.close())
            assert not closing.done()
        await closing
        assert [task.result()[0].sequence for task in tasks] == [1, 2, 3, 4, 5]
    with inline_log(tmp_path) as log:
        assert len(read_all(log)) == 5


async def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        await log.close()
        with pytest.raises(StorageFailed, match="the log is closed"):
            await log.append([event("a")])


async def test_waiting_for_a_failure_ends_when_the_log_closes(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        (watch,) = await submitted(log.wait_failed())
        await log.append([event("a")])
        assert not watch.done()
        await log.close()
        await asyncio.wait([watch])
        assert watch.cancelled()


# --- a bug -------------------------------------------------------------------------------------------------


def broken(draft: Draft) -> Draft:
    """A draft that no decoder makes, and that the writer stumbles over."""
    return replace(draft, opening=None)  # type: ignore[arg-type]  # the point of it


@pytest.mark.parametrize("commit_events_max", [1, 100])
async def test_a_bug_in_the_writer_fails_everyone_who_waits_and_whoever_watches(
    tmp_path: Path, commit_events_max: int
) -> None:
    async with threaded_log(tmp_path, commit_events_max=commit_events_max) as log:
        (watch,) = await submitted(log.wait_failed())
        await log.append([event("before")])
        async with disk_held(log):
            tasks = await submitted(
                log.append([event("a")]), log.append([broken(event("b"))]), log.append([event("c")])
            )
            moves = await submitted(log.advance(CLOUD, Stream.SALES, Place(1, 1)))
        answers = await asyncio.gather(*tasks, *moves, return_exceptions=True)
        assert [type(answer) for answer in answers[1:]] == [StorageFailed] * 3
        with pytest.raises(TypeError):
            await watch
        with pytest.raises(StorageFailed, match="the log's writer failed: TypeError"):
            await log.append([event("later")])
        assert log.queued_events == 0
        acknowledged = [answer[0].id for answer in answers if isinstance(answer, list)]
    with inline_log(tmp_path) as log:
        assert [stored.id for stored in read_all(log)] == ["before", *acknowledged]
