"""A shop floor for tests: one of our vehicles whole, in this process, its firmware on a pty, a broker, fleet control.

A machine that is busy with other tests may let a lease run out: `until` is also the person who then releases the
vehicle, as anybody in the shop would.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, Self

from agent.clock import IdFactory, SystemClock
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.fleet.refusals import NotStopped, ReleaseRefused, VehicleOutOfReach
from agent.fleet.topics import ProtocolVersion, VehicleIdentity
from agent.fleet.vehicle import Vehicle
from agent.fleet.vehicle_status import LineState, VehicleStatus
from agent.log import START, EventLog
from agent.settings import LinkSettings, LogSettings, VehicleSettings
from agent.topics import DeviceName
from firmware_bridge import StatusFlags
from sim.broker import Broker, running_broker
from sim.vehicle import Vehicle as Firmware
from sim.vehicle import VehicleOptions
from tests import waiting
from tests.fleet.master import Master
from tests.fleet.peer.orders import action, node, order

__all__ = ["BRIDGE_SOCKET", "IDENTITY", "VEHICLE_ID", "Floor", "fetch", "settings_of"]

Json = Any  # Any: JSON

VEHICLE_ID: Final = "agv-1"
BRIDGE_SOCKET: Final = "bridge.sock"
IDENTITY: Final = VehicleIdentity("acme", "0042", ProtocolVersion.V2_1_0)
OPTIONS: Final = VehicleOptions(serial="0042", speed_mm_s=1600, pick_ms=300)


def fetch(order_id: str = "fetch", *, way_m: float = 1.0, from_m: float = 0.0) -> Json:
    """Drive, pick, drive, drop; the actions are `fetch-pick` and `fetch-drop`."""
    pick, drop = action(f"{order_id}-pick", "pick"), action(f"{order_id}-drop", "drop")
    shelf = node("shelf", 2, from_m + way_m, pick)
    return order(order_id, 0, node("start", 0, from_m), shelf, node("till", 4, from_m + 2 * way_m, drop))


def settings_of(firmware: Firmware, bridge: Literal["agent", "process"] = "agent") -> VehicleSettings:
    """The vehicle's settings."""
    return VehicleSettings(
        id=VEHICLE_ID,
        manufacturer=IDENTITY.manufacturer,
        serial_number=IDENTITY.serial_number,
        vda5050="2.1.0",
        port=str(firmware.line),
        bridge=bridge,
        speed_m_s_max=1.6,
    )


@dataclass
class Floor:
    """Everything of one vehicle. Make it with `open`."""

    broker: Broker
    firmware: Firmware
    log: EventLog
    decoder: EventDecoder
    vehicle: Vehicle
    running: asyncio.Task[None]
    master: Master
    make: Callable[[], Vehicle]

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        options: VehicleOptions = OPTIONS,
        *,
        log_settings: LogSettings | None = None,
        bridge: Literal["agent", "process"] = "agent",
    ) -> AsyncIterator[Self]:
        """The vehicle stands at (0, 0), released, and fleet control knows of it. A bridge process is the caller's."""
        clock = SystemClock()
        new_id = IdFactory(clock.wall, Random())
        async with AsyncExitStack() as closing:
            broker = await closing.enter_async_context(running_broker("iotcore", folder / "broker"))
            firmware = Firmware(folder / "firmware", options)
            closing.callback(firmware.stop)
            await asyncio.to_thread(firmware.start)
            log = EventLog.open(folder / "log", log_settings or LogSettings(), clock=clock, new_id=new_id)
            closing.push_async_callback(log.close)
            decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_id)
            master = await closing.enter_async_context(Master.listening(broker.port, IDENTITY))

            def make() -> Vehicle:
                return Vehicle(
                    settings_of(firmware, bridge),
                    LinkSettings(port=broker.port),
                    log,
                    decoder,
                    clock=clock,
                    random=Random(),
                    bridge_socket=folder / BRIDGE_SOCKET,
                )

            vehicle = make()
            floor = cls(broker, firmware, log, decoder, vehicle, asyncio.create_task(vehicle.run()), master, make)
            closing.push_async_callback(floor.leave)
            await floor.until(lambda: "ONLINE" in master.words)
            await floor.release()
            await floor.until(lambda: floor.status.position is not None)  # before, no order can be judged
            yield floor

    # --- the vehicle --------------------------------------------------------------------------------------

    @property
    def status(self) -> VehicleStatus:
        return self.vehicle.status()

    def actions(self) -> dict[str, str]:
        """The status of each action, UNKNOWN for those that nobody knows of."""
        return {each.action_id: "UNKNOWN" if each.unknown else each.status.value for each in self.status.actions}

    def is_done(self, order_id: str = "fetch") -> bool:
        """Whether the order was driven to its end, its actions finished."""
        status = self.status
        ended = status.nodes_left == 0 and all(each.status == "FINISHED" for each in status.actions)
        return status.order_id == order_id and ended

    def picks(self) -> bool:
        """Whether the vehicle itself is at the order's pick, and has not moved the load yet."""
        status = self.vehicle._line.status
        is_at_work = status is not None and status.command != 0 and StatusFlags.MOVING not in status.flags
        return is_at_work and self.actions().get("fetch-pick") == "RUNNING" and not self.moved()

    def stands(self) -> bool:
        """Whether the vehicle itself holds a stop: this one, or on a busy machine the end of its lease before it."""
        latches = [seen.what for seen in self.firmware.truth() if seen.what in {"latched", "released"}]
        return latches[-1] == "latched" and self.status.stopped and not self.status.driving

    async def leave(self) -> None:
        """The agent ends in good order."""
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    async def begin_again(self) -> None:
        """The agent starts anew on the same log."""
        self.vehicle = self.make()
        self.running = asyncio.create_task(self.vehicle.run())

    # --- people -------------------------------------------------------------------------------------------

    async def release(self, by: str = "ann") -> None:
        """Release it, again while it says that it is not ready for it."""

        async def released() -> bool:
            with suppress(ReleaseRefused, VehicleOutOfReach, NotStopped):
                await self.vehicle.release(by)
            return not self.status.stopped

        await waiting.until(released)

    async def until(self, condition: Callable[[], bool], *, releasing: bool = True) -> None:
        """Return when the condition holds; a lease that ran out is released meanwhile."""

        async def holds() -> bool:
            assert not self.running.done() or self.running.cancelled(), self.running
            if condition():
                return True
            status = self.status
            if releasing and status.line.state is LineState.UP and status.stop_cause == "lease":
                with suppress(ReleaseRefused, VehicleOutOfReach, NotStopped):
                    await self.vehicle.release("ann")
            return False

        await waiting.until(holds)

    # --- what happened ------------------------------------------------------------------------------------

    def moved(self) -> list[str]:
        """Loads that changed hands, as the floor's camera saw it."""
        return [seen.what for seen in self.firmware.truth() if seen.what in {"pick", "drop"}]

    def events(self) -> list[Json]:
        """The stream `agv` as it is stored."""
        found = self.log.read(Stream.AGV, START, events_max=10_000, bytes_max=100_000_000)
        return [json.loads(event.body) for event in found]

    def facts(self, type_name: str, *keys: str) -> list[tuple[str, ...]]:
        """Some fields of each event of a type."""
        return [
            tuple(event["data"].get(key, "") for key in keys)
            for event in self.events()
            if event["type"].endswith(type_name)
        ]
