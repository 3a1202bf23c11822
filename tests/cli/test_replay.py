"""`storeforward replay`: what an operator asks for, sees, and is told when it does not go."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from click.testing import Result

from agent.event_types import Stream
from agent.log import CLOUD
from sim.broker import running_broker
from tests.api.api_world import World, free_port, open_world, scan
from tests.cli.command import invoke as invoke_command
from tests.cli.command import plain, run_on_terminal, start
from tests.link.device import Cloud
from tests.link.peers import until

LINK: dict[str, Any] = {"enabled": True, "backoff_min_s": 0.05, "backoff_max_s": 0.2, "receipt_wait_s": 0.05}
AGO = ("--from", "1h")
Replay = Callable[..., Awaitable[Result]]


def invoke(*arguments: object) -> Result:
    return invoke_command("replay", *arguments)


@asynccontextmanager
async def agent(path: Path, events: int = 30, **link: Any) -> AsyncIterator[tuple[World, Replay]]:  # Any: settings
    """An agent whose link runs, with so many scans, and the command on its folder."""
    async with open_world(path, link=LINK | link) as world:
        await world.local().post("/v1/events", [scan(line) for line in range(1, events + 1)])
        running = asyncio.create_task(world.link.run(), name="link")

        async def replay(*arguments: object) -> Result:
            return await asyncio.to_thread(invoke, *arguments, "--data", world.folder.path)

        try:
            yield world, replay
        finally:
            running.cancel()
            await asyncio.wait([running])


@asynccontextmanager
async def delivered(tmp_path: Path, events: int = 30, **link: Any) -> AsyncIterator[tuple[World, Replay, Cloud]]:
    """An agent at a broker that has everything, and who hears it."""
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        agent(tmp_path / "data", events, port=broker.port, **link) as (world, replay),
    ):
        await until(lambda: world.log.waiting(CLOUD) == 0)
        await cloud.heard(Stream.SALES, events)
        yield world, replay, cloud


@asynccontextmanager
async def offline(tmp_path: Path) -> AsyncIterator[tuple[World, Replay]]:
    """An agent that had delivered everything when its line broke."""
    async with agent(tmp_path / "data", port=free_port()) as (world, replay):
        for stream in Stream:
            await world.log.advance(CLOUD, stream, world.log.head(stream))
        yield world, replay


@asynccontextmanager
async def running(world: World, *arguments: object) -> AsyncIterator[Popen[str]]:
    """The command in a process of its own."""
    process = start("replay", *arguments, "--data", world.folder.path)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


async def line(process: Popen[str]) -> str:
    assert process.stderr is not None
    return await asyncio.to_thread(process.stderr.readline)


async def ended(process: Popen[str]) -> tuple[int, str]:
    assert process.stderr is not None
    code = await asyncio.to_thread(process.wait, 20)
    return code, await asyncio.to_thread(process.stderr.read)


async def test_it_sends_what_was_recorded_then_once_more_and_says_so(tmp_path: Path) -> None:
    async with delivered(tmp_path) as (world, replay, cloud):
        before = world.log.cursor(CLOUD, Stream.SALES)
        result = await replay(*AGO, "--stream", "sales")
        assert (result.exit_code, result.stderr.splitlines()[0]) == (0, "0 of 30 events sent again")
        lines = result.stdout.splitlines()
        assert re.match(r"sales    30 events, 1\d\.\d kB: 1 to 30 of epoch ", lines[0])
        assert lines[-1] == "30 of 30 events sent again."
        await cloud.heard(Stream.SALES, 60)
        assert cloud.sequences(Stream.SALES) == [*range(1, 31)] * 2
        assert cloud.events(Stream.SALES)[:30] == cloud.events(Stream.SALES)[30:]
        assert world.log.cursor(CLOUD, Stream.SALES) == before
        (told,) = (one["data"] for one in world.stored(Stream.AUDIT) if "replay_started" in one["type"])
        assert told["streams"] == [{"stream": "sales", "count": 30}]


async def test_as_json_it_is_one_document_in_the_end(tmp_path: Path) -> None:
    async with delivered(tmp_path) as (_, replay, _):
        result = await replay(*AGO, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        found = json.loads(result.stdout)
        assert (found["state"], found["events"], found["sent"], found["waits"]) == ("done", 30, 30, "")
        (part,) = found["streams"]
        assert part["ranges"] == [
            {"epoch": part["ranges"][0]["epoch"], "first_sequence": 1, "last_sequence": 30, "events": 30}
        ]
        assert part["bytes"] > 30 * 200


async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(tmp_path: Path) -> None:
    async with delivered(tmp_path) as (world, replay, cloud):
        result = await replay(*AGO, "--dry-run")
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1] == "30 events would be sent again."
        planned = json.loads((await replay(*AGO, "--dry-run", "--json")).stdout)
        assert (planned["state"], planned["events"], planned["sent"]) == ("planned", 30, 0)
        await world.local().post("/v1/events", [scan(31)])
        await cloud.heard(Stream.SALES, 31)
        assert cloud.sequences(Stream.SALES) == [*range(1, 32)]
        assert world.stored(Stream.AUDIT) == []
        assert world.link.status().redelivered == 0


async def test_a_dry_run_says_what_leaves_in_its_turn(tmp_path: Path) -> None:
    async with agent(tmp_path / "data", port=free_port()) as (_, replay):
        result = await replay(*AGO, "--dry-run")
        assert result.exit_code == 1
        assert "sales    some of that time is still to be delivered and leaves in its turn (30 wait)" in result.stdout
        assert "Nothing: no delivered event was recorded from " in result.stdout


async def test_without_a_time_it_shows_the_last_one(tmp_path: Path) -> None:
    async with delivered(tmp_path) as (_, replay, _):
        result = await replay()
        assert (result.exit_code, result.stderr) == (1, "Error: no replay was asked for since the agent's start\n")
        await replay(*AGO)
        result = await replay()
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "30 of 30 events sent again.")
        assert re.match(r"Recorded from 20\S+Z to 20\S+Z, asked for at 20\S+Z:\n", result.stdout)
        result = await replay("--stop")
        assert (result.exit_code, result.stderr) == (1, "Error: no replay is going\n")


async def test_while_the_link_is_down_it_waits_and_says_why_and_ctrl_c_leaves_it_running_until_it_is_stopped(
    tmp_path: Path,
) -> None:
    async with offline(tmp_path) as (world, replay):
        async with running(world, *AGO) as process:
            assert (await line(process)).startswith("0 of 30 events sent again; waits: the link is offline: ")
            process.send_signal(signal.SIGINT)
            code, told = await ended(process)
            assert code == 1
            assert "The agent goes on sending: storeforward replay shows how far it is" in told
        refused = await replay(*AGO)
        assert refused.exit_code == 1
        assert "are being sent; wait for that, or stop it" in refused.stderr
        status = await asyncio.to_thread(invoke_command, "status", "--data", world.folder.path)
        assert "replay      0 of 30 events sent again" in status.stdout
        stopped = await replay("--stop")
        assert (stopped.exit_code, stopped.stdout) == (0, "0 of 30 events sent again, then it was stopped.\n")
        status = await asyncio.to_thread(invoke_command, "status", "--data", world.folder.path)
        assert "events sent again" not in status.stdout
        assert (await replay()).exit_code == 1


async def test_when_the_agent_ends_meanwhile_it_says_that_the_rest_is_forgotten(tmp_path: Path) -> None:
    async with offline(tmp_path) as (world, _), running(world, *AGO) as process:
        assert (await line(process)).startswith("0 of 30 events")
        await world.api.stop()
        code, told = await ended(process)
        assert code == 1
        assert "with 0 of 30 events sent: it does not remember replays. Ask again once it runs" in told


async def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    async with offline(tmp_path) as (world, _):
        code, shown = await asyncio.to_thread(
            run_on_terminal,
            *("replay", *AGO, "--data", world.folder.path),
            until=lambda shown: "0 of 30 events sent again; waits: the link is offline" in plain(shown),
            keys="\x03",
        )
        assert code == 1
        assert "The agent goes on sending" in shown


async def test_what_is_not_delivered_makes_exit_code_1_with_the_reason(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker", acl="topic readwrite sf/v1/+/+/evt/audit\n") as broker,
        agent(tmp_path / "data", port=broker.port, park_after_tries=2, backoff_max_s=0.1) as (world, replay),
    ):
        await world.log.advance(CLOUD, Stream.SALES, world.log.head(Stream.SALES))
        result = await replay(*AGO, "--stream", "sales")
        assert result.exit_code == 1
        assert "0 of 30 events sent again." in result.stdout
        assert "sales: 30 events not delivered: 0x87 not authorized" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "2026-03-02", "--to", "2026-03-02"), "--from has to be before --to"),
        (("--from", "2999-03-02"), "--from has to be before --to, which is now"),
        (("--to", "1h"), "--to, --stream and --dry-run go with --from."),
        ((*AGO, "--stop"), "--stop goes alone"),
        ((*AGO, "--stream", "sails"), "'sails' is not one of 'sales'"),
        (("--from", "yesterday"), "'yesterday' is no moment"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    result = invoke(*arguments, "--data", tmp_path)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_without_an_agent_it_says_so(tmp_path: Path) -> None:
    result = invoke(*AGO, "--data", tmp_path)
    assert result.exit_code == 1
    assert "no agent is running on this data folder" in result.stderr


async def test_a_time_without_events_and_a_future_one_are_told(tmp_path: Path) -> None:
    async with delivered(tmp_path) as (_, replay, _):
        result = await replay("--from", "2026-03-02", "--to", "2026-03-03")
        assert result.exit_code == 1
        assert (
            "no delivered event was recorded from 2026-03-02T00:00:00.000Z to 2026-03-03T00:00:00.000Z" in result.stderr
        )
        result = await replay("--from", "2999-03-02", "--to", "2999-03-03")
        assert result.exit_code == 1
        assert "that is in the future: this device's clock says" in result.stderr


async def test_with_the_link_switched_off_it_is_refused(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await world.local().post("/v1/events", [scan(1)])
        result = await asyncio.to_thread(invoke, *AGO, "--data", world.folder.path)
        assert (result.exit_code, result.stderr) == (1, "Error: link.enabled is false: nothing is sent at all\n")
