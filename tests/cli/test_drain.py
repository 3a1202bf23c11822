"""`storeforward drain`: all that waits leaves now, and the command says when it is gone, or why it is not."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.drain_moment import moment_of
from agent.link import LinkState
from agent.log import CLOUD
from sim.broker import BrokerKind, running_broker
from tests.api.api_world import World, free_port, open_world
from tests.cli.command import invoke, plain, run_on_terminal, start
from tests.link.peers import until
from tests.log.world import events

NO_SALES = "topic read #\ntopic write sf/v1/+/+/evt/audit\ntopic write sf/v1/+/+/state\n"


@asynccontextmanager
async def linked(path: Path, port: int, **link: Any) -> AsyncIterator[World]:  # Any: link settings
    """An agent's API beside a link that runs."""
    quick = {"host": "127.0.0.1", "port": port, "receipt_wait_s": 0.05, "connect_interval_s": 0, "enabled": True}
    async with open_world(path / "data", link=quick | link) as world:
        running = asyncio.create_task(world.link.run())
        try:
            yield world
        finally:
            running.cancel()
            await asyncio.wait([running])


@asynccontextmanager
async def paused(path: Path, count: int, **link: Any) -> AsyncIterator[World]:  # Any: link settings
    """Events that wait, and a broker that came while the link waits long for its next try."""
    port = free_port()
    async with linked(path, port, backoff_min_s=60, backoff_max_s=60, **link) as world:
        await until(lambda: world.link.status().state is LinkState.OFFLINE)
        await world.log.append(events(count))
        async with running_broker("mosquitto", path / "broker", port=port):
            yield world


async def drain(world: World, *arguments: str) -> Result:
    return await asyncio.to_thread(invoke, "drain", "--data", world.folder.path, *arguments)


@pytest.mark.parametrize("kind", ["iotcore", "mosquitto"])
async def test_it_ends_when_the_broker_has_acknowledged_all_that_waited(tmp_path: Path, kind: BrokerKind) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, linked(tmp_path, broker.port) as world:
        await world.log.append(events(3_000))
        result = await drain(world, "--json")
        told = json.loads(result.stdout)
        assert (result.exit_code, told["drained"], told["left"], told["parked"]) == (0, True, 0, 0)
        assert world.log.waiting(CLOUD) == 0


async def test_a_link_that_waits_for_its_next_try_connects_at_once_and_it_says_how_much_went(tmp_path: Path) -> None:
    async with paused(tmp_path, 300) as world:
        result = await drain(world, "--timeout", "20")
    assert result.exit_code == 0, result.stdout
    assert re.match(r"All 300 events that waited are acknowledged: 1\d\d\.\d kB in ", result.stdout), result.stdout
    assert "storeforward reconcile" in result.stdout


async def test_what_the_broker_took_though_nobody_subscribes_is_no_quiet_success(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, linked(tmp_path, broker.port) as world:
        await world.log.append(events(3))
        told, document = await drain(world), json.loads((await drain(world, "--json")).stdout)
    assert "nobody subscribes" in told.stdout
    assert "storeforward replay" in told.stdout
    assert document["unheard"] > 0


async def test_with_nothing_to_send_it_says_so_at_once(tmp_path: Path) -> None:
    async with linked(tmp_path, free_port()) as world:
        result = await drain(world)
    nothing = "Nothing waited: the broker has acknowledged everything that was recorded.\n"
    assert (result.exit_code, result.stdout) == (0, nothing)


async def test_without_a_connection_it_gives_up_after_its_time_and_says_why(tmp_path: Path) -> None:
    async with linked(tmp_path, free_port()) as world:
        await world.log.append(events(3))
        result = await drain(world, "--timeout", "0.5", "--progress")
    assert result.exit_code == 1
    assert result.stdout.startswith("3 of 3 events are still here after ")
    assert "the link is offline: connection refused by " in result.stdout
    assert "0 of 3 events; link " in result.stderr


async def test_who_looks_no_longer_is_told_what_is_left_and_that_it_goes_on(tmp_path: Path) -> None:
    async with linked(tmp_path, free_port()) as world:
        await world.log.append(events(3))
        with start("drain", "--progress", "--data", world.folder.path) as process:
            assert process.stderr
            assert "0 of 3 events" in await asyncio.to_thread(process.stderr.readline)
            process.send_signal(signal.SIGINT)
            told, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode == 1
    assert told.startswith("3 of 3 events are still here after ")
    assert "They leave by themselves" in told


async def test_on_a_narrow_terminal_the_whole_reason_is_read(tmp_path: Path) -> None:
    async with linked(tmp_path, free_port()) as world:
        await world.log.append(events(3))
        command = ("drain", "--progress", "--timeout", "0.6", "--data", world.folder.path)
        _, shown = await asyncio.to_thread(run_on_terminal, *command)
    assert "is the broker running?" in plain(shown).partition("3 of 3 events are still here")[0]


async def test_events_that_the_broker_does_not_take_are_no_success(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker", acl=NO_SALES) as broker,
        linked(tmp_path, broker.port, park_after_tries=1) as world,
    ):
        await world.log.append(events(3))
        await until(lambda: bool(world.link.status().parked))
        result = await drain(world, "--timeout", "0.5")
    assert result.exit_code == 1
    assert "3 events are parked, as the broker does not take them: storeforward status says why." in result.stdout


async def test_it_ends_when_what_is_parked_has_been_tried_too(tmp_path: Path) -> None:
    port = free_port()
    async with linked(tmp_path, port, park_after_tries=1) as world:
        async with running_broker("mosquitto", tmp_path / "refusing", acl=NO_SALES, port=port):
            await world.log.append(events(3))
            await until(lambda: bool(world.link.status().parked) and world.log.waiting(CLOUD) == 0)
        async with running_broker("mosquitto", tmp_path / "taking", port=port):
            result = await drain(world, "--timeout", "20")
    assert (result.exit_code, "parked" in result.stdout) == (0, False)


async def test_a_link_that_is_switched_off_is_an_error(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        result = await drain(world)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: nothing leaves, as link.enabled is false in the settings\n"


def test_without_an_agent_it_says_how_to_start_one(tmp_path: Path) -> None:
    result = invoke("drain", "--data", tmp_path)
    assert result.exit_code == 1
    assert "start it with storeforward run" in result.stderr


@pytest.mark.parametrize("text", ["0", "-1", "soon"])
def test_a_time_to_give_up_after_is_seconds(text: str, tmp_path: Path) -> None:
    result = invoke("drain", "--timeout", text, "--data", tmp_path)
    assert result.exit_code == 2
    assert "--timeout" in result.stderr


async def test_on_a_terminal_it_shows_a_bar_with_rate_bytes_and_time_left(tmp_path: Path) -> None:
    async with paused(tmp_path, 60, publishes_per_s_max=4, batch_events_max=10) as world:
        code, shown = await asyncio.to_thread(run_on_terminal, "drain", "--progress", "--data", world.folder.path)
    assert code == 0
    frames = re.findall(
        r"(\d+) of 60 events, [\d,]+ events/s, [\d.]+ (?:kB|bytes)/s, about [\d.]+ s left", plain(shown)
    )
    assert frames, shown
    assert "All 60 events that waited are acknowledged" in shown


def status(cursor: tuple[int, int], head: tuple[int, int], waiting: int) -> dict[str, Any]:  # Any: JSON
    stream = {"stream": "sales", "cursor": place(*cursor), "head": place(*head), "waiting": waiting}
    link = {"state": "online", "reason": "", "acknowledged_bytes": 0, "parked": [], "unheard": 0}
    return {"log": {"waiting": waiting, "streams": [stream]}, "link": link}


def place(epoch: int, sequence: int) -> dict[str, int]:
    return {"epoch": epoch, "sequence": sequence}


@given(st.integers(1, 1_000), st.data())
def test_what_is_recorded_after_the_beginning_is_not_waited_for(head: int, data: st.DataObject) -> None:
    began_at = data.draw(st.integers(0, head))
    cursor = data.draw(st.integers(began_at, head))
    newer = data.draw(st.integers(0, 1_000))
    new_epoch = data.draw(st.booleans())
    goal = status((1, began_at), (1, head), head - began_at)
    now = status((1, cursor), (2, newer) if new_epoch else (1, head + newer), head - cursor + newer)
    assert moment_of(goal, now, 1.0).left == head - cursor


def test_what_is_gone_from_the_log_is_not_waited_for() -> None:
    assert moment_of(status((1, 95), (1, 100), 5), status((1, 95), (1, 100), 0), 1.0).left == 0
