"""A damaged log is put aside and sold on; its events come back to their places, and what is lost is declared."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agent.device_events import EventsQuarantined
from agent.errors import LogDamaged, LogUnreadable
from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog, JournalEntry, Place
from agent.log.damage.aside import OldLog, Progress, put_aside
from agent.settings import LogSettings
from tests.log.damage import overwrite_leaf
from tests.log.salvaging import salvage
from tests.log.world import SetClock, event, events, new_ids, raw, read_all

pytestmark = pytest.mark.case("S8")

FILE = "events.sqlite"
SEEDS = count(100)


@contextmanager
def inline_log(folder: Path) -> Iterator[EventLog]:
    """A log whose ids nobody else makes."""
    log = EventLog.open_inline(folder, LogSettings(), clock=SetClock(), new_id=new_ids(next(SEEDS)))
    try:
        yield log
    finally:
        log.close_now()


def declared(log: EventLog) -> set[int]:
    bodies: list[Any] = [json.loads(stored.body) for stored in read_all(log, Stream.AUDIT)]
    told = [EventsQuarantined.model_validate(one["data"]) for one in bodies if "quarantined" in one["type"]]
    return {at for one in told if one.stream is Stream.SALES for at in range(one.first_sequence, one.last_sequence + 1)}


def header_gone(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[:100] = b"\x55" * 100
    file.write_bytes(content)


def schema_gone(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[100:140] = b"\x55" * 40
    file.write_bytes(content)


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 4096 // 2 * 4096)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "header gone": header_gone,
    "schema page gone": schema_gone,
    "cut short": cut_short,
}


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_log_is_kept_whole_and_a_new_one_takes_events_at_once(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(300))
        epoch = log.epoch
    spoil(tmp_path / FILE)
    spoilt = (tmp_path / FILE).read_bytes()
    with inline_log(tmp_path) as log:
        (old,) = log.old_logs()
        assert old.file.read_bytes() == spoilt
        assert (log.epoch_reason, log.epoch != epoch) == ("damaged", True)
        assert log.append_now([event("new")])[0].sequence == 1


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE)
async def test_every_whole_row_comes_back_to_its_place_and_what_does_not_is_declared(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(300))
        epoch, before = log.epoch, {stored.place.sequence: stored.body for stored in read_all(log)}
    spoil(tmp_path / FILE)
    with inline_log(tmp_path) as log:
        log.append_now([event("new-1"), event("new-2")])
        await log.advance(CLOUD, Stream.SALES, log.head(Stream.SALES))
        done, link = await salvage(log)
        read = read_all(log)
        old = [stored for stored in read if log.epoch_id(stored.place.epoch) == epoch]
        assert all(before[stored.place.sequence] == stored.body for stored in old)
        assert [stored.id for stored in read[len(old) :]] == ["new-1", "new-2"], "the new epoch comes after the old"
        whole = {stored.place.sequence for stored in old}
        assert len(whole) == done.salvaged
        if spoil is cut_short:
            assert 50 < len(whole) < 300
        else:
            assert whole == set(before)
        assert whole | declared(log) >= set(range(min(whole), max(whole) + 1))
        assert not whole & declared(log)
        assert link.asked[Stream.SALES] < read[0].place
        assert log.waiting(CLOUD, Stream.SALES) == len(read)


async def test_holes_between_salvaged_events_are_declared_as_lost(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(400))
    overwrite_leaf(tmp_path / FILE, b'"e-200"')
    header_gone(tmp_path / FILE)
    with inline_log(tmp_path) as log:
        done, _ = await salvage(log)
        lost = declared(log)
        assert 200 in lost
        assert done.lost == len(lost) < 20
        assert {stored.place.sequence for stored in read_all(log)} == set(range(1, 401)) - lost


async def test_what_the_cloud_had_already_stays_out_where_the_old_cursors_can_be_read(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(300))
        for consumer, upto in ((CLOUD, 250), (DAY_CLOSE, 200)):
            await log.advance(consumer, Stream.SALES, Place(1, upto))
    put_aside(tmp_path, "a test", 1)
    with inline_log(tmp_path) as log:
        done, link = await salvage(log)
        number = log.epoch_number(log.epoch_id(read_all(log)[0].place.epoch))
        assert number is not None
        assert done.salvaged == 100
        assert link.asked == {}, "the cloud's cursor of a new log stands before all"
        assert [stored.place.sequence for stored in read_all(log)] == list(range(201, 301))


async def test_an_event_sent_again_after_the_damage_has_one_place(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(10))
    header_gone(tmp_path / FILE)
    with inline_log(tmp_path) as log:
        log.append_now([event("e-4")])
        done, _ = await salvage(log)
        assert done.salvaged == 9
        assert sorted(stored.id for stored in read_all(log)) == sorted(one.id for one in events(10))
        assert declared(log) == {4}


async def test_a_retry_of_a_salvaged_event_gets_its_old_place(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(10))
        epoch = log.epoch
    header_gone(tmp_path / FILE)
    with inline_log(tmp_path) as log:
        await salvage(log)
        (again,) = log.append_now([event("e-4")])
        assert (again.epoch, again.sequence, again.duplicate) == (epoch, 4, True)


async def test_a_salvage_that_was_cut_short_begins_anew_and_brings_nothing_twice(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(300))
    header_gone(tmp_path / FILE)
    with inline_log(tmp_path) as log:
        done, _ = await salvage(log)
        done.__class__(done.folder, done.reason, done.at_ms).write()  # as if killed before it was noted
        before = read_all(log)
        again, _ = await salvage(log)
        assert again == done
        assert read_all(log) == before


async def test_journals_of_a_damaged_log_are_not_forgotten_where_they_can_be_read(tmp_path: Path) -> None:
    entry = JournalEntry("agv-1", 1, b"picked")
    with inline_log(tmp_path) as log:
        log.append_now(events(300), also=[entry])
    overwrite_leaf(tmp_path / FILE, b'"e-300"')  # the end of the stream: it cannot take events
    with inline_log(tmp_path) as log:
        assert log.epoch_reason == "damaged"
        assert log.journal("agv-1") == [b"picked"]


def test_a_log_that_turns_out_damaged_while_it_is_used_is_put_aside_at_the_next_opening(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(300))
        with raw(log) as connection:
            (page,) = connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE name GLOB 'identity_*' AND type = 'table'"
            ).fetchone()
    with inline_log(tmp_path) as log:
        with (tmp_path / FILE).open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\x55" * 8)
        with raw(log) as connection:  # a change by somebody else makes SQLite read its pages again
            connection.execute("INSERT INTO boot (id) VALUES ('another')")
        with pytest.raises(LogDamaged):
            log.append_now([event("more")])
    with inline_log(tmp_path) as log:
        assert log.epoch_reason == "damaged"
        assert log.append_now([event("more")])[0].sequence == 1


@pytest.mark.parametrize("moved", range(4))
def test_a_move_that_was_cut_short_is_finished_and_parts_no_file_from_its_write_ahead_log(
    tmp_path: Path, moved: int
) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
        names = [f"{FILE}-wal", f"{FILE}-shm", FILE]
        whole = {name: (tmp_path / name).read_bytes() for name in names}
    for name, content in whole.items():  # as after a kill
        (tmp_path / name).write_bytes(content)
    old = tmp_path / "old" / "7"
    old.mkdir(parents=True)
    OldLog(old, "a test", 7, Progress.MOVING).write()
    for name in names[:moved]:
        (tmp_path / name).rename(old / name)
    with inline_log(tmp_path) as log:
        assert log.epoch_reason == "damaged"
        (found,) = log.old_logs()
        assert found.progress is Progress.PENDING
        assert {name: (old / name).read_bytes() for name in (f"{FILE}-wal", FILE)} == {
            name: whole[name] for name in (f"{FILE}-wal", FILE)
        }


def test_a_file_of_a_newer_version_is_never_put_aside(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
    with raw(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LogUnreadable, match="start the newer version"), inline_log(tmp_path):
        pass
    assert not (tmp_path / "old").exists()


def live_files(folder: Path, copy: Path, *, commits: int) -> None:
    """The files of a log in use, as a kill leaves them: with the last commits in the write-ahead log only."""
    copy.mkdir()
    with inline_log(folder) as log:
        for at in range(commits):
            log.append_now([event(f"e-{at + 1}")])
        for name in (FILE, f"{FILE}-wal"):
            (copy / name).write_bytes((folder / name).read_bytes())


async def test_a_flipped_bit_in_the_write_ahead_log_costs_no_event_behind_it(tmp_path: Path) -> None:
    live_files(tmp_path / "live", tmp_path / "copy", commits=30)
    wal = tmp_path / "copy" / f"{FILE}-wal"
    content = bytearray(wal.read_bytes())
    at = content.index(b'"e-15"')
    content[at + 200] ^= 4
    wal.write_bytes(content)
    with inline_log(tmp_path / "copy") as log:
        assert log.epoch_reason == "damaged"
        await salvage(log)
        there = {stored.id for stored in read_all(log)}
        assert {f"e-{at}" for at in range(1, 31)} - there <= {"e-15"}


async def test_a_write_ahead_log_whose_header_is_damaged_is_not_thrown_away(tmp_path: Path) -> None:
    live_files(tmp_path / "live", tmp_path / "copy", commits=30)
    with (tmp_path / "copy" / f"{FILE}-wal").open("r+b") as file:
        file.seek(20)
        file.write(b"\x55")
    with inline_log(tmp_path / "copy") as log:
        await salvage(log)
        assert len(read_all(log)) == 30


def test_a_torn_last_commit_is_no_damage(tmp_path: Path) -> None:
    live_files(tmp_path / "live", tmp_path / "copy", commits=30)
    wal = tmp_path / "copy" / f"{FILE}-wal"
    content = wal.read_bytes()
    wal.write_bytes(content[:-3000] + bytes(3000))
    with inline_log(tmp_path / "copy") as log:
        assert log.epoch_reason == "created"
        assert [stored.id for stored in read_all(log)] == [f"e-{at + 1}" for at in range(29)]
