"""The catalogue over HTTP: found by typing and by code, imported whole or not at all."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.api.api_world import CheckedClient, World

SHOP = """sku,name,price,currency,gtin,aisle
100,Brânză de vaci,8.50,RON,5900512300108,A1
101,Lapte,6.20,RON,036000291452,A1
"""


async def take(client: CheckedClient, text: str, query: str = "") -> CheckedClient:
    reply = await client.post(f"/v1/catalogue{query}", text.encode(), headers={"Content-Type": "text/csv"})
    assert reply.status == 200, reply.body
    return client


async def import_under_way(world: World) -> None:
    async with asyncio.timeout(10):
        while not world.api._products._importing:
            await asyncio.sleep(0.01)


async def test_imported_products_are_found(world: World, till: CheckedClient) -> None:
    reply = await till.post("/v1/catalogue", SHOP.encode(), headers={"Content-Type": "text/csv; charset=utf-8"})
    assert reply.json == {"rows": 2, "added": 2, "changed": 0, "unchanged": 0}
    found = await till.get("/v1/products", params={"q": "branza"})
    assert found.json["products"] == [
        {
            "sku": "100",
            "name": "Brânză de vaci",
            "price": "8.50",
            "currency": "RON",
            "gtin": "5900512300108",
            "department": None,
            "category": None,
            "aisle": "A1",
            "bay": None,
            "stock": None,
            "offers": [],
        }
    ]
    assert (await till.get("/v1/products", params={"gtin": "0036000291452"})).json["products"][0]["sku"] == "101"
    assert (await till.get("/v1/products", params={"q": "nothing such"})).json["products"] == []
    assert (await till.get("/v1/products", params={"q": ""})).json["products"] == []
    assert (await till.get("/v1/products", params={"q": "1", "limit": "1"})).json["products"][0]["sku"] == "100"
    assert (await till.get("/v1/products/101")).json["name"] == "Lapte"
    assert (await till.get("/v1/products/999")).kind == "unknown_product"
    assert (await till.get("/v1/status")).json["products"] == 2


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?q=a&gtin=12345678",
        "?q=a&limit=0",
        "?q=a&limit=101",
        "?q=a&limit=x",
        "?q=a&limit=-1",
        "?gtin=12",
        "?gtin=x",
    ],
)
async def test_a_query_that_makes_no_sense_is_400(till: CheckedClient, query: str) -> None:
    reply = await till.get(f"/v1/products{query}")
    assert (reply.status, reply.kind) == (400, "query")


async def test_mistakes_are_told_by_line_and_nothing_is_taken(world: World, till: CheckedClient) -> None:
    await take(till, SHOP)
    bad = 'sku,name,price,currency\n100,X,1.00,RON\n102,Y,"1,5",RON\n'
    reply = await till.post("/v1/catalogue?name=shop.csv", bad.encode(), headers={"Content-Type": "text/csv"})
    assert (reply.status, reply.kind) == (400, "catalogue_refused")
    assert reply.problems == [("shop.csv:3 price", "'1,5' is not a price")]
    assert (await till.get("/v1/products/100")).json["price"] == "8.50"


async def test_only_csv_is_a_catalogue(till: CheckedClient) -> None:
    assert (await till.post("/v1/catalogue", {"sku": "1"})).status == 415


async def test_one_import_at_a_time_and_the_others_go_on(world: World, till: CheckedClient) -> None:
    """The first upload stops half way; a second one is refused, look-ups answer, and then the first is finished."""
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield SHOP[:40].encode()
        await go_on.wait()
        yield SHOP[40:].encode()

    headers = {"Content-Type": "text/csv"}
    first = asyncio.create_task(till.call("POST", "/v1/catalogue", data=slowly(), headers=headers))
    await import_under_way(world)
    other = world.local("kiosk")
    reply = await other.post("/v1/catalogue", SHOP.encode(), headers=headers)
    assert (reply.status, reply.kind) == (409, "import_running")
    assert (await other.get("/v1/products", params={"q": "branza"})).json["products"] == []
    go_on.set()
    assert (await first).json["added"] == 2
    await take(other, SHOP)


async def test_an_upload_that_breaks_off_leaves_room_for_the_next(world: World, till: CheckedClient) -> None:
    _, writer = await asyncio.open_unix_connection(str(world.folder.socket))
    writer.write(b"POST /v1/catalogue HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\nsku,")
    await writer.drain()
    await import_under_way(world)
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        while (await till.post("/v1/catalogue", SHOP.encode(), headers={"Content-Type": "text/csv"})).status != 200:
            await asyncio.sleep(0.01)
    assert world.catalogue.size == 2


async def test_a_broken_catalogue_is_503_and_events_go_on(world: World, till: CheckedClient) -> None:
    world.catalogue._reader.close()
    assert (await till.get("/v1/products/1")).status == 503
    assert (await till.get("/v1/status")).status == 200
