"""The writer of the learned tables: facts go in, each basket once, in one transaction with how far the log was read."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, Self

from agent.decide.decay import CUSTOMER_HALF_LIFE_D, POPULARITY_HALF_LIFE_D, decay_weight
from agent.decide.facts import BoughtBasket, CustomerFact, Fact, StockFact
from agent.decide.solved import SolvedModel, pack_neighbours
from agent.decide.tables import open_writer
from agent.decide.tables_redated import redate
from agent.errors import StorageFailed, StorageFull

__all__ = ["LearnedTables", "LogCursor", "ModelState"]

MODELS_KEPT: Final = 2  # the one before, to go back to
BASKETS_KEPT: Final = 300_000  # about 3 million lines, 40 MB: a year of a shop with 800 baskets a day
PRUNE_STEP_BASKETS: Final = 5_000

_NEW_BASKET: Final = "INSERT OR IGNORE INTO basket (key, at_s) VALUES (?, ?)"
_COUNT_ITEM: Final = """
INSERT INTO item (sku, baskets, rate) VALUES (?, 1, ?)
ON CONFLICT (sku) DO UPDATE SET baskets = baskets + 1, rate = rate + excluded.rate RETURNING number
"""
_NEW_LINE: Final = "INSERT INTO line (item, basket) VALUES (?, ?)"
_COUNT_CUSTOMER: Final = """
INSERT INTO customer (id, baskets, rate) VALUES (?, 1, ?)
ON CONFLICT (id) DO UPDATE SET baskets = baskets + 1, rate = rate + excluded.rate WHERE NOT withdrawn RETURNING number
"""
_COUNT_HABIT: Final = """
INSERT INTO habit (customer, item, baskets, rate, first_s, last_s) VALUES (?1, ?2, 1, ?3, ?4, ?4)
ON CONFLICT (customer, item) DO UPDATE SET baskets = baskets + 1, rate = rate + excluded.rate,
    first_s = min(first_s, excluded.first_s), last_s = max(last_s, excluded.last_s)
"""
_FORGET_HABITS: Final = "DELETE FROM habit WHERE customer = (SELECT number FROM customer WHERE id = ?)"
_FORGET_CUSTOMER: Final = "DELETE FROM customer WHERE id = ?"
_WITHDRAW: Final = """
INSERT INTO customer (id, baskets, rate, withdrawn) VALUES (?, 0, 0.0, 1)
ON CONFLICT (id) DO UPDATE SET baskets = 0, rate = 0.0, withdrawn = 1
"""
_CONSENT: Final = "UPDATE customer SET withdrawn = 0 WHERE id = ?"
_SET_STOCK: Final = """
INSERT INTO stock (sku, location, on_hand) VALUES (?, ?, ?)
ON CONFLICT (sku, location) DO UPDATE SET on_hand = excluded.on_hand
"""
_SET_CURSOR: Final = """
INSERT INTO cursor (stream, epoch, sequence) VALUES (?, ?, ?)
ON CONFLICT (stream) DO UPDATE SET epoch = excluded.epoch, sequence = excluded.sequence
"""
_CURSOR: Final = "SELECT epoch, sequence FROM cursor WHERE stream = ?"
_BASKET_COUNT: Final = "SELECT count(*) FROM basket"
_LATEST: Final = "SELECT ifnull(max(at_s), 0) FROM basket"
_NEW_MODEL: Final = "INSERT INTO model (version, made_s, items, baskets) VALUES (?, ?, ?, ?)"
_NEW_NEIGHBOURS: Final = "INSERT INTO neighbour (model, item, packed) VALUES (?, ?, ?)"
_DROP_NEIGHBOURS: Final = "DELETE FROM neighbour WHERE model <= ?"
_DROP_MODELS: Final = "DELETE FROM model WHERE number <= ?"
_LAST_MODEL: Final = "SELECT version, made_s, items, baskets FROM model ORDER BY number DESC LIMIT 1"
_NEIGHBOUR_BYTES: Final = """
SELECT ifnull(sum(length(packed) + 8), 0) FROM neighbour WHERE model = (SELECT max(number) FROM model)
"""
_ITEM_BYTES: Final = "SELECT ifnull(sum(2 * length(sku) + 32), 0) FROM item"  # with its two indexes
_OLD_BASKETS: Final = "SELECT max(number) FROM (SELECT number FROM basket ORDER BY number LIMIT ?)"
_DROP_LINES: Final = "DELETE FROM line WHERE basket <= ?"
_DROP_BASKETS: Final = "DELETE FROM basket WHERE number <= ?"


@dataclass(frozen=True, slots=True)
class LogCursor:
    """How far one stream of the log was read."""

    stream: str
    epoch: str
    sequence: int


@dataclass(frozen=True, slots=True)
class ModelState:
    """What the model in use was solved from."""

    version: str
    made_s: int
    items: int
    baskets: int


class LearnedTables:
    """One writer over one file; methods may be called from any thread, one at a time is served.

    Every method raises StorageFull or StorageFailed when the disk does not take it; nothing has changed then.
    """

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self.file: Final = file
        self._connection = connection
        self._lock = Lock()
        self._baskets = self._number(_BASKET_COUNT)
        self._latest_s = self._number(_LATEST)

    @classmethod
    def open(cls, file: Path) -> Self:
        """The tables in `file`, made when they are not there.

        Raises:
            LearnedUnreadable: when a newer version wrote them.
            StorageFailed: when the folder cannot be written.
        """
        return cls(file, open_writer(file))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @property
    def baskets(self) -> int:
        """How many baskets are kept."""
        return self._baskets

    @property
    def latest_s(self) -> int:
        """The date of the youngest basket."""
        return self._latest_s

    def take(self, facts: Sequence[Fact], cursor: LogCursor | None = None) -> int:
        """Learn from facts in their order; tells how many baskets were new. One that is known changes nothing."""
        with self._transaction():
            new = sum(self._take(fact) for fact in facts)
            if cursor is not None:
                self._connection.execute(_SET_CURSOR, (cursor.stream, cursor.epoch, cursor.sequence))
        self._baskets += new
        self._latest_s = max([self._latest_s, *(int(fact.at_s) for fact in facts if isinstance(fact, BoughtBasket))])
        return new

    def redate(self, now_s: int) -> int:
        """Have what is dated after `now_s` count as of then, as after a clock that was ahead; how many baskets."""
        with self._transaction():
            count = redate(self._connection, now_s)
        self._latest_s = min(self._latest_s, now_s)
        return count

    def cursor(self, stream: str) -> LogCursor | None:
        """How far a stream was read, or None when it never was."""
        with self._lock:
            row = self._connection.execute(_CURSOR, (stream,)).fetchone()
        return LogCursor(stream, *row) if row else None

    def take_model(self, solved: SolvedModel, made_s: int) -> ModelState:
        """Put a solved model to use, all of it at once; the one before stays beside it."""
        rows = [(item, pack_neighbours(row)) for item, row in solved.neighbours.items()]
        with self._transaction():
            made = self._connection.execute(_NEW_MODEL, ("", made_s, len(rows), solved.baskets))
            number = made.lastrowid
            assert number is not None
            state = ModelState(f"ease-{number}", made_s, len(rows), solved.baskets)
            self._connection.execute("UPDATE model SET version = ? WHERE number = ?", (state.version, number))
            self._connection.executemany(_NEW_NEIGHBOURS, ((number, *row) for row in rows))
            self._connection.execute(_DROP_NEIGHBOURS, (number - MODELS_KEPT,))
            self._connection.execute(_DROP_MODELS, (number - MODELS_KEPT,))
        return state

    def model(self) -> ModelState | None:
        """The model in use."""
        with self._lock:
            row = self._connection.execute(_LAST_MODEL).fetchone()
        return ModelState(*row) if row else None

    def served_bytes(self) -> int:
        """What serving reads beside customers' habits: the model in use, and each product's number and popularity."""
        with self._lock:
            return self._number(_NEIGHBOUR_BYTES) + self._number(_ITEM_BYTES)

    def checkpoint(self) -> None:
        """Move what was written from the write-ahead log into the file."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def stored_bytes(self) -> int:
        """What all of the tables take."""
        with self._lock:
            return self._number("PRAGMA page_count") * self._number("PRAGMA page_size")

    def prune(self, baskets_kept: int = BASKETS_KEPT) -> int:
        """Let go of the oldest baskets beyond the limit, one step at a time; how many. Counts of items stay."""
        excess = min(self._baskets - baskets_kept, PRUNE_STEP_BASKETS)
        if excess <= 0:
            return 0
        with self._transaction():
            (last,) = self._connection.execute(_OLD_BASKETS, (excess,)).fetchone()
            self._connection.execute(_DROP_LINES, (last,))
            self._connection.execute(_DROP_BASKETS, (last,))
        self._baskets -= excess
        return excess

    def _take(self, fact: Fact) -> int:
        match fact:
            case BoughtBasket():
                return self._take_basket(fact)
            case CustomerFact():
                self._take_customer(fact)
            case StockFact():
                self._connection.execute(_SET_STOCK, (fact.sku, fact.location, fact.on_hand))
        return 0

    def _take_basket(self, bought: BoughtBasket) -> int:
        execute = self._connection.execute
        basket = execute(_NEW_BASKET, (bought.key, int(bought.at_s)))
        if not basket.rowcount:
            return 0
        number = basket.lastrowid
        weight = decay_weight(bought.at_s, POPULARITY_HALF_LIFE_D)
        items = [execute(_COUNT_ITEM, (sku, weight)).fetchone()[0] for sku in bought.skus]
        self._connection.executemany(_NEW_LINE, [(item, number) for item in items])
        if bought.customer is not None:
            self._take_habits(bought.customer, items, bought.at_s)
        return 1

    def _take_habits(self, customer: str, items: list[int], at_s: float) -> None:
        weight = decay_weight(at_s, CUSTOMER_HALF_LIFE_D)
        found = self._connection.execute(_COUNT_CUSTOMER, (customer, weight)).fetchone()
        if found is not None:  # None: consent was withdrawn
            rows = [(found[0], item, weight, int(at_s)) for item in items]
            self._connection.executemany(_COUNT_HABIT, rows)

    def _take_customer(self, fact: CustomerFact) -> None:
        if fact.change == "consent_given":
            self._connection.execute(_CONSENT, (fact.customer,))
            return
        self._connection.execute(_FORGET_HABITS, (fact.customer,))
        statement = _FORGET_CUSTOMER if fact.change == "forgotten" else _WITHDRAW
        self._connection.execute(statement, (fact.customer,))

    def _number(self, statement: str) -> int:
        with closing(self._connection.execute(statement)) as rows:
            return int(rows.fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._connection.rollback()
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.rollback()
                fault = StorageFull if "full" in str(error) else StorageFailed
                raise fault(f"cannot write {self.file}: {error}") from error
