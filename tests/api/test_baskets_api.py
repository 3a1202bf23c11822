"""GET /v1/baskets/{till}: the mirror as a document, and as a stream in which the latest wins."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from tests.api.api_world import CheckedClient, World, open_world, scan
from tests.examples import EXAMPLES


async def test_a_basket_is_shown_as_scanned(till: CheckedClient) -> None:
    assert (await till.get("/v1/baskets/till-3")).kind == "no_basket"
    await till.post("/v1/events", [scan(1), scan(2, sku="995242", quantity="0.345", actual_unit_price="12.50")])
    reply = await till.get("/v1/baskets/till-3")
    assert reply.status == 200
    assert (reply.json["basket_id"], reply.json["total"], reply.json["status"]) == ("b-1", "7.31", "open")
    assert [item["extended_amount"] for item in reply.json["items"]] == ["3.00", "4.31"]


async def test_a_paid_basket_is_shown_as_sold(till: CheckedClient) -> None:
    await till.post("/v1/events", [scan(basket_id="b-1001"), {"type": "pos.sale.v1", "data": EXAMPLES["pos.sale.v1"]}])
    reply = await till.get("/v1/baskets/till-3")
    assert (reply.json["status"], reply.json["total"], len(reply.json["items"])) == ("paid", "3.86", 2)


async def test_a_retried_event_does_not_change_the_basket(till: CheckedClient) -> None:
    event = {"id": "e-1", **scan(1)}
    await till.post("/v1/events", event)
    before = await till.get("/v1/baskets/till-3")
    await till.post("/v1/events", event)
    assert (await till.get("/v1/baskets/till-3")).json == before.json


async def test_a_stream_begins_with_what_there_is_and_follows(till: CheckedClient) -> None:
    await till.post("/v1/events", scan(1))
    async with till.stream("/v1/baskets/till-3") as stream:
        first = await stream.next()
        assert first["event"] == "basket"
        assert len(json.loads(first["data"])["items"]) == 1
        await till.post("/v1/events", scan(2))
        second = await stream.next()
        assert len(json.loads(second["data"])["items"]) == 2
        assert int(second["id"]) == json.loads(second["data"])["version"] > int(first["id"])


async def test_a_stream_of_a_till_not_seen_yet_waits_for_it(till: CheckedClient) -> None:
    async with till.stream("/v1/baskets/till-9") as stream:
        await till.post("/v1/events", scan(1, till_id="till-8"))
        await till.post("/v1/events", scan(1, till_id="till-9"))
        assert json.loads((await stream.next())["data"])["till_id"] == "till-9"


async def test_a_stream_says_that_it_lives_when_nothing_happens(tmp_path: Path) -> None:
    async with open_world(tmp_path, heartbeat_s=0.01) as world:
        till = world.local()
        async with till.stream("/v1/baskets/till-3") as stream:
            await asyncio.sleep(0.1)
            await till.post("/v1/events", scan(1))
            await stream.next()
            assert stream.comments >= 3


@pytest.mark.case("P6")
async def test_a_slow_client_gets_the_latest_and_not_all(world: World) -> None:
    """300 snapshots of some 45 kB are made while nobody reads; a handful is sent, the newest among them."""
    till = world.local()
    await till.post("/v1/events", [scan(line, description="x" * 300) for line in range(100)])
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as slow:
        slow.setblocking(False)
        await loop.sock_connect(slow, str(world.folder.socket))
        await loop.sock_sendall(
            slow, b"GET /v1/baskets/till-3 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
        )
        for number in range(300):
            await till.post("/v1/events", scan(0, quantity=str(number)))
        newest = (await till.get("/v1/baskets/till-3")).json["version"]
        received = b""
        async with asyncio.timeout(30):
            while b"id: %d\n" % newest not in received:
                received += await loop.sock_recv(slow, 1_000_000)
    versions = [int(line[4:]) for line in received.splitlines() if line.startswith(b"id: ")]
    assert versions == sorted(set(versions))
    assert versions[-1] == newest
    assert len(versions) <= 5, "what lay between was skipped"


async def test_streams_are_bounded_and_a_left_one_makes_room(tmp_path: Path) -> None:
    async with open_world(tmp_path, api={"sse_clients_max": 2}) as world:
        till = world.local()
        await till.post("/v1/events", scan(1))
        async with till.stream("/v1/baskets/till-3") as one:
            await one.next()
            async with till.stream("/v1/baskets/till-3") as two:
                await two.next()
                reply = await till.get("/v1/baskets/till-3", headers={"Accept": "text/event-stream"})
                assert (reply.status, reply.kind) == (503, "too_many_streams")
                assert "storeforward_http_streams 2.0" in (await till.get("/metrics")).body.decode()
        async with asyncio.timeout(5):
            while "storeforward_http_streams 0.0" not in (await till.get("/metrics")).body.decode():
                await asyncio.sleep(0.01)
        async with till.stream("/v1/baskets/till-3") as three:
            await three.next()


async def test_stopping_ends_streams_at_once_even_of_a_client_that_reads_nothing(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with open_world(tmp_path) as world:
        till = world.local()
        await till.post("/v1/events", [scan(line, description="x" * 390) for line in range(500)])
        _, stuck = await asyncio.open_unix_connection(str(world.folder.socket), limit=1)
        stuck.write(b"GET /v1/baskets/till-3 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        async with till.stream("/v1/baskets/till-3") as stream:
            await stream.next()
            began_s = loop.time()
            await world.api.stop()
            assert loop.time() - began_s < 1.0
            with pytest.raises(EOFError):
                await stream.next()
        stuck.transport.abort()
        assert not world.folder.socket.exists()
