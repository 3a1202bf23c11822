"""The tables of DATA/decide/learned.sqlite.

A file of its own beside the catalogue's: each has one writer, and a long import never delays learning. It can be made
again from history and log. The numbers of baskets grow in the order in which they were learned.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault
from agent.rebuildable import RebuildableFormat

__all__ = ["FILE_NAME", "LearnedUnreadable", "open_reader", "open_writer", "read_through"]

FILE_NAME: Final = "learned.sqlite"

WAL_PAGES_MAX: Final = 8_000  # 32 MB; the model keeper checkpoints long before, so that no basket has to wait for it
READER_CACHE_KIB: Final = 8_192

# `rate` columns are sums of forward-decayed weights (agent.decide.decay). The view is for people and tests.
_TABLES: Final = """
CREATE TABLE item (number INTEGER PRIMARY KEY, sku TEXT NOT NULL UNIQUE, baskets INTEGER NOT NULL, rate REAL NOT NULL);
CREATE INDEX item_rate ON item (rate);
CREATE TABLE basket (number INTEGER PRIMARY KEY, key INTEGER NOT NULL UNIQUE, at_s INTEGER NOT NULL);
CREATE TABLE line (item INTEGER NOT NULL, basket INTEGER NOT NULL, PRIMARY KEY (item, basket)) WITHOUT ROWID;
CREATE TABLE customer (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, baskets INTEGER NOT NULL, rate REAL NOT NULL,
    withdrawn INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE habit (
    customer INTEGER NOT NULL, item INTEGER NOT NULL, baskets INTEGER NOT NULL, rate REAL NOT NULL,
    first_s INTEGER NOT NULL, last_s INTEGER NOT NULL, PRIMARY KEY (customer, item)
) WITHOUT ROWID;
CREATE TABLE stock (
    sku TEXT NOT NULL, location TEXT NOT NULL, on_hand REAL NOT NULL, PRIMARY KEY (sku, location)
) WITHOUT ROWID;
CREATE TABLE model (
    number INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, made_s INTEGER NOT NULL,
    items INTEGER NOT NULL, baskets INTEGER NOT NULL
);
CREATE TABLE neighbour (
    model INTEGER NOT NULL, item INTEGER NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (model, item)
) WITHOUT ROWID;
CREATE TABLE cursor (stream TEXT PRIMARY KEY, epoch TEXT NOT NULL, sequence INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIEW pair AS
    SELECT one.sku AS sku, other.sku AS other_sku, count(*) AS baskets
    FROM line AS a JOIN line AS b ON b.basket = a.basket AND b.item > a.item
    JOIN item AS one ON one.number = a.item JOIN item AS other ON other.number = b.item
    GROUP BY a.item, b.item;
"""


class LearnedUnreadable(EnvironmentFault):
    """The learned tables were written by a newer version, or cannot be read."""


_LEARNED: Final = RebuildableFormat(
    version=1,
    tables=_TABLES,
    unreadable=LearnedUnreadable,
    how_to_rebuild="to learn again",
    busy_timeout_ms=5_000,
    pragmas=(f"wal_autocheckpoint = {WAL_PAGES_MAX}",),
)


def open_writer(file: Path) -> sqlite3.Connection:
    """The one read-write connection; makes the file and its tables. A damaged file is kept beside a new one.

    Raises:
        LearnedUnreadable: when a newer version wrote it.
        StorageFailed: when the folder cannot be written.
    """
    return _LEARNED.open_writer(file)


def open_reader(file: Path) -> sqlite3.Connection:
    """A connection that can only read.

    Raises:
        LearnedUnreadable: when there is no such file.
    """
    connection = _LEARNED.open_reader(file)
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return connection


def read_through(file: Path) -> None:
    """Have each page come by once, which leaves them all in the kernel's page cache; 0.3 s for 20 MB.

    Through SQLite: to close a file that was opened beside it would take its locks away.

    Raises:
        LearnedUnreadable: when it cannot be read.
    """
    try:
        with closing(open_reader(file)) as connection:
            connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise LearnedUnreadable(f"cannot read {file}: {error}") from error
