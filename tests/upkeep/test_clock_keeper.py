"""A clock that is set after events were recorded: what is to be added to their times is told, the events stay."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.device_events import ClockCorrected
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import EventLog
from agent.settings import LogSettings
from agent.topics import DeviceName
from agent.upkeep.clock_keeper import ClockKeeper
from tests.log.world import event, events, new_ids, read_all

BOOT = datetime(1970, 1, 1, tzinfo=UTC)
TRUE = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Box:
    """A box without a battery for its clock: `up_s` is the boot's monotonic clock, `set_to` what somebody adds."""

    def __init__(self) -> None:
        self.up_s = 20.0
        self.error = TRUE - BOOT
        self.synchronised = False

    def wall(self) -> datetime:
        return TRUE - self.error + timedelta(seconds=self.up_s)

    def monotonic_s(self) -> float:
        return self.up_s

    def set_clock(self) -> None:
        self.error = timedelta()
        self.synchronised = True


@contextmanager
def log_of(folder: Path, box: Box) -> Iterator[tuple[EventLog, ClockKeeper]]:
    log = EventLog(folder, LogSettings(), clock=box, new_id=new_ids(), synchronised=lambda: box.synchronised)
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=box.wall, new_id=new_ids(7))
    try:
        yield log, ClockKeeper(log, decoder, box, synchronised=lambda: box.synchronised, boot=lambda: "boot-1")
    finally:
        log.close_now()


def told(log: EventLog) -> list[ClockCorrected]:
    bodies = [json.loads(stored.body) for stored in read_all(log, Stream.AUDIT)]
    return [ClockCorrected.model_validate(one["data"]) for one in bodies if "clock_corrected" in one["type"]]


def true_times(log: EventLog, stream: Stream) -> list[datetime]:
    """When events were recorded, as a reader of the correction works it out."""
    (correction,) = told(log)
    add = {
        at: timedelta(milliseconds=one.add_ms)
        for one in correction.ranges
        if one.stream is stream
        for at in range(one.first_sequence, one.last_sequence + 1)
    }
    return [
        datetime.fromisoformat(json.loads(stored.body)["recordedtime"]) + add.get(stored.place.sequence, timedelta())
        for stored in read_all(log, stream)
    ]


@pytest.mark.case("C1")
async def test_events_of_a_boot_in_1970_are_kept_marked_and_corrected_once_the_clock_is_set(tmp_path: Path) -> None:
    box = Box()
    with log_of(tmp_path, box) as (log, keeper):
        log.append_now(events(3))
        box.up_s += 60
        log.append_now([event("later"), event("stock", stream=Stream.STOCK)])
        before = [stored.body for stored in read_all(log)]
        assert all(b'"recordedtime":"1970-01-01T00:0' in body and b'"clocksynced":false' in body for body in before)
        box.up_s += 5
        box.set_clock()
        log.append_now([event("after")])
        assert await keeper.correct() == 5
        assert true_times(log, Stream.SALES) == [TRUE + timedelta(seconds=at) for at in (20, 20, 20, 80, 85)]
        assert [stored.body for stored in read_all(log)][:4] == before, "what was stored stays as it was"


async def test_a_correction_is_told_once_also_over_a_restart(tmp_path: Path) -> None:
    box = Box()
    with log_of(tmp_path, box) as (log, keeper):
        log.append_now(events(3))
        box.set_clock()
        await keeper.correct()
        await keeper.correct()
    with log_of(tmp_path, box) as (log, keeper):
        box.error = timedelta(milliseconds=3)  # a clock is never quite the same
        await keeper.correct()
        assert len(told(log)) == 1


async def test_a_clock_that_was_stepped_while_wrong_gives_a_range_for_each_error(tmp_path: Path) -> None:
    box = Box()
    with log_of(tmp_path, box) as (log, keeper):
        log.append_now(events(3, "a"))
        box.error -= timedelta(days=400)
        log.append_now(events(2, "b"))
        box.set_clock()
        await keeper.correct()
        (correction,) = told(log)
        assert [(one.first_sequence, one.last_sequence) for one in correction.ranges] == [(1, 3), (4, 5)]
        assert true_times(log, Stream.SALES) == [TRUE + timedelta(seconds=20)] * 5


async def test_a_clock_that_was_right_all_along_corrects_nothing(tmp_path: Path) -> None:
    box = Box()
    box.error = timedelta()
    with log_of(tmp_path, box) as (log, keeper):
        log.append_now(events(3))
        box.set_clock()
        assert await keeper.correct() == 0
        assert told(log) == []


async def test_events_that_a_synchronised_clock_recorded_are_never_corrected(tmp_path: Path) -> None:
    """A machine that slept has a monotonic clock that stood still: its times were right all the same."""
    box = Box()
    box.set_clock()
    with log_of(tmp_path, box) as (log, keeper):
        log.append_now(events(3))
        box.error = -timedelta(hours=8)
        assert await keeper.correct() == 0
