"""Whichever process dies or stands still, the vehicle stands in time, stays latched, and nothing is done again."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge import (
    LEASE_MS,
    NO_TIME_LIMIT,
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
    Result,
    StopAcknowledged,
    StopReason,
)
from firmware_bridge.socket_bridge import SocketBridge
from sim.vehicle import Vehicle
from tests.firmware_bridge.bridge_shells import DEADLINE_S, NAME, BridgeProcess, Core

STEP_MS = 10
BUSY_MACHINE_MS = 150
"""How long a small busy machine may keep the firmware's own process from its step; line time is proved elsewhere."""

FAR_MM = 50_000
Signal = Callable[[int], None]


@pytest.fixture
def vehicle(tmp_path: Path) -> Iterator[Vehicle]:
    with Vehicle(tmp_path / "vehicle") as vehicle:
        yield vehicle


@pytest.fixture
def process(vehicle: Vehicle, tmp_path: Path) -> Iterator[BridgeProcess]:
    with BridgeProcess(vehicle.line, tmp_path / "bridge.sock") as process:
        yield process


@pytest.fixture
def core(process: BridgeProcess) -> Iterator[Core]:
    with SocketBridge(process.socket, vehicle=NAME) as bridge:
        yield Core(bridge)


@contextmanager
def driving_core(socket: Path) -> Iterator[int]:
    """The process of a core whose vehicle is on its way."""
    command = [sys.executable, "-m", "tests.firmware_bridge.core_process", str(socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            assert child.stdout.readline() == "moving\n"
            yield child.pid
        finally:
            child.kill()


def wait_for(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        select.select([], [], [], 0.01)


def now_us() -> int:
    return time.monotonic_ns() // 1000


def latched_by_lease_ms(vehicle: Vehicle, since_us: int) -> float:
    """Time from then until the vehicle commanded standstill because its lease had run out."""
    wait_for(lambda: len(vehicle.seen("latched")) == 2)
    latched = vehicle.seen("latched")[-1]
    assert latched.numbers["cause"] == LatchCause.LEASE
    return (latched.at_us - since_us) / 1000


def drive(core: Core, vehicle: Vehicle) -> None:
    core.opened()
    core.bridge.submit(Move(command_id=1, ttl_ms=NO_TIME_LIMIT, node=1, x_mm=FAR_MM, y_mm=0))
    core.until(lambda: vehicle.seen("move_begin"))


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_core_that_dies_or_hangs_stops_its_vehicle_in_time(
    process: BridgeProcess, vehicle: Vehicle, number: signal.Signals
) -> None:
    with driving_core(process.socket) as pid:
        since_us = now_us()
        os.kill(pid, number)
        assert latched_by_lease_ms(vehicle, since_us) <= LEASE_MS + STEP_MS + BUSY_MACHINE_MS
        wait_for(lambda: vehicle.seen("standstill"))


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_bridge_that_dies_or_hangs_stops_its_vehicle_in_time(
    process: BridgeProcess, vehicle: Vehicle, core: Core, number: signal.Signals
) -> None:
    drive(core, vehicle)
    assert process.child
    since_us = now_us()
    os.kill(process.child.pid, number)
    assert latched_by_lease_ms(vehicle, since_us) <= LEASE_MS + STEP_MS + BUSY_MACHINE_MS
    process.child.kill()
    core.until(lambda: core.of(LinkDown))


def test_a_core_that_hung_and_goes_on_does_not_move_its_vehicle(process: BridgeProcess, vehicle: Vehicle) -> None:
    with driving_core(process.socket) as pid:
        since_us = now_us()
        os.kill(pid, signal.SIGSTOP)
        latched_by_lease_ms(vehicle, since_us)
        os.kill(pid, signal.SIGCONT)
        time_of = len(vehicle.seen("latched"))
        wait_for(lambda: vehicle.seen("standstill"))
        assert time_of == len(vehicle.seen("latched"))
        assert len(vehicle.seen("released")) == len(vehicle.seen("move_begin")) == 1


def test_after_a_new_start_of_the_bridge_the_link_comes_back_and_nothing_is_sent_again(
    process: BridgeProcess, vehicle: Vehicle, core: Core
) -> None:
    core.opened()
    core.do(Pick(command_id=1, ttl_ms=NO_TIME_LIMIT, station=3, duration_ms=30))
    core.bridge.submit(Move(command_id=2, ttl_ms=NO_TIME_LIMIT, node=1, x_mm=FAR_MM, y_mm=0))
    core.until(lambda: vehicle.seen("move_begin"))
    process.end(by_force=True)
    core.until(lambda: core.of(LinkDown) and core.of(PortLost))
    assert str(process.socket) == core.of(PortLost)[0].port
    with pytest.raises(CommandRefused, match="link to the vehicle is not up"):
        core.bridge.submit(Query(command_id=3, ttl_ms=100, about=1))
    process.start()
    core.until(lambda: len(core.of(LinkUp)) == 2)
    assert len(core.of(PortOpened)) == 2
    assert core.of(LinkUp)[-1].identity.last_command == 2
    core.until(lambda: any(event.cause is LatchCause.LEASE for event in core.of(Latched)))
    core.bridge.submit(Query(command_id=3, ttl_ms=NO_TIME_LIMIT, about=1))
    core.until(lambda: core.last_of(1) is Outcome.DUPLICATE)
    assert core.of(Result)[-1].prior is Outcome.DONE
    assert (len(vehicle.seen("pick")), len(vehicle.seen("move_begin"))) == (1, 1)
    core.release()
    core.do(Move(command_id=4, ttl_ms=NO_TIME_LIMIT, node=1, x_mm=10, y_mm=0))


def test_the_loss_of_the_bridge_is_told_once(process: BridgeProcess, core: Core) -> None:
    core.opened()
    process.end(by_force=True)
    core.until(lambda: any("no bridge's process" in lost.why for lost in core.of(PortLost)))
    count = len(core.of(PortLost))
    for _ in range(20):
        core.round()
    assert len(core.of(PortLost)) == count


def test_a_bridge_that_is_told_to_end_says_goodbye(process: BridgeProcess, core: Core) -> None:
    core.opened()
    said = process.end()
    core.until(lambda: core.of(PortLost))
    assert "was told to end" in core.of(PortLost)[0].why
    assert f"{NAME}: process {os.getpid()} left" in said
    assert not process.socket.exists()


def test_a_stop_asked_for_without_a_bridge_goes_out_when_it_is_there(
    process: BridgeProcess, vehicle: Vehicle, core: Core
) -> None:
    core.opened()
    process.end(by_force=True)
    core.until(lambda: core.of(LinkDown))
    number = core.bridge.stop(StopReason.PERSON)
    process.start()
    core.until(lambda: core.of(StopAcknowledged))
    assert core.of(StopAcknowledged)[0].stop == number


def test_a_vehicle_is_free_for_the_next_client_when_one_has_died(process: BridgeProcess, vehicle: Vehicle) -> None:
    with driving_core(process.socket) as pid:
        os.kill(pid, signal.SIGKILL)
        with SocketBridge(process.socket, vehicle=NAME) as bridge:
            core = Core(bridge)
            core.until(lambda: core.of(LinkUp))
            core.until(lambda: any(event.cause is LatchCause.LEASE for event in core.of(Latched)))
    assert len(vehicle.seen("released")) == 1
