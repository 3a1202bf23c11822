"""A shop floor for tests: one of our vehicles whole, a broker, and fleet control.

A machine that is busy with other tests may let a lease run out: `until` is also the person who then releases the
vehicle, as anybody in the shop would.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from agent.event_types import Stream
from agent.fleet.topics import ProtocolVersion, VehicleIdentity
from agent.fleet.vehicle_status import LineState
from agent.log import START
from firmware_bridge import StatusFlags
from sim.broker import running_broker
from sim.vehicle import VehicleOptions
from tests import waiting
from tests.fleet.master import Master
from tests.fleet.peer.orders import action, node, order
from tests.fleet.whole_vehicle import WholeVehicle

__all__ = ["IDENTITY", "OPTIONS", "Floor", "fetch"]

Json = Any  # Any: JSON

IDENTITY: Final = VehicleIdentity("acme", "0042", ProtocolVersion.V2_1_0)
OPTIONS: Final = VehicleOptions(serial="0042", speed_mm_s=1600, pick_ms=300)


def fetch(order_id: str = "fetch", *, way_m: float = 1.0, from_m: float = 0.0) -> Json:
    """Drive, pick, drive, drop; the actions are `fetch-pick` and `fetch-drop`."""
    pick, drop = action(f"{order_id}-pick", "pick"), action(f"{order_id}-drop", "drop")
    shelf = node("shelf", 2, from_m + way_m, pick)
    return order(order_id, 0, node("start", 0, from_m), shelf, node("till", 4, from_m + 2 * way_m, drop))


class Floor(WholeVehicle):
    """Everything of one vehicle. Make it with `open`."""

    master: Master

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        options: VehicleOptions = OPTIONS,
        **settings: Any,  # Any: of WholeVehicle.beside
    ) -> AsyncIterator[Self]:
        """The vehicle stands at (0, 0), released, and fleet control knows of it."""
        async with (
            running_broker("iotcore", folder / "broker") as broker,
            Master.listening(broker.port, IDENTITY) as master,
            cls.beside(broker, IDENTITY, folder, options, **settings) as floor,
        ):
            floor.master = master
            await floor.until(lambda: "ONLINE" in master.words)
            await floor.release()
            await floor.until(lambda: floor.status.position is not None)  # before, no order can be judged
            yield floor

    # --- the vehicle --------------------------------------------------------------------------------------

    def actions(self) -> dict[str, str]:
        """The status of each action, UNKNOWN for those that nobody knows of."""
        return {each.action_id: "UNKNOWN" if each.unknown else each.status.value for each in self.status.actions}

    def is_done(self, order_id: str = "fetch") -> bool:
        """Whether the order was driven to its end, its actions finished."""
        status = self.status
        ended = status.nodes_left == 0 and all(each.status == "FINISHED" for each in status.actions)
        return status.order_id == order_id and ended

    def is_stored(self, order_id: str = "fetch") -> bool:
        """The same, and whether an agent that ends now will know it."""
        return self.is_done(order_id) and self.vehicle._desk.waiting == 0

    def picks(self) -> bool:
        """Whether the vehicle itself is at the order's pick, and has not moved the load yet."""
        status = self.vehicle._line.status
        is_at_work = status is not None and status.command != 0 and StatusFlags.MOVING not in status.flags
        return is_at_work and self.actions().get("fetch-pick") == "RUNNING" and not self.moved()

    def stands(self) -> bool:
        """Whether the vehicle itself holds a stop: this one, or on a busy machine the end of its lease before it."""
        latches = [seen.what for seen in self.firmware.truth() if seen.what in {"latched", "released"}]
        return latches[-1] == "latched" and self.status.stopped and not self.status.driving

    async def begin_again(self) -> None:
        """The agent starts, and can be told orders: what fleet control sends earlier is lost."""
        self.begin()
        await self.until(lambda: self.status.fleet_control.online, releasing=False)

    async def until(self, condition: Callable[[], bool], *, releasing: bool = True) -> None:
        """Return when the condition holds; a lease that ran out is released meanwhile."""

        async def holds() -> bool:
            assert not self.running.done() or self.running.cancelled(), self.running
            if condition():
                return True
            status = self.status
            if releasing and status.line.state is LineState.UP and status.stop_cause == "lease":
                await self.try_to_release()
            return False

        try:
            await waiting.until(holds)
        except TimeoutError:
            heard = [each.topic for each in self.master.heard if each.topic != "state"]
            last = self.master.states[-1:]
            raise AssertionError(f"{self.status}\nlast state: {last}\nother topics: {heard}") from None

    # --- what happened ------------------------------------------------------------------------------------

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
