"""One of our vehicles, whole: mission, journal and serial bridge in this process, its firmware on a pty beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

from agent.clock import IdFactory, SystemClock
from agent.events import EventDecoder, Origin
from agent.fleet import VehicleIdentity
from agent.fleet.refusals import NotStopped, ReleaseRefused, VehicleOutOfReach
from agent.fleet.vehicle import Vehicle
from agent.fleet.vehicle_status import LineState
from agent.log import EventLog
from agent.settings import LinkSettings, LogSettings, VehicleSettings
from agent.topics import DeviceName
from sim.broker import Broker
from sim.vehicle import Vehicle as Firmware
from sim.vehicle import VehicleOptions
from tests.fleet.peer.orders import MAP_ID
from tests.waiting import until

__all__ = ["PICK_MS", "running_vehicle"]

SPEED_M_S: Final = 1
PICK_MS: Final = 100
GLANCE_S: Final = 0.05


@asynccontextmanager
async def running_vehicle(
    broker: Broker, identity: VehicleIdentity, folder: Path, *, x_m: float = 0.0, pick_ms: int = PICK_MS
) -> AsyncIterator[tuple[Vehicle, Firmware]]:
    """A vehicle at (x, 0), released and ready to move, and its firmware, which knows what really happened."""
    clock = SystemClock()
    new_id = IdFactory(clock.wall, Random())
    options = VehicleOptions(
        serial=identity.serial_number, speed_mm_s=1000 * SPEED_M_S, pick_ms=pick_ms, x_mm=round(x_m * 1000)
    )
    firmware = Firmware(folder / "firmware", options)
    log = EventLog.open(folder / "log", LogSettings(), clock=clock, new_id=new_id)
    try:
        await asyncio.to_thread(firmware.start)
        vehicle = Vehicle(
            _settings(identity, firmware),
            LinkSettings(port=broker.port),
            log,
            EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_id),
            clock=clock,
            random=Random(),
            bridge_socket=folder / "bridge.sock",
        )
        async with _served(vehicle):
            yield vehicle, firmware
    finally:
        firmware.stop()
        await log.close()


def _settings(identity: VehicleIdentity, firmware: Firmware) -> VehicleSettings:
    return VehicleSettings(
        id=identity.serial_number,
        manufacturer=identity.manufacturer,
        serial_number=identity.serial_number,
        interface=identity.interface,
        vda5050="2.0.0",
        port=str(firmware.line),
        map_id=MAP_ID,
        speed_m_s_max=SPEED_M_S,
        visualization_interval_s=0.2,
    )


@asynccontextmanager
async def _served(vehicle: Vehicle) -> AsyncIterator[None]:
    running = asyncio.create_task(vehicle.run(), name="vehicle")
    person = asyncio.create_task(_release_for_ever(vehicle), name="person")

    async def free() -> bool:
        assert not running.done(), running
        status = vehicle.status()
        return status.line.state is LineState.UP and not status.stopped

    try:
        await until(free)
        yield
    finally:
        for task in (person, running):
            task.cancel()
        ended = await asyncio.gather(person, running, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


async def _release_for_ever(vehicle: Vehicle) -> None:
    """A person beside it: it boots stopped, and a machine that is busy with other tests may let its lease run out."""
    while True:
        if vehicle.status().stopped:
            with suppress(NotStopped, ReleaseRefused, VehicleOutOfReach):
                await vehicle.release("a person beside the vehicle")
        await asyncio.sleep(GLANCE_S)
