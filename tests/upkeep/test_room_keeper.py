"""Too little room: delivered events go first, then those of sheddable streams, each with its tombstone."""

import json
from pathlib import Path

import pytest

from agent.clock import IdFactory
from agent.device_events import EventsShed
from agent.errors import StorageFull
from agent.event_types import Stream
from agent.events import Draft, EventDecoder, Origin
from agent.log import CLOUD, DAY_CLOSE, EventLog, Gap, Park, Place, Span
from agent.topics import DeviceName
from agent.upkeep.room_keeper import RoomKeeper
from tests.log.world import SetClock, event, events, inline_log, new_ids, raw, read_all

pytestmark = pytest.mark.case("S4")

SMALLEST = 4 * 1_048_576
EVERY = 400


def keeper_of(log: EventLog, clock: SetClock | None = None) -> RoomKeeper:
    clock = clock or SetClock()
    ids: IdFactory = new_ids(7)
    return RoomKeeper(log, EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=ids), clock)


def reading(at: int, value: float, sensor: str = "fridge-2") -> Draft:
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=SetClock().wall, new_id=new_ids(9))
    body = {"sensor_id": sensor, "measure": "temperature", "value": value, "unit": "Cel"}
    return decoder.decode(json.dumps({"type": "environment.v1", "id": f"r-{at}", "data": body}).encode(), sensor)[0]


def fill(log: EventLog, stream: Stream, prefix: str, *, leave: int) -> int:
    """Append until only `leave` bytes of room are left; how many."""
    done = 0
    while log.room_bytes > leave:
        log.append_now(events(EVERY, f"{prefix}{done}", stream=stream))
        done += EVERY
    return done


def tombstones(log: EventLog) -> list[EventsShed]:
    bodies = [json.loads(stored.body) for stored in read_all(log, Stream.AUDIT)]
    return [EventsShed.model_validate(body["data"]) for body in bodies if body["type"].endswith("events_shed.v1")]


async def test_with_enough_room_nothing_is_given_up(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        log.append_now(events(EVERY, stream=Stream.SENSOR))
        assert await keeper_of(log).relieve() == 0
        assert log.waiting(CLOUD, Stream.SENSOR) == EVERY
        assert tombstones(log) == []


@pytest.mark.case("N1")
async def test_shedding_makes_room_and_every_event_that_went_is_in_a_tombstone(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        count = fill(log, Stream.SENSOR, "s", leave=log.reserve_bytes)
        shed = await keeper_of(log).relieve()
        assert shed > 0
        assert log.room_bytes >= log.reserve_bytes
        left = [stored.place.sequence for stored in read_all(log, Stream.SENSOR)]
        assert left == list(range(shed + 1, count + 1)), "the oldest go"
        told = tombstones(log)
        assert sum(one.count for one in told) == shed
        assert [one.first_sequence for one in told] == [1, *(one.last_sequence + 1 for one in told[:-1])]
        assert log.gaps(Stream.SENSOR) == (Gap(1, 1, shed, "shed"),)
        assert log.waiting(CLOUD, Stream.SENSOR) == count - shed


async def test_what_is_parked_behind_the_cursor_is_the_oldest_that_goes_and_nothing_that_was_delivered_is_declared(
    tmp_path: Path,
) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        log.append_now(events(EVERY, "p", stream=Stream.SENSOR))
        log.append_now([], also=[Park(Stream.SENSOR, Span(1, 3, 7), 0x87)])
        await log.advance(CLOUD, Stream.SENSOR, Place(1, EVERY))
        fill(log, Stream.SENSOR, "s", leave=log.reserve_bytes)
        await keeper_of(log).relieve()
        first, second = tombstones(log)[:2]
        assert (first.first_sequence, first.last_sequence, first.count) == (3, 7, 5)
        assert second.first_sequence == EVERY + 1
        assert log.gaps(Stream.SENSOR)[0] == Gap(1, 3, 7, "shed")


async def test_streams_go_in_the_declared_order_and_never_shed_ones_stay_whole(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        log.append_now([event(f"k-{at}", stream=Stream.SENSOR) for at in range(EVERY)])
        sold = fill(log, Stream.SALES, "t", leave=log.reserve_bytes)
        await keeper_of(log).relieve()
        assert log.waiting(CLOUD, Stream.SALES) == len(read_all(log, Stream.SALES)) == sold
        assert len(read_all(log, Stream.SENSOR)) == 1, "the newest stays, so that its sequence is not given twice"
        assert {one.stream for one in tombstones(log)} == {Stream.SENSOR}


async def test_what_is_delivered_goes_before_anything_is_given_up(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        sold = fill(log, Stream.SALES, "t", leave=2 * log.reserve_bytes)
        for consumer in (CLOUD, DAY_CLOSE):
            await log.advance(consumer, Stream.SALES, Place(1, sold))
        read = fill(log, Stream.SENSOR, "s", leave=log.reserve_bytes)
        assert await keeper_of(log).relieve() == 0
        assert log.room_bytes > log.reserve_bytes
        assert len(read_all(log, Stream.SENSOR)) == read
        assert len(read_all(log, Stream.SALES)) < sold


async def test_a_tombstone_keeps_least_most_and_mean_of_each_sensors_readings(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        log.append_now([reading(at, float(at % 5)) for at in range(100)])
        log.append_now([reading(at, 20.0, "oven-1") for at in range(100, 110)])
        fill(log, Stream.SALES, "t", leave=log.reserve_bytes)
        await keeper_of(log).relieve()
        (told,) = tombstones(log)
        fridge, oven = told.readings
        assert (fridge.sensor_id, fridge.count, fridge.minimum, fridge.maximum, fridge.mean) == (
            *("fridge-2", 100, 0.0, 4.0, 2.0),
        )
        assert (oven.sensor_id, oven.count, oven.mean) == ("oven-1", 9, 20.0), "the newest stays"


def test_where_only_the_reserve_is_left_sheddable_streams_are_refused_and_sales_are_taken(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        fill(log, Stream.SALES, "t", leave=log.reserve_bytes)
        with pytest.raises(StorageFull, match="kept for sales, stock, agv and audit"):
            log.append_now(events(1, "late", stream=Stream.SENSOR))
        assert log.append_now(events(1, "sale"))[0].stream is Stream.SALES
        mixed = [event("m-1"), event("m-2", stream=Stream.SENSOR)]
        assert len(log.append_now(mixed)) == 2, "a call with a sale in it is stored whole"


async def test_a_shed_event_that_is_sent_again_gets_its_first_answer(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        fill(log, Stream.SENSOR, "s", leave=log.reserve_bytes)
        await keeper_of(log).relieve()
        (again,) = log.append_now([event("s0-1", stream=Stream.SENSOR)])
        assert (again.sequence, again.duplicate) == (1, True)


async def test_gaps_are_remembered_over_a_restart_and_forgotten_behind_all_consumers(tmp_path: Path) -> None:
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        fill(log, Stream.SENSOR, "s", leave=log.reserve_bytes)
        await keeper_of(log).relieve()
        gaps, waiting = log.gaps(Stream.SENSOR), log.waiting(CLOUD)
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        assert (log.gaps(Stream.SENSOR), log.waiting(CLOUD)) == (gaps, waiting)
        for consumer in (CLOUD, DAY_CLOSE):
            await log.advance(consumer, Stream.SENSOR, log.head(Stream.SENSOR))
        await log.prune(delivered=True)
        assert log.gaps(Stream.SENSOR) == ()
        with raw(log) as connection:
            assert connection.execute("SELECT count(*) FROM gap").fetchone() == (0,)


async def test_a_tombstone_and_its_delete_are_one_transaction(tmp_path: Path) -> None:
    """Whatever point the file is read at, a sequence is there or declared."""
    with inline_log(tmp_path, size_bytes_max=SMALLEST) as log:
        count = fill(log, Stream.SENSOR, "s", leave=log.reserve_bytes)
        seen: list[tuple[int, int]] = []

        def look(statement: str) -> None:
            if not statement.startswith("BEGIN"):
                return
            with raw(log) as connection:
                rows = connection.execute("SELECT count(*) FROM event_sensor").fetchone()[0]
                told = connection.execute(
                    "SELECT ifnull(sum(CAST(body AS TEXT) ->> '$.data.count'), 0) FROM event_audit"
                ).fetchone()[0]
            seen.append((rows, told))

        connection = log._store._connection  # what is committed is looked at as each next transaction begins
        assert connection is not None
        connection.set_trace_callback(look)
        await keeper_of(log).relieve()
        assert len(seen) > 1
        assert {rows + told for rows, told in seen} == {count}
