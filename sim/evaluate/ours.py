"""Storeforward's own model as a device runs it: facts into the tables, the solve in its child, the engine's answers."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from agent.catalogue import Catalogue
from agent.clock import Clock
from agent.decide import BoughtBasket, DecisionEngine, DecisionRequest, Exposure, LearnedModel, LearnedTables, Shelf
from agent.decide.solver import solve_in_child
from sim.evaluate.model import SHOWN
from sim.evaluate.protocol import Query, Split, Task
from sim.evaluate.sold_lines import SoldLines

__all__ = ["Storeforward"]

BASKETS_PER_STEP: Final = 1_000
SLOTS: Final = 5
MEBIBYTE: Final = 1_048_576
MS: Final = 1_000.0


class Storeforward:
    """The engine over tables in `folder`; close it before the folder goes."""

    name = "storeforward"
    tasks: tuple[Task, ...] = ("basket", "next")

    def __init__(self, split: Split, folder: Path, clock: Clock, *, items_max: int) -> None:
        self._clock = clock
        self._lines = split.train
        self._items = {sku: number for number, sku in enumerate(split.train.item_names)}
        learned, catalogue = folder / "learned.sqlite", folder / "model.sqlite"
        with ExitStack() as opened:
            opened.callback(Catalogue.open(catalogue).close)
            self._tables = LearnedTables.open(learned)
            opened.callback(self._tables.close)
            baskets = _baskets(split.train)
            while step := list(islice(baskets, BASKETS_PER_STEP)):
                self._tables.take(step)
            solved = asyncio.run(solve_in_child(self._tables, items_max))
            self._tables.take_model(solved, int(split.train.at_s.max()))
            model = LearnedModel.open(learned)
            opened.callback(model.close)
            shelf = Shelf.open(catalogue)
            opened.callback(shelf.close)
            self._engine = DecisionEngine(model, shelf)
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Let go of the files."""
        self._opened.close()

    @property
    def size_mb(self) -> float:
        return round(self._tables.served_bytes() / MEBIBYTE, 2)

    @property
    def state_mb(self) -> float:
        return round(self._tables.stored_bytes() / MEBIBYTE, 2)

    def answer(self, query: Query) -> list[int]:
        """The engine's ranking before its rules."""
        ranking = self._engine.rank(self._skus(query), self._customer(query))
        return [self._items[sku] for sku in self._engine.skus(ranking, SHOWN)]

    def decide_ms(self, query: Query) -> float:
        """How long a whole decision takes, with rules and reasons."""
        started_s = self._clock.monotonic_s()
        request = DecisionRequest(
            query.id, "till", query.id, self._skus(query), self._customer(query), SLOTS, 1_000, started_s
        )
        self._engine.decide(request, Exposure())
        return (self._clock.monotonic_s() - started_s) * MS

    def _skus(self, query: Query) -> tuple[str, ...]:
        return tuple(self._lines.item_names[item] for item in query.given)

    def _customer(self, query: Query) -> str | None:
        return self._lines.household_names[query.household] if query.household >= 0 else None


def _baskets(lines: SoldLines) -> Iterator[BoughtBasket]:
    """The train baskets as facts."""
    numbers, starts = np.unique(lines.basket, return_index=True)
    for number, start, items in zip(numbers, starts, np.split(lines.item, starts[1:]), strict=True):
        household = int(lines.household[start])
        yield BoughtBasket(
            key=int(number),
            at_s=float(lines.at_s[start]),
            skus=tuple(lines.item_names[item] for item in items),
            customer=lines.household_names[household] if household >= 0 else None,
        )
