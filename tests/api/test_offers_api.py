"""The offers that came down, as the API tells them."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.api.api_world import CheckedClient, World


def send_down(world: World, version: int, offers: object) -> None:
    """A pack of offers arrives whole."""
    content = json.dumps(offers).encode()
    name = sha256(content).hexdigest()
    manifest = {"version": version, "sha256": name, "size_bytes": len(content), "chunk_bytes": 100_000}
    world.packs.manifest("offers", json.dumps(manifest).encode())
    world.packs.chunk("offers", name, 0, content)


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
