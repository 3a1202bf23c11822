"""A small shop for tests: baskets as facts, sales as events, and an engine over real tables."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Final

from agent.catalogue import Catalogue
from agent.decide import (
    BoughtBasket,
    DecisionEngine,
    DecisionRequest,
    LearnedModel,
    LearnedTables,
    Learner,
    Shelf,
    basket_key,
)
from agent.decide.solve import solve
from agent.event_types import CustomerChanged, EventData, LineItem, PosSale
from agent.events import Draft, EventDecoder, Origin
from agent.log import EventLog
from agent.settings import LogSettings
from agent.topics import DeviceName
from tests.log.world import NOON, SetClock, new_ids

ANNA: Final = "p1:" + "a" * 32
BEN: Final = "p1:" + "b" * 32
DAY_S: Final = 86_400.0
NOON_S: Final = NOON.timestamp()


def bought(*skus: str, key: int, customer: str | None = None, days_ago: float = 0.0) -> BoughtBasket:
    """A basket as a fact."""
    return BoughtBasket(key, NOON_S - days_ago * DAY_S, skus, customer)


def many(times: int, *skus: str, customer: str | None = None, first_key: int = 0) -> list[BoughtBasket]:
    """The same basket so many times, a day apart, the last one today."""
    return [
        bought(*skus, key=first_key + number, customer=customer, days_ago=times - 1 - number) for number in range(times)
    ]


@contextmanager
def open_tables(folder: Path) -> Iterator[LearnedTables]:
    with closing(LearnedTables.open(folder / "learned.sqlite")) as tables:
        yield tables


def solve_now(tables: LearnedTables) -> str:
    """A solve in this process; the new model's version."""
    return tables.take_model(solve(tables.file, 2_000), int(NOON_S)).version


@dataclass
class Shop:
    """An engine over tables and a catalogue."""

    tables: LearnedTables
    learned: LearnedModel
    engine: DecisionEngine
    catalogue: Catalogue

    def stock_catalogue(self, rows: Iterable[str]) -> None:
        """Rows of `sku,name,stock`; the name says what reasons call it."""
        lines = ["sku,name,price,currency,stock"]
        for row in rows:
            sku, name, stock = row.split(",")
            lines.append(f"{sku},{name},1.00,EUR,{stock}")
        self.catalogue.import_csv(BytesIO("\n".join(lines).encode()), "test.csv")


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    with (
        closing(Catalogue.open(folder / "model.sqlite")) as catalogue,
        open_tables(folder) as tables,
        closing(LearnedModel.open(tables.file)) as learned,
        closing(Shelf.open(catalogue.file)) as shelf,
    ):
        yield Shop(tables, learned, DecisionEngine(learned, shelf), catalogue)


def question(*skus: str, customer: str | None = None, slots: int = 2, basket_id: str = "b-1") -> DecisionRequest:
    return DecisionRequest("d-1", "till-1", basket_id, skus, customer, slots, 1_000, 0.0)


_numbers = count()


def sale(*skus: str, customer: str | None = None, basket_id: str | None = None, till_id: str = "till-1") -> PosSale:
    """A paid basket."""
    items = tuple(
        LineItem(line=line, sku=sku, quantity="1", actual_unit_price="1.00", extended_amount="1.00")
        for line, sku in enumerate(skus, 1)
    )
    return PosSale(
        till_id=till_id,
        basket_id=basket_id or f"basket-{next(_numbers)}",
        business_day="2026-03-02",
        items=items,
        total=f"{len(skus)}.00",
        currency="EUR",
        customer_id=customer,
    )


def forgotten(customer: str) -> CustomerChanged:
    return CustomerChanged(customer_id=customer, change="forgotten")


def key_of(paid: PosSale) -> int:
    return basket_key(paid.till_id, paid.basket_id, paid.business_day)


@dataclass
class LearningShop:
    """A log, tables, and a learner between them."""

    clock: SetClock
    log: EventLog
    decoder: EventDecoder
    tables: LearnedTables
    learner: Learner
    synchronised: bool = True
    """Whether the clock is known to be right."""

    def draft(self, fact: EventData) -> Draft:
        return self.decoder.make(fact, "till-1")

    async def happen(self, *facts: EventData) -> int:
        """Into the log, and learned; how many baskets were new."""
        await self.log.append([self.draft(fact) for fact in facts])
        return await self.learner.catch_up()


@asynccontextmanager
async def open_learning_shop(
    folder: Path, tables_folder: Path | None = None, seed: int = 1
) -> AsyncIterator[LearningShop]:
    """Another `seed` for each opening of one log: it makes the ids. The clock stands a year after the first one's."""
    clock = SetClock(NOON + timedelta(days=365 * (seed - 1)))
    log = EventLog.open(folder / "log", LogSettings(), clock=clock, new_id=new_ids(seed))
    try:
        decoder = EventDecoder(Origin(DeviceName("s1", "d1")), wall=clock.wall, new_id=new_ids(100 + seed))
        with open_tables(tables_folder or folder) as tables:
            learner = Learner(log, tables, clock, synchronised=lambda: shop.synchronised)
            shop = LearningShop(clock, log, decoder, tables, learner)
            yield shop
    finally:
        await log.close()
