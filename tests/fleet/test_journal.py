"""A mission's journal on a real log: stored with its events in order, restored as written, small for ever."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from agent.errors import LogUnreadable
from agent.event_types import AgvStop, Stream
from agent.events import Draft, EventDecoder, Origin
from agent.fleet.entries import Entry, PauseAsked, Snapshot
from agent.fleet.journal import SNAPSHOT_ENTRIES, MissionJournal
from agent.fleet.mission_state import MissionState
from agent.log import EventLog
from agent.log.jobs import JournalEntry
from agent.topics import DeviceName
from tests.link.peers import until
from tests.log.world import SetClock, new_ids, threaded_log

FIRST = Snapshot(MissionState(7))


@asynccontextmanager
async def journal(log: EventLog, stored: Callable[[], None] = lambda: None) -> AsyncIterator[MissionJournal]:
    """A journal of `agv-1` that stores; what was there before is read."""
    one = MissionJournal(log, "agv-1", stored)
    one.restore()
    running = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def stored(one: MissionJournal, *entries: Entry, drafts: tuple[Draft, ...] = ()) -> None:
    number = one.write(entries, drafts)
    await until(lambda: one.durable >= number)


def stop_draft(event_id: str = "s1") -> Draft:
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=SetClock().wall, new_id=new_ids())
    return decoder.make(AgvStop(vehicle_id="agv-1", action="stopped", requested_by="ann"), "agent", event_id=event_id)


async def test_what_was_written_is_restored_with_the_boot_it_belongs_to(tmp_path: Path) -> None:
    entries: list[Entry] = [PauseAsked(wanted=True), PauseAsked(wanted=False)]
    async with threaded_log(tmp_path) as log:
        async with journal(log) as one:
            await stored(one, FIRST)
            one.boot = 3
            await stored(one, *entries)
        restored = MissionJournal(log, "agv-1", lambda: None).restore()
        assert restored.entries == [FIRST, *entries]
        assert restored.boot == 3
        assert MissionJournal(log, "agv-2", lambda: None).restore().entries == []


async def test_entries_and_events_are_one_transaction_and_the_loop_hears_of_it(tmp_path: Path) -> None:
    heard: list[int] = []
    async with threaded_log(tmp_path) as log, journal(log, lambda: heard.append(log.head(Stream.AGV).sequence)) as one:
        await stored(one, FIRST, drafts=(stop_draft(),))
        assert heard == [1]
        assert len(log.journal("mission/agv-1")) == 1


@pytest.mark.parametrize("turns", range(4))
async def test_what_was_handed_over_before_the_end_is_stored(tmp_path: Path, turns: int) -> None:
    """Whatever it was doing when it was cancelled: waiting, or storing what came before."""
    async with threaded_log(tmp_path) as log:
        async with journal(log) as one:
            await stored(one, FIRST)
            one.write([PauseAsked(wanted=True)], [stop_draft("s1")])
            for _ in range(turns):
                await asyncio.sleep(0)
            one.write([PauseAsked(wanted=False)], [stop_draft("s2")])
        assert MissionJournal(log, "agv-1", lambda: None).restore().entries == [
            FIRST,
            PauseAsked(wanted=True),
            PauseAsked(wanted=False),
        ]
        assert log.head(Stream.AGV).sequence == 2


async def test_an_end_does_not_wait_for_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log:
        async with journal(log) as one, asyncio.timeout(10):
            await stored(one, FIRST)
            with closing(sqlite3.connect(log.file, isolation_level=None)) as other:
                fault = "BEGIN SELECT RAISE(ABORT, 'disk fault'); END"
                other.execute(f"CREATE TRIGGER fault BEFORE INSERT ON journal {fault}")
            one.write([PauseAsked(wanted=True)])
        assert one.problem


async def test_a_disk_that_fails_is_told_and_everything_is_stored_in_order_later(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log, journal(log) as one:
        await stored(one, FIRST)
        with closing(sqlite3.connect(log.file, isolation_level=None)) as other:
            fault = "BEGIN SELECT RAISE(ABORT, 'disk fault'); END"
            other.execute(f"CREATE TRIGGER fault BEFORE INSERT ON journal {fault}")
            one.write([PauseAsked(wanted=True)], [stop_draft()])
            await until(lambda: bool(one.problem))
            last = one.write([PauseAsked(wanted=False)])
            assert one.durable < last
            other.execute("DROP TRIGGER fault")
        await until(lambda: one.durable == last)
        assert one.problem == ""
        assert log.head(Stream.AGV).sequence == 1
        entries = MissionJournal(log, "agv-1", lambda: None).restore().entries
        assert entries == [FIRST, PauseAsked(wanted=True), PauseAsked(wanted=False)]


async def test_a_snapshot_takes_the_place_of_all_before_it(tmp_path: Path) -> None:
    async with threaded_log(tmp_path) as log, journal(log) as one:
        await stored(one, FIRST, *[PauseAsked(wanted=True)] * (SNAPSHOT_ENTRIES - 1))
        assert not one.wants_snapshot
        await stored(one, PauseAsked(wanted=False))
        assert one.wants_snapshot
        await stored(one, Snapshot(MissionState(9)), PauseAsked(wanted=True))
        assert not one.wants_snapshot
        again = MissionJournal(log, "agv-1", lambda: None)
        assert again.restore().entries == [Snapshot(MissionState(9)), PauseAsked(wanted=True)]
        assert again.write([PauseAsked(wanted=False)]) == SNAPSHOT_ENTRIES + 4


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_a_journal_that_lacks_an_entry_is_refused(tmp_path: Path, lost: int) -> None:
    async with threaded_log(tmp_path) as log:
        async with journal(log) as one:
            await stored(one, FIRST, *[PauseAsked(wanted=True)] * 3)
        with closing(sqlite3.connect(log.file, isolation_level=None)) as other:
            other.execute("DELETE FROM journal WHERE number = ?", (lost,))
        with pytest.raises(LogUnreadable, match=rf"goes on with entry {lost + 1}: what stood between is lost"):
            MissionJournal(log, "agv-1", lambda: None).restore()


@pytest.mark.parametrize("row", [b"", b"1 2\n", b'1 2\n{"kind": "of_tomorrow"}', b"one two\n{}"])
async def test_a_row_of_another_version_is_refused_and_the_file_is_named(tmp_path: Path, row: bytes) -> None:
    async with threaded_log(tmp_path) as log:
        await log.append([], [JournalEntry("mission/agv-1", 1, row)])
        with pytest.raises(LogUnreadable, match=r"events\.sqlite: the journal mission/agv-1 after entry"):
            MissionJournal(log, "agv-1", lambda: None).restore()
