"""Have it brought: asked for once, stored as an event, and only where a vehicle is and the product is known."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.event_types import Stream
from agent.fleet.fleet import Fleet
from tests.api.api_world import CheckedClient, World, free_port, open_world
from tests.fleet.floor import Floor

PATH = "/v1/tills/till-3/brings"
CATALOGUE = b"sku,name,price,currency\n1082185,Oat milk 1 l,1.50,EUR\n"


def wish(**changes: Any) -> dict[str, Any]:
    return {"request_id": "r-1", "basket_id": "b-1", "sku": "1082185", **changes}


def brings(world: World) -> list[dict[str, Any]]:
    return [event for event in world.stored(Stream.KIOSK) if event["type"] == "dev.storeforward.kiosk.bring.v1"]


async def stocked(world: World) -> CheckedClient:
    """A kiosk of a shop with one product."""
    taken = await world.local().post("/v1/catalogue", CATALOGUE, headers={"Content-Type": "text/csv"})
    assert taken.status == 200
    return world.local("kiosk-3")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[World]:
    """An agent with one vehicle."""
    async with (
        Floor.open(tmp_path / "floor") as floor,
        open_world(tmp_path / "data", fleet=Fleet([floor.vehicle]), api={"tcp_port": free_port()}) as world,
    ):
        yield world


async def test_what_is_asked_for_becomes_one_event_however_often_it_is_sent(served: World) -> None:
    kiosk = await stocked(served)
    first, again = await kiosk.post(PATH, wish()), await kiosk.post(PATH, wish())
    assert (first.status, again.status) == (201, 200)
    (event,) = brings(served)
    assert (event["id"], event["source"]) == ("bring:r-1", "/store-1/box-1/kiosk-3")
    assert event["data"] == {"request_id": "r-1", "till_id": "till-3", "basket_id": "b-1", "sku": "1082185"}


async def test_the_same_id_for_another_product_is_refused(served: World) -> None:
    kiosk = await stocked(served)
    await kiosk.post(PATH, wish())
    reply = await kiosk.post(PATH, wish(basket_id="b-2"))
    assert (reply.status, reply.kind) == (409, "id_conflict")


async def test_a_store_without_vehicles_says_so(world: World) -> None:
    kiosk = await stocked(world)
    reply = await kiosk.post(PATH, wish())
    assert (reply.status, reply.kind, reply.json["detail"]) == (409, "no_vehicles", "this store has no vehicles")
    assert brings(world) == []


async def test_an_unknown_product_is_refused_as_a_look_up_refuses_it(served: World) -> None:
    kiosk = await stocked(served)
    reply, looked_up = await kiosk.post(PATH, wish(sku="7")), await kiosk.get("/v1/products/7")
    assert (reply.status, reply.json) == (404, looked_up.json)
    assert brings(served) == []


@pytest.mark.parametrize(
    ("body", "path"),
    [({}, "request_id"), (wish(sku=""), "sku"), (wish(request_id="a b"), "request_id"), (wish(floor=2), "floor")],
)
async def test_a_malformed_wish_is_refused_with_its_field(world: World, body: dict[str, Any], path: str) -> None:
    reply = await world.local("kiosk-3").post(PATH, body)
    assert reply.status == 400
    assert path in [found for found, _ in reply.problems]


async def test_over_the_network_only_who_may_write_the_event_may_ask(served: World) -> None:
    await stocked(served)
    kiosk = served.remote(served.producers.add("kiosk-3", ("kiosk.*",)))
    till = served.remote(served.producers.add("till-3", ("pos.*",)))
    assert (await kiosk.post(PATH, wish())).status == 201
    assert (await till.post(PATH, wish(request_id="r-2"))).status == 403
