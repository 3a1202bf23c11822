"""Parked ranges in the log: kept, counted apart, remembered over a restart, and off the list once they are sent."""

from pathlib import Path

import pytest

from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog, Gap, Park, Place, Shed, Span, Unpark
from tests.log.world import SetClock, events, inline_log, read_all

SALES = Stream.SALES


def filled(log: EventLog, count: int = 10) -> None:
    log.append_now(events(count))


def park(log: EventLog, first: int, last: int, code: int = 0x87) -> None:
    log.append_now([], also=[Park(SALES, Span(1, first, last), code)])


async def pass_all(log: EventLog, sequence: int) -> None:
    for consumer in (CLOUD, DAY_CLOSE):
        await log.advance(consumer, SALES, Place(1, sequence))


def kept(log: EventLog) -> list[int]:
    return [event.place.sequence for event in read_all(log)]


@pytest.mark.case("N5")
async def test_retention_clears_around_what_is_parked_and_remembers_it_over_a_restart(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        filled(log)
        park(log, 1, 2)
        park(log, 5, 6, 0x95)
        await pass_all(log, 10)
        clock.move(days=40)
        while await log.prune():
            pass
        assert kept(log) == [1, 2, 5, 6, 10]
    with inline_log(tmp_path, clock) as log:
        assert log.gaps(SALES) == (Gap(1, 1, 2, "parked 0x87"), Gap(1, 5, 6, "parked 0x95"))
        assert [gap.parked_code for gap in log.gaps(SALES)] == [0x87, 0x95]
        log.append_now([], also=[Unpark(SALES, Span(1, 1, 6))])
        assert log.gaps(SALES) == ()
        clock.move(days=40)
        while await log.prune():
            pass
        assert kept(log) == [10]


async def test_more_parked_rows_than_a_step_looks_at_do_not_stop_retention(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        filled(log, 700)
        park(log, 1, 600)
        await pass_all(log, 700)
        clock.move(days=40)
        assert await log.prune() == 99
        assert kept(log) == [*range(1, 601), 700]


def test_what_is_parked_does_not_wait_for_the_cloud_but_for_the_day_close(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        filled(log)
        park(log, 3, 6)
        assert (log.waiting(CLOUD, SALES), log.waiting(DAY_CLOSE, SALES)) == (6, 10)
        log.append_now([], also=[Unpark(SALES, Span(1, 4, 4))])
        assert log.gaps(SALES) == (Gap(1, 3, 3, "parked 0x87"), Gap(1, 5, 6, "parked 0x87"))


def test_what_was_parked_may_be_lost_later_and_is_then_no_more_than_that(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        filled(log)
        park(log, 3, 6)
        log.append_now([], also=[Shed(SALES, Place(1, 0), Place(1, 4))])
        assert log.gaps(SALES) == (Gap(1, 1, 4, "shed"), Gap(1, 5, 6, "parked 0x87"))
        log.append_now([], also=[Unpark(SALES, Span(1, 1, 6))])
        assert log.gaps(SALES) == (Gap(1, 1, 4, "shed"),)
        assert log.waiting(CLOUD, SALES) == 6


def test_neighbours_parked_for_one_reason_are_one_range(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        filled(log)
        park(log, 3, 4)
        park(log, 5, 6)
        park(log, 4, 5)
        park(log, 7, 7, 0x00)
        assert log.gaps(SALES) == (Gap(1, 3, 6, "parked 0x87"), Gap(1, 7, 7, "parked 0x00"))
