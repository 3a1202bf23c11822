"""The till's line to a real agent: it hears each request once, its answers count, and it outlives the agent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from sim.demo.till_requests import Asked, TillRequestLine
from tests.agent_process import AgentProcess, running_agent, scan

TILL = "till-3"
DEADLINE_S = 20.0
Json = Any  # Any: what json.loads returns


@asynccontextmanager
async def a_till(folder: Path) -> AsyncIterator[tuple[AgentProcess, ClientSession, TillRequestLine]]:
    """An agent whose till has a basket open."""
    async with running_agent(folder) as agent, agent.session() as session:
        await agent.post([scan("s-1", till_id=TILL, basket_id="b-1")])
        yield agent, session, TillRequestLine(session, "http://agent", {"Storeforward-Producer": TILL}, TILL)


async def ask(session: ClientSession, request_id: str) -> None:
    body = {"request_id": request_id, "basket_id": "b-1", "kind": "add_item", "sku": "4"}
    async with session.post(f"http://agent/v1/tills/{TILL}/requests", json=body) as response:
        assert response.status == 201, await response.text()


async def state(session: ClientSession, request_id: str) -> Json:
    async with session.get(f"http://agent/v1/tills/{TILL}/requests/{request_id}") as response:
        return await response.json()


async def heard(requests: AsyncIterator[Asked]) -> Asked:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(requests)


async def test_a_request_is_heard_and_the_answer_is_how_it_ends(tmp_path: Path) -> None:
    async with a_till(tmp_path) as (_, session, line), aclosing(line.requests()) as requests:
        await ask(session, "r-1")
        await ask(session, "r-2")
        assert [(await heard(requests)).request_id for _ in range(2)] == ["r-1", "r-2"]
        assert await line.answer("r-1", None)
        assert await line.answer("r-2", "weigh it first")
        assert (await state(session, "r-1"))["state"] == "done"
        assert (await state(session, "r-2"))["reason"] == "weigh it first"


async def test_an_answer_that_nobody_waits_for_is_let_go(tmp_path: Path) -> None:
    async with a_till(tmp_path) as (_, _session, line):
        assert not await line.answer("never-asked", None)


async def test_requests_are_heard_again_after_the_agent_was_killed(tmp_path: Path) -> None:
    async with a_till(tmp_path) as (agent, session, line), aclosing(line.requests()) as requests:
        await ask(session, "r-1")
        await heard(requests)
        await agent.child.kill()
        await agent.child.start()
        await ask(session, "r-2")
        assert (await heard(requests)).request_id == "r-2"
