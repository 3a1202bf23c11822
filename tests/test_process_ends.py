"""However the agent's process ends in mid-work, what was acknowledged is there once, and reaches the cloud."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

import pytest
from aiohttp import ClientError

from agent.event_types import Stream
from sim.broker import running_broker
from tests.agent_process import AgentProcess, running_agent, scan, settings_toml
from tests.link.device import Cloud
from tests.waiting import until

BACKLOG: Final = 6_000
EVENTS_PER_CALL: Final = 500
ENDS_WITHIN_S: Final = 8.0
MEMORY_BYTES: Final = 2 * 1_048_576
CGROUPS: Final = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)
"""Where either version of the kernel's control groups limits memory."""
SCANNED: Final = "x" * 300


class Till:
    """Posts until the agent ends, and knows what was acknowledged."""

    def __init__(self, agent: AgentProcess) -> None:
        self._agent = agent
        self.acknowledged: dict[str, dict[str, Any]] = {}  # Any: JSON; by id, where it is

    async def post(self, prefix: str, events: int) -> None:
        status, answer = await self._agent.post(
            [scan(f"{prefix}-{number}", description=SCANNED) for number in range(events)]
        )
        if status == 201:
            self.acknowledged |= {event["id"]: event for event in answer["events"]}

    async def post_until_it_ends(self, name: str = "late", events: int = 3) -> None:
        with suppress(ClientError, OSError):
            for number in range(10_000):
                await self.post(f"{name}-{number}", events)

    async def check_stored_once(self) -> None:
        """Each one sent again is answered with its first place."""
        for start in range(0, len(self.acknowledged), EVENTS_PER_CALL):
            some = list(self.acknowledged)[start : start + EVENTS_PER_CALL]
            status, answer = await self._agent.post([scan(event_id, description=SCANNED) for event_id in some])
            assert status == 200
            assert answer["events"] == [self.acknowledged[event_id] | {"duplicate": True} for event_id in some]


@asynccontextmanager
async def draining(folder: Path) -> AsyncIterator[tuple[AgentProcess, Till, Cloud]]:
    """An agent in the midst of sending its backlog, and the cloud that hears it."""
    async with running_broker("mosquitto", folder / "broker") as broker, Cloud.listening(broker.port) as cloud:
        link = {"port": broker.port, "batch_events_max": 20, "publishes_per_s_max": 200, "backoff_max_s": 0.5}
        settings = settings_toml(link=link, api={"producer_events_per_s": 1_000_000})
        async with running_agent(folder / "agent", settings) as agent:
            till = Till(agent)
            posting = asyncio.create_task(_fill(till))
            await cloud.heard(Stream.SALES, 40)
            yield agent, till, cloud
            await posting


@contextmanager
def memory_limit() -> Iterator[Path | None]:
    """A control group whose processes may take little more memory; None where we may make none."""
    for folder, limit in CGROUPS:
        group = folder / f"storeforward-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(MEMORY_BYTES))
        except OSError:
            group.rmdir()
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    yield None


async def _fill(till: Till) -> None:
    with suppress(ClientError, OSError):
        for number in range(BACKLOG // EVENTS_PER_CALL):
            await till.post(f"early-{number}", EVENTS_PER_CALL)


async def _check_nothing_lost(till: Till, cloud: Cloud) -> None:
    """All that was acknowledged is heard, under one id for each sequence."""

    async def all_heard() -> bool:
        return till.acknowledged.keys() <= {event["id"] for event in cloud.events(Stream.SALES)}

    await until(all_heard, 60)
    ids: dict[str, set[str]] = {}
    for event in cloud.events(Stream.SALES):
        ids.setdefault(event["sequence"], set()).add(event["id"])
    assert all(len(of_one_place) == 1 for of_one_place in ids.values())
    assert sorted(map(int, ids)) == list(range(1, len(ids) + 1))


@pytest.mark.case("P1")
async def test_sigterm_in_mid_drain_ends_in_time_and_the_next_start_sends_the_rest(tmp_path: Path) -> None:
    async with draining(tmp_path) as (agent, till, cloud):
        late = asyncio.create_task(till.post_until_it_ends())
        began_s = monotonic()
        assert await agent.child.stop() == 0
        assert monotonic() - began_s < ENDS_WITHIN_S
        await late
        heard = len({event["id"] for event in cloud.events(Stream.SALES)})
        assert 0 < heard < len(till.acknowledged), "it ended in mid-drain"
        await agent.child.start()
        await _check_nothing_lost(till, cloud)
        await till.check_stored_once()
    assert "Traceback" not in agent.output.read_text()


@pytest.mark.case("P2")
async def test_out_of_memory_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    async with draining(tmp_path) as (agent, till, cloud):
        assert agent.child.pid is not None
        with memory_limit() as group:
            if group is not None:
                (group / "cgroup.procs").write_text(str(agent.child.pid))
            else:  # as the kernel would, though it has no reason
                os.kill(agent.child.pid, signal.SIGKILL)
            async with asyncio.timeout(60):
                await asyncio.gather(*(till.post_until_it_ends(f"late-{of}", 400) for of in range(8)))
                while agent.child.pid is not None:
                    await asyncio.sleep(0.05)
        await agent.child.start()
        await _check_nothing_lost(till, cloud)
        await till.check_stored_once()
