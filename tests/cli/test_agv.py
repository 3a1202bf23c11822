"""`storeforward agv`: what people see of the vehicles and what they can do, through the running agent's socket."""

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.fleet.fleet import Fleet
from tests.api.api_world import open_world
from tests.fleet.floor import Floor, fetch
from tests.waiting import until

Agv = Callable[..., Awaitable[Result]]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["agv", *map(str, arguments)])


@asynccontextmanager
async def shop(path: Path) -> AsyncIterator[tuple[Agv, Floor]]:
    """The command against an agent with one vehicle that is ready to move."""
    async with Floor.open(path / "floor") as floor, open_world(path / "data", fleet=Fleet([floor.vehicle])) as world:

        async def agv(*arguments: object) -> Result:
            return await asyncio.to_thread(invoke, *arguments, "--data", world.folder.path)

        yield agv, floor


async def test_the_list_says_what_each_vehicle_does_and_needs(tmp_path: Path) -> None:
    async with shop(tmp_path) as (agv, floor):
        floor.vehicle.stop("ben", "")
        result = await agv("list")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[0] == "agv-1  stopped"
        assert "): storeforward agv release agv-1" in result.stdout
        listed = json.loads((await agv("list", "--json")).stdout)
        assert [vehicle["id"] for vehicle in listed["vehicles"]] == ["agv-1"]


async def test_show_tells_the_order_and_its_actions(tmp_path: Path) -> None:
    async with shop(tmp_path) as (agv, floor):
        await floor.master.order(fetch())
        await floor.until(floor.is_done)
        text = (await agv("show", "agv-1")).stdout
        assert "  order          fetch update 0, 0 nodes left" in text
        assert "  action         fetch-pick pick FINISHED" in text
        assert "uagv/v2/acme/0042, VDA 5050 2.1.0" in text
        assert json.loads((await agv("show", "agv-1", "--json")).stdout)["picks"] == 1


def test_a_stopped_agents_vehicle_begins_anew_under_the_settings_that_name_it(tmp_path: Path) -> None:
    vehicle = ["[[vehicles]]", *(f'{key} = "agv-1"' for key in ("id", "manufacturer", "serial_number", "port"))]
    (tmp_path / "store.toml").write_text("\n".join(vehicle))
    result = invoke("forget", "agv-1", "--config", tmp_path / "store.toml", "--data", tmp_path / "data")
    assert (result.exit_code, "the mission of agv-1 can be read" in result.stderr) == (1, True)
    result = invoke("forget", "agv-7", "--config", tmp_path / "store.toml", "--data", tmp_path / "data")
    assert (result.exit_code, "there are agv-1" in result.stderr) == (1, True)


async def test_stop_and_release_name_who_wants_them(tmp_path: Path) -> None:
    async with shop(tmp_path) as (agv, floor):
        stopped = await agv("stop", "agv-1", "--reason", "glass on the floor")
        assert (stopped.exit_code, stopped.stdout) == (
            0,
            "agv-1 is told to stop. storeforward agv release agv-1\n",
        )
        await floor.until(floor.stands, releasing=False)

        async def released() -> bool:
            return (await agv("release", "agv-1", "--by", "ann")).exit_code == 0

        await until(released)
        user = pwd.getpwuid(os.getuid()).pw_name
        wanted = {("stopped", user, "glass on the floor"), ("released", "ann", "")}
        await floor.until(lambda: wanted <= {*floor.facts("agv.stop.v1", "action", "requested_by", "reason")})


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    async with shop(tmp_path) as (agv, floor):
        unknown = await agv("stop", "agv-2")
        assert (unknown.exit_code, unknown.stderr) == (1, "Error: no vehicle 'agv-2' here; there are agv-1\n")
        assert "the path names something that no event can name" in (await agv("show", "../status")).stderr
        assert "does not ask what became of action 'x'" in (await agv("resolve", "agv-1", "x", "done")).stderr

        async def refused() -> bool:
            await floor.release()
            return "agv-1 is not stopped, so there is nothing to release" in (await agv("release", "agv-1")).stderr

        await until(refused)


@pytest.mark.parametrize("arguments", [["list"], ["show", "a"], ["stop", "a"], ["release", "a"]])
def test_without_an_agent_it_says_how_to_start_one(tmp_path: Path, arguments: list[str]) -> None:
    result = invoke(*arguments, "--data", tmp_path)
    assert result.exit_code == 1
    assert "no agent is running on this data folder" in result.stderr


async def test_without_vehicles_it_says_how_to_add_one(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        result = await asyncio.to_thread(invoke, "list", "--data", world.folder.path)
    assert "add a [[vehicles]] section to the settings" in result.stdout


async def test_a_word_is_taken_on_what_nobody_knows(tmp_path: Path) -> None:
    async with shop(tmp_path) as (agv, floor):
        await floor.master.order(fetch())
        await floor.until(floor.picks)
        floor.firmware.reset_firmware()
        await floor.until(lambda: floor.actions()["fetch-pick"] in {"UNKNOWN", "FINISHED"}, releasing=False)
        if floor.actions()["fetch-pick"] == "UNKNOWN":  # else the load was quicker than the reset
            assert "fetch-pick pick UNKNOWN" in (await agv("show", "agv-1")).stdout
            result = await agv("resolve", "agv-1", "fetch-pick", "done")
            assert result.stdout.startswith("fetch-pick counts as done. agv-1: ")
