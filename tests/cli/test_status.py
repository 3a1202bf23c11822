"""`storeforward status`: what the running agent says, or that none runs."""

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner, Result

from agent.cli import main
from tests.api.api_world import World, free_port, open_world, scan


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["status", *map(str, arguments)])


async def filled(world: World) -> World:
    await world.local().post("/v1/events", [scan(1), scan(2)])
    return world


async def test_the_status_is_a_table_for_people(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data", api={"tcp_port": (port := free_port())}) as world:
        await filled(world)
        result = await asyncio.to_thread(invoke, "--data", world.folder.path)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["sales", "2", "0", "2"] in rows
    assert ["waiting", "2", "events"] in rows
    assert ["device", "store-1", "/", "box-1"] in rows
    assert f"http://127.0.0.1:{port}" in result.stdout


async def test_before_the_first_event_it_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        result = await asyncio.to_thread(invoke, "--data", world.folder.path)
    assert "No events yet." in result.stdout


async def test_the_status_is_json_for_programs(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await filled(world)
        result = await asyncio.to_thread(invoke, "--data", world.folder.path, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["running"], document["log"]["waiting"]) == (0, True, 2)


async def test_what_needs_somebody_is_told(tmp_path: Path) -> None:
    api = {"tcp_port": (port := free_port())}
    async with open_world(tmp_path / "one", api=api), open_world(tmp_path / "two", api=api) as second:
        result = await asyncio.to_thread(invoke, "--data", second.folder.path)
    assert f"http://127.0.0.1:{port} is in use by another program" in result.stdout


def test_without_an_agent_it_says_how_to_start_one(tmp_path: Path) -> None:
    result = invoke("--data", tmp_path)
    assert result.exit_code == 1
    assert "no agent is running on this data folder" in result.stderr
    assert "storeforward run" in result.stderr
    told = invoke("--data", tmp_path, "--json")
    assert (told.exit_code, json.loads(told.stdout)["running"]) == (1, False)
