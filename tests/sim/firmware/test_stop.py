"""Section 7: heartbeat, lease, stop, latch and reset."""

import struct

import pytest

from tests.sim.firmware.line_time import Bridge
from tests.sim.firmware.wire import encode, unnumbered

BOOT, STOP, LEASE, FAULT = range(1, 5)
DONE, FAILED = 3, 4
LATCHED, STOPPED = 1, 2
STEP_MS = 10


def moving() -> Bridge:
    """At full speed on the way to a far point, with a pick waiting behind it."""
    bridge = Bridge().ready()
    bridge.move(1, 50_000)
    bridge.pick(2)
    bridge.run(3000)
    assert bridge.status().speed_mm_s == 1200
    return bridge


def test_a_vehicle_boots_latched() -> None:
    bridge = Bridge()
    assert bridge.latch()[1] == BOOT
    assert [seen.what for seen in bridge.seen] == ["boot", "latched"]
    assert bridge.status().flags & 16


def test_nothing_but_a_reset_releases() -> None:
    bridge = Bridge()
    bridge.lease_ms = 250
    bridge.open()
    bridge.run(300)
    bridge.open(epoch=2)
    bridge.run(300)
    assert bridge.latch()[1] == BOOT
    for number, outcomes in enumerate([bridge.move(1, 100), bridge.pick(2), bridge.drop(3)], 1):
        assert [(r.id, r.outcome, r.reason) for r in outcomes] == [(number, FAILED, LATCHED)]
    bridge.run(500)
    assert bridge.happened("move_begin") == bridge.happened("pick") == []


def test_reset_needs_the_present_number_and_a_running_lease() -> None:
    bridge = Bridge()
    number = bridge.latch()[0]
    (answer,) = bridge.reset_latch(number)
    assert answer.info == struct.pack("<BHB", 0xE4, number, BOOT)
    bridge.beat(250)
    for other in (0, number - 1, number + 1, 65535):
        (answer,) = bridge.reset_latch(other)
        assert answer.info == struct.pack("<BHB", 0xE4, number, BOOT)
    (answer,) = bridge.reset_latch(number)
    assert answer.info == struct.pack("<BHB", 0xE4, number, 0)
    (answer,) = bridge.reset_latch(number)
    assert answer.info == struct.pack("<BHB", 0xE4, number, 0)


def test_a_late_reset_never_releases_a_later_stop() -> None:
    bridge = Bridge().ready()
    number = bridge.latch()[0]
    bridge.stop(1)
    assert bridge.latch() == (number + 1, STOP)
    bridge.reset_latch(number)
    assert bridge.latch() == (number + 1, STOP)


def test_a_late_reset_never_releases_the_latch_of_a_later_boot() -> None:
    bridge = Bridge(boot_count=5)
    number = bridge.latch()[0]
    bridge.reset(boot_count=6)
    bridge.beat(250)
    bridge.reset_latch(number)
    assert bridge.latch()[1] == BOOT


def test_reset_waits_until_every_stop_is_answered() -> None:
    bridge = Bridge().ready()
    bridge.give_room(0)
    bridge.send(unnumbered(0xF3, b"on the line, ahead of the answer"))
    bridge.stop(1)
    number = bridge.happened("latched")[-1].first
    bridge.reset_latch(number)
    bridge.give_room(10_000)
    bridge.run(1)
    assert bridge.latch() == (number, STOP)


def test_after_a_release_it_stands_until_a_new_command() -> None:
    bridge = moving()
    bridge.stop(1)
    bridge.run(2000)
    bridge.release()
    bridge.run(2000)
    assert bridge.driven() == (0, 0)
    assert bridge.status().speed_mm_s == 0
    bridge.move(3, 0)
    bridge.run(100)
    assert bridge.happened("move_begin")[-1].at_ms > bridge.happened("released")[-1].at_ms


def test_stop_commands_standstill_at_once_brakes_hard_and_fails_what_runs_and_waits() -> None:
    bridge = moving()
    answer, *_ = bridge.stop(7)
    latch = bridge.happened("latched")[-1]
    assert answer.info == struct.pack("<BHH", 0xE2, 7, latch.first)
    assert (latch.at_ms, latch.second) == (bridge.at_ms, STOP)
    assert bridge.driven() == (0, 0)
    assert (bridge.outcomes(1)[-1], bridge.outcomes(2)[-1]) == ((FAILED, STOPPED), (FAILED, LATCHED))
    stopped_ms = bridge.at_ms
    bridge.run(1000)
    assert bridge.happened("move_end")[-1].at_ms - stopped_ms <= 1200 / 2.5 + STEP_MS


def test_each_stop_is_answered_and_another_cause_changes_nothing() -> None:
    bridge = Bridge().ready()
    first = bridge.stop(1)[0].info
    assert bridge.stop(1)[0].info == first
    bridge.lease_ms = None
    bridge.run(400)
    bridge.break_down(1)
    bridge.run(STEP_MS)
    assert bridge.latch() == (int.from_bytes(first[3:], "little"), STOP)


@pytest.mark.parametrize("latched_by", ["a stop", "the boot", "the lease", "a fault"])
def test_a_reset_on_its_way_never_releases_a_stop_that_came_to_a_latched_vehicle(latched_by: str) -> None:
    bridge = Bridge() if latched_by == "the boot" else Bridge().ready()
    if latched_by == "a stop":
        bridge.stop(6)
    elif latched_by == "the lease":
        bridge.lease_ms = None
        bridge.run(400)
    elif latched_by == "a fault":
        bridge.break_down(1)
        bridge.run(STEP_MS)
        bridge.break_down(0)
    number, cause = bridge.latch()
    assert cause != 0
    bridge.beat(250)
    (answer,) = bridge.stop(7)
    assert answer.info == struct.pack("<BHH", 0xE2, 7, number + 1)
    for _ in range(10):
        bridge.reset_latch(number)
    assert bridge.latch() == (number + 1, STOP)
    bridge.stop(7)
    bridge.reset_latch(number + 1)
    assert bridge.latch() == (number + 1, 0)


def test_a_repeated_stop_takes_no_new_number_and_latches_again_after_a_release() -> None:
    bridge = Bridge().ready()
    bridge.stop(1)
    number = bridge.latch()[0]
    for _ in range(5):
        bridge.stop(1)
    assert bridge.latch() == (number, STOP)
    bridge.release()
    bridge.stop(1)
    assert bridge.latch() == (number + 1, STOP)


def test_latch_numbers_of_boots_that_follow_each_other_lie_apart() -> None:
    firsts = [Bridge(boot_count=boot_count).latch()[0] for boot_count in range(1, 256)]
    assert len({*firsts}) == 255
    assert min(abs(later - earlier) for earlier, later in zip(sorted(firsts), sorted(firsts)[1:], strict=False)) >= 257


def test_stop_and_heartbeat_need_no_link() -> None:
    bridge = Bridge()
    assert len(bridge.stop(1)) == 1
    bridge.release()
    assert bridge.latch()[1] == 0
    bridge.stop(2)
    assert bridge.latch()[1] == STOP


@pytest.mark.parametrize(
    ("at_ms", "outcome", "picks"), [(990, (FAILED, STOPPED), 0), (1000, (DONE, 0), 1), (1010, (DONE, 0), 1)]
)
def test_a_stop_in_mid_pick_fails_it_before_the_instant_and_not_after(
    at_ms: int, outcome: tuple[int, int], picks: int
) -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=1000)
    bridge.run(at_ms)
    bridge.stop(1)
    bridge.run(3000)
    assert bridge.outcomes(1)[-1] == outcome
    assert len(bridge.happened("pick")) == bridge.status().picks == picks


@pytest.mark.parametrize("lease_ms", [30, 120, 250, 251, 60_000])
def test_the_end_of_the_lease_latches_and_commands_standstill_within_one_step(lease_ms: int) -> None:
    bridge = moving()
    bridge.lease_ms = None
    bridge.beat(lease_ms)
    last_ms = bridge.at_ms
    bridge.run(400)
    standstill = bridge.happened("standstill")[-1]
    assert min(lease_ms, 250) <= standstill.at_ms - last_ms <= min(lease_ms, 250) + STEP_MS
    assert bridge.happened("latched")[-1][2:] == (standstill.first, LEASE)
    assert bridge.outcomes(1)[-1] == (FAILED, STOPPED)


def test_a_heartbeat_does_not_release_what_the_lease_latched() -> None:
    bridge = Bridge().ready()
    bridge.lease_ms = None
    bridge.run(400)
    bridge.lease_ms = 250
    bridge.run(400)
    assert bridge.latch()[1] == LEASE
    assert bridge.status().flags & 48 == 48


def test_a_lease_of_0_ends_at_once() -> None:
    bridge = moving()
    bridge.lease_ms = None
    bridge.beat(0)
    assert bridge.happened("standstill")[-1].at_ms == bridge.at_ms


def test_a_heartbeat_that_comes_after_the_end_comes_too_late() -> None:
    """Also when both fall between two steps."""
    bridge = moving()
    bridge.lease_ms = None
    bridge.beat(100)
    bridge.at_ms += 101
    bridge.beat(250)
    assert bridge.latch()[1] == LEASE


def test_the_vehicles_heartbeat_comes_every_50_ms_and_tells_lease_and_latch() -> None:
    bridge = Bridge().ready()
    bridge.lease_ms = None
    bridge.beat(200)
    before = len(bridge.frames)
    bridge.run(500)
    beats = [struct.unpack("<BHHHB", f.info) for f in bridge.frames[before:] if f.info[:1] == b"\xe0"]
    assert len(beats) == 10
    assert [beat[1] for beat in beats] == list(range(beats[0][1], beats[0][1] + 10))
    assert [beat[2] for beat in beats] == [150, 100, 50, 0, 0, 0, 0, 0, 0, 0]
    assert [beat[4] for beat in beats] == [0] * 3 + [LEASE] * 7


def test_a_stop_is_answered_before_everything_that_waits() -> None:
    bridge = Bridge().ready()
    bridge.give_room(0)
    for number in range(8):
        bridge.command(5, number + 1)
    bridge.send(unnumbered(0xF3, b"x" * 100))
    before = len(bridge.frames)
    bridge.stop(1)
    bridge.give_room(10_000)
    bridge.run(1)
    assert [frame.info[0] for frame in bridge.frames[before:]].index(0xE2) <= 1


@pytest.mark.parametrize("faults", [1, 2, 4, 8])
def test_a_fault_of_its_own_latches(faults: int) -> None:
    bridge = moving()
    bridge.break_down(faults)
    bridge.run(STEP_MS)
    assert bridge.latch()[1] == FAULT
    assert bridge.outcomes(1)[-1] == (FAILED, 9)
    assert bridge.status().faults == faults


def test_a_watchdog_reset_while_moving_stands_latched_with_the_load_in_place() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=100)
    bridge.run(200)
    bridge.move(2, 50_000)
    bridge.run(3000)
    bridge.reset(boot_count=2)
    assert bridge.driven() == (0, 0)
    bridge.run(1000)
    status = bridge.status()
    assert (status.flags & 19, status.picks, status.speed_mm_s) == (18, 0, 0)
    bridge.ready(epoch=2)
    assert [(r.outcome, r.reason) for r in bridge.query(3, 1)] == [(FAILED, 6)]
    assert len(bridge.happened("pick")) == 1


def test_a_damaged_stop_lane_frame_does_nothing() -> None:
    bridge = moving()
    good = encode(bridge.stop_lane(struct.pack("<BHB", 0xE1, 1, 1)))
    for bit in range(8, 8 * (len(good) - 1)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        bridge.line(bytes(bad))
    assert bridge.latch()[1] == 0
