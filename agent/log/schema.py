"""The tables of events.sqlite, and how a connection to them is opened.

One read-write connection exists at a time (SQLite before 3.51.3 can reset a WAL under two); everything else
opens `mode=ro`. `PRAGMA user_version` is the format's version.
"""

import sqlite3
from pathlib import Path
from typing import Final

from agent.errors import LogUnreadable, StorageFailed
from agent.event_types import Stream

__all__ = ["FORMAT", "STREAM_NUMBERS", "open_reader", "open_writer"]

FORMAT: Final = 1
PAGE_BYTES: Final = 4_096
BUSY_TIMEOUT_MS: Final = 5_000
WAL_BYTES_KEPT: Final = 16 * 1_048_576

STREAM_NUMBERS: Final = {stream: number for number, stream in enumerate(Stream, start=1)}
"""How streams are stored. Append to the enum only: the numbers are on disks."""

_TABLES: Final = """
CREATE TABLE stream (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE epoch (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, reason TEXT NOT NULL, started_ms INTEGER NOT NULL
);
CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE event (
    position     INTEGER PRIMARY KEY,
    stream       INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    source       TEXT NOT NULL,
    id           TEXT NOT NULL,
    type         TEXT NOT NULL,
    time         TEXT NOT NULL,
    recorded_ms  INTEGER NOT NULL,
    boot         INTEGER NOT NULL,
    monotonic_us INTEGER NOT NULL,
    clock_synced INTEGER NOT NULL,
    crc          INTEGER NOT NULL,
    body         BLOB NOT NULL
);
CREATE UNIQUE INDEX event_order ON event (stream, epoch, sequence);
CREATE TABLE head (
    stream INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (stream, epoch)
) WITHOUT ROWID;
CREATE TABLE cursor (
    consumer TEXT NOT NULL, stream INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (consumer, stream)
) WITHOUT ROWID;
"""


def open_writer(file: Path, *, size_bytes_max: int) -> sqlite3.Connection:
    """The one read-write connection: WAL, every commit fsynced, created with its tables when the file is new.

    Raises:
        LogUnreadable: for a damaged file or one of a newer version.
        StorageFailed: when the folder cannot be written.
    """
    try:
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=256)
    except sqlite3.OperationalError as error:
        raise StorageFailed(f"cannot open {file}: {error}; check the folder's owner and the disk") from error
    try:
        _prepare(connection, file, size_bytes_max)
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise StorageFailed(f"cannot open {file}: {error}; check the folder's owner and the disk") from error
        raise LogUnreadable(f"{file} is damaged: {error}; move it aside to start a new log, and keep it") from error
    except LogUnreadable:
        connection.close()
        raise
    return connection


def open_reader(file: Path) -> sqlite3.Connection:
    """A connection that can only read; short reads do not hold up the writer."""
    address = f"{file.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _prepare(connection: sqlite3.Connection, file: Path, size_bytes_max: int) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT:
        raise LogUnreadable(
            f"{file} has format {version}, this version reads up to {FORMAT}: start the newer version that wrote it"
        )
    if version == 0:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA max_page_count = {size_bytes_max // PAGE_BYTES}")
    if version == 0:
        _create(connection)


def _create(connection: sqlite3.Connection) -> None:
    """All tables in one transaction: a kill in between leaves an empty file that is created again."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.executemany(
        "INSERT INTO stream (number, name) VALUES (?, ?)", [(number, name) for name, number in STREAM_NUMBERS.items()]
    )
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
