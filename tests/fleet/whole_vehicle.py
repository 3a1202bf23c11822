"""One of our vehicles, whole: mission, journal and serial bridge in this process, its firmware on a pty beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Self

from agent.clock import IdFactory, SystemClock
from agent.events import EventDecoder, Origin
from agent.fleet.refusals import NotStopped, ReleaseRefused, VehicleOutOfReach
from agent.fleet.topics import VehicleIdentity
from agent.fleet.vehicle import Vehicle
from agent.fleet.vehicle_status import LineState, VehicleStatus
from agent.log import EventLog
from agent.settings import LinkSettings, LogSettings, VehicleSettings
from agent.topics import DeviceName
from sim.broker import Broker
from sim.vehicle import Vehicle as Firmware
from sim.vehicle import VehicleOptions
from tests import waiting

__all__ = ["BRIDGE_SOCKET", "VEHICLE_ID", "WholeVehicle", "settings_of"]

VEHICLE_ID: Final = "agv-1"
BRIDGE_SOCKET: Final = "bridge.sock"
GLANCE_S: Final = 0.05


def settings_of(
    firmware: Firmware,
    identity: VehicleIdentity,
    options: VehicleOptions,
    **settings: Any,  # Any: of VehicleSettings
) -> VehicleSettings:
    """The vehicle's settings; it is as fast as its firmware can be."""
    given: dict[str, Any] = {  # Any: as above
        "id": VEHICLE_ID,
        "manufacturer": identity.manufacturer,
        "serial_number": identity.serial_number,
        "interface": identity.interface,
        "vda5050": identity.version.value,
        "port": str(firmware.line),
        "speed_m_s_max": options.speed_mm_s / 1000,
    }
    return VehicleSettings(**{**given, **settings})


@dataclass
class WholeVehicle:
    """Make it with `beside`. A test may put another log in the place of `log` before it begins again."""

    settings: VehicleSettings
    broker: Broker
    firmware: Firmware
    log: EventLog
    decoder: EventDecoder
    folder: Path
    vehicle: Vehicle = field(init=False)
    running: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    @classmethod
    @asynccontextmanager
    async def beside(
        cls,
        broker: Broker,
        identity: VehicleIdentity,
        folder: Path,
        options: VehicleOptions,
        *,
        log_settings: LogSettings | None = None,
        **settings: Any,  # Any: of VehicleSettings
    ) -> AsyncIterator[Self]:
        """It runs, stopped as every controller that has just started; a bridge's own process is the caller's."""
        clock = SystemClock()
        new_id = IdFactory(clock.wall, Random())
        async with AsyncExitStack() as closing:
            firmware = Firmware(folder / "firmware", options)
            closing.callback(firmware.stop)
            await asyncio.to_thread(firmware.start)
            log = EventLog.open(folder / "log", log_settings or LogSettings(), clock=clock, new_id=new_id)
            closing.push_async_callback(log.close)
            decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_id)
            whole = cls(settings_of(firmware, identity, options, **settings), broker, firmware, log, decoder, folder)
            closing.push_async_callback(whole.leave)
            yield whole

    @property
    def status(self) -> VehicleStatus:
        return self.vehicle.status()

    @property
    def is_free(self) -> bool:
        """Whether it may move; before its line is up, nobody knows of the stop that it began with."""
        return self.status.line.state is LineState.UP and not self.status.stopped

    def moved(self) -> list[str]:
        """Loads that changed hands, as the floor's camera saw it."""
        return [seen.what for seen in self.firmware.truth() if seen.what in {"pick", "drop"}]

    def begin(self) -> None:
        """The agent starts, on the log that is there."""
        self.vehicle = Vehicle(
            self.settings,
            LinkSettings(port=self.broker.port),
            self.log,
            self.decoder,
            clock=SystemClock(),
            random=Random(),
            bridge_socket=self.folder / BRIDGE_SOCKET,
        )
        self.running = asyncio.create_task(self.vehicle.run(), name=self.settings.id)

    async def leave(self) -> None:
        """The agent ends in good order."""
        self.running.cancel()
        (ended,) = await asyncio.gather(self.running, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended

    # --- people -------------------------------------------------------------------------------------------

    async def release(self, by: str = "ann") -> None:
        """Release it, again while it says that it is not ready for it."""

        async def released() -> bool:
            await self.try_to_release(by)
            return self.is_free

        await waiting.until(released)

    async def try_to_release(self, by: str = "ann") -> None:
        with suppress(NotStopped, ReleaseRefused, VehicleOutOfReach):
            await self.vehicle.release(by)

    @asynccontextmanager
    async def released_for_ever(self) -> AsyncIterator[Self]:
        """A person beside it: it boots stopped, and on a busy machine its lease may run out."""
        person = asyncio.create_task(self._release_for_ever(), name="person")

        async def free() -> bool:
            assert not self.running.done(), self.running
            return self.is_free

        try:
            await waiting.until(free)
            yield self
        finally:
            person.cancel()
            (ended,) = await asyncio.gather(person, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), ended

    async def _release_for_ever(self) -> None:
        while True:
            if self.status.stopped:
                await self.try_to_release()
            await asyncio.sleep(GLANCE_S)
