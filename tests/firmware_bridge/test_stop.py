"""A stop in line time: how long it takes with everything in its way, and that it is repeated, latched and released."""

from itertools import pairwise
from typing import Any

import pytest

from firmware_bridge import LatchCause, Latched, Released, ReleaseFailed, StopAcknowledged
from firmware_bridge._station import Station
from firmware_bridge.messages import TABLE_HASH
from tests.firmware_bridge.line_time import OCTET_US, World

FOREVER = 1 << 60
ABORT_OCTETS = 2
STOP_FRAME_OCTETS = 12
FRAME_OCTETS_MAX = 272


def world_with_a_full_queue(*, preempts: bool, flushes: bool = True) -> World:
    world = World(flushes=flushes)
    world.station = Station(table=TABLE_HASH, preempts=preempts)
    world.opened()
    number = 0
    while world.station.submit(number := number + 1, 1, b"\x7e" * 32, FOREVER):
        pass
    return world


def stop_octet_times(world: World) -> float:
    """Octets of time from the request to the last octet of STOP at the vehicle."""
    asked_us = world.now_us
    world.station.stop(1, 1, int(asked_us))
    world.run_until(lambda: bool(world.vehicle.stops))
    return (world.vehicle.stops[0][0] - asked_us) / OCTET_US


def limit(world: World) -> int:
    """One frame, the longest that was sent, and one stop frame."""
    return max(len(octets) for _, octets, _ in world.writes) + ABORT_OCTETS + STOP_FRAME_OCTETS + 1


@pytest.mark.parametrize("wait_us", range(0, 20_000, 700))
@pytest.mark.parametrize("flushes", [True, False], ids=["flushed", "an adapter that ignores the flush"])
def test_a_stop_is_complete_one_frame_and_one_stop_frame_after_the_request(wait_us: int, *, flushes: bool) -> None:
    world = world_with_a_full_queue(preempts=True, flushes=flushes)
    world.run_for(wait_us)
    assert stop_octet_times(world) <= limit(world)


@pytest.mark.parametrize("wait_us", [0, 7_000])
def test_without_preemption_the_same_stop_is_late(wait_us: int) -> None:
    world = world_with_a_full_queue(preempts=False)
    world.run_for(wait_us)
    assert stop_octet_times(world) > limit(world)


def test_a_stop_empties_the_line_aborts_the_frame_and_what_was_taken_back_comes_again() -> None:
    world = world_with_a_full_queue(preempts=True)
    world.run_for(2_000)
    stop_octet_times(world)
    assert [octets[:2] for _, octets, flush in world.writes if flush] == [b"\x7d\x7e"]
    world.run_until(lambda: len(world.vehicle.executed) == 64)
    assert [number for _, number, _ in world.vehicle.executed] == list(range(1, 65))


def test_on_an_idle_line_a_stop_takes_its_own_frame_only() -> None:
    world = World(fed=False, beats=False).opened()
    world.run_for(30_000)
    assert stop_octet_times(world) <= STOP_FRAME_OCTETS + 1
    assert not any(flush for _, _, flush in world.writes)


def test_a_stop_is_repeated_every_20_ms_until_it_is_acknowledged() -> None:
    world = World(stops_unanswered=5).opened()
    world.station.stop(7, 1, int(world.now_us))
    world.run_until(lambda: bool(world.told(StopAcknowledged)))
    world.run_for(200_000)
    times = [at for at, _ in world.vehicle.stops]
    gaps_ms = [(later - earlier) / 1000 for earlier, later in pairwise(times)]
    assert [round(gap / 20) for gap in gaps_ms] == [1] * 5
    assert [event.stop for event in world.told(StopAcknowledged)] == [7]


@pytest.mark.parametrize("vehicle", [{"major": 9}, {"opens": False}, {"mute": True}], ids=str)
def test_a_stop_goes_out_in_every_state_of_the_link(vehicle: dict[str, Any]) -> None:
    world = World(**vehicle)
    world.open_port()
    world.run_for(50_000)
    world.station.stop(3, 1, int(world.now_us))
    world.run_for(50_000)
    assert any(b"\xe1\x03\x00" in frame for frame in world.vehicle.frames)


def test_a_stop_asked_for_before_the_port_is_there_is_the_first_frame_on_it() -> None:
    world = World()
    world.station.stop(1, 2, int(world.now_us))
    world.run_for(10_000)
    world.open_port()
    world.run_until(lambda: bool(world.told(StopAcknowledged)))
    assert world.vehicle.frames[0] == bytes.fromhex("7b03e1010002")


def test_a_new_stop_is_sent_although_the_last_one_was_acknowledged() -> None:
    world = World().opened()
    for number in (1, 2):
        world.station.stop(number, 1, int(world.now_us))
        world.run_for(50_000)
    assert [event.stop for event in world.told(StopAcknowledged)] == [1, 2]


def test_a_release_needs_the_present_latch_number_and_is_told() -> None:
    world = World(latch=41).opened()
    world.station.release(40, int(world.now_us))
    world.run_for(100_000)
    assert [(event.asked, "latch 41" in event.why) for event in world.told(ReleaseFailed)] == [(40, True)]
    world.station.release(41, int(world.now_us))
    world.run_until(lambda: bool(world.told(Released)))
    assert world.told(Released)[0].latch == 41
    world.station.stop(1, 1, int(world.now_us))
    world.run_until(lambda: world.told(Latched)[-1].latch == 42)
    assert world.told(Latched)[-1].cause is LatchCause.STOP


def test_a_release_asked_for_before_a_later_stop_does_not_release_it() -> None:
    world = World(latch=41).opened()
    world.station.stop(1, 1, int(world.now_us))
    world.run_until(lambda: bool(world.told(StopAcknowledged)))
    assert (world.told(Latched)[-1].latch, world.told(Latched)[-1].cause) == (42, LatchCause.STOP)
    world.station.release(41, int(world.now_us))
    world.run_until(lambda: bool(world.told(ReleaseFailed)))
    world.station.stop(2, 1, int(world.now_us))
    world.run_until(lambda: len(world.told(StopAcknowledged)) == 2)
    world.station.release(42, int(world.now_us))
    world.run_until(lambda: len(world.told(ReleaseFailed)) == 2)
    assert (world.vehicle.latch, world.vehicle.cause, world.told(Released)) == (43, 2, [])
    world.station.release(43, int(world.now_us))
    world.run_until(lambda: bool(world.told(Released)))


def test_a_reset_that_crosses_a_stop_is_not_repeated() -> None:
    world = World().opened()
    world.vehicle.mute = True
    world.station.release(1, int(world.now_us))
    world.run_for(20_000)
    world.station.stop(1, 1, int(world.now_us))
    world.run_for(10_000)
    world.vehicle.mute = False
    world.run_until(lambda: bool(world.told(StopAcknowledged)))
    world.run_for(500_000)
    assert sum(frame[2:3] == b"\xe3" for frame in world.vehicle.frames) == 1
    assert (world.vehicle.cause, world.told(Released)) == (2, [])


def test_a_heartbeat_goes_before_a_release_so_that_a_lease_runs() -> None:
    world = World(fed=False).opened()
    world.station.feed(int(world.now_us))
    world.station.release(1, int(world.now_us))
    world.run_until(lambda: bool(world.told(Released)))
    assert [frame[2] for frame in world.vehicle.frames if frame[0] == 0x7B] == [0xE0, 0xE3]


def test_a_release_is_sent_ten_times_and_then_given_up() -> None:
    world = World().opened()
    world.vehicle.mute = True
    world.station.release(1, int(world.now_us))
    world.run_until(lambda: bool(world.told(ReleaseFailed)))
    assert sum(frame[2:3] == b"\xe3" for frame in world.vehicle.frames) == 10
    assert "did not answer" in world.told(ReleaseFailed)[0].why


def test_no_release_is_sent_while_a_stop_is_unanswered() -> None:
    world = World(stops_unanswered=5).opened()
    world.station.stop(1, 1, int(world.now_us))
    world.station.release(1, int(world.now_us))
    world.run_for(50_000)
    assert not any(frame[2:3] == b"\xe3" for frame in world.vehicle.frames)
    assert world.told(ReleaseFailed)


def test_nothing_but_a_release_releases() -> None:
    world = World().opened()
    world.station.port_lost(int(world.now_us))
    world.opened()
    world.run_for(1_000_000)
    assert world.told(Released) == []
    assert not any(frame[2:3] == b"\xe3" for frame in world.vehicle.frames)


def test_a_release_whose_port_went_away_has_failed_and_is_not_sent_when_the_port_is_back() -> None:
    world = World().opened()
    world.vehicle.mute = True
    world.station.release(1, int(world.now_us))
    world.run_for(20_000)
    world.station.port_lost(int(world.now_us))
    world.run_for(10_000)
    assert [(event.asked, event.why) for event in world.told(ReleaseFailed)] == [(1, "the vehicle did not answer")]
    world.vehicle.mute = False
    world.opened()
    world.run_for(1_000_000)
    assert sum(frame[2:3] == b"\xe3" for frame in world.vehicle.frames) == 1
    assert world.told(Released) == []


def test_a_release_without_a_port_has_failed_at_once_and_waits_for_none() -> None:
    world = World()
    world.station.release(1, int(world.now_us))
    world.run_for(10_000)
    assert [event.asked for event in world.told(ReleaseFailed)] == [1]
    world.opened()
    world.run_for(1_000_000)
    assert world.told(Released) == []


def test_the_longest_frame_is_what_the_limit_is_made_of() -> None:
    world = world_with_a_full_queue(preempts=True)
    world.run_for(20_000)
    assert max(len(octets) for _, octets, _ in world.writes) <= FRAME_OCTETS_MAX
