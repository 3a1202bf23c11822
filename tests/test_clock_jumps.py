"""Cases C2 to C4: the wall clock is wrong under a real agent: nothing that waits, retries or remembers is fooled."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from agent.event_types import Stream
from sim.broker import running_broker
from tests.agent_process import AgentProcess, running_agent, scan, settings_toml
from tests.examples import EXAMPLES
from tests.link.certificates import Authority
from tests.link.device import QUICK, Cloud
from tests.link.sample_broker import link_settings, sample_broker

JUMPS_D: Final = (400, -400)
SOON_S: Final = 20.0
TTL_S: Final = 60.0


class Wall:
    """The wall clock of processes started with `variables`; their monotonic clock stays the machine's."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump_d(0)
        faked = subprocess.run(["faketime", "-m", "-f", "+0", "env"], capture_output=True, text=True, check=True)
        (library,) = [line for line in faked.stdout.splitlines() if line.startswith("LD_PRELOAD=")]
        self.variables = {
            "LD_PRELOAD": library.partition("=")[2],
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump_d(self, days: int) -> None:
        """From now on it is so many days from the machine's own time."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{days:+d}d\n" if days else "+0\n")
        draft.replace(self._file)
        self.days = days

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.days)


@asynccontextmanager
async def jumping_agent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[AgentProcess, Wall, Cloud]]:
    wall = Wall(folder / "wall")
    async with running_broker("mosquitto", folder / "broker") as broker, Cloud.listening(broker.port) as cloud:
        settings = settings_toml(
            link={"port": broker.port, "state_interval_s": 1.0},
            api={"till_request_ttl_s": TTL_S},
            log={"retention_interval_s": 0.5},
        )
        with monkeypatch.context() as patch:
            for name, value in wall.variables.items():
                patch.setenv(name, value)
            starting = running_agent(folder / "agent", settings)
            agent = await starting.__aenter__()
        try:
            yield agent, wall, cloud
        finally:
            await starting.__aexit__(None, None, None)


async def heard_soon(cloud: Cloud, events: int) -> None:
    async with asyncio.timeout(SOON_S):
        await cloud.heard(Stream.SALES, events)


@pytest.mark.case("C2")
@pytest.mark.parametrize("days", JUMPS_D)
async def test_a_jump_of_400_days_expires_nothing_and_delays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    async with jumping_agent(tmp_path, monkeypatch) as (agent, wall, cloud), agent.session() as till:
        _, first = await agent.post([scan("before-1"), scan("before-2")])
        await heard_soon(cloud, 2)
        asked = {
            "request_id": "r-1",
            "basket_id": EXAMPLES["pos.scan.v1"]["basket_id"],
            "kind": "add_item",
            "sku": "4711",
        }
        async with till.post("http://agent/v1/tills/till-3/requests", json=asked) as answer:
            assert answer.status == 201, await answer.text()
        before_s = monotonic()
        wall.jump_d(days)

        _, after = await agent.post([scan("after-1"), scan("after-2")])
        await heard_soon(cloud, 4)
        assert [event["sequence"] for event in after["events"]] == [3, 4]
        recorded = datetime.fromisoformat(cloud.events(Stream.SALES)[-1]["recordedtime"])
        assert abs(recorded - wall.now()) < timedelta(hours=1), "it sees the jump"
        status, again = await agent.post([scan("before-1"), scan("before-2")])
        assert status == 200, "a pair is remembered over the jump"
        assert (
            [event["sequence"] for event in again["events"]]
            == [1, 2]
            == [event["sequence"] for event in first["events"]]
        )
        async with till.get("http://agent/v1/tills/till-3/requests/r-1") as answer:
            request = await answer.json()
        assert monotonic() - before_s < TTL_S
        assert request["state"] == "pending", "its time is the monotonic clock's"
        document = await agent.status()
        assert document["link"]["state"] == "online"
        assert not document["problems"]


@pytest.mark.case("C2")
async def test_a_jump_while_the_broker_is_away_does_not_keep_the_link_from_coming_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with jumping_agent(tmp_path, monkeypatch) as (agent, wall, cloud):
        await agent.post(scan("before"))
        await heard_soon(cloud, 1)
        for number, days in enumerate((-400, 400, 0)):
            wall.jump_d(days)
            await agent.post(scan(f"after-{number}"))
        await heard_soon(cloud, 4)


@pytest.mark.case("C3")
async def test_after_a_step_back_the_order_is_that_of_the_sequences_and_no_key_comes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with jumping_agent(tmp_path, monkeypatch) as (agent, wall, cloud):
        made = [{key: value for key, value in scan("").items() if key != "id"}] * 50
        for number, days in enumerate((0, -1, -400, 0)):
            wall.jump_d(days)
            status, _ = await agent.post([{**event, "data": {**event["data"], "line": number}} for event in made])
            assert status == 201
        await heard_soon(cloud, 200)
    events = cloud.events(Stream.SALES)
    assert [int(event["sequence"]) for event in events] == list(range(1, 201))
    assert [event["data"]["line"] for event in events] == sorted(event["data"]["line"] for event in events)
    assert len({event["id"] for event in events}) == 200
    assert [event["time"] for event in events] != sorted(event["time"] for event in events), "the clock went back"


@pytest.mark.case("C4")
async def test_an_agent_in_1970_says_so_keeps_events_and_delivers_once_its_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, authority = Wall(tmp_path / "wall"), Authority(tmp_path)
    wall.jump_d(-(datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days)
    async with sample_broker(tmp_path / "broker", authority) as broker:
        for name, value in wall.variables.items():
            monkeypatch.setenv(name, value)
        link = link_settings(authority, authority.device()) | QUICK | {"host": broker.host, "port": broker.port}
        async with running_agent(tmp_path / "agent", settings_toml(link=link)) as agent, asyncio.timeout(SOON_S):
            assert (await agent.post([scan("a")]))[0] == 201
            while (
                "device clock is 1970-01-01; certificate valid from 2"
                not in (status := await agent.status())["link"]["reason"]
            ):
                await asyncio.sleep(0.05)
            assert (status["link"]["state"], status["log"]["waiting"] > 0) == ("offline", True)
            assert any("device clock is 1970-01-01" in problem for problem in status["problems"])
            wall.jump_d(0)
            while (await agent.status())["log"]["waiting"]:
                await asyncio.sleep(0.05)
