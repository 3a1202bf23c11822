"""From the log to the tables: replays change nothing, and every count in a reason equals SQL over the log."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from agent.catalogue import Catalogue
from agent.decide import DecisionEngine, Exposure, LearnedModel, ReasonKind, Shelf
from agent.event_types import StockLevel, Stream
from tests.decide.shop import ANNA, BEN, LearningShop, forgotten, open_learning_shop, question, sale, solve_now
from tests.decide.test_tables import dump, rows

SKUS = ("bread", "butter", "milk", "tea", "rice", "jam")

# The latest 500 sales with the anchor; and in how many of those the item was.
TOGETHER_IN_THE_LOG = """
WITH bought AS (
    SELECT event.sequence AS basket, item.value ->> '$.sku' AS sku
    FROM event, json_each(event.body, '$.data.items') AS item WHERE event.type = 'dev.storeforward.pos.sale.v1'
), anchored AS (SELECT DISTINCT basket FROM bought WHERE sku = ?1 ORDER BY basket DESC LIMIT 500)
SELECT (SELECT count(DISTINCT basket) FROM bought WHERE sku = ?2 AND basket IN anchored),
    (SELECT count(*) FROM anchored)
"""
HABIT_IN_THE_LOG = """
SELECT count(*), round((julianday(max(time)) - julianday(min(time))) / (count(*) - 1))
FROM event, json_each(event.body, '$.data.items') AS item
WHERE event.type = 'dev.storeforward.pos.sale.v1' AND body ->> '$.data.customer_id' = ?1 AND item.value ->> '$.sku' = ?2
"""


async def sell(shop: LearningShop, baskets: int) -> None:
    """Baskets of two kinds of taste, every third one Anna's, some hours apart."""
    random = Random(5)
    for number in range(baskets):
        shop.clock.move(hours=random.randint(1, 9))
        favourites = SKUS[:3] if number % 2 else SKUS[3:]
        skus = [sku for sku in SKUS if random.random() < (0.7 if sku in favourites else 0.1)] or ["bread"]
        await shop.log.append([shop.draft(sale(*skus, customer=ANNA if number % 3 == 0 else None))])
    await shop.learner.catch_up()


async def test_every_count_in_a_reason_equals_sql_over_the_log(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        await sell(shop, 120)
        solve_now(shop.tables)
        Catalogue.open(tmp_path / "model.sqlite").close()
        kinds = set()
        with (
            closing(LearnedModel.open(shop.tables.file)) as learned,
            closing(Shelf.open(tmp_path / "model.sqlite")) as shelf,
            closing(sqlite3.connect(f"file:{shop.log.file}?mode=ro", uri=True)) as log,
        ):
            engine = DecisionEngine(learned, shelf)
            for sku in SKUS:
                for customer in (None, ANNA):
                    for one in engine.decide(question(sku, customer=customer, slots=5), Exposure()).items:
                        reason = one.reason
                        kinds.add(reason.kind)
                        if reason.kind is ReasonKind.BOUGHT_WITH:
                            counted = log.execute(TOGETHER_IN_THE_LOG, (reason.with_sku, one.sku)).fetchone()
                            assert counted == (reason.baskets, reason.of)
                        if reason.kind is ReasonKind.USUAL:
                            counted = log.execute(HABIT_IN_THE_LOG, (ANNA, one.sku)).fetchone()
                            assert counted == (reason.baskets, reason.every_days)
                        told = {int(number) for number in re.findall(r"\d+", reason.text)}
                        assert told <= {reason.baskets, reason.of, reason.every_days}
        assert kinds >= {ReasonKind.BOUGHT_WITH, ReasonKind.USUAL}


async def test_a_replay_of_the_whole_log_changes_nothing(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        await sell(shop, 30)
        before = [line for line in dump(shop.tables) if 'INTO "cursor"' not in line]
        with closing(sqlite3.connect(shop.tables.file)) as connection:
            connection.execute("DELETE FROM cursor")
            connection.commit()
        assert await shop.learner.catch_up() == 0
        assert [line for line in dump(shop.tables) if 'INTO "cursor"' not in line] == before


async def test_after_a_restart_it_goes_on_where_it_was(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        await shop.happen(sale("bread"), sale("tea"))
    async with open_learning_shop(tmp_path, seed=2) as shop:
        assert await shop.learner.catch_up() == 0
        assert await shop.happen(sale("bread")) == 1
        assert rows(shop.tables, "SELECT sku, baskets FROM item") == [("bread", 2), ("tea", 1)]


async def test_tables_that_were_lost_are_learned_again_from_the_log(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with open_learning_shop(tmp_path) as shop:
        await sell(shop, 20)
        first = rows(shop.tables, "SELECT sku, baskets, rate FROM item ORDER BY sku")
    async with open_learning_shop(tmp_path, tmp_path / "other", seed=2) as shop:
        assert await shop.learner.catch_up() == 20
        assert rows(shop.tables, "SELECT sku, baskets, rate FROM item ORDER BY sku") == first


async def test_a_new_epoch_is_read_from_its_start_and_no_basket_counts_twice(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        again = sale("bread", basket_id="b-7")
        assert await shop.happen(again) == 1
        await shop.log.start_epoch("restored")
        assert await shop.happen(again, sale("tea")) == 1


async def test_forgetting_and_stock_come_with_the_log(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        await shop.happen(sale("bread", customer=ANNA), sale("tea", customer=BEN), forgotten(ANNA))
        await shop.happen(StockLevel(sku="tea", location="shelf", on_hand="2.5"))
        assert rows(shop.tables, "SELECT id FROM customer") == [(BEN,)]
        assert rows(shop.tables, "SELECT on_hand FROM stock") == [(2.5,)]


async def test_returned_lines_and_repeated_products_count_as_one_product_bought(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        paid = sale("bread", "bread", "tea")
        returned = paid.items[2].model_copy(update={"quantity": "-1"})
        await shop.happen(paid.model_copy(update={"items": (*paid.items[:2], returned)}))
        assert rows(shop.tables, "SELECT sku, baskets FROM item") == [("bread", 1)]


async def test_a_sale_dated_in_the_far_future_weighs_as_one_of_today(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        draft = shop.decoder.decode(
            b'{"type":"pos.sale.v1","time":"2055-01-01T00:00:00Z","data":%b}'
            % sale("bread").model_dump_json(exclude_none=True).encode(),
            "till-1",
        )
        await shop.log.append(draft)
        await shop.happen(sale("tea"))
        rates: dict[str, float] = dict(rows(shop.tables, "SELECT sku, rate FROM item"))
    assert rates["bread"] == pytest.approx(rates["tea"])


async def sell_while_the_clock_is_ahead(shop: LearningShop) -> None:
    await shop.happen(*(sale("bread", customer=ANNA) for _ in range(3)))
    shop.clock.jump(days=400)
    await shop.happen(sale("tea", "bread", customer=ANNA), sale("jam", customer=BEN))
    shop.clock.jump(days=-400)


async def test_sales_of_a_clock_that_was_ahead_weigh_as_ones_of_now_once_it_is_right(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        await sell_while_the_clock_is_ahead(shop)
        shop.clock.move(hours=1)
        await shop.happen(sale("rice"))
        rates: dict[str, float] = dict(rows(shop.tables, "SELECT sku, rate FROM item"))
        of_now = rates["rice"]
        assert {sku: round(rate / of_now, 2) for sku, rate in rates.items()} == {
            "bread": 4.0, "tea": 1.0, "jam": 1.0, "rice": 1.0,
        }  # fmt: skip
        now_s = int(shop.clock.wall().timestamp())
        assert rows(shop.tables, "SELECT max(at_s) FROM basket") == [(now_s,)]
        assert rows(
            shop.tables, "SELECT max(first_s) <= ?1, max(last_s) <= ?1 FROM habit".replace("?1", str(now_s))
        ) == [(1, 1)]
        with closing(LearnedModel.open(shop.tables.file)) as learned:
            anna = learned.shopper(ANNA)
            assert anna is not None
            assert max(anna.shares.values()) == pytest.approx(1.0)
            assert min(anna.shares.values()) == pytest.approx(0.25, abs=0.01)


async def test_a_basket_learned_after_the_clock_was_set_right_is_the_most_recent(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        await sell_while_the_clock_is_ahead(shop)
        shop.clock.move(hours=1)
        await shop.happen(sale("rice", customer=BEN))
        shop.clock.move(days=30)
        await shop.happen(sale("milk"))
        assert rows(shop.tables, "SELECT sku FROM item WHERE sku <> 'bread' ORDER BY rate DESC LIMIT 1") == [("milk",)]
        by_time = [number for (number,) in rows(shop.tables, "SELECT number FROM basket ORDER BY at_s, number")]
        assert by_time == sorted(by_time)


async def test_a_clock_that_nobody_vouches_for_changes_no_dates(tmp_path: Path) -> None:
    """A box without a battery boots in 1970: all that it ever learned is then of the future."""
    async with open_learning_shop(tmp_path) as shop:
        await shop.happen(sale("bread", customer=ANNA))
        before = rows(shop.tables, "SELECT rate FROM item UNION ALL SELECT at_s FROM basket")
        shop.synchronised = False
        shop.clock.jump(days=-20_000)
        await shop.happen(sale("tea"))
        after = rows(shop.tables, "SELECT rate FROM item WHERE sku = 'bread' UNION ALL SELECT max(at_s) FROM basket")
        assert after == before


async def test_it_learns_when_the_log_commits(tmp_path: Path) -> None:
    async with open_learning_shop(tmp_path) as shop:
        running = asyncio.create_task(shop.learner.run())
        await shop.log.append([shop.draft(sale("bread"))])
        async with asyncio.timeout(10):
            while shop.tables.baskets < 1:
                await asyncio.sleep(0.005)
        running.cancel()
        assert shop.log.head(Stream.SALES).sequence == 1
