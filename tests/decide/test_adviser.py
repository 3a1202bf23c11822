"""Answers in time or without items; every answer stored; what the customer waved away stays away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.catalogue import Catalogue
from agent.decide import Adviser, Decision
from agent.event_types import KioskDismissed, Stream
from tests.decide.shop import ANNA, LearningShop, many, open_learning_shop
from tests.decide.test_tables import rows
from tests.log.world import new_ids, read_all


@dataclass
class Advised:
    shop: LearningShop
    adviser: Adviser

    async def decide(self, **changes: Any) -> Decision:  # Any: each its own type
        asked: dict[str, Any] = {  # Any: as above
            "till_id": "till-1",
            "basket_id": "b-1",
            "skus": ("bread",),
            "customer": None,
            "slots": 2,
            "deadline_ms": 5_000,
        }
        return await self.adviser.decide(**{**asked, **changes})


@asynccontextmanager
async def open_advised(folder: Path) -> AsyncIterator[Advised]:
    async with open_learning_shop(folder) as shop, open_advised_in(shop, folder) as advised:
        yield advised


@asynccontextmanager
async def open_advised_in(shop: LearningShop, folder: Path) -> AsyncIterator[Advised]:
    shop.tables.take([*many(9, "bread", "butter"), *many(5, "tea", customer=ANNA, first_key=50)])
    Catalogue.open(folder / "model.sqlite").close()
    adviser = Adviser(
        shop.tables.file, folder / "model.sqlite", shop.log, shop.decoder, clock=shop.clock, new_id=new_ids(7)
    )
    running = asyncio.create_task(adviser.run())
    try:
        yield Advised(shop, adviser)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await adviser.close()


async def stored(shop: LearningShop, count: int) -> list[dict[str, Any]]:  # Any: JSON
    """The first decisions in the log, once they are there."""
    async with asyncio.timeout(10):
        while shop.log.head(Stream.KIOSK).sequence < count:
            await asyncio.sleep(0.005)
    found = read_all(shop.log, Stream.KIOSK)
    return [json.loads(event.body)["data"] for event in found]


async def test_every_decision_becomes_an_event(tmp_path: Path) -> None:
    async with open_advised(tmp_path) as advised:
        decision = await advised.decide(customer=ANNA)
        (told,) = await stored(advised.shop, 1)
    assert told["decision_id"] == decision.decision_id
    assert [item["sku"] for item in told["items"]] == [one.sku for one in decision.items]
    assert [item["reason"] for item in told["items"]] == [one.reason.text for one in decision.items]
    assert told["model_version"] == "rates"
    assert told["customer_id"] == ANNA
    assert 0 < told["took_ms"] == pytest.approx(decision.took_ms, abs=0.001)


async def test_what_was_decided_before_the_end_is_stored(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        async with open_advised_in(shop, tmp_path) as advised:
            decided = [(await advised.decide(basket_id=f"b-{number}")).decision_id for number in range(30)]
        assert [told["decision_id"] for told in await stored(shop, 0)] == decided


async def test_a_late_answer_has_no_items_and_says_so(tmp_path: Path) -> None:
    """The set clock moves on by 1 ms whenever somebody looks."""
    async with open_advised(tmp_path) as advised:
        decision = await advised.decide(deadline_ms=2)
        (told,) = await stored(advised.shop, 1)
    assert (decision.late, decision.items) == (True, ())
    assert told["items"] == []


async def test_what_was_dismissed_stays_away_for_that_basket(tmp_path: Path) -> None:
    async with open_advised(tmp_path) as advised:
        first = await advised.decide()
        sku = first.items[0].sku
        dismissed = KioskDismissed(decision_id=first.decision_id, till_id="till-1", sku=sku, slot=0)
        await advised.shop.log.append([advised.shop.draft(dismissed)])
        again = await advised.decide()
        elsewhere = await advised.decide(basket_id="b-2")
    assert sku not in [one.sku for one in again.items]
    assert sku in [one.sku for one in elsewhere.items]


async def test_decisions_change_no_table(tmp_path: Path) -> None:
    async with open_advised(tmp_path) as advised:
        before = rows(advised.shop.tables, "SELECT * FROM item")
        await advised.decide()
        assert rows(advised.shop.tables, "SELECT * FROM item") == before
