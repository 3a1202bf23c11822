"""One vehicle whole: orders from fleet control become motion once, stops stop, and nobody's word is invented."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from agent.clock import IdFactory, SystemClock
from agent.event_types import Stream
from agent.fleet.refusals import NothingToResolve, NotStopped, VehicleOutOfReach
from agent.fleet.topics import FleetTopic
from agent.log import EventLog
from agent.settings import LogSettings
from tests.fleet.floor import IDENTITY, OPTIONS, Floor, fetch
from tests.fleet.master import Master
from tests.fleet.peer.orders import node, order
from tests.fleet.schemas import NEEDS_SCHEMAS, problems

SLOW_PICK = replace(OPTIONS, pick_ms=1_500)


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with Floor.open(tmp_path) as opened:
        yield opened


async def test_an_order_is_carried_out_once_and_told_step_by_step(floor: Floor) -> None:
    await floor.master.order(fetch())
    await floor.until(floor.is_done)
    await floor.until(
        lambda: all(each["actionStatus"] == "FINISHED" for each in floor.master.states[-1]["actionStates"])
    )
    assert floor.moved() == ["pick", "drop"]
    assert (floor.status.picks, floor.status.drops, floor.status.problems) == (1, 1, [])
    last = floor.master.states[-1]
    assert (last["orderId"], last["lastNodeId"], last["nodeStates"], last["edgeStates"]) == ("fetch", "till", [], [])
    assert any(state["driving"] for state in floor.master.states)
    assert any(state.get("loads") for state in floor.master.states)


async def test_the_order_is_told_to_the_rest_of_the_shop(floor: Floor) -> None:
    await floor.master.order(fetch())
    await floor.until(floor.is_done)
    await floor.until(lambda: ("fetch", "finished") in floor.facts("agv.order.v1", "order_id", "status"))
    assert floor.facts("agv.order.v1", "order_id", "status") == [
        ("fetch", "accepted"),
        ("fetch", "started"),
        ("fetch", "finished"),
    ]
    assert floor.facts("agv.action.v1", "action_id", "status") == [
        ("fetch-pick", "running"),
        ("fetch-pick", "finished"),
        ("fetch-drop", "running"),
        ("fetch-drop", "finished"),
    ]
    assert floor.facts("agv.load.v1", "action", "position") == [("picked", "shelf"), ("dropped", "till")]


@NEEDS_SCHEMAS
async def test_everything_that_is_said_is_valid_by_the_official_schemas(floor: Floor) -> None:
    await floor.master.order(fetch())
    await floor.master.act("sheet", "factsheetRequest")
    await floor.master.send_raw(FleetTopic.ORDER, b"{")
    await floor.until(floor.is_done)
    await floor.until(lambda: len(floor.master.of(FleetTopic.FACTSHEET)) >= 2)
    for heard in floor.master.heard:
        if heard.topic not in {FleetTopic.ORDER, FleetTopic.INSTANT_ACTIONS}:
            assert problems(heard.topic, heard.payload) == []
    ids = [state["headerId"] for state in floor.master.states]
    assert ids == list(range(len(ids)))


async def test_the_same_order_again_moves_nothing(floor: Floor) -> None:
    for _ in range(3):
        await floor.master.order(fetch())
    await floor.until(floor.is_done)
    await floor.master.order(fetch())
    await floor.master.act("ask", "stateRequest")
    await floor.until(lambda: floor.actions().get("ask") == "FINISHED")
    assert floor.moved() == ["pick", "drop"]


NO_ORDERS = (b"{", b"[]", b"null", b'{"headerId": NaN}', b"\xff", json.dumps({"orderId": "x" * 300_000}).encode())


async def test_what_is_no_order_is_refused_and_told(floor: Floor) -> None:
    for payload in NO_ORDERS:
        await floor.master.send_raw(FleetTopic.ORDER, payload)
    await floor.master.act("ask", "stateRequest")
    await floor.until(lambda: floor.actions().get("ask") == "FINISHED")
    await floor.until(lambda: bool(told_errors(floor)))
    assert {*told_errors(floor)} == {("validationError", "WARNING")}
    assert floor.status.order_id == ""
    await floor.master.order(fetch())
    await floor.until(floor.is_done)
    await floor.until(lambda: told_errors(floor) == [])


async def test_an_order_from_afar_is_refused_and_recorded(floor: Floor) -> None:
    await floor.master.order(fetch(from_m=50.0))
    await floor.until(lambda: bool(floor.facts("agv.order.v1", "status")))
    ((status, reason),) = floor.facts("agv.order.v1", "status", "reason")
    assert status == "rejected"
    assert "out of reach" in reason
    assert not floor.firmware.seen("move_begin")


async def test_a_flood_of_messages_is_bounded_and_the_vehicle_stays_alive(floor: Floor) -> None:
    for number in range(300):
        await floor.master.send_raw(FleetTopic.ORDER, b'{"headerId": %d}' % number)
    await floor.master.order(fetch())
    await floor.until(lambda: floor.status.order_id == "fetch" or floor.vehicle.messages_dropped > 0)
    await floor.until(lambda: len(floor.master.states[-1]["errors"]) <= 50)
    while floor.status.order_id != "fetch":
        await floor.master.order(fetch())
        await asyncio.sleep(0.1)
    await floor.until(floor.is_done)


def told_errors(floor: Floor) -> list[tuple[str, str]]:
    errors = floor.master.states[-1]["errors"]
    return [(error["errorType"], error["errorLevel"]) for error in errors if error["errorType"] != "vehicleLinkLost"]


# --- stops --------------------------------------------------------------------------------------------------------


async def test_a_stop_on_the_way_holds_until_a_person_releases_it_and_the_order_goes_on(floor: Floor) -> None:
    await floor.master.order(fetch(way_m=3.0))
    await floor.until(lambda: floor.status.driving)
    floor.vehicle.stop("ben", "glass on the floor")
    assert floor.status.stopped
    await floor.until(floor.stands, releasing=False)
    await floor.until(lambda: floor.master.states[-1]["safetyState"]["eStop"] == "REMOTE", releasing=False)
    moves = len(floor.firmware.seen("move_begin"))
    await floor.master.act("ask", "stateRequest")
    await floor.until(lambda: floor.actions().get("ask") == "FINISHED", releasing=False)
    assert len(floor.firmware.seen("move_begin")) == moves
    await floor.release("ann")
    await floor.until(floor.is_done)
    assert floor.moved() == ["pick", "drop"]
    assert ("stopped", "ben", "glass on the floor") in stops(floor)
    assert ("released", "ann", "") in stops(floor)


async def test_a_stop_in_the_middle_of_a_pick_moves_the_load_once_in_the_end(tmp_path: Path) -> None:
    async with Floor.open(tmp_path, SLOW_PICK) as floor:
        await floor.master.order(fetch())
        await floor.until(floor.picks)
        floor.vehicle.stop("ben", "")
        await floor.until(floor.stands, releasing=False)
        await floor.release("ann")
        await floor.until(floor.is_done)
        assert floor.moved() == ["pick", "drop"]


async def test_what_is_not_stopped_cannot_be_released(floor: Floor) -> None:
    await floor.release()
    with pytest.raises(NotStopped):
        await floor.vehicle.release("ann")


async def test_a_person_who_is_there_when_the_line_comes_up_releases_it_at_the_first_try(floor: Floor) -> None:
    for boots in range(1, 4):
        floor.firmware.reset_firmware()
        await floor.until(lambda boots=boots: boot_count(floor) > boots, releasing=False)  # type: ignore[misc]  # bound by default
        await floor.vehicle.release("ann")
        assert not floor.status.stopped


def boot_count(floor: Floor) -> int:
    line = floor.status.line
    return line.boot_count if line.state == "up" else 0


async def test_a_controller_starts_stopped_and_only_a_person_releases_it(floor: Floor) -> None:
    floor.firmware.reset_firmware()
    await floor.until(lambda: floor.status.stop_cause == "boot", releasing=False)
    await floor.until(lambda: ("stopped", "vehicle", "boot") in stops(floor), releasing=False)
    await floor.master.order(fetch())
    await floor.until(lambda: floor.status.order_id == "fetch", releasing=False)
    assert not floor.firmware.seen("move_begin")
    await floor.release("ann")
    await floor.until(floor.is_done)


def stops(floor: Floor) -> list[tuple[str, ...]]:
    return floor.facts("agv.stop.v1", "action", "requested_by", "reason")


# --- what breaks --------------------------------------------------------------------------------------------------


async def test_a_reset_in_the_middle_of_a_pick_leaves_its_outcome_to_a_person(tmp_path: Path) -> None:
    async with Floor.open(tmp_path, SLOW_PICK) as floor:
        await floor.master.order(fetch())
        await floor.until(floor.picks)
        floor.firmware.reset_firmware()
        await floor.until(lambda: floor.actions()["fetch-pick"] == "UNKNOWN", releasing=False)
        with pytest.raises(NothingToResolve, match="waits for a word on fetch-pick"):
            floor.vehicle.resolve("fetch-drop", done=True, by="ann")
        assert any("storeforward agv resolve agv-1 fetch-pick" in problem for problem in floor.status.problems)
        await floor.release("ann")
        assert floor.moved() == []
        await floor.until(lambda: any(e["errorLevel"] == "FATAL" for e in floor.master.states[-1]["errors"]))
        floor.vehicle.resolve("fetch-pick", done=False, by="ann")
        await floor.until(lambda: floor.actions()["fetch-drop"] == "FAILED")
        assert floor.moved() == []
        told = floor.facts("agv.action.v1", "action_id", "status")
        assert [status for action_id, status in told if action_id == "fetch-pick"] == ["running", "unknown", "failed"]


async def test_a_line_that_breaks_stops_the_vehicle_and_the_order_goes_on_after_a_release(floor: Floor) -> None:
    await floor.master.order(fetch(way_m=3.0))
    await floor.until(lambda: floor.status.driving)
    await asyncio.to_thread(floor.firmware.kill)
    await floor.until(lambda: floor.status.line.state == "down", releasing=False)
    with pytest.raises(VehicleOutOfReach):
        await floor.vehicle.release("ann")
    await floor.until(lambda: any("no link" in e["errorDescription"] for e in floor.master.states[-1]["errors"]))
    await asyncio.to_thread(floor.firmware.start)  # a power cut: it begins at (0, 0) again
    await floor.until(lambda: floor.status.line.state == "up", releasing=False)
    assert floor.status.line.losses == 1
    assert floor.moved() == []
    await floor.release("ann")
    await floor.until(floor.is_done)
    assert floor.moved() == ["pick", "drop"]


async def test_without_a_broker_the_order_is_finished_and_told_afterwards(floor: Floor) -> None:
    await floor.master.order(fetch(way_m=2.0))
    await floor.until(lambda: floor.status.driving)
    floor.broker.kill()
    await floor.until(floor.is_done)
    assert floor.moved() == ["pick", "drop"]
    await floor.broker.start()
    async with Master.listening(floor.broker.port, IDENTITY) as master:
        await floor.until(lambda: bool(master.states) and "ONLINE" in master.words)
        assert master.states[-1]["orderId"] == "fetch"
        assert {each["actionStatus"] for each in master.states[-1]["actionStates"]} == {"FINISHED"}


async def test_a_new_agent_goes_on_where_the_last_one_ended(floor: Floor) -> None:
    await floor.master.order(fetch(way_m=3.0))
    await floor.until(lambda: floor.status.driving)
    await floor.leave()
    await floor.begin_again()
    assert floor.status.order_id == "fetch"
    await floor.until(floor.is_done)  # after a release, if the change took longer than the lease
    assert floor.moved() == ["pick", "drop"]
    await floor.master.order(fetch())
    await floor.master.act("ask", "stateRequest")
    await floor.until(lambda: floor.actions().get("ask") == "FINISHED")
    assert floor.moved() == ["pick", "drop"]


async def test_command_ids_rise_over_restarts_of_agent_and_controller(floor: Floor) -> None:
    ids: list[int] = []
    for number in range(3):
        await floor.master.order(order(f"o{number}", 0, node("start", 0, 0.0), node("a", 2, 0.2), node("b", 4, 0.0)))
        await floor.until(lambda number=number: floor.is_stored(f"o{number}"))  # type: ignore[misc]  # bound by default
        ids.append(floor.vehicle._desk.state.next_command_id)
        await floor.leave()
        floor.firmware.reset_firmware()
        await floor.begin_again()
        await floor.until(lambda: floor.status.line.state == "up" and floor.status.stopped, releasing=False)
        await floor.release("ann")
    assert ids == sorted(set(ids))


async def test_a_box_without_a_past_goes_on_above_the_ids_that_the_vehicle_knows(floor: Floor, tmp_path: Path) -> None:
    await floor.master.order(fetch())
    await floor.until(floor.is_stored)
    await floor.leave()
    async with opened_log(tmp_path / "new") as floor.log:
        await floor.begin_again()
        await floor.until(lambda: floor.status.line.state == "up", releasing=False)
        await floor.release("ann")
        await floor.master.order(fetch("again", from_m=2.0))
        await floor.until(lambda: floor.is_done("again"))
        assert floor.moved() == ["pick", "drop"] * 2
        await floor.leave()


@asynccontextmanager
async def opened_log(folder: Path) -> AsyncIterator[EventLog]:
    clock = SystemClock()
    log = EventLog.open(folder, LogSettings(), clock=clock, new_id=IdFactory(clock.wall, Random()))
    try:
        yield log
    finally:
        await log.close()


async def test_while_the_disk_takes_nothing_nothing_moves_and_a_stop_still_stops(floor: Floor) -> None:
    with closing(sqlite3.connect(floor.log.file, isolation_level=None)) as other:
        fault = "BEGIN SELECT RAISE(ABORT, 'disk fault'); END"
        other.execute(f"CREATE TRIGGER fault BEFORE INSERT ON journal {fault}")
        await floor.master.order(fetch())
        await floor.until(lambda: any("nothing is commanded" in problem for problem in floor.status.problems))
        assert not floor.firmware.seen("move_begin")
        assert floor.master.states[-1]["orderId"] == ""
        floor.vehicle.stop("ben", "")
        await floor.until(floor.stands, releasing=False)
        other.execute("DROP TRIGGER fault")
    await floor.until(lambda: floor.master.states[-1]["orderId"] == "fetch", releasing=False)
    await floor.release("ann")
    await floor.until(floor.is_done)
    assert floor.moved() == ["pick", "drop"]
    assert ("stopped", "ben", "") in stops(floor)


async def test_the_journal_stays_small(floor: Floor) -> None:
    for number in range(30):
        await floor.master.order(order(f"o{number}", 0, *[node(f"n{step}", 2 * step, 0.0) for step in range(4)]))
        await floor.until(lambda number=number: floor.is_done(f"o{number}"))  # type: ignore[misc]  # bound by default
    rows = floor.log.journal("mission/agv-1")
    assert len(rows) < 220
    assert floor.log.head(Stream.AGV).sequence >= 60
