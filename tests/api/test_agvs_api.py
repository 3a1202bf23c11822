"""The vehicles' routes: how they are, and what people may do with them. Every answer is held against the document."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from agent.fleet.fleet import Fleet
from tests.api.api_world import World, free_port, open_world
from tests.fleet.floor import Floor, fetch
from tests.waiting import until

ONE = "/v1/agvs/agv-1"


@asynccontextmanager
async def shop(path: Path) -> AsyncIterator[tuple[World, Floor]]:
    """An API over one vehicle that is ready to move."""
    async with Floor.open(path / "floor") as floor:
        fleet = Fleet([floor.vehicle])
        async with open_world(path / "data", fleet=fleet, api={"tcp_port": free_port()}) as world:
            yield world, floor


async def test_without_vehicles_there_is_an_empty_list(world: World) -> None:
    assert (await world.local().get("/v1/agvs")).json == {"vehicles": []}
    assert (await world.local().get("/v1/status")).json["vehicles"] == []
    reply = await world.local().get(ONE)
    assert (reply.status, reply.kind) == (404, "unknown_vehicle")
    assert "see [[vehicles]] in the settings" in reply.json["detail"]


async def test_vehicles_are_told_one_by_one_and_in_the_status(tmp_path: Path) -> None:
    async with shop(tmp_path) as (world, _):
        listed = (await world.local().get("/v1/agvs")).json
        assert [vehicle["id"] for vehicle in listed["vehicles"]] == ["agv-1"]
        one = (await world.local().get(ONE)).json
        assert (one["line"]["state"], one["fleet_control"]["online"]) == ("up", True)
        assert one["fleet_control"]["topics"] == "uagv/v2/acme/0042"
        status = (await world.local().get("/v1/status")).json
        assert [vehicle["id"] for vehicle in status["vehicles"]] == ["agv-1"]


async def test_a_stop_holds_until_it_is_released(tmp_path: Path) -> None:
    async with shop(tmp_path) as (world, floor):
        kiosk = world.local("kiosk-1")
        stopped = await kiosk.post(f"{ONE}/stop", {"by": "ben", "reason": "wet floor"})
        assert (stopped.status, stopped.json["stopped"]) == (200, True)
        await floor.until(floor.stands, releasing=False)
        listed = (await world.local().get("/v1/status")).json["problems"]
        assert any(
            problem.startswith("agv-1: stopped (") and "storeforward agv release agv-1" in problem for problem in listed
        )

        async def released() -> bool:
            return (await kiosk.post(f"{ONE}/release", {"by": "ann"})).status == 200

        await until(released)
        await until(lambda: refused(world))
        await floor.until(lambda: ("released", "ann") in floor.facts("agv.stop.v1", "action", "requested_by"))


async def refused(world: World) -> bool:
    """A second release is refused; a lease that a busy machine let run out in between is released first."""
    reply = await world.local().post(f"{ONE}/release", {"by": "ann"})
    return (reply.status, reply.kind) == (409, "not_stopped") if reply.status != 200 else False


async def test_a_stop_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    async with shop(tmp_path) as (world, floor):
        with closing(sqlite3.connect(floor.log.file, isolation_level=None)) as held:
            held.execute("BEGIN IMMEDIATE")
            stopped = await world.local().post(f"{ONE}/stop", {"by": "ben"})
            assert stopped.json["stopped"]
            await floor.until(floor.stands, releasing=False)
            assert ("stopped", "ben") not in floor.facts("agv.stop.v1", "action", "requested_by")
            held.execute("ROLLBACK")
        await floor.until(lambda: ("stopped", "ben") in floor.facts("agv.stop.v1", "action", "requested_by"))


async def test_one_call_stops_all_vehicles_and_counts_once_under_its_id(tmp_path: Path) -> None:
    async with shop(tmp_path) as (world, floor):
        wish = {"by": "kiosk-3", "request_id": "s-1"}
        for _ in range(3):
            stopped = await world.local("kiosk-3").post("/v1/agvs/stop", wish)
            assert (stopped.status, [vehicle["stopped"] for vehicle in stopped.json["vehicles"]]) == (200, [True])
        await floor.until(lambda: floor.status.stop_acknowledged, releasing=False)
        assert floor.stands()
        await floor.release()
        assert not floor.status.stop_acknowledged
        again = await world.local("kiosk-3").post("/v1/agvs/stop", wish)
        assert [vehicle["stop_cause"] for vehicle in again.json["vehicles"]] != ["person"]
        told = ("stopped", "kiosk-3")
        assert (await world.local().post("/v1/agvs/stop", {**wish, "request_id": "s-2"})).status == 200
        await floor.until(lambda: floor.facts("agv.stop.v1", "action", "requested_by").count(told) == 2)


async def test_without_vehicles_a_stop_of_all_stops_nothing(world: World) -> None:
    reply = await world.local().post("/v1/agvs/stop", {"by": "kiosk-3"})
    assert (reply.status, reply.json) == (200, {"vehicles": []})


async def test_only_an_unknown_outcome_can_be_resolved(tmp_path: Path) -> None:
    async with shop(tmp_path) as (world, floor):
        await floor.master.order(fetch())
        await floor.until(floor.is_done)
        wish = {"by": "ann", "action_id": "fetch-pick", "outcome": "failed"}
        reply = await world.local().post(f"{ONE}/resolve", wish)
        assert (reply.status, reply.kind) == (409, "nothing_to_resolve")
        assert "waits for no word" in reply.json["detail"]


UNCLEAR: tuple[tuple[str, dict[str, object], str], ...] = (
    ("stop", {}, "by"),
    ("stop", {"by": "a b"}, "by"),
    ("stop", {"by": "ann", "hard": True}, "hard"),
    ("release", {}, "by"),
    ("resolve", {"by": "ann", "action_id": "x"}, "outcome"),
    ("resolve", {"by": "ann", "action_id": "", "outcome": "done"}, "action_id"),
    ("resolve", {"by": "ann", "action_id": "x", "outcome": "maybe"}, "outcome"),
)


async def test_a_wish_that_is_not_clear_is_refused_with_its_field(tmp_path: Path) -> None:
    async with shop(tmp_path) as (world, floor):
        for verb, wish, path in UNCLEAR:
            reply = await world.local().post(f"{ONE}/{verb}", wish)
            assert reply.status == 400
            assert [where for where, _ in reply.problems] == [path]
        assert ("stopped", "ann") not in floor.facts("agv.stop.v1", "action", "requested_by")


async def test_over_the_network_everybody_may_stop_and_only_those_who_may_say_so_release(tmp_path: Path) -> None:
    async with shop(tmp_path) as (world, floor):
        till = world.remote(world.producers.add("till-3", ("pos.*",)))
        kiosk = world.remote(world.producers.add("kiosk-1", ("agv.stop.v1",)))
        assert (await till.post(f"{ONE}/stop", {"by": "ben"})).status == 200
        await floor.until(floor.stands, releasing=False)
        assert (await till.post(f"{ONE}/release", {"by": "ben"})).status == 403
        assert (await till.post(f"{ONE}/resolve", {"by": "b", "action_id": "x", "outcome": "done"})).status == 403

        async def released() -> bool:
            return (await kiosk.post(f"{ONE}/release", {"by": "ann"})).status == 200

        await until(released)
        assert (await world.remote().get("/v1/agvs")).status == 401
