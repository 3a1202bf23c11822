"""The tables of events.sqlite, how a connection to them is opened, and what SQLite's errors mean.

One table per stream, whose key is epoch and sequence: appending always writes at a table's end, and reading on
from a cursor is a walk from there. The view `event` shows all streams to people. One read-write connection exists
at a time (SQLite before 3.51.3 can reset a WAL under two); everything else opens `mode=ro`. `PRAGMA user_version`
is the format's version.
"""

import sqlite3
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Final
from zlib import crc32

from agent.errors import EnvironmentFault, LogDamaged, LogUnreadable, StorageFailed, StorageFull
from agent.event_types import Stream
from agent.log.damage.wal import WalFrames, damaged_header, keep_wal
from agent.log.records import SEQUENCE_BITS, SEQUENCE_MASK
from agent.private_file import sync_file, sync_folder

__all__ = [
    "ADDED",
    "FORMAT",
    "PAGE_BYTES",
    "check_format",
    "check_wal",
    "event_table",
    "fault_of",
    "frames_of",
    "journal_checksum",
    "open_reader",
    "open_writer",
    "row_checksum",
    "shm_of",
    "wal_of",
]

FORMAT: Final = 2
PAGE_BYTES: Final = 4_096
DRAFT: Final = "events.draft.sqlite"
BUSY_TIMEOUT_MS: Final = 5_000
WAL_BYTES_KEPT: Final = 16 * 1_048_576
FRAMES_UNKNOWN: Final = 1 << 40  # as if all were valid
_LARGEST_PRIME_BELOW_2_32: Final = 4_294_967_291

_TABLES: Final = (
    """
    CREATE TABLE epoch (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, reason TEXT NOT NULL, started_ms INTEGER NOT NULL
    )
    """,
    "CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    """
    CREATE TABLE cursor (
        consumer TEXT NOT NULL, stream TEXT NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
        PRIMARY KEY (consumer, stream)
    ) WITHOUT ROWID
    """,
)
_JOURNAL_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS journal (
        name TEXT NOT NULL, number INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (name, number)
    ) WITHOUT ROWID
"""
_GAP_TABLE: Final = """
    CREATE TABLE gap (
        stream TEXT NOT NULL, epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        kind TEXT NOT NULL, PRIMARY KEY (stream, epoch, first)
    ) WITHOUT ROWID
"""
# The columns without a type hold whatever the damaged row held.
_QUARANTINE_TABLE: Final = """
    CREATE TABLE quarantine (
        number INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, place INTEGER NOT NULL,
        found_ms INTEGER NOT NULL, id, recorded_ms, boot, monotonic_us, crc, body
    )
"""
ADDED: Final = {2: (_JOURNAL_TABLE, _GAP_TABLE, _QUARANTINE_TABLE)}
"""What each format has that the one before had not; a new file gets all. Once released, a part is not changed."""
_EVENT_TABLE: Final = """
    CREATE TABLE {table} (
        place INTEGER PRIMARY KEY, id TEXT NOT NULL, recorded_ms INTEGER NOT NULL, boot INTEGER NOT NULL,
        monotonic_us INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL
    )
"""
_VIEW_PART: Final = """
    SELECT '{stream}' AS stream, place >> {bits} AS epoch, place & {mask} AS sequence, id,
        CAST(body AS TEXT) ->> '$.type' AS type, CAST(body AS TEXT) ->> '$.time' AS time,
        CAST(body AS TEXT) ->> '$.source' AS source, recorded_ms, boot, monotonic_us, CAST(body AS TEXT) AS body
    FROM {table}
"""


def event_table(stream: Stream) -> str:
    """The table that holds a stream's events."""
    return f"event_{stream}"


def row_checksum(place_key: int, event_id: bytes, body: bytes) -> int:
    """CRC-32 over an event's body, its id and its place."""
    return crc32(body, crc32(event_id, place_key % _LARGEST_PRIME_BELOW_2_32))


def journal_checksum(name: str, number: int, body: bytes) -> int:
    """CRC-32 over a journal entry's body and where it stands."""
    return crc32(body, crc32(name.encode(), number % _LARGEST_PRIME_BELOW_2_32))


def wal_of(file: Path) -> Path:
    """A log's write-ahead log: commits that are not in the file yet."""
    return file.with_name(f"{file.name}-wal")


def shm_of(file: Path) -> Path:
    """The index of the write-ahead log; SQLite makes it again."""
    return file.with_name(f"{file.name}-shm")


def fault_of(file: Path, error: sqlite3.Error) -> EnvironmentFault:
    """What an error of SQLite means to a caller: the file is damaged, the disk is full, or it failed."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LogDamaged(f"{file} is damaged: {error}")
    if name == "SQLITE_IOERR_SHMSIZE":  # the WAL's index found no room
        return StorageFull(f"{file}: the disk is full; nothing was stored")
    if name == "SQLITE_FULL":
        return StorageFull(f"{file}: the disk or the log's size limit is reached; nothing was stored")
    return StorageFailed(f"{file}: {error}; check the folder's owner and the disk")


def frames_of(file: Path) -> WalFrames:
    """What stands in a file's WAL, before SQLite has touched either.

    Raises:
        LogDamaged: the header of one of them is damaged: SQLite must not open it, it would begin with removing the WAL.
        StorageFailed: one cannot be read.
    """
    try:
        if damage := damaged_header(file):
            raise LogDamaged(damage)
        return WalFrames.read(file)
    except OSError as error:
        raise StorageFailed(f"cannot read {error.filename}: {error.strerror}; check the folder's owner") from error


def open_writer(file: Path, *, size_bytes_max: int) -> sqlite3.Connection:
    """The one read-write connection: WAL, every commit fsynced, with all tables.

    Raises:
        LogUnreadable: for a damaged file, one of a newer version, or one that is no log.
        StorageFull: when a new file's tables found no room.
        StorageFailed: when the folder cannot be written.
    """
    frames = frames_of(file)
    if not file.exists():
        _make(file)
    try:
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=256)
    except sqlite3.Error as error:
        raise fault_of(file, error) from error
    try:
        _prepare(connection, file, size_bytes_max, frames)
    except sqlite3.Error as error:
        connection.close()
        raise fault_of(file, error) from error
    except UnicodeDecodeError as error:  # sqlite3 met damaged text, in a value or in SQLite's own message
        connection.close()
        raise LogDamaged(f"{file} is damaged: {error.reason}") from error
    except EnvironmentFault:
        connection.close()
        raise
    return connection


def open_reader(file: Path) -> sqlite3.Connection:
    """A connection that can only read; texts come as bytes, for a damaged one may not be UTF-8."""
    address = f"{file.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def check_format(file: Path, version: int) -> None:
    """Whether this version knows how to read a file of that format, itself or after bringing it up to date.

    Raises:
        LogUnreadable: it does not.
    """
    if version > FORMAT:
        raise LogUnreadable(
            f"{file} has format {version}, this version reads up to {FORMAT}: start the newer version that wrote it"
        )
    if version < 1:
        raise LogUnreadable(f"{file} is no event log: move it aside to start a new log, and keep it")


def _make(file: Path) -> None:
    """A log without events appears whole: one that a power cut tore in the making would be taken for a damaged one."""
    draft = file.with_name(DRAFT)
    try:
        for left in (draft, wal_of(draft), shm_of(draft)):
            left.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            _lay_out(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            _create(connection, set())
        sync_file(draft)
        draft.rename(file)
        sync_folder(file.parent)
    except sqlite3.Error as error:
        raise fault_of(file, error) from error
    except OSError as error:
        raise StorageFailed(f"cannot make {file}: {error.strerror}; check the folder's owner and the disk") from error


def _lay_out(connection: sqlite3.Connection) -> None:
    """Before there are tables."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def _prepare(connection: sqlite3.Connection, file: Path, size_bytes_max: int, frames: WalFrames) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version or tables:
        check_format(file, version)
    if tables and version < FORMAT:
        raise LogUnreadable(f"{file} has format {version}: start the agent again, it brings it to {FORMAT}")
    if not tables:
        _lay_out(connection)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StorageFailed(f"{file}: this file system cannot hold a write-ahead log; use a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA max_page_count = {size_bytes_max // PAGE_BYTES}")
    check_wal(connection, file, frames)
    _create(connection, tables)


def check_wal(connection: sqlite3.Connection, file: Path, frames: WalFrames) -> None:
    """Make durable what SQLite recovered from the WAL, and see that it was all of it but a torn commit.

    Raises:
        LogDamaged: it was not; the WAL is kept under another name.
        StorageFailed: the WAL cannot be read.
    """
    try:
        if not frames.damage_behind(_make_durable(connection)):
            return
        keep_wal(file)
    except OSError as error:
        raise StorageFailed(f"cannot read {file}-wal: {error.strerror}; check the disk") from error
    raise LogDamaged(f"{file}-wal is damaged: commits stand behind a frame that does not match its checksum")


def _make_durable(connection: sqlite3.Connection) -> int:
    """Fsync what was recovered from the WAL: of a killed agent's last commit it may be in the page cache only.

    Tells how many of its frames are valid.
    """
    try:
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_FULL":  # comes after the fsync: the pages stay in the WAL
            raise
        return FRAMES_UNKNOWN
    return int(frames)


def _create(connection: sqlite3.Connection, existing: set[str]) -> None:
    """What is missing, in one transaction: a kill in between leaves the file as it was."""
    connection.execute("BEGIN IMMEDIATE")
    missing = [stream for stream in Stream if event_table(stream) not in existing]
    for statement in () if existing else (*_TABLES, *chain.from_iterable(ADDED.values())):
        connection.execute(statement)
    for stream in missing:
        connection.execute(_EVENT_TABLE.format(table=event_table(stream)))
    if missing:
        parts = [
            _VIEW_PART.format(stream=stream, table=event_table(stream), bits=SEQUENCE_BITS, mask=SEQUENCE_MASK)
            for stream in Stream
        ]
        connection.execute("DROP VIEW IF EXISTS event")
        connection.execute("CREATE VIEW event AS" + " UNION ALL".join(parts))
    if not existing:
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("DELETE FROM boot WHERE FALSE")  # refuses a read-only file now, and needs no room on a full disk
    connection.execute("COMMIT")
