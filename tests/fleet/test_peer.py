"""Another maker's fleet control (npm vda-5050-lib, VDA 5050 2.0.0) commands our vehicle, down to the firmware.

`peer/test_peer_alone.py` holds the same exchanges between that library's own two sides.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from agent.fleet import VehicleIdentity
from sim.broker import BrokerKind, running_broker
from sim.vehicle import Vehicle as Firmware
from sim.vehicle import VehicleOptions
from tests.fleet.peer import exchanges
from tests.fleet.peer.processes import Master, running_master
from tests.fleet.whole_vehicle import WholeVehicle

VEHICLE = VehicleIdentity("acme", "agv-1")
PICK_MS = 100

Json = Any  # Any: JSON


def contradictions(states: list[Json]) -> list[str]:
    """What one state message says against itself."""
    found: list[str] = []
    for state in states:
        halted = state["paused"] or state["safetyState"]["eStop"] != "NONE"
        statuses = {each["actionType"]: each["actionStatus"] for each in state["actionStates"]}
        under_way = state["nodeStates"] and state["nodeStates"][0]["released"]
        if state["driving"] and not (under_way or halted or "cancelOrder" in statuses):
            found.append(f"it drives to nowhere: {state}")
        if statuses.get("drop") == "FINISHED" and state["loads"]:
            found.append(f"it carries what it dropped: {state}")
        if statuses.get("pick") == "FINISHED" and statuses.get("drop") == "WAITING" and not state["loads"]:
            found.append(f"it lacks what it picked: {state}")
        if "vehicleLinkLost" in {error["errorType"] for error in state["errors"]} and not halted:
            found.append(f"nobody can reach it, and it is not stopped: {state}")
    return found


@asynccontextmanager
async def ready(kind: BrokerKind, folder: Path, *, pick_ms: int = PICK_MS) -> AsyncIterator[tuple[Master, Firmware]]:
    """The peer and our vehicle, which know of each other; at the end the peer's validator has dropped nothing."""
    options = VehicleOptions(speed_mm_s=1000, pick_ms=pick_ms)
    async with (
        running_broker(kind, folder / "broker") as broker,
        running_master(broker, VEHICLE) as master,
        WholeVehicle.beside(broker, VEHICLE, folder, options, visualization_interval_s=0.2) as whole,
        whole.released_for_ever(),
    ):
        await master.heard("connection", connectionState="ONLINE")
        await master.saw_state(lambda state: bool(state["safetyState"]["eStop"] == "NONE" and "agvPosition" in state))
        yield master, whole.firmware
    assert master.complaints() == []
    assert contradictions([report["body"] for report in master.said("state")]) == []


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Master, Firmware]]:
    async with ready("iotcore", tmp_path) as pair:
        yield pair


@pytest.mark.parametrize("kind", get_args(BrokerKind))
async def test_an_order_is_carried_out_by_the_firmware_once(kind: BrokerKind, tmp_path: Path) -> None:
    async with ready(kind, tmp_path) as (master, firmware):
        await exchanges.fetched_and_brought(master)
        assert [seen.what for seen in firmware.truth() if seen.what in {"pick", "drop"}] == ["pick", "drop"]


@pytest.mark.parametrize("repeats_actions", [True, False], ids=["standard", "library"])
async def test_an_order_waits_at_its_decision_point_and_goes_on_when_extended(
    pair: tuple[Master, Firmware], *, repeats_actions: bool
) -> None:
    master, firmware = pair
    await exchanges.extended_at_the_decision_point(master, repeats_actions=repeats_actions)
    assert len(firmware.seen("pick")) == 1


async def test_a_paused_order_goes_on_later(pair: tuple[Master, Firmware]) -> None:
    master, _ = pair
    await exchanges.paused_and_resumed(master, way_m=1.0)


async def test_an_action_that_is_new_at_the_decision_point_is_done(pair: tuple[Master, Firmware]) -> None:
    master, firmware = pair
    await exchanges.told_more_at_the_decision_point(master)
    assert len(firmware.seen("pick")) == 1


async def test_a_pick_is_paused_and_goes_on_later(tmp_path: Path) -> None:
    async with ready("iotcore", tmp_path, pick_ms=1_500) as (master, firmware):
        await exchanges.paused_while_picking(master)
        assert len(firmware.seen("pick")) == 1


async def test_an_unsupported_instant_action_fails_with_an_error(pair: tuple[Master, Firmware]) -> None:
    master, _ = pair
    await exchanges.refused_an_instant_action(master)


async def test_a_cancelled_order_ends_where_the_vehicle_is(pair: tuple[Master, Firmware]) -> None:
    master, firmware = pair
    await exchanges.cancelled_on_the_way(master)
    assert firmware.seen("pick") == []


async def test_state_and_factsheet_come_on_request(pair: tuple[Master, Firmware]) -> None:
    master, _ = pair
    await exchanges.state_requested(master)
    before = len(master.said("factsheet"))
    await master.act("factsheet-please", "factsheetRequest")
    await master.heard("instant action", actionId="factsheet-please", actionStatus="FINISHED")
    await master.heard_more("factsheet", before)
