"""The reader of the learned tables: what one decision asks of them, over a connection that can only read."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from agent.decide.solved import unpack_neighbours
from agent.decide.tables import LearnedUnreadable, open_reader

__all__ = ["RECENT_BASKETS_MAX", "Habit", "LearnedModel", "Shopper", "Together"]

RECENT_BASKETS_MAX: Final = 500
"""Reasons count within so many latest baskets: fresh evidence, and a bounded look-up."""

_NUMBERS: Final = "SELECT number FROM item WHERE sku IN (SELECT value FROM json_each(?))"
_SKU: Final = "SELECT sku FROM item WHERE number = ?"
_VERSION: Final = "SELECT number, version FROM model ORDER BY number DESC LIMIT 1"
_NEIGHBOURS: Final = """
SELECT item, packed FROM neighbour WHERE model = ? AND item IN (SELECT value FROM json_each(?))
"""
_CUSTOMER: Final = "SELECT number, rate FROM customer WHERE id = ? AND NOT withdrawn AND rate > 0"
_SHARES: Final = "SELECT item, rate / ? FROM habit WHERE customer = ?"
_HABIT: Final = "SELECT baskets, first_s, last_s FROM habit WHERE customer = ? AND item = ?"
_POPULAR: Final = "SELECT number FROM item ORDER BY rate DESC LIMIT ?"
_TOGETHER: Final = """
SELECT count(other.basket), count(*)
FROM (SELECT basket FROM line WHERE item = ? ORDER BY basket DESC LIMIT ?) AS seen
LEFT JOIN line AS other ON other.item = ? AND other.basket = seen.basket
"""
_RECENT: Final = """
SELECT count(line.basket), count(*)
FROM (SELECT number FROM basket ORDER BY number DESC LIMIT ?) AS seen
LEFT JOIN line ON line.item = ? AND line.basket = seen.number
"""
_STOCK: Final = "SELECT sum(on_hand) FROM stock WHERE sku = ?"


class Together(NamedTuple):
    """So many of so many latest baskets."""

    baskets: int
    of: int


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
        return {number for (number,) in self._rows(_NUMBERS, (json.dumps(list(skus)),))}

    def sku(self, number: int) -> str:
        """A numbered product's SKU."""
        ((sku,),) = self._rows(_SKU, (number,))
        return str(sku)

    def neighbours(self, model: int, items: Collection[int]) -> dict[int, dict[int, float]]:
        """The weights of each product's neighbours, the strongest first; without products that the model lacks."""
        rows = self._rows(_NEIGHBOURS, (model, json.dumps(list(items))))
        return {item: dict(unpack_neighbours(packed)) for item, packed in rows}

    def shopper(self, customer: str) -> Shopper | None:
        """A customer's habits; None for one who is not known, forgotten, or does not want to be."""
        found = self._rows(_CUSTOMER, (customer,))
        if not found:
            return None
        number, total = found[0]
        return Shopper(number, dict(self._rows(_SHARES, (total, number))))

    def habit(self, shopper: Shopper, item: int) -> Habit:
        """What a customer, who has a share of this product, did with it."""
        return Habit(*self._rows(_HABIT, (shopper.number, item))[0])

    def popular(self, count: int) -> list[int]:
        """The products of the last weeks' most baskets."""
        return [int(number) for (number,) in self._rows(_POPULAR, (count,))]

    def together(self, anchor: int, item: int) -> Together:
        """In how many of the latest baskets with `anchor` the item was too."""
        return Together(*self._rows(_TOGETHER, (anchor, RECENT_BASKETS_MAX, item))[0])

    def recent(self, item: int) -> Together:
        """In how many of the shop's latest baskets the item was."""
        return Together(*self._rows(_RECENT, (RECENT_BASKETS_MAX, item))[0])

    def stock(self, sku: str) -> float | None:
        """What lies in the shop by its last counts and levels; None when nobody said."""
        ((on_hand,),) = self._rows(_STOCK, (sku,))
        return None if on_hand is None else float(on_hand)

    def _rows(self, statement: str, values: Sequence[float | str]) -> list[tuple[Any, ...]]:  # Any: by column
        try:
            with closing(self._connection.execute(statement, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise LearnedUnreadable(f"cannot read {self._file}: {error}") from error
