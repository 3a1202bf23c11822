"""Stop vehicles at a real kiosk: from a real touch to the agent, and to the real firmware's standstill."""

import asyncio
from importlib.util import find_spec
from pathlib import Path

import pytest

from agent.data_folder import DataFolder
from firmware_bridge import LatchCause
from sim.vehicle import Seen
from sim.vehicle import Vehicle as Firmware
from tests.agent_process import running_agent
from tests.kiosk.bad_agent import bad_agent
from tests.kiosk.kiosk_process import KioskProcess, running_kiosk
from tests.kiosk.vehicle_shop import released, toml

pytestmark = pytest.mark.skipif(find_spec("kivy") is None, reason="the kiosk extra is not installed")

OPTIONS = ("--till", "till-3", "--size", "1024x600")
HOLD_S = 3.0
SOON_S = 5.0  # of a busy machine; tests/bench_kiosk_stop.py has the figures of a quiet one


async def tap_stop(kiosk: KioskProcess, hold_s: float = 0.05) -> float:
    """When the finger came down, by the machine's monotonic clock."""
    await kiosk.shows(lambda painted: painted["can_stop"])
    return float((await kiosk.order(do="tap", what="stop", hold_s=hold_s))["down_s"])


def standstills(firmware: Firmware) -> list[Seen]:
    return [seen for seen in firmware.seen("standstill") if seen.numbers["cause"] == LatchCause.STOP]


async def test_a_touch_on_every_screen_stops_the_vehicle_and_its_answer_is_shown(tmp_path: Path) -> None:
    with Firmware(tmp_path / "firmware") as firmware:
        async with (
            running_agent(tmp_path / "agent", toml(firmware)) as agent,
            running_kiosk(agent.folder.path, *OPTIONS) as kiosk,
        ):
            for first in ("undo", "look_up"):
                before = len(standstills(firmware))
                while len(standstills(firmware)) == before:  # a lease that ended on a busy machine has stopped it first
                    await released(agent)
                    await kiosk.order(do="tap", what=first)
                    down_s = await tap_stop(kiosk)
                    await kiosk.shows(lambda painted: painted["vehicles"] == {"agv-1": "stopped"})
                assert 0 < standstills(firmware)[-1].at_us / 1e6 - down_s < SOON_S


async def test_the_call_leaves_when_the_finger_comes_down_not_when_it_is_lifted(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    async with bad_agent(folder.socket) as agent, running_kiosk(folder.path, *OPTIONS) as kiosk:
        down_s = await tap_stop(kiosk, HOLD_S)
        ((came_s, _, body),) = agent.stops
        assert 0 < came_s - down_s < HOLD_S
        assert body["by"] == "kiosk-3"


async def test_a_stop_that_nobody_took_is_on_the_screen_and_a_restarted_kiosk_does_not_send_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    async with bad_agent(folder.socket) as agent:
        async with running_kiosk(folder.path, *OPTIONS) as kiosk:
            agent.stop_fault = "silence"
            await tap_stop(kiosk)
            painted = await kiosk.shows(lambda painted: painted["stop"] == "untold")
            assert "the agent does not answer" in painted["headline"]
            await kiosk.order(do="tap", what="close_stop")
            await kiosk.shows(lambda painted: painted["stop"] is None)
        agent.stop_fault = "none"
        sent = len(agent.stops)
        async with running_kiosk(folder.path, *OPTIONS) as kiosk:
            await kiosk.shows(lambda painted: painted["can_stop"] and painted["status_kind"] == "online")
            await asyncio.wait_for(kiosk.stop(), 30)
        assert len(agent.stops) == sent
