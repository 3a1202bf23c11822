"""The routes between kiosk and till: asked once, answered once, and every end is an event in the log."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.event_types import Stream
from tests.api.api_world import CheckedClient, Reply, World, open_world, scan

PATH = "/v1/tills/till-3/requests"


def ask(**changes: Any) -> dict[str, Any]:  # Any: JSON
    return {"basket_id": "b-1", "kind": "add_item", "sku": "1082185", "quantity": "1", **changes}


@pytest.fixture
async def kiosk(world: World) -> CheckedClient:
    """A kiosk beside a till with an open basket."""
    await world.local().post("/v1/events", scan())
    return world.local("kiosk-3")


def ends(world: World) -> list[dict[str, Any]]:
    """What the log says about ended requests."""
    return [
        event["data"]
        for event in world.stored(Stream.KIOSK)
        if event["type"] == "dev.storeforward.kiosk.till_request.v1"
    ]


async def wait_for_ends(world: World, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while len(found := ends(world)) < count:
            await asyncio.sleep(0.01)
    return found


async def test_a_request_goes_to_the_till_and_its_answer_into_the_log(
    world: World, kiosk: CheckedClient, till: CheckedClient
) -> None:
    async with till.stream(PATH) as stream:
        asked = await kiosk.post(PATH, ask(request_id="r-1"))
        assert (asked.status, asked.json["state"], asked.json["request_id"]) == (201, "pending", "r-1")
        message = await stream.next()
        assert (message["event"], message["id"]) == ("request", "r-1")
        assert json.loads(message["data"]) == {
            "request_id": "r-1",
            "basket_id": "b-1",
            "kind": "add_item",
            "sku": "1082185",
            "quantity": "1",
            "expires_at": asked.json["expires_at"],
        }
    answered = await till.post(f"{PATH}/r-1", {"outcome": "refused", "reason": "age check"})
    assert (answered.status, answered.json["state"], answered.json["reason"]) == (200, "refused", "age check")
    assert (await kiosk.get(f"{PATH}/r-1")).json == answered.json
    assert [(end["request_id"], end["outcome"], end["reason"]) for end in ends(world)] == [
        ("r-1", "refused", "age check")
    ]
    assert world.stored(Stream.KIOSK)[0]["source"] == "/store-1/box-1/agent"


async def test_a_request_without_an_id_or_a_quantity_gets_them(kiosk: CheckedClient) -> None:
    asked = {"basket_id": "b-1", "kind": "remove_item", "sku": "1"}
    first, second = await kiosk.post(PATH, asked), await kiosk.post(PATH, asked)
    assert (first.status, second.status) == (201, 201)
    assert first.json["request_id"] != second.json["request_id"]
    assert first.json["quantity"] == "1"


async def test_the_same_request_again_is_asked_once(kiosk: CheckedClient, till: CheckedClient) -> None:
    first, again = await kiosk.post(PATH, ask(request_id="r-1")), await kiosk.post(PATH, ask(request_id="r-1"))
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    other = await kiosk.post(PATH, ask(request_id="r-1", sku="2"))
    assert (other.status, other.kind) == (409, "id_conflict")


async def test_the_same_answer_again_is_welcome_and_another_refused(
    world: World, kiosk: CheckedClient, till: CheckedClient
) -> None:
    await kiosk.post(PATH, ask(request_id="r-1"))
    done = [await till.post(f"{PATH}/r-1", {"outcome": "done"}) for _ in range(2)]
    assert [reply.status for reply in done] == [200, 200]
    other = await till.post(f"{PATH}/r-1", {"outcome": "refused", "reason": "no"})
    assert (other.status, other.kind) == (409, "already_answered")
    assert len(ends(world)) == 1


@pytest.mark.parametrize("basket_id", ["b-2", "b-0"])
async def test_a_request_for_another_basket_is_refused(kiosk: CheckedClient, basket_id: str) -> None:
    reply = await kiosk.post(PATH, ask(basket_id=basket_id))
    assert (reply.status, reply.kind) == (409, "basket_moved")


async def test_a_request_to_a_till_without_a_basket_is_refused(kiosk: CheckedClient) -> None:
    reply = await kiosk.post("/v1/tills/till-9/requests", ask())
    assert (reply.status, reply.kind) == (409, "basket_moved")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "basket_id"),
        (ask(kind="sing"), "kind"),
        (ask(quantity="0"), "quantity"),
        (ask(quantity=1.5), "quantity"),
        (ask(sku=""), "sku"),
        (ask(request_id="a b"), "request_id"),
        (ask(note="please"), "note"),
        ([], ""),
    ],
)
async def test_a_malformed_request_is_refused_with_its_path(kiosk: CheckedClient, body: Any, path: str) -> None:
    reply = await kiosk.post(PATH, body)
    assert reply.status == 400
    assert path in [found for found, _ in reply.problems]


@pytest.mark.parametrize("body", [{}, {"outcome": "maybe"}, {"outcome": "refused"}, {"outcome": "done", "x": 1}])
async def test_a_malformed_answer_leaves_the_request_open(
    kiosk: CheckedClient, till: CheckedClient, body: dict[str, Any]
) -> None:
    await kiosk.post(PATH, ask(request_id="r-1"))
    assert (await till.post(f"{PATH}/r-1", body)).status == 400
    assert (await kiosk.get(f"{PATH}/r-1")).json["state"] == "pending"


async def test_an_unknown_request_is_404_also_at_another_till(kiosk: CheckedClient, till: CheckedClient) -> None:
    await kiosk.post(PATH, ask(request_id="r-1"))
    for path in (f"{PATH}/r-2", "/v1/tills/till-4/requests/r-1"):
        assert (await kiosk.get(path)).kind == "unknown_request"
        assert (await till.post(path, {"outcome": "done"})).kind == "unknown_request"


async def test_a_till_that_reconnects_gets_only_what_it_has_not_seen(kiosk: CheckedClient, till: CheckedClient) -> None:
    for number in (1, 2, 3):
        await kiosk.post(PATH, ask(request_id=f"r-{number}"))
    async with till.stream(PATH, **{"Last-Event-ID": "r-2"}) as stream:
        assert (await stream.next())["id"] == "r-3"
    await till.post(f"{PATH}/r-1", {"outcome": "done"})
    async with till.stream(PATH) as stream:
        assert [(await stream.next())["id"] for _ in range(2)] == ["r-2", "r-3"]


async def test_more_requests_than_a_till_can_take_are_refused(kiosk: CheckedClient) -> None:
    replies: list[Reply] = [await kiosk.post(PATH, ask()) for _ in range(33)]
    assert [reply.status for reply in replies] == [201] * 32 + [429]
    assert replies[-1].headers["Retry-After"] == "1"


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[World]:
    """An agent whose tills have 0.2 s to answer."""
    async with open_world(tmp_path / "data", api={"till_request_ttl_s": 0.2}) as opened:
        await opened.local().post("/v1/events", scan())
        yield opened


async def test_an_unanswered_request_expires_by_itself_and_is_told_once(hasty: World) -> None:
    kiosk, till = hasty.local("kiosk-3"), hasty.local()
    await kiosk.post(PATH, ask(request_id="r-1"))
    await kiosk.post(PATH, ask(request_id="r-2"))
    found = await wait_for_ends(hasty, 2)
    assert [(end["request_id"], end["outcome"], end["reason"]) for end in found] == [
        ("r-1", "expired", "no answer within 0.2 s"),
        ("r-2", "expired", "no answer within 0.2 s"),
    ]
    assert (await kiosk.get(f"{PATH}/r-1")).json["state"] == "expired"
    late = await till.post(f"{PATH}/r-1", {"outcome": "done"})
    assert (late.status, late.kind) == (409, "already_answered")
    assert hasty.till_requests.unrecorded == ()
