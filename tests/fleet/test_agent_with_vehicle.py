"""An agent process with a vehicle: killed in the middle of a pick, out of settings, without vehicles."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sim.broker import running_broker
from sim.vehicle import Vehicle as Firmware
from tests.agent_process import AgentProcess, running_agent
from tests.fleet.floor import IDENTITY, OPTIONS, fetch
from tests.fleet.master import Master
from tests.fleet.whole_vehicle import settings_of
from tests.test_app import MODULES_OF_A_RUNNING_AGENT
from tests.waiting import until

Json = dict[str, Any]  # Any: JSON


@dataclass
class Shop:
    """An agent, its vehicle's firmware, and fleet control."""

    agent: AgentProcess
    firmware: Firmware
    master: Master

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, pick_ms: int) -> AsyncIterator["Shop"]:
        firmware = Firmware(folder / "firmware", replace(OPTIONS, pick_ms=pick_ms))
        await asyncio.to_thread(firmware.start)
        try:
            async with (
                running_broker("mosquitto", folder / "broker") as broker,
                Master.listening(broker.port, IDENTITY) as master,
                running_agent(folder / "agent", toml(firmware, broker.port)) as agent,
            ):
                await until(lambda: said(master, "ONLINE"))
                yield cls(agent, firmware, master)
        finally:
            firmware.stop()

    async def vehicle(self) -> Json:
        async with self.agent.session() as session, session.get("http://agent/v1/agvs/agv-1") as response:
            document: Json = await response.json()
            return document

    async def release(self) -> None:
        """As a person who is there; again while it is not ready for it."""

        async def released() -> bool:
            async with self.agent.session() as session:
                await session.post("http://agent/v1/agvs/agv-1/release", json={"by": "ann"})
            found = await self.vehicle()
            return found["line"]["state"] == "up" and not found["stopped"] and found["position"] is not None

        await until(released)

    async def until(self, condition: Callable[[Json], bool], *, releasing: bool = True) -> None:
        """Return when the vehicle's status is so; a lease that ran out on a busy machine is released meanwhile."""

        async def holds() -> bool:
            found = await self.vehicle()
            if releasing and found["stop_cause"] == "lease" and found["line"]["state"] == "up":
                await self.release()
            return condition(found)

        await until(holds)


async def said(master: Master, word: str) -> bool:
    return master.words[-1:] == [word]


def toml(firmware: Firmware, port: int) -> str:
    kept = {"id", "manufacturer", "serial_number", "vda5050", "port"}
    settings = settings_of(firmware, IDENTITY, OPTIONS).model_dump(include=kept)
    lines = [f'{key} = "{value}"' for key, value in settings.items()]
    return "\n".join([f"[link]\nport = {port}", "[[vehicles]]", *lines])


def statuses(found: Json) -> dict[str, str]:
    return {each["action_id"]: "UNKNOWN" if each["unknown"] else each["status"] for each in found["actions"]}


def is_done(found: Json) -> bool:
    return statuses(found) == {"fetch-pick": "FINISHED", "fetch-drop": "FINISHED"}


def moved(firmware: Firmware) -> list[str]:
    return [seen.what for seen in firmware.truth() if seen.what in {"pick", "drop"}]


async def test_an_agent_killed_in_the_middle_of_a_pick_picks_once(tmp_path: Path) -> None:
    async with Shop.open(tmp_path, pick_ms=1_500) as shop:
        await shop.release()
        await shop.master.order(fetch(way_m=0.5))
        await shop.until(lambda found: statuses(found).get("fetch-pick") == "RUNNING")
        await shop.agent.child.kill()
        await until(lambda: said(shop.master, "CONNECTIONBROKEN"))
        await until(lambda: latched(shop.firmware))
        await shop.agent.child.start()
        await until(lambda: said(shop.master, "ONLINE"))
        await shop.until(lambda found: found["line"]["state"] == "up" and found["stopped"], releasing=False)
        assert moved(shop.firmware) == []
        await shop.release()
        await shop.until(is_done)
        assert moved(shop.firmware) == ["pick", "drop"]


async def latched(firmware: Firmware) -> bool:
    """By the end of its lease."""
    return any(seen.numbers["cause"] == 3 for seen in firmware.seen("latched"))


async def test_an_agent_killed_right_after_a_pick_does_not_pick_again(tmp_path: Path) -> None:
    async with Shop.open(tmp_path, pick_ms=50) as shop:
        await shop.release()
        await shop.master.order(fetch(way_m=0.5))
        await until(lambda: picked(shop.firmware))
        await shop.agent.child.kill()
        await shop.agent.child.start()
        await shop.until(is_done)
        assert moved(shop.firmware) == ["pick", "drop"]


async def picked(firmware: Firmware) -> bool:
    return bool(firmware.seen("pick"))


async def test_an_agent_that_ends_in_good_order_says_offline(tmp_path: Path) -> None:
    async with Shop.open(tmp_path, pick_ms=50) as shop:
        assert await shop.agent.child.stop() == 0
        await until(lambda: said(shop.master, "OFFLINE"))


def test_an_agent_without_vehicles_loads_no_serial_bridge(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MODULES_OF_A_RUNNING_AGENT, str(tmp_path)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if name.startswith("firmware_bridge")]


async def test_a_vehicle_that_is_not_plugged_in_is_told_and_the_agent_serves_the_shop(tmp_path: Path) -> None:
    firmware = Firmware(tmp_path / "nowhere")
    async with running_agent(tmp_path, toml(firmware, 1)) as agent:

        async def told() -> bool:
            problems = (await agent.status())["problems"]
            return any("agv-1: line: " in problem and "plugged in" in problem for problem in problems)

        await until(told)


@pytest.mark.parametrize("damage", [b"", b"not a journal"])
async def test_a_damaged_journal_keeps_its_vehicle_standing_and_everybody_hears_why(
    tmp_path: Path, damage: bytes
) -> None:
    async with Shop.open(tmp_path, pick_ms=100) as shop:
        await shop.release()
        await shop.agent.child.stop()
        with closing(sqlite3.connect(shop.agent.folder.log / "events.sqlite")) as database, database:
            database.execute("UPDATE journal SET body = ?", (damage,))
        before = len(shop.master.states)
        await shop.agent.child.start()
        await until(lambda: said(shop.master, "ONLINE"))
        status = await shop.agent.status()
        assert any("agv-1: not served, as its mission" in problem for problem in status["problems"])
        found = await shop.vehicle()
        assert (found["stopped"], found["line"]["state"]) == (True, "down")
        assert "look at the vehicle and its load" in found["problems"][0]
        async with shop.agent.session() as session:
            async with session.post("http://agent/v1/agvs/agv-1/stop", json={"by": "ann"}) as answer:
                assert answer.status == 200
            async with session.post("http://agent/v1/agvs/agv-1/release", json={"by": "ann"}) as answer:
                assert (answer.status, "storeforward agv forget agv-1" in await answer.text()) == (409, True)
        await shop.master.order(fetch())
        await until(lambda: tells_why(shop.master, before, "orderError"))
        state = shop.master.states[-1]
        assert (state["orderId"], state["operatingMode"], state["safetyState"]["eStop"]) == ("", "SERVICE", "REMOTE")
        assert shop.firmware.seen("move_begin") == []


async def test_a_vehicle_whose_journal_was_damaged_begins_anew_when_a_person_says_so(tmp_path: Path) -> None:
    async with Shop.open(tmp_path, pick_ms=100) as shop:
        await shop.release()
        await shop.agent.child.stop()
        with closing(sqlite3.connect(shop.agent.folder.log / "events.sqlite")) as database, database:
            database.execute("UPDATE journal SET body = ''")
        await shop.agent.child.start()
        await until(lambda: said(shop.master, "ONLINE"))
        async with shop.agent.session() as session:
            async with session.post("http://agent/v1/agvs/agv-1/forget", json={"by": "ann"}) as answer:
                assert answer.status == 200
                kept_in = Path((await answer.json())["kept_in"])
            async with session.post("http://agent/v1/agvs/agv-1/forget", json={"by": "ann"}) as answer:
                assert (answer.status, "can be read" in await answer.text()) == (409, True)
        kept = (await asyncio.to_thread(kept_in.read_text, "utf-8")).splitlines()
        assert kept
        assert not any(json.loads(line)["intact"] for line in kept)
        await shop.until(lambda found: found["line"]["state"] == "up" and found["stopped"], releasing=False)
        await shop.until(lambda found: found["fleet_control"]["online"], releasing=False)
        await shop.master.order(fetch(way_m=0.5))
        await shop.until(lambda found: found["order_id"] == "fetch", releasing=False)
        assert shop.firmware.seen("move_begin") == []
        await shop.release()
        await shop.until(is_done)
        assert moved(shop.firmware) == ["pick", "drop"]
        assert not (await shop.vehicle())["paused"]


async def tells_why(master: Master, before: int, *error_types: str) -> bool:
    """Whether the last state has the FATAL error of the journal, and these."""
    if len(master.states) <= before:
        return False
    errors = {error["errorType"]: error["errorLevel"] for error in master.states[-1]["errors"]}
    return errors.get("missionUnreadable") == "FATAL" and {*error_types} <= errors.keys()
