"""Decisions and feedback over the API, every answer held against the OpenAPI document."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from agent.event_types import Stream
from tests.api.api_world import World, open_world
from tests.decide.shop import ANNA, many, open_tables, solve_now

QUESTION: dict[str, Any] = {
    "till_id": "till-3",
    "basket_id": "b-1",
    "items": ["bread"],
    "slots": 3,
    "deadline_ms": 5000,
}
PRODUCTS = b"sku,name,price,currency,stock\nbread,Rye bread,2.10,EUR,4\nbutter,Butter,3.00,EUR,9\njam,Jam,2.00,EUR,0\n"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    folder = tmp_path / "data" / "decide"
    with open_tables(folder) as tables:
        tables.take([*many(30, "bread", "butter", customer=ANNA), *many(20, "bread", "jam", first_key=100)])
        solve_now(tables)
    async with open_world(tmp_path / "data") as opened:
        opened.catalogue.import_csv(BytesIO(PRODUCTS), "products.csv")
        yield opened


async def test_a_decision_comes_with_reasons_and_products(world: World) -> None:
    reply = await world.local().post("/v1/decisions", QUESTION | {"id": "q-1"})
    assert reply.status == 200
    (item,) = reply.json["items"]
    assert (item["sku"], item["product"]["price"], item["product"]["name"]) == ("butter", "3.00", "Butter")
    assert item["reason"] == "Bought with Rye bread in 30 of 50 baskets here"
    assert item["why"] == {
        "kind": "bought_with",
        "baskets": 30,
        "of": 50,
        "with_sku": "bread",
        "with_name": "Rye bread",
        "every_days": None,
    }
    assert reply.json["removed"] == [{"sku": "jam", "rule": "out_of_stock"}]
    assert (reply.json["id"], reply.json["late"], reply.json["model_version"]) == ("q-1", False, "ease-1")


async def test_decisions_and_those_that_missed_their_deadline_are_counted(world: World) -> None:
    def count(text: str, name: str) -> float:
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    assert not (await world.local().post("/v1/decisions", QUESTION)).json["late"]
    before = (await world.local().get("/metrics")).body.decode()
    assert count(before, "storeforward_decisions_late_total") == 0
    late = 0
    while not late:  # a millisecond is little, but now and then enough
        late += (await world.local().post("/v1/decisions", QUESTION | {"deadline_ms": 1})).json["late"]
    after = (await world.local().get("/metrics")).body.decode()
    assert count(after, "storeforward_decisions_late_total") == 1
    assert count(after, "storeforward_decision_seconds_count") >= 2


async def test_a_basket_of_nothing_and_a_new_customer_are_welcome(world: World) -> None:
    reply = await world.local().post(
        "/v1/decisions", {"till_id": "till-3", "customer_id": "p1:" + "9" * 32, "deadline_ms": 5000}
    )
    assert [item["sku"] for item in reply.json["items"]] == ["bread", "butter"]
    assert reply.json["model_version"] == "popularity"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"slots": 0}, "slots"),
        ({"slots": 99}, "slots"),
        ({"items": ["not a sku"]}, "items[0]"),
        ({"customer_id": "4711"}, "customer_id"),
        ({"basket": "b"}, "basket"),
    ],
)
async def test_a_question_that_is_none_is_refused(world: World, change: dict[str, Any], path: str) -> None:
    reply = await world.local().post("/v1/decisions", QUESTION | change)
    assert reply.status == 400
    assert [where for where, _ in reply.problems] == [path]


async def reacted(world: World, reaction: str, **more: Any) -> Any:  # Any: JSON
    told = {"decision_id": "d-1", "till_id": "till-3", "sku": "butter", "slot": 0, "reaction": reaction, **more}
    return await world.local("kiosk-3").post("/v1/feedback", told)


async def test_each_reaction_becomes_its_event_and_counts_once(world: World) -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("shown", {}),
        ("viewed", {"visible_ms": 1200}),
        ("accepted", {"request_id": "r-1"}),
        ("dismissed", {}),
    ]
    for reaction, more in bodies:
        first = await reacted(world, reaction, **more)
        again = await reacted(world, reaction, **more)
        assert (first.status, again.status) == (201, 200)
        assert again.json == first.json | {"duplicate": True}
    events = world.stored(Stream.KIOSK)
    assert [event["type"].split(".")[-2] for event in events] == [reaction for reaction, _ in bodies]
    assert events[0]["source"].endswith("/kiosk-3")
    assert events[2]["data"]["request_id"] == "r-1"


async def test_the_same_id_with_another_reaction_is_a_conflict(world: World) -> None:
    await reacted(world, "shown", id="f-1")
    reply = await reacted(world, "dismissed", id="f-1")
    assert (reply.status, reply.kind) == (409, "id_conflict")


@pytest.mark.parametrize(
    ("reaction", "more", "path"),
    [
        ("viewed", {}, "visible_ms"),
        ("shown", {"visible_ms": 5}, "visible_ms"),
        ("dismissed", {"request_id": "r"}, "request_id"),
        ("liked", {}, "reaction"),
    ],
)
async def test_feedback_that_makes_no_event_is_refused(
    world: World, reaction: str, more: dict[str, Any], path: str
) -> None:
    reply = await reacted(world, reaction, **more)
    assert reply.status == 400
    assert reply.problems[0][0] == path


async def test_many_questions_at_once_are_answered_or_told_to_come_again(world: World) -> None:
    client = world.local()
    replies = await asyncio.gather(*(client.post("/v1/decisions", QUESTION) for _ in range(80)))
    statuses = {reply.status for reply in replies}
    assert statuses <= {200, 503}
    assert 200 in statuses
