"""The tables of the catalogue in model.sqlite, and how its connections are opened.

The file can be made again from its source, so commits are not fsynced one by one (`synchronous=NORMAL`), and a
damaged file is set aside. `PRAGMA user_version` is the format's version.
"""

import sqlite3
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault, StorageFailed

__all__ = ["CatalogueUnreadable", "open_reader", "open_writer"]

FORMAT: Final = 1
BUSY_TIMEOUT_MS: Final = 10_000  # `catalogue import` beside a starting agent
WAL_BYTES_KEPT: Final = 4 * 1_048_576

_TABLES: Final = """
BEGIN IMMEDIATE;
CREATE TABLE product (
    number INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, price TEXT NOT NULL, currency TEXT NOT NULL,
    gtin TEXT, department TEXT, category TEXT, aisle TEXT, bay TEXT, stock TEXT,
    gtin_14 TEXT, name_words TEXT NOT NULL, place_words TEXT NOT NULL
);
CREATE INDEX product_gtin ON product (gtin_14) WHERE gtin_14 IS NOT NULL;
CREATE INDEX product_name ON product (name_words);
CREATE VIRTUAL TABLE product_search USING fts5 (
    name_words, place_words, content = 'product', content_rowid = 'number',
    tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3'
);
PRAGMA user_version = 1;
COMMIT;
"""


class CatalogueUnreadable(EnvironmentFault):
    """The catalogue's file was written by a newer version, or cannot be read."""


def open_writer(file: Path) -> sqlite3.Connection:
    """The one read-write connection; makes the file and its tables. A damaged file is kept beside a new one.

    Raises:
        CatalogueUnreadable: when a newer version wrote it.
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
    """A connection that can only read."""
    address = f"{file.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
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
        if version == 0:
            connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_format(version: int, file: Path) -> None:
    if version > FORMAT:
        raise CatalogueUnreadable(
            f"{file} has format {version}, this version reads up to {FORMAT}: start the newer version that wrote it, "
            "or move the file aside and import the products again"
        )


def _set_aside(file: Path) -> None:
    file.replace(file.with_name(f"{file.name}.damaged"))
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
