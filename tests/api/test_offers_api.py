"""The offers that came down, as the API tells them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.api.api_world import CheckedClient, World, scan


def send_down(world: World, version: int, offers: object) -> None:
    """A pack of offers arrives whole."""
    content = json.dumps(offers).encode()
    name = sha256(content).hexdigest()
    manifest = {"version": version, "sha256": name, "size_bytes": len(content), "chunk_bytes": 100_000}
    world.packs.manifest("offers", json.dumps(manifest).encode())
    world.packs.chunk("offers", name, 0, content)
    world.packs.apply("offers")


def offer(sku: str, days: int) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "offer_id": f"o-{sku}",
        "sku": sku,
        "title": {"en": "Two for one"},
        "valid_from": (now - timedelta(days=1)).isoformat(),
        "valid_to": (now + timedelta(days=days)).isoformat(),
    }


async def test_offers_are_listed_while_they_are_valid(world: World, till: CheckedClient) -> None:
    assert (await till.get("/v1/offers")).json == {"version": 0, "offers": []}
    send_down(world, 3, [offer("4011", 1), offer("5", 1), offer("6", 0)])
    everything = (await till.get("/v1/offers")).json
    assert everything["version"] == 3
    assert [found["sku"] for found in everything["offers"]] == ["4011", "5"]
    assert [found["sku"] for found in (await till.get("/v1/offers?sku=5")).json["offers"]] == ["5"]


async def test_what_is_wrong_with_a_pack_is_a_problem_of_the_device(world: World, till: CheckedClient) -> None:
    send_down(world, 1, [{"sku": "5"}])
    status = (await till.get("/v1/status")).json
    assert status["packs"] == {"offers": 0}
    assert any("pack offers: offers refused: [0].offer_id" in problem for problem in status["problems"])


CSV = "sku,name,price,currency\n4011,Bananas,1.99,EUR\n"


async def take_catalogue(till: CheckedClient) -> None:
    reply = await till.post("/v1/catalogue", CSV.encode(), headers={"Content-Type": "text/csv"})
    assert reply.status == 200


async def test_a_product_is_shown_with_its_offers_that_are_valid_now(world: World, till: CheckedClient) -> None:
    await take_catalogue(till)
    send_down(world, 1, [offer("4011", 1), offer("4011", 0), offer("5", 1)])
    product = (await till.get("/v1/products/4011")).json
    assert [found["title"] for found in product["offers"]] == [{"en": "Two for one"}]
    assert product["price"] == "1.99"
    assert (await till.get("/v1/products", params={"q": "bana"})).json["products"] == [product]


async def test_a_baskets_stream_says_when_prices_or_offers_have_changed(world: World, till: CheckedClient) -> None:
    async with till.stream("/v1/baskets/till-3") as stream:
        await take_catalogue(till)
        assert (await stream.next())["event"] == "shelf"
        await asyncio.to_thread(send_down, world, 1, [offer("4011", 1)])  # the thread that packs come down on
        assert (await stream.next())["event"] == "shelf"


async def test_a_refused_pack_is_no_news_and_a_new_stream_hears_none_that_is_old(
    world: World, till: CheckedClient
) -> None:
    await take_catalogue(till)
    async with till.stream("/v1/baskets/till-3") as stream:
        send_down(world, 1, [{"sku": "5"}])
        await till.post("/v1/events", scan())
        assert (await stream.next())["event"] == "basket"
