"""Case P6: clients that hang, each in its own way, hold up nobody but themselves. There are no plug-ins to hang yet."""

import asyncio
import json
from contextlib import AsyncExitStack
from io import BytesIO

import pytest

from agent.api import bodies
from agent.api.intake import BIG_BODIES_MAX, DECODE_HERE_BYTES_MAX
from tests.api.api_world import World, scan

pytestmark = pytest.mark.case("P6")
SLOW = 40


def _head(producer: str, length: int) -> bytes:
    return (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nStoreforward-Producer: {producer}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def _begin(world: World, stack: AsyncExitStack, text: bytes) -> asyncio.StreamReader:
    """A client that says this much and no more."""
    reader, writer = await asyncio.open_unix_connection(str(world.folder.socket))
    stack.callback(lambda _: writer.transport.abort(), reader)  # which would close it if nobody held it
    writer.write(text)
    await writer.drain()
    return reader


@pytest.mark.parametrize("text", [b"", b"POST /v1/ev", _head("slow", 50) + b"[", _head("slow", 2_000_000) + b"["])
async def test_clients_that_stop_in_mid_request_hold_up_nobody(world: World, text: bytes) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        for _ in range(SLOW):
            await _begin(world, stack, text)
        till = world.local("till-3")
        for number in range(20):
            assert (await till.post("/v1/events", {"id": f"e-{number}", **scan()})).status == 201
        large = json.dumps([scan(description="x" * 399)] * 200).encode()
        assert len(large) > DECODE_HERE_BYTES_MAX
        assert (await till.post("/v1/events", data=BytesIO(large))).status == 201


async def test_a_body_that_does_not_come_is_given_up_after_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.2)
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        slow = [await _begin(world, stack, _head("slow", 2_000_000) + b"[") for _ in range(BIG_BODIES_MAX + 1)]
        for reader in slow:
            assert b" 408 " in await reader.readline()


async def test_streams_that_nobody_reads_hold_up_no_other_stream(world: World) -> None:
    till = world.local("till-3")
    await till.post("/v1/events", [scan(line, description="x" * 390) for line in range(200)])
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        for _ in range(SLOW):
            await _begin(
                world, stack, b"GET /v1/baskets/till-3 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
            )
        async with till.stream("/v1/baskets/till-3") as stream:
            await stream.next()
            for line in range(200, 220):
                assert (await till.post("/v1/events", scan(line))).status == 201
                assert len(json.loads((await stream.next())["data"])["items"]) == line + 1
