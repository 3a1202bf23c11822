"""A log file looked at from outside: by a command, beside the running agent or without one. It never writes.

Every read is short, so that no reader keeps the write-ahead log from being cleared. Damaged events are told, not
hidden: `intact` is False, and nothing of them may be believed.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from agent.errors import EnvironmentFault, LogUnreadable
from agent.event_types import Stream
from agent.log.gaps import load_gaps
from agent.log.records import SEQUENCE_MASK, Place
from agent.log.schema import FORMAT, event_table, fault_of, open_reader, row_checksum
from agent.log.state import LogState, load_heads

__all__ = ["EVER", "SQLITE_VERSION", "LogAbsent", "LogLook", "LogNotPermitted", "SeenEvent", "Window"]

SQLITE_VERSION: Final = sqlite3.sqlite_version_info
ROWS_PER_STEP: Final = 512

_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"
_COLUMNS: Final = "place, id, recorded_ms, boot, monotonic_us, crc, body"
# With >= and <=, since to begin behind a place SQLite would go to that place first, which may be on a damaged page.
_FORWARD: Final = f"""
    SELECT {_COLUMNS} FROM {{table}} WHERE place >= ? AND place <= ? AND recorded_ms >= ? AND recorded_ms < ?
    ORDER BY place LIMIT ?
"""  # noqa: S608 - constants of this file
_BACKWARD: Final = f"""
    SELECT {_COLUMNS} FROM {{table}} WHERE place <= ? AND recorded_ms >= ? AND recorded_ms < ?
    ORDER BY place DESC LIMIT ?
"""  # noqa: S608 - constants of this file
_FIRST_FROM: Final = f"SELECT {_COLUMNS} FROM {{table}} WHERE place >= ? ORDER BY place LIMIT 1"  # noqa: S608 - as above
_FIRST_RECORDED: Final = "SELECT recorded_ms FROM {table} WHERE place > ? ORDER BY place LIMIT 1"
_EPOCHS: Final = "SELECT number, id FROM epoch"
_CURSORS: Final = "SELECT consumer, stream, epoch, sequence FROM cursor"
_END: Final = 1 << 62


class LogAbsent(EnvironmentFault):
    """There is no log in this folder."""


class LogNotPermitted(EnvironmentFault):
    """There is a log, but this user may not read it."""


class Window(NamedTuple):
    """When events were recorded, in milliseconds of the wall clock: from a moment until right before another."""

    from_ms: int = -_END
    before_ms: int = _END


EVER: Final = Window()


class SeenEvent(NamedTuple):
    """One row as it lies there. `since_boot` sorts events of all streams as they came, whatever the wall clock did."""

    stream: Stream
    place: Place
    id: str
    recorded_ms: int
    since_boot: tuple[int, int]
    body: bytes
    intact: bool


class LogLook:
    """One log file, opened to read; `state` is as of the opening or the last `refresh`.

    It has no heads of streams in `torn`: where an epoch of them ends is damaged, so nobody knows how many events
    there were.

    Reading raises LogUnreadable where the file is damaged beyond single events, StorageFailed when the disk fails.
    """

    def __init__(self, file: Path) -> None:
        self.file: Final = file
        self._file_id = _file_id(file)
        self._connection = _connect(file)
        self.torn: frozenset[Stream] = frozenset()
        try:
            self.streams = self._check_format()
            self.state = self._load()
        except (sqlite3.Error, EnvironmentFault) as error:
            self._connection.close()
            raise (fault_of(file, error) if isinstance(error, sqlite3.Error) else error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def refresh(self) -> None:
        """Read heads and cursors anew."""
        try:
            self.state = self._load()
        except sqlite3.Error as error:
            raise fault_of(self.file, error) from error

    def data_version(self) -> int:
        """A number that changes when somebody else commits to the file; costs no read of it."""
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise fault_of(self.file, error) from error
        return version

    def is_replaced(self) -> bool:
        """Whether another file stands in the place of this one."""
        try:
            return _file_id(self.file) != self._file_id
        except LogAbsent:  # moved aside, and its follower is not there yet
            return False

    def after(self, stream: Stream, place: Place, upto: Place, window: Window = EVER) -> list[SeenEvent]:
        """The next events of a stream up to a place, oldest first; empty at the end."""
        return self._step(stream, _FORWARD, (place.key + 1, upto.key, *window))

    def newest_first(self, stream: Stream, upto: Place, window: Window = EVER) -> Iterator[SeenEvent]:
        """A stream's events from a place backwards, that one included."""
        last = upto.key
        while step := self._step(stream, _BACKWARD, (last, *window)):
            yield from step
            last = step[-1].place.key - 1

    def end(self, stream: Stream) -> Place:
        """The head, or for a torn stream a place that no event can be behind."""
        if stream in self.torn:
            return Place(self.state.epoch, SEQUENCE_MASK)
        return self.state.head(stream)

    def behind_damage(self, stream: Stream, place: Place, upto: Place) -> Place:
        """Where reading may go on after LogUnreadable: the place before the next readable event, else `upto`."""
        unreadable, step = place.key, 1
        while (readable := place.key + step) <= upto.key and not self._is_readable(stream, readable):
            unreadable, step = readable, step * 2
        if readable > upto.key:
            return upto
        while readable - unreadable > 1:
            middle = (readable + unreadable) // 2
            if self._is_readable(stream, middle):
                readable = middle
            else:
                unreadable = middle
        return Place.of_key(readable - 1)

    def first_recorded_ms(self, stream: Stream, after: Place) -> int | None:
        """When the first event after a place was recorded (wall clock, milliseconds)."""
        try:
            row = self._connection.execute(_FIRST_RECORDED.format(table=event_table(stream)), (after.key,)).fetchone()
        except sqlite3.Error as error:
            raise fault_of(self.file, error) from error
        return int(row[0]) if row else None

    def _step(self, stream: Stream, statement: str, values: tuple[int, ...]) -> list[SeenEvent]:
        found: list[SeenEvent] = []
        try:
            self._collect(found, stream, statement, (*values, ROWS_PER_STEP))
        except sqlite3.Error:
            if not found:  # what stands before the damage is handed out first
                self._take_one(found, stream, statement, values)
        return found

    def _take_one(self, found: list[SeenEvent], stream: Stream, statement: str, values: tuple[int, ...]) -> None:
        """The last event before damage comes alone: sqlite3 fetches ahead, and loses a row when the next one fails."""
        try:
            self._collect(found, stream, statement, (*values, 1))
        except sqlite3.Error as error:
            raise fault_of(self.file, error) from error

    def _collect(self, found: list[SeenEvent], stream: Stream, statement: str, values: tuple[int, ...]) -> None:
        with closing(self._connection.execute(statement.format(table=event_table(stream)), values)) as rows:
            found.extend(_seen(stream, row) for row in rows)

    def _is_readable(self, stream: Stream, key: int) -> bool:
        try:
            self._connection.execute(_FIRST_FROM.format(table=event_table(stream)), (key,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    def _check_format(self) -> tuple[Stream, ...]:
        """The streams of this file."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise LogUnreadable(
                f"{self.file} has format {version}, this version reads up to {FORMAT}: use the version that wrote it"
            )
        tables = {name.decode(errors="replace") for (name,) in self._connection.execute(_TABLES)}
        streams = tuple(stream for stream in Stream if event_table(stream) in tables)
        if not version or not streams:
            raise LogUnreadable(f"{self.file} is no event log")
        return streams

    def _load(self) -> LogState:
        self._connection.text_factory = str
        self._connection.execute("BEGIN")
        try:
            return LogState.load(self._connection)
        except sqlite3.DatabaseError as error:
            if not isinstance(fault_of(self.file, error), LogUnreadable):
                raise
            return self._load_around_damage()
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.text_factory = bytes

    def _load_around_damage(self) -> LogState:
        heads: dict[tuple[Stream, int], int] = {}
        torn = set()
        for stream in self.streams:
            try:
                heads |= load_heads(self._connection, [stream])
            except sqlite3.DatabaseError:
                torn.add(stream)
        if not torn:  # the damage is elsewhere, and keeps us from knowing epochs or cursors
            raise LogUnreadable(f"{self.file} is damaged where it says how far it has come; keep it")
        self.torn = frozenset(torn)
        cursors = {
            (consumer, Stream(stream)): Place(epoch, sequence)
            for consumer, stream, epoch, sequence in self._connection.execute(_CURSORS)
            if stream in self.streams
        }
        epochs = dict(self._connection.execute(_EPOCHS))
        return LogState(epochs=epochs, reasons={}, heads=heads, cursors=cursors, gaps=load_gaps(self._connection))


def _file_id(file: Path) -> tuple[int, int]:
    """Which file it is, opened to learn why if it cannot be: SQLite says "unable to open database file" to all."""
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            return found.st_dev, found.st_ino
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LogAbsent(
            f"{file} does not exist: no agent has run on this data folder yet; name another one with --data"
        ) from error
    except OSError as error:
        raise LogNotPermitted(
            f"cannot read {file} ({error.strerror}): use the account the agent runs under, or join its group"
        ) from error


def _connect(file: Path) -> sqlite3.Connection:
    try:
        connection = open_reader(file)
        try:
            connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            return _connect_unchanging(file)
    except sqlite3.Error as error:
        raise fault_of(file, error) from error
    return connection


def _connect_unchanging(file: Path) -> sqlite3.Connection:
    """For a reader who may not write beside the file, which even reading a write-ahead log needs; no agent runs then.

    A write-ahead log that is there needs its index, which only somebody who may write can make.
    """
    wal = file.with_name(f"{file.name}-wal")
    if wal.exists() and wal.stat().st_size:
        raise LogNotPermitted(f"cannot read {wal}, which holds the newest events: use the account the agent runs under")
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
    connection.text_factory = bytes
    return connection


def _seen(stream: Stream, row: tuple[int, object, int, int, int, object, object]) -> SeenEvent:
    key, event_id, recorded_ms, boot, monotonic_us, crc, body = row
    known_id = event_id if isinstance(event_id, bytes) else b""
    known_body = body if isinstance(body, bytes) else b""
    intact = (known_id, known_body) == (event_id, body) and row_checksum(key, known_id, known_body) == crc
    text = known_id.decode(errors="replace")
    return SeenEvent(stream, Place.of_key(key), text, recorded_ms, (boot, monotonic_us), known_body, intact)
