"""What holds for a bridge, in the agent's process as in its own, against the reference firmware on a pty."""

import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import (
    NO_TIME_LIMIT,
    Bridge,
    Command,
    CommandRefused,
    LatchCause,
    Latched,
    LinkDown,
    LinkUp,
    Move,
    Outcome,
    Pick,
    PortLost,
    PortOpened,
    Query,
    Reason,
    Refusal,
    ReleaseFailed,
    Result,
    Status,
    StatusFlags,
    StopAcknowledged,
    StopReason,
)
from sim.vehicle import Vehicle, VehicleOptions
from tests.firmware_bridge.bridge_shells import DEADLINE_S, SHELLS, Core, OpenShell

FAR_MM = 50_000
LATCHED_WITH_LEASE = StatusFlags.LATCHED | StatusFlags.LEASE_RUNNING


def move(number: int, x_mm: int = 100, ttl_ms: int = NO_TIME_LIMIT) -> Move:
    return Move(command_id=number, ttl_ms=ttl_ms, node=number, x_mm=x_mm, y_mm=0)


def pick(number: int) -> Pick:
    return Pick(command_id=number, ttl_ms=NO_TIME_LIMIT, station=3, duration_ms=30)


def refusal_of(bridge: Bridge, command: Command) -> Refusal | None:
    try:
        bridge.submit(command)
    except CommandRefused as refused:
        return refused.refusal
    return None


@pytest.fixture
def vehicle(tmp_path: Path) -> Iterator[Vehicle]:
    with Vehicle(tmp_path / "vehicle", VehicleOptions(serial="AGV-5")) as vehicle:
        yield vehicle


@pytest.fixture(params=SHELLS, ids=lambda shell: shell.__name__)
def bridge(request: pytest.FixtureRequest, vehicle: Vehicle, tmp_path: Path) -> Iterator[Bridge]:
    open_shell: OpenShell = request.param
    with open_shell(vehicle, tmp_path) as bridge:
        yield bridge


@pytest.fixture
def core(bridge: Bridge) -> Core:
    return Core(bridge)


def test_commands_are_done_in_their_order_and_once(core: Core, vehicle: Vehicle) -> None:
    core.opened()
    core.bridge.submit(move(1))
    core.bridge.submit(pick(2))
    core.until(lambda: core.last_of(2) is Outcome.DONE)
    assert core.outcomes(1) == core.outcomes(2) == [Outcome.ACCEPTED, Outcome.STARTED, Outcome.DONE]
    assert [seen.what for seen in vehicle.truth()[-3:]] == ["move_begin", "move_end", "pick"]


def test_the_opening_tells_the_port_the_vehicle_and_its_latch(core: Core, vehicle: Vehicle) -> None:
    core.opened()
    (port,), (link,) = core.of(PortOpened), core.of(LinkUp)
    assert port.port == str(vehicle.line)
    assert (link.identity.vehicle, link.identity.boot_count) == ("AGV-5", 1)
    assert core.of(Latched)[0].cause is LatchCause.BOOT


def test_a_vehicle_that_was_not_released_does_not_move(core: Core, vehicle: Vehicle) -> None:
    core.until(lambda: core.of(LinkUp))
    core.bridge.submit(move(1))
    core.until(lambda: core.last_of(1) is Outcome.FAILED)
    assert core.of(Result)[-1].reason is Reason.LATCHED
    assert not vehicle.seen("move_begin")


def test_a_release_of_another_latch_releases_nothing(core: Core) -> None:
    core.opened()
    latch = core.of(Latched)[-1].latch
    core.bridge.stop(StopReason.TEST)
    core.until(lambda: core.of(StopAcknowledged))
    core.bridge.release(latch)
    core.until(lambda: core.of(ReleaseFailed))
    assert core.of(ReleaseFailed)[0].asked == latch
    with pytest.raises(ValueError, match="expected 1"):
        core.bridge.release(0)


def test_a_stop_latches_and_after_a_release_it_goes_on_only_by_a_new_command(core: Core, vehicle: Vehicle) -> None:
    core.opened()
    core.bridge.submit(move(1, FAR_MM))
    core.until(lambda: vehicle.seen("move_begin"))
    numbers = [core.bridge.stop(StopReason.PERSON)]
    core.until(lambda: core.last_of(1) is Outcome.FAILED)
    core.until(lambda: core.of(StopAcknowledged))
    core.release()
    core.do(pick(2))
    numbers.append(core.bridge.stop(StopReason.PERSON))
    core.until(lambda: len(core.of(StopAcknowledged)) == 2)
    assert [event.stop for event in core.of(StopAcknowledged)] == numbers
    assert len(set(numbers)) == 2
    assert core.of(Latched)[-1].cause is LatchCause.STOP
    assert len(vehicle.seen("move_begin")) == 1


def test_a_core_that_feeds_no_more_stops_the_vehicle_for_good(core: Core, vehicle: Vehicle) -> None:
    core.opened()
    core.bridge.submit(move(1, FAR_MM))
    core.until(lambda: vehicle.seen("move_begin"))
    core.feeds = False
    core.until(lambda: core.of(Latched)[-1].cause is LatchCause.LEASE)
    core.feeds = True
    core.told = [event for event in core.told if not isinstance(event, Status)]
    core.until(lambda: any(status.flags & LATCHED_WITH_LEASE == LATCHED_WITH_LEASE for status in core.of(Status)))
    assert core.last_of(1) is Outcome.FAILED
    assert len(vehicle.seen("move_begin")) == 1


def test_a_full_queue_refuses_and_what_was_taken_gets_its_result(core: Core) -> None:
    core.opened()
    taken, refusal = 0, None
    while refusal is None and taken < 1000:
        refusal = refusal_of(core.bridge, move(taken + 1))
        taken += refusal is None
    assert refusal is Refusal.QUEUE_FULL
    assert taken >= 64
    ends = (Outcome.DONE, Outcome.FAILED)
    core.until(lambda: all(core.last_of(number) in ends for number in range(1, taken + 1)))


def test_no_command_is_taken_before_the_link_is_up_and_after_close(bridge: Bridge, core: Core) -> None:
    if not core.of(LinkUp):
        with pytest.raises(CommandRefused) as refused:
            bridge.submit(move(1))
        assert refused.value.refusal is Refusal.LINK_DOWN
    core.opened()
    bridge.close()
    bridge.close()
    with pytest.raises(CommandRefused) as refused:
        bridge.submit(move(2))
    assert refused.value.refusal is Refusal.CLOSED
    assert any(isinstance(event, LinkDown) for event in bridge.events())
    bridge.feed()
    bridge.stop(StopReason.TEST)


def test_a_late_command_is_not_begun(core: Core, vehicle: Vehicle) -> None:
    core.opened()
    core.bridge.submit(move(1, FAR_MM))
    core.bridge.submit(move(2, ttl_ms=100))
    core.until(lambda: core.last_of(2) is Outcome.EXPIRED)
    assert len(vehicle.seen("move_begin")) == 1


def test_a_vehicle_that_started_anew_is_told_and_nothing_is_sent_again(core: Core, vehicle: Vehicle) -> None:
    core.opened()
    core.bridge.submit(move(1, FAR_MM))
    core.until(lambda: vehicle.seen("move_begin"))
    vehicle.kill()
    core.until(lambda: core.of(LinkDown))
    core.until(lambda: core.of(PortLost))
    vehicle.start()
    core.until(lambda: len(core.of(LinkUp)) == 2)
    assert core.of(LinkUp)[-1].identity.boot_count == 2
    core.bridge.submit(Query(command_id=2, ttl_ms=NO_TIME_LIMIT, about=1))
    core.until(lambda: any(result.reason is Reason.FORGOTTEN for result in core.of(Result)))
    assert len(vehicle.seen("move_begin")) == 1


def test_the_descriptor_is_readable_while_events_wait(core: Core) -> None:
    core.opened()
    core.bridge.stop(StopReason.TEST)
    deadline_s = time.monotonic() + DEADLINE_S
    while not core.of(StopAcknowledged):
        assert select.select([core.bridge.fileno()], [], [], max(deadline_s - time.monotonic(), 0))[0]
        core.told += core.bridge.events()


def test_the_latest_status_comes_once_and_last(core: Core) -> None:
    core.opened()
    core.told.clear()
    core.until(lambda: core.of(Status))
    events = core.bridge.events()
    assert [event for event in events[:-1] if isinstance(event, Status)] == []


def test_what_goes_over_the_line_is_counted(core: Core) -> None:
    core.opened()
    core.do(pick(1))
    core.until(lambda: core.bridge.statistics().results_received >= 3)
    counted = core.bridge.statistics()
    assert (counted.commands_sent, counted.links_opened, counted.events_dropped) == (1, 1, 0)
    assert counted.heartbeats_sent > 0
