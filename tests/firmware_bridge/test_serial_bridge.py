"""The bridge on real ptys: the loop in its own thread, exclusive ports, unplugging, stop and lease by the clock."""

import fcntl
import os
import select
from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from firmware_bridge import (
    Bridge,
    CommandRefused,
    Latched,
    LinkDown,
    LinkRefused,
    LinkUp,
    Move,
    Outcome,
    PortLost,
    PortOpened,
    Refusal,
    Released,
    ReleaseFailed,
    Result,
    SerialBridge,
    StopAcknowledged,
    StopReason,
    now_us,
)
from tests.firmware_bridge.pty_vehicle import PtyVehicle, Watched


@pytest.fixture
def far(tmp_path: Path) -> Iterator[PtyVehicle]:
    with PtyVehicle(tmp_path) as vehicle:
        yield vehicle


def move(number: int, ttl_ms: int = 60_000) -> Move:
    return Move(command_id=number, ttl_ms=ttl_ms, node=number, x_mm=1, y_mm=2)


def submit_many(bridge: SerialBridge) -> None:
    for number in range(1, 200):
        bridge.submit(move(number))


def test_commands_go_there_and_results_come_back(far: PtyVehicle) -> None:
    with Watched(far.port) as watched:
        up = watched.until(LinkUp)
        for number in range(1, 31):
            watched.bridge.submit(move(number))
        watched.until(Result, 30)
        assert [result.command_id for result in watched.told(Result)] == list(range(1, 31))
        assert {result.outcome for result in watched.told(Result)} == {Outcome.DONE}
        assert {result.epoch for result in watched.told(Result)} == {up.epoch}
        assert watched.bridge.statistics().commands_sent == 30
    assert [command for _, command, _ in far.vehicle.executed] == list(range(1, 31))


def test_it_is_a_bridge(far: PtyVehicle) -> None:
    with SerialBridge(far.port) as serial:
        bridge: Bridge = serial
        assert bridge.statistics().ports_opened <= 1


def test_a_command_without_a_link_is_refused_and_says_why(tmp_path: Path) -> None:
    with SerialBridge(str(tmp_path / "nothing")) as bridge:
        with pytest.raises(CommandRefused, match="command 5 refused: the link to the vehicle is not up") as refused:
            bridge.submit(move(5))
        assert refused.value.refusal is Refusal.LINK_DOWN
    with pytest.raises(CommandRefused, match="the bridge is closed"):
        bridge.submit(move(6))


def test_a_full_queue_refuses(far: PtyVehicle) -> None:
    with Watched(far.port) as watched:
        watched.until(LinkUp)
        far.vehicle.busy = True
        with pytest.raises(CommandRefused) as refused:
            submit_many(watched.bridge)
        assert refused.value.refusal is Refusal.QUEUE_FULL


def test_a_missing_port_is_told_once_and_waited_for(tmp_path: Path) -> None:
    far = PtyVehicle(tmp_path)
    with Watched(far.port) as watched:
        assert "no such port" in watched.until(PortLost).why
        watched.wait(lambda: watched.bridge.statistics().ports_opened == 0)
        with far:
            watched.until(LinkUp)
            assert len(watched.told(PortLost)) == 1
            assert watched.told(PortOpened)[0].port == far.port


def test_a_port_that_is_no_serial_port_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with Watched(str(tmp_path / "file")) as watched:
        assert watched.until(PortLost).why == "not a serial port"


def test_the_second_opener_is_told_who_has_the_port(far: PtyVehicle) -> None:
    with Watched(far.port) as first:
        first.until(LinkUp)
        with Watched(far.port) as second:
            why = second.until(PortLost).why
        assert "in use by" in why
        assert f"process {os.getpid()} (" in why
        assert first.told(LinkDown) == []


def test_a_lock_of_another_program_is_respected(far: PtyVehicle) -> None:
    other = os.open(far.port, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with Watched(far.port) as watched:
            assert "in use by" in watched.until(PortLost).why
            fcntl.flock(other, fcntl.LOCK_UN)
            watched.until(LinkUp)
    finally:
        os.close(other)


def test_unplugging_is_told_and_plugging_in_opens_anew_without_a_person(far: PtyVehicle) -> None:
    with Watched(far.port) as watched:
        first = watched.until(LinkUp)
        far.unplug()
        assert "the port went away" in watched.until(LinkDown).why
        assert "unplugged" in watched.until(PortLost).why
        far.plug_in()
        second = watched.until(LinkUp, 2)
        assert second.epoch == first.epoch % 65535 + 1
        watched.bridge.submit(move(1))
        watched.until(Result)


def test_a_stop_from_any_thread_is_acknowledged_and_only_a_release_releases(far: PtyVehicle) -> None:
    far.vehicle.cause = 0
    with Watched(far.port) as watched:
        watched.until(LinkUp)
        numbers: list[int] = []
        thread = Thread(target=lambda: numbers.append(watched.bridge.stop(StopReason.PERSON)))
        thread.start()
        thread.join()
        acknowledged = watched.until(StopAcknowledged)
        assert numbers == [acknowledged.stop]
        latched = watched.until(Latched)
        assert latched.latch == acknowledged.latch
        watched.bridge.release(latched.latch)
        assert watched.until(Released, len(watched.told(Released)) + 1).latch == latched.latch
        assert 0 < watched.bridge.statistics().stop_wait_us_max < 1_000_000


def test_a_stop_asked_for_just_before_the_end_still_goes_out(far: PtyVehicle) -> None:
    for stops in range(1, 21):  # whether the loop sees the stop or the end first is a race
        with Watched(far.port) as watched:
            watched.until(LinkUp)
            watched.bridge.stop(StopReason.PERSON)
            watched.bridge.close()
        deadline_us = now_us() + 5_000_000
        while len(far.vehicle.stops) < stops and now_us() < deadline_us:
            select.select([], [], [], 0.01)
        assert len(far.vehicle.stops) >= stops


def test_a_release_without_a_port_is_told_at_once_although_no_port_comes(tmp_path: Path) -> None:
    with Watched(str(tmp_path / "nothing")) as watched:
        watched.until(PortLost)
        watched.bridge.release(7)
        assert watched.until(ReleaseFailed).asked == 7


def test_a_release_names_a_latch(far: PtyVehicle) -> None:
    with SerialBridge(far.port) as bridge, pytest.raises(ValueError, match=r"latch 0: expected 1\.\.65535"):
        bridge.release(0)


def test_no_heartbeat_goes_out_250_ms_after_the_core_fell_silent(far: PtyVehicle) -> None:
    with Watched(far.port) as watched:
        watched.until(LinkUp)
        watched.bridge.feed()
        before = watched.bridge.statistics()
        watched.wait(
            lambda: watched.bridge.statistics().heartbeats_withheld >= before.heartbeats_withheld + 5, fed=False
        )
        after = watched.bridge.statistics()
    assert after.heartbeats_sent - before.heartbeats_sent <= 5
    assert watched.told(LinkDown) == []


def test_a_sign_of_life_counts_from_when_it_was_made(far: PtyVehicle) -> None:
    with Watched(far.port) as watched:
        watched.bridge.feed(now_us() - 240_000)
        watched.until(LinkUp, fed=False)
        watched.wait(lambda: watched.bridge.statistics().heartbeats_withheld > 3, fed=False)
    assert all(lease_ms <= 10 for _, lease_ms in far.vehicle.leases_ms)


def test_the_events_descriptor_is_quiet_when_nothing_waits(tmp_path: Path) -> None:
    with Watched(str(tmp_path / "nothing")) as watched:
        watched.until(PortLost)
        watched.bridge.events()
        assert select.select([watched.bridge.fileno()], [], [], 0)[0] == []


def test_another_version_is_refused_in_words(tmp_path: Path) -> None:
    with PtyVehicle(tmp_path, table=1) as far, Watched(far.port) as watched:
        assert "message table is 00000001" in watched.until(LinkRefused).why
        with pytest.raises(CommandRefused):
            watched.bridge.submit(move(1))


def test_a_flood_of_garbage_holds_up_no_stop(tmp_path: Path) -> None:
    garbage = Random(1).randbytes(2048)
    with PtyVehicle(tmp_path) as far, Watched(far.port) as watched:
        watched.until(LinkUp)
        for _ in range(50):
            try:
                far.write(garbage)
            except BlockingIOError:
                watched.wait(lambda: True)
        number = watched.bridge.stop(StopReason.TEST)
        watched.wait(lambda: any(event.stop == number for event in watched.told(StopAcknowledged)))
        watched.wait(lambda: watched.bridge.statistics().damaged > 10)


def test_closing_says_disc_and_may_be_repeated(far: PtyVehicle) -> None:
    with Watched(far.port) as watched:
        watched.until(LinkUp)
        watched.bridge.close()
        watched.bridge.close()
        watched.wait(lambda: b"\x03\x53" in far.vehicle.frames)
        watched.wait(lambda: bool(watched.told(LinkDown)))
        with Watched(far.port) as next_one:
            next_one.until(LinkUp)


def test_an_impossible_rate_is_told(far: PtyVehicle) -> None:
    with SerialBridge(far.port, baud=12345) as bridge:
        assert select.select([bridge.fileno()], [], [], 10)[0]
        (lost,) = bridge.events()
        assert isinstance(lost, PortLost)
        assert "12345 baud is not a rate" in lost.why


@pytest.mark.parametrize(("port", "message"), [("x" * 5000, "fewer than 4096"), ("a\0b", "NUL")])
def test_a_path_that_cannot_be_is_refused_at_once(port: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SerialBridge(port)
