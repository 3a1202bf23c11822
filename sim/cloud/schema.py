"""The tables of the ledger's file, for the ledger and for anyone to count, and how connections to it are opened.

streams       one row per (device, stream, epoch): the high-water mark and the running totals
events        one row per accepted event; `counted` is 0 when the same (source, id) took effect at another place
holes         sequences below a stream's high-water mark that have not arrived: missing, shed, quarantined or parked
declarations  what the device said of its sequences, and the place in its audit stream where it said so
corrections   by how much a device's clock was wrong when it recorded some events
times         a view: each event's times as it has them, and beside them as they are after the last correction
conflicts     events that came to a sequence that another event has, or under a known id with another body
dead_letters  what could not be read or placed, and why
totals        sales and their sum by device and currency, kept up as events arrive
days          each part of a business day that a device closed, and the ledger's answer
devices       the last state message of each device

`SELECT s.device, s.stream, count(*) FROM events e JOIN streams s ON s.number = e.stream GROUP BY 1, 2` counts.
"""

import sqlite3
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault

__all__ = ["FORMAT", "LedgerUnusable", "open_ledger_reader", "open_ledger_writer"]

FORMAT: Final = 2
BUSY_TIMEOUT_MS: Final = 5_000

_TABLES: Final = """
CREATE TABLE streams (
    number      INTEGER PRIMARY KEY,
    device      TEXT NOT NULL,
    stream      TEXT NOT NULL,
    epoch       TEXT NOT NULL,
    upto        INTEGER NOT NULL DEFAULT 0,
    last_id     TEXT NOT NULL DEFAULT '',
    stored      INTEGER NOT NULL DEFAULT 0,
    counted     INTEGER NOT NULL DEFAULT 0,
    redelivered INTEGER NOT NULL DEFAULT 0,
    conflicts   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, stream, epoch)
);
CREATE TABLE events (
    number                INTEGER PRIMARY KEY,
    stream                INTEGER NOT NULL REFERENCES streams (number),
    sequence              INTEGER NOT NULL,
    source                TEXT NOT NULL,
    id                    TEXT NOT NULL,
    type                  TEXT NOT NULL,
    time                  TEXT NOT NULL,
    received              TEXT NOT NULL,
    received_monotonic_ns INTEGER NOT NULL,
    counted               INTEGER NOT NULL,
    body                  TEXT NOT NULL
);
CREATE UNIQUE INDEX events_place ON events (stream, sequence);
CREATE UNIQUE INDEX events_effect ON events (id, source) WHERE counted = 1;
CREATE TABLE holes (
    stream INTEGER NOT NULL REFERENCES streams (number),
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    PRIMARY KEY (stream, first)
) WITHOUT ROWID;
CREATE TABLE declarations (
    stream   INTEGER NOT NULL REFERENCES streams (number),
    audit    INTEGER NOT NULL REFERENCES streams (number),
    sequence INTEGER NOT NULL,
    word     TEXT NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (stream, audit, sequence)
) WITHOUT ROWID;
CREATE TABLE corrections (
    number          INTEGER PRIMARY KEY,
    stream          INTEGER NOT NULL REFERENCES streams (number),
    audit           INTEGER NOT NULL REFERENCES streams (number),
    sequence        INTEGER NOT NULL,
    first           INTEGER NOT NULL,
    last            INTEGER NOT NULL,
    add_ms          INTEGER NOT NULL,
    synchronised_at TEXT NOT NULL
);
CREATE INDEX corrections_place ON corrections (stream, first);
CREATE TABLE conflicts (
    number      INTEGER PRIMARY KEY,
    stream      INTEGER NOT NULL REFERENCES streams (number),
    sequence    INTEGER NOT NULL,
    source      TEXT NOT NULL,
    id          TEXT NOT NULL,
    type        TEXT NOT NULL,
    kept_source TEXT NOT NULL,
    kept_id     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    received    TEXT NOT NULL,
    seen        INTEGER NOT NULL DEFAULT 1,
    body        TEXT NOT NULL,
    UNIQUE (stream, sequence, source, id)
);
CREATE TABLE dead_letters (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    topic      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    received   TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    body       BLOB NOT NULL
);
CREATE TABLE totals (
    device   TEXT NOT NULL,
    currency TEXT NOT NULL,
    sales    INTEGER NOT NULL,
    total    TEXT NOT NULL,
    PRIMARY KEY (device, currency)
) WITHOUT ROWID;
CREATE TABLE days (
    device         TEXT NOT NULL,
    business_day   TEXT NOT NULL,
    stream         TEXT NOT NULL,
    epoch          TEXT NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence  INTEGER NOT NULL,
    count          INTEGER NOT NULL,
    shed           INTEGER NOT NULL,
    parked         INTEGER NOT NULL,
    quarantined    INTEGER NOT NULL,
    sha256         TEXT NOT NULL,
    audit          INTEGER NOT NULL REFERENCES streams (number),
    sequence       INTEGER NOT NULL,
    ok             INTEGER NOT NULL,
    missing        INTEGER NOT NULL,
    declared       INTEGER NOT NULL,
    conflicts      INTEGER NOT NULL,
    problem        TEXT NOT NULL,
    answered       TEXT NOT NULL,
    PRIMARY KEY (device, business_day, stream, epoch, first_sequence)
) WITHOUT ROWID;
CREATE TABLE devices (
    device   TEXT PRIMARY KEY,
    status   TEXT NOT NULL,
    session  TEXT NOT NULL,
    state    TEXT NOT NULL,
    received TEXT NOT NULL
) WITHOUT ROWID;
CREATE VIEW times AS
WITH recorded AS (
    SELECT number, stream, sequence, id, time, json_extract(body, '$.recordedtime') AS recorded, (
        SELECT c.add_ms FROM corrections AS c
        WHERE c.stream = e.stream AND e.sequence BETWEEN c.first AND c.last
        ORDER BY c.audit DESC, c.sequence DESC LIMIT 1
    ) AS add_ms
    FROM events AS e
), read AS (
    -- A producer may have sent a time of its own. The agent took it, where it is next to the time of recording: less
    -- than a minute away, and nearer to the wrong clock than to the right one.
    SELECT *, abs(julianday(time) - julianday(recorded)) * 86400000 < min(60000, abs(add_ms) / 2) AS ours FROM recorded
)
SELECT number, stream, sequence, id, time, recorded, add_ms,
    iif(ours, strftime('%Y-%m-%dT%H:%M:%fZ', time, (add_ms / 1000.0) || ' seconds'), time) AS corrected_time,
    iif(add_ms IS NULL, recorded, strftime('%Y-%m-%dT%H:%M:%fZ', recorded, (add_ms / 1000.0) || ' seconds'))
        AS corrected_recorded
FROM read;
"""


class LedgerUnusable(EnvironmentFault):
    """A ledger file that cannot be opened, is of another version, or is in use by another twin."""


def open_ledger_writer(file: Path) -> sqlite3.Connection:
    """The one read-write connection, with tables; create the folder first.

    Raises:
        LedgerUnusable: when it is no ledger, or one of another version.
    """
    connection = sqlite3.connect(file, isolation_level=None, cached_statements=64)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        _check_format(file, version, 0, FORMAT)
        connection.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives a kill at any moment; what a power cut takes back, the receipts tell the agents to send again.
        connection.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LedgerUnusable(f"cannot use {file} as a ledger: {error}") from error
    except LedgerUnusable:
        connection.close()
        raise
    return connection


def open_ledger_reader(file: Path) -> sqlite3.Connection:
    """A connection that can only read, beside a running twin too.

    Raises:
        LedgerUnusable: when there is no ledger at that path, or one of another version.
    """
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise LedgerUnusable(f"cannot open {file}: {error}") from error
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        _check_format(file, connection.execute("PRAGMA user_version").fetchone()[0], FORMAT)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise LedgerUnusable(f"{file} is no ledger: {error}") from error
    except LedgerUnusable:
        connection.close()
        raise
    return connection


def _check_format(file: Path, version: int, *expected: int) -> None:
    if version not in expected:
        raise LedgerUnusable(
            f"{file} has format {version}; this version reads ledgers of format {FORMAT}: name another file,"
            " and the devices send again what they still have"
        )
