"""Damage that readers come upon: declared by an event, kept aside where it is a row, and the stream goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.clock import IdFactory
from agent.device_events import EventsQuarantined
from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import CLOUD, EventLog, Gap, Place, Release, repaired
from agent.topics import DeviceName
from agent.upkeep.damage_keeper import DamageKeeper
from tests.log.damage import overwrite_leaf
from tests.log.world import SetClock, event, events, inline_log, new_ids, raw, read_all

pytestmark = pytest.mark.case("S7")


def keeper_of(log: EventLog) -> DamageKeeper:
    clock = SetClock()
    ids: IdFactory = new_ids(7)
    return DamageKeeper(log, EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=ids), clock)


def declared(log: EventLog) -> list[EventsQuarantined]:
    bodies: list[Any] = [json.loads(stored.body) for stored in read_all(log, Stream.AUDIT)]
    return [EventsQuarantined.model_validate(one["data"]) for one in bodies if "quarantined" in one["type"]]


def flip(log: EventLog, sequence: int, *, byte: int = 60, bit: int = 3) -> None:
    """One bit of a stored body, as a failing card would."""
    with raw(log) as connection:
        place = (Place(1, sequence).key,)
        (body,) = connection.execute("SELECT body FROM event_sales WHERE place = ?", place).fetchone()
        body = bytes([*body[:byte], body[byte] ^ (1 << bit), *body[byte + 1 :]])
        connection.execute("UPDATE event_sales SET body = ? WHERE place = ?", (body, *place))


async def test_a_row_with_a_flipped_bit_goes_to_quarantine_its_gap_is_declared_and_neighbours_drain(
    tmp_path: Path,
) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(5))
        flip(log, 3)
        assert [stored.id for stored in read_all(log)] == ["e-1", "e-2", "e-4", "e-5"]
        assert log.damaged_events == 1
        assert await keeper_of(log).declare() == 1
        assert [(one.first_sequence, one.last_sequence, one.reason) for one in declared(log)] == [(3, 3, "checksum")]
        assert log.gaps(Stream.SALES) == (Gap(1, 3, 3, "quarantined"),)
        assert log.waiting(CLOUD, Stream.SALES) == 4
        assert log.damaged_events == 0
        (row,) = log.quarantined()
        assert (row.stream, row.place, row.id) == (Stream.SALES, Place(1, 3), b"e-3")
        with raw(log) as connection:
            assert connection.execute("SELECT count(*) FROM event_sales").fetchone() == (4,)


async def test_a_finding_is_declared_once(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(5))
        flip(log, 3)
        keeper = keeper_of(log)
        for _ in range(3):
            read_all(log)
            await keeper.declare()
        assert len(declared(log)) == 1


async def test_the_newest_event_of_a_stream_is_set_aside_once_another_follows(tmp_path: Path) -> None:
    """Its row keeps the sequence from being given twice."""
    with inline_log(tmp_path) as log:
        log.append_now(events(2))
        flip(log, 2)
        read_all(log)
        assert await keeper_of(log).declare() == 0
        assert log.append_now([event("next")])[0].sequence == 3
        assert await keeper_of(log).declare() == 1


async def test_a_row_that_is_whole_on_a_second_look_stays(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
        flip(log, 2)
        read_all(log)
        flip(log, 2)  # back
        assert await keeper_of(log).declare() == 0
        assert declared(log) == []
        assert len(read_all(log)) == 3


@pytest.mark.parametrize(("byte", "bit"), [(0, 0), (60, 3), (250, 7)])
async def test_one_flipped_bit_can_be_turned_back_and_the_event_is_sent_after_all(
    tmp_path: Path, byte: int, bit: int
) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
        whole = read_all(log)
        flip(log, 2, byte=byte, bit=bit)
        read_all(log)
        await keeper_of(log).declare()
        (row,) = log.quarantined()
        body = repaired(row)
        assert body == whole[1].body
        log.append_now([event("told")], also=[Release(row.number, body)])
        assert [(one.place, one.body) for one in read_all(log)][:3] == [(one.place, one.body) for one in whole]
        assert log.gaps(Stream.SALES) == ()
        assert log.quarantined() == []


async def test_damage_of_several_bits_is_never_guessed_at(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
        for byte in (60, 61, 150):
            flip(log, 2, byte=byte)
        read_all(log)
        await keeper_of(log).declare()
        (row,) = log.quarantined()
        assert repaired(row) is None


async def test_a_stream_goes_on_behind_a_damaged_page_and_what_is_on_it_is_declared(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(300))
    overwrite_leaf(tmp_path / "events.sqlite", b'"e-100"')
    with inline_log(tmp_path) as log:
        with pytest.raises(LogUnreadable):
            read_all(log)
        assert await keeper_of(log).declare() > 0
        read = [stored.place.sequence for stored in read_all(log)]
        (told,) = declared(log)
        missing = set(range(1, 301)) - set(read)
        assert missing == set(range(told.first_sequence, told.last_sequence + 1))
        assert 100 in missing
        assert len(missing) < 20, "one page's events"
        assert told.reason == "unreadable"
        assert log.waiting(CLOUD, Stream.SALES) == len(read)


async def test_several_damaged_pages_are_declared_one_after_the_other(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(400))
    for mark in (b'"e-50"', b'"e-200"', b'"e-300"'):
        overwrite_leaf(tmp_path / "events.sqlite", mark)
    with inline_log(tmp_path) as log:
        for _ in range(3):
            with pytest.raises(LogUnreadable):
                read_all(log)
            assert await keeper_of(log).declare() > 0
        read = {stored.place.sequence for stored in read_all(log)}
        told = declared(log)
        gone = {at for one in told for at in range(one.first_sequence, one.last_sequence + 1)}
        assert read | gone == set(range(1, 401))
        assert not read & gone
