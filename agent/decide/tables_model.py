"""The reader of the learned tables: what one decision asks of them, over a connection that can only read.

SQLite lets other threads run at each row it hands out, and beside a busy event loop the way back costs half a
millisecond. So whatever has many rows is asked for as one row of JSON.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from agent.decide.solved import unpack_neighbours
from agent.decide.tables import LearnedUnreadable, open_reader

__all__ = ["RECENT_BASKETS_MAX", "Habit", "LearnedModel", "OnSale", "Shopper", "Together"]

RECENT_BASKETS_MAX: Final = 500
"""Reasons count within so many latest baskets: fresh evidence, and a bounded look-up."""

_NUMBERS: Final = "SELECT json_group_array(number) FROM item WHERE sku IN (SELECT value FROM json_each(?))"
_ON_SALE: Final = """
SELECT json_group_array(json_array(number, sku, (SELECT sum(on_hand) FROM stock WHERE stock.sku = item.sku)))
FROM item WHERE number IN (SELECT value FROM json_each(?))
"""
_VERSION: Final = "SELECT number, version FROM model ORDER BY number DESC LIMIT 1"
_NEIGHBOURS: Final = """
SELECT json_group_array(json_array(item, hex(packed))) FROM neighbour
WHERE model = ? AND item IN (SELECT value FROM json_each(?))
"""
_CUSTOMER: Final = "SELECT number, rate FROM customer WHERE id = ? AND NOT withdrawn AND rate > 0"
_SHARES: Final = "SELECT json_group_array(json_array(item, rate / ?)) FROM habit WHERE customer = ?"
_HABITS: Final = """
SELECT json_group_array(json_array(item, baskets, first_s, last_s)) FROM habit
WHERE customer = ? AND item IN (SELECT value FROM json_each(?))
"""
_POPULAR: Final = "SELECT json_group_array(number) FROM (SELECT number FROM item ORDER BY rate DESC LIMIT ?)"
_TOGETHER: Final = """
WITH pair (anchor, item) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM json_each(?))
SELECT json_group_array(json_array(anchor, item, (
    SELECT json_array(count(other.basket), count(*))
    FROM (SELECT basket FROM line WHERE item = pair.anchor ORDER BY basket DESC LIMIT ?) AS seen
    LEFT JOIN line AS other ON other.item = pair.item AND other.basket = seen.basket
))) FROM pair
"""
_RECENT: Final = """
WITH seen (oldest, baskets) AS MATERIALIZED (
    SELECT min(number), count(*) FROM (SELECT number FROM basket ORDER BY number DESC LIMIT ?)
)
SELECT json_group_array(json_array(asked.value, json_array(
    (SELECT count(*) FROM line WHERE item = asked.value AND basket >= seen.oldest), seen.baskets
))) FROM json_each(?) AS asked, seen
"""


class Together(NamedTuple):
    """So many of so many latest baskets."""

    baskets: int
    of: int


class OnSale(NamedTuple):
    """A product by its SKU, with what lies in the shop by its last counts and levels; None when nobody said."""

    sku: str
    on_hand: float | None


class Habit(NamedTuple):
    """In how many baskets a customer had a product, first and last when."""

    baskets: int
    first_s: int
    last_s: int


@dataclass(frozen=True, slots=True)
class Shopper:
    """A known customer: the decayed share of the baskets that held each product, by its number."""

    number: int
    shares: Mapping[int, float]


class LearnedModel:
    """Look-ups for one thread at a time.

    Every method raises LearnedUnreadable when the file cannot be read.
    """

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self._file = file
        self._connection = connection

    @classmethod
    def open(cls, file: Path) -> Self:
        """Over the tables in `file`.

        Raises:
            LearnedUnreadable: when there are none.
        """
        return cls(file, open_reader(file))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All look-ups within see the tables at one moment."""
        self._rows("BEGIN", ())
        try:
            yield
        finally:
            self._rows("COMMIT", ())

    def version(self) -> tuple[int, str] | None:
        """Number and version of the model in use."""
        return next(((int(number), str(version)) for number, version in self._rows(_VERSION, ())), None)

    def numbers(self, skus: Collection[str]) -> set[int]:
        """The products' numbers, without those that were never sold here."""
        return set(self._list(_NUMBERS, (json.dumps(list(skus)),)))

    def neighbours(self, model: int, items: Collection[int]) -> dict[int, dict[int, float]]:
        """The weights of each product's neighbours, the strongest first; without products that the model lacks."""
        rows = self._list(_NEIGHBOURS, (model, json.dumps(list(items))))
        return {item: dict(unpack_neighbours(bytes.fromhex(packed))) for item, packed in rows}

    def shopper(self, customer: str) -> Shopper | None:
        """A customer's habits; None for one who is not known, forgotten, or does not want to be."""
        found = self._rows(_CUSTOMER, (customer,))
        if not found:
            return None
        number, total = found[0]
        return Shopper(number, dict(self._list(_SHARES, (total, number))))

    def habits(self, shopper: Shopper, items: Collection[int]) -> dict[int, Habit]:
        """What a customer did with those of these products of which there is a share."""
        rows = self._list(_HABITS, (shopper.number, json.dumps(list(items))))
        return {item: Habit(*habit) for item, *habit in rows}

    def popular(self, count: int) -> list[int]:
        """The products of the last weeks' most baskets."""
        return self._list(_POPULAR, (count,))

    def together(self, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], Together]:
        """For each anchor and item: in how many of the latest baskets with the anchor the item was too."""
        rows = self._list(_TOGETHER, (json.dumps(list(pairs)), RECENT_BASKETS_MAX))
        return {(anchor, item): Together(*counts) for anchor, item, counts in rows}

    def recent(self, items: Collection[int]) -> dict[int, Together]:
        """In how many of the shop's latest baskets each item was."""
        rows = self._list(_RECENT, (RECENT_BASKETS_MAX, json.dumps(list(items))))
        return {item: Together(*counts) for item, counts in rows}

    def on_sale(self, items: Collection[int]) -> dict[int, OnSale]:
        """The SKU of each numbered product, and what lies in the shop of it."""
        rows = self._list(_ON_SALE, (json.dumps(list(items)),))
        return {number: OnSale(sku, on_hand) for number, sku, on_hand in rows}

    def _list(self, statement: str, values: Sequence[float | str]) -> list[Any]:  # Any: by statement
        ((text,),) = self._rows(statement, values)
        found: list[Any] = json.loads(text)
        return found

    def _rows(self, statement: str, values: Sequence[float | str]) -> list[tuple[Any, ...]]:  # Any: by column
        try:
            with closing(self._connection.execute(statement, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise LearnedUnreadable(f"cannot read {self._file}: {error}") from error
