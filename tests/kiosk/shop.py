"""A shop with a real agent, a till that answers requests, and sales from which the agent has learned."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession

from tests.agent_process import AgentProcess, running_agent, scan

__all__ = ["BREAD", "BUTTER", "CATALOGUE", "CODE", "Shop", "open_shop"]

Json = Any  # Any: what json.loads returns
BREAD, BUTTER, JAM = "201", "101", "103"
CODE = "5901234123457"
CATALOGUE = f"""sku,name,price,currency,gtin,aisle,bay,stock
{BREAD},"Country bread, sliced, 750 g",2.79,EUR,,2,1,12
{BUTTER},Salted butter 250 g,2.49,EUR,{CODE},4,2,18
{JAM},"Strawberry jam, less sugar, 340 g",3.29,EUR,,6,3,24
"""
BASKETS = "http://agent/v1/tills/till-3/requests"


class Shop:
    """The agent, and the till's side of it: what the till was asked is in `asked`, by request id."""

    def __init__(self, agent: AgentProcess) -> None:
        self.agent = agent
        self.asked: dict[str, Json] = {}
        self.basket_id = "b-1"
        self._numbers = count(1)

    @property
    def data(self) -> Path:
        return self.agent.folder.path

    async def scan(self, sku: str, name: str | None = None) -> None:
        number = next(self._numbers)
        changes: dict[str, Json] = {"basket_id": self.basket_id, "line": number, "sku": sku, "description": name}
        status, answer = await self.agent.post([scan(f"scan-{number}", **changes, customer_id=None, quantity="1")])
        assert status == 201, answer

    async def take_catalogue(self, csv: str) -> None:
        headers = {"Content-Type": "text/csv"}
        async with (
            self.agent.session() as session,
            session.post("http://agent/v1/catalogue", data=csv.encode(), headers=headers) as response,
        ):
            assert response.status == 200, await response.text()

    async def sell_together(self, *skus: str, baskets: int) -> None:
        """So many paid baskets with these products, for the agent to learn from."""
        sales = []
        for _ in range(baskets):
            number = next(self._numbers)
            lines = [
                {"line": line, "sku": sku, "quantity": "1", "actual_unit_price": "1", "extended_amount": "1"}
                for line, sku in enumerate(skus, 1)
            ]
            sale = {
                "till_id": "till-9",
                "basket_id": f"paid-{number}",
                "business_day": "2026-01-02",
                "items": lines,
                "total": str(len(skus)),
                "currency": "EUR",
            }
            sales.append({"type": "pos.sale.v1", "id": f"sale-{number}", "data": sale})
        status, answer = await self.agent.post(sales, "till-9")
        assert status == 201, answer

    async def next_request(self, session: ClientSession) -> Json:
        """The next request the till has not seen."""
        async with asyncio.timeout(30), session.get(BASKETS, headers={"Accept": "text/event-stream"}) as stream:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    request = json.loads(line[5:])
                    if request["request_id"] not in self.asked:
                        self.asked[request["request_id"]] = request
                        return request
        raise AssertionError("the stream ended")

    async def answer(self, session: ClientSession, outcome: str, reason: str | None = None) -> Json:
        """The till's answer to its next request; when it is done, the item is in the basket."""
        request = await self.next_request(session)
        body = {"outcome": outcome} | ({"reason": reason} if reason else {})
        async with session.post(f"{BASKETS}/{request['request_id']}", json=body) as response:
            assert response.status == 200, await response.text()
        if outcome == "done" and request["kind"] == "add_item":
            await self.scan(request["sku"])
        return request


@asynccontextmanager
async def open_shop(folder: Path, settings: str = "") -> AsyncIterator[Shop]:
    """A shop that sells bread and butter together; `settings` are added to the agent's."""
    async with running_agent(folder, f"[link]\nenabled = false\n{settings}") as agent:
        shop = Shop(agent)
        await shop.take_catalogue(CATALOGUE)
        await shop.sell_together(BREAD, BUTTER, baskets=6)
        await shop.sell_together(JAM, baskets=4)
        await _until_learned(agent)
        yield shop


async def _until_learned(agent: AgentProcess) -> None:
    question = {"till_id": "till-9", "items": [BREAD], "slots": 3, "deadline_ms": 2_000}
    async with asyncio.timeout(60), agent.session() as session:
        while True:
            try:
                async with session.post("http://agent/v1/decisions", json=question) as response:
                    answer = await response.json(content_type=None)
            except ClientError:
                answer = {}
            if any(item["sku"] == BUTTER for item in answer.get("items", [])):
                return
            await asyncio.sleep(0.1)
