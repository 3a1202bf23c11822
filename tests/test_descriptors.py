"""Case P5: file descriptors run out because clients hold connections, and nobody else is harmed."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import pytest
from aiohttp import ClientSession

from agent.api.connections import LOCAL_RESERVE, TCP_RESERVE
from agent.api.refusal import PROBLEM_JSON, ProblemDocument
from tests.agent_process import AgentProcess, running_agent, scan, settings_toml
from tests.api.api_world import free_port
from tests.waiting import until

LIMIT: Final = 256
CROWD: Final = 400
WATCHED_S: Final = 2.0
PROCESSOR_SHARE_MAX: Final = 0.4
TICKS_PER_S: Final = 100

pytestmark = pytest.mark.case("P5")


def narrow(agent: AgentProcess, limit: int) -> None:
    """As `LimitNOFILE=` of a unit would."""
    assert agent.child.pid is not None
    _, hard = resource.prlimit(agent.child.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.child.pid, resource.RLIMIT_NOFILE, (limit, hard))


@contextmanager
def crowd(address: str | tuple[str, int], size: int = CROWD) -> Iterator[None]:
    """Clients that connect and say nothing."""
    with ExitStack() as clients:
        for _ in range(size):
            client = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
            clients.enter_context(client)
            client.settimeout(5)
            client.connect(address)
        yield


def descriptors(agent: AgentProcess) -> int:
    return len(list(Path(f"/proc/{agent.child.pid}/fd").iterdir()))


def processor_s(agent: AgentProcess) -> float:
    fields = Path(f"/proc/{agent.child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


async def crowded(agent: AgentProcess, reserve: int) -> None:
    """Returns when all that may be let in are in."""

    async def full() -> bool:
        return descriptors(agent) >= LIMIT - reserve

    await until(full)


async def test_a_crowd_on_tcp_keeps_nobody_on_this_machine_out_and_costs_no_processor(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_toml(link={"enabled": False}, api={"tcp_port": port})
    async with running_agent(tmp_path, settings) as agent:
        narrow(agent, LIMIT)
        with crowd(("127.0.0.1", port)):
            await crowded(agent, TCP_RESERVE)
            began_s, used_s = monotonic(), processor_s(agent)
            for number in range(10):
                status, _ = await agent.post(scan(f"e-{number}"))
                assert status == 201
            assert (await agent.status())["log"]["waiting"] >= 10
            while monotonic() < began_s + WATCHED_S:
                await asyncio.sleep(0.1)
            share = (processor_s(agent) - used_s) / (monotonic() - began_s)
            assert descriptors(agent) <= LIMIT - LOCAL_RESERVE
            async with ClientSession() as late, late.get(f"http://127.0.0.1:{port}/livez") as turned_away:
                assert turned_away.status == 503
                assert turned_away.headers["Retry-After"] == "5"
                assert turned_away.content_type == PROBLEM_JSON
                problem = ProblemDocument.model_validate_json(await turned_away.read())
                assert (problem.status, problem.type) == (503, "urn:storeforward:problem:too_many_connections")
        assert share < PROCESSOR_SHARE_MAX, f"{share:.0%} of a processor"

        async def served_again() -> bool:
            async with ClientSession() as late, late.get(f"http://127.0.0.1:{port}/livez") as answer:
                return answer.status == 200

        await until(served_again)


async def test_with_every_connection_taken_the_log_takes_events_of_those_that_are_in(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent, agent.session() as till:
        headers = {"Storeforward-Producer": "till-1"}
        async with till.post("http://agent/v1/events", json=scan("e-0"), headers=headers) as answer:
            assert answer.status == 201
        narrow(agent, LIMIT)
        with crowd(str(agent.folder.socket)):
            await crowded(agent, LOCAL_RESERVE)
            for number in range(1, 10):
                async with till.post("http://agent/v1/events", json=scan(f"e-{number}"), headers=headers) as answer:
                    assert answer.status == 201
        status, _ = await agent.post(scan("after"))
        assert status == 201


async def test_with_not_one_descriptor_left_it_neither_ends_nor_spins_nor_floods_its_log_and_recovers(
    tmp_path: Path,
) -> None:
    async with running_agent(tmp_path) as agent:
        narrow(agent, descriptors(agent))
        with crowd(str(agent.folder.socket), size=50):
            began_s, used_s = monotonic(), processor_s(agent)
            while monotonic() < began_s + WATCHED_S:
                await asyncio.sleep(0.1)
            share = (processor_s(agent) - used_s) / (monotonic() - began_s)
        assert share < PROCESSOR_SHARE_MAX, f"{share:.0%} of a processor"
        narrow(agent, LIMIT)
        status, _ = await agent.post(scan("after"))
        assert status == 201
    assert len(agent.output.read_text().splitlines()) < 100
