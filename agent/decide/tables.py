"""The tables of DATA/decide/learned.sqlite, and how its connections are opened.

A file of its own beside the catalogue's: each has one writer, and a long import never delays learning. It can be made
again from history and log, so commits are not fsynced one by one, and a damaged file is set aside. The numbers of
baskets grow in the order in which they were learned. `PRAGMA user_version` is the format's version.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault, StorageFailed

__all__ = ["FILE_NAME", "LearnedUnreadable", "open_reader", "open_writer"]

FILE_NAME: Final = "learned.sqlite"

FORMAT: Final = 1
BUSY_TIMEOUT_MS: Final = 5_000
WAL_BYTES_KEPT: Final = 4 * 1_048_576
WAL_PAGES_MAX: Final = 8_000  # 32 MB; the model keeper checkpoints long before, so that no basket has to wait for it
READER_CACHE_KIB: Final = 8_192

# `rate` columns are sums of forward-decayed weights (agent.decide.decay). The view is for people and tests.
_TABLES: Final = """
BEGIN IMMEDIATE;
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
PRAGMA user_version = 1;
COMMIT;
"""


class LearnedUnreadable(EnvironmentFault):
    """The learned tables were written by a newer version, or cannot be read."""


def open_writer(file: Path) -> sqlite3.Connection:
    """The one read-write connection; makes the file and its tables. A damaged file is kept beside a new one.

    Raises:
        LearnedUnreadable: when a newer version wrote it.
        StorageFailed: when the folder cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            _set_aside(file)
            return _connect(file)
    except (OSError, sqlite3.Error) as error:
        raise StorageFailed(f"cannot open {file}: {error}; check the folder's owner and the disk") from error


def open_reader(file: Path) -> sqlite3.Connection:
    """A connection that can only read.

    Raises:
        LearnedUnreadable: when there is no such file.
    """
    try:
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise LearnedUnreadable(f"cannot read {file}: {error}") from error
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return connection


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        _check_format(version, file)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
        if version == 0:
            connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_format(version: int, file: Path) -> None:
    if version > FORMAT:
        raise LearnedUnreadable(
            f"{file} has format {version}, this version reads up to {FORMAT}: start the newer version that wrote it, "
            "or move the file aside to learn again"
        )


def _set_aside(file: Path) -> None:
    file.replace(file.with_name(f"{file.name}.damaged"))
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + suffix).unlink()
