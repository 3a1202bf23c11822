"""The person on the floor: releases vehicles once it has looked, and stops one when there is reason to.

One stop is made with `storeforward agv stop` in a process of its own, another one with a finger at a kiosk; where there
is no kiosk, through the API.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from agent.clock import Clock
from agent.errors import EnvironmentFault
from sim.demo.kiosk_stop import KioskStop
from sim.demo.stops import PERSON, Stalls, StopAsked
from sim.demo.world import World

__all__ = ["FloorPerson"]

REASON: Final = "somebody in the way"
LOOK_EVERY_S: Final = 0.3
LOOKS_FIRST_S: Final = 0.5  # before a release
STANDS_S: Final = 2.0  # after a stop, with somebody in the way
PATIENCE_S: Final = 20.0  # then it is a vehicle that was stopped before
NODES_AHEAD_MIN: Final = 2  # a drive that is far from its end

Json = dict[str, Any]  # Any: JSON


class StopCommandFailed(EnvironmentFault):
    """`storeforward agv stop` ended with an error; `str()` has its words."""


class FloorPerson:
    """One person beside all vehicles of a world."""

    def __init__(self, world: World, clock: Clock) -> None:
        self.seen: Final[dict[str, Json]] = {}
        """Each vehicle as the agent said last; nothing while the agent is down."""
        self.stops: Final[list[StopAsked]] = []
        self.goes_home = False
        """Whether nobody is to be stopped any more."""
        self._world = world
        self._clock = clock
        self._stalls: dict[tuple[str, int], Stalls] = {}  # each agent process counts from 0
        self._in_the_way: set[str] = set()
        self._stopped_since_s: dict[str, float] = {}

    @property
    def stalls(self) -> Stalls:
        """Of all vehicles, as far as the agent told."""
        each = self._stalls.values()
        return Stalls(sum(one.count for one in each), max((one.ms_max for one in each), default=0))

    async def watch(self) -> None:
        """Look at every vehicle, and release those that stand stopped with nobody in the way, until cancelled."""
        while True:
            found = await self._world.vehicles_now()
            if not found:
                self.seen.clear()
            for vehicle in found:
                self._look_at(vehicle)
                if self._may_be_released(vehicle):
                    await self._world.ask_of_vehicle(vehicle["id"], "release", by=PERSON)
            await asyncio.sleep(LOOK_EVERY_S)

    async def stop_with_command(self) -> None:
        """The same with the command line; if possible, another vehicle than before.

        Raises:
            StopCommandFailed
        """
        await self._stop(self._stop_command)

    async def stop_at_kiosk(self, button: KioskStop) -> None:
        """The same with a finger at a kiosk, which stops the other vehicles as well; without kiosks through the API."""
        await self._stop(partial(self._stop_by_hand, button=button))

    def doing(self, vehicle_id: str) -> str:
        """What a vehicle does, in a word or two."""
        vehicle = self.seen.get(vehicle_id)
        if vehicle is None or vehicle["line"]["state"] != "up":
            return "out of reach"
        if vehicle["stopped"]:
            return f"stopped ({vehicle['stop_cause'] or 'a stop'})"
        running = [each["action_type"] for each in vehicle["actions"] if each["status"] == "RUNNING"]
        return "driving" if vehicle["driving"] else f"at its {running[0]}" if running else "standing"

    async def _stop(self, stop: Callable[[str], Awaitable[StopAsked | None]]) -> None:
        """Stop the first vehicle that is seen to drive; none once the shop has closed."""
        while vehicle_id := await self._driving_one():
            self._in_the_way.add(vehicle_id)
            asked = await stop(vehicle_id)
            if asked is not None:
                self.stops.append(asked)
                await asyncio.sleep(STANDS_S)
            self._in_the_way.discard(vehicle_id)
            if asked is not None:
                return

    def _look_at(self, vehicle: Json) -> None:
        vehicle_id, now_s = vehicle["id"], self._clock.monotonic_s()
        self.seen[vehicle_id] = vehicle
        self._stalls[vehicle_id, self._world.agent.pid or 0] = Stalls(vehicle["stalls"], vehicle["stall_ms_max"])
        if vehicle["stopped"]:
            self._stopped_since_s.setdefault(vehicle_id, now_s)
        else:
            self._stopped_since_s.pop(vehicle_id, None)

    def _may_be_released(self, vehicle: Json) -> bool:
        vehicle_id = vehicle["id"]
        since_s = self._stopped_since_s.get(vehicle_id)
        looked = since_s is not None and self._clock.monotonic_s() - since_s >= LOOKS_FIRST_S
        return looked and vehicle_id not in self._in_the_way and vehicle["line"]["state"] == "up"

    async def _driving_one(self) -> str:
        """Look until a vehicle drives and is far from its end; one that was stopped before only if no other comes.

        Empty after closing time.
        """
        patience_until_s = self._clock.monotonic_s() + PATIENCE_S
        before = {stop.vehicle_id for stop in self.stops}
        while not self.goes_home:
            driving = [vehicle["id"] for vehicle in await self._world.vehicles_now() if _is_on_its_way(vehicle)]
            if self._clock.monotonic_s() < patience_until_s:
                driving = [vehicle_id for vehicle_id in driving if vehicle_id not in before]
            if driving:
                return str(driving[0])
            await asyncio.sleep(LOOK_EVERY_S / 2)
        return ""

    async def _stop_by_hand(self, vehicle_id: str, button: KioskStop) -> StopAsked | None:
        if button.is_there:
            others = set(self.seen) - {vehicle_id}
            self._in_the_way |= others  # a kiosk stops them all
            try:
                down_s = await button.press()
            finally:
                self._in_the_way -= others
            return None if down_s is None else StopAsked(vehicle_id, by_command=False, asked_s=down_s, at_kiosk=True)
        asked_s = self._clock.monotonic_s()
        done = await self._world.ask_of_vehicle(vehicle_id, "stop", by=PERSON, reason=REASON)
        return StopAsked(vehicle_id, by_command=False, asked_s=asked_s) if done else None

    async def _stop_command(self, vehicle_id: str) -> StopAsked | None:
        """Run the command; None when the agent went away meanwhile, as on a day that kills it."""
        asked_s = self._clock.monotonic_s()
        agent_pid = self._world.agent.pid
        bound = ("-m", "sim.demo.bound_child", str(os.getpid()))
        stop = ("agent", "agv", "stop", vehicle_id, "--by", PERSON, "--reason", REASON)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *bound, *stop, "--data", str(self._world.folder.path),
            stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE,
        )  # fmt: skip
        _, said = await process.communicate()
        if process.returncode and agent_pid is not None and self._world.agent.pid == agent_pid:
            raise StopCommandFailed(f"`storeforward agv stop {vehicle_id}`: {said.decode(errors='replace').strip()}")
        return None if process.returncode else StopAsked(vehicle_id, by_command=True, asked_s=asked_s)


def _is_on_its_way(vehicle: Json) -> bool:
    return bool(vehicle["driving"] and not vehicle["stopped"] and vehicle["nodes_left"] >= NODES_AHEAD_MIN)
