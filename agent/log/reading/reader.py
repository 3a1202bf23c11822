"""Reads events back over a read-only connection, each one checked against its checksum before it leaves."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from agent.errors import LogDamaged, LogUnreadable
from agent.event_types import Stream
from agent.log.reading.quarantine import QuarantinedRow, quarantined
from agent.log.records import SEQUENCE_MASK, Gap, Place, StoredEvent, UnsyncedRow
from agent.log.schema import event_table, fault_of, journal_checksum, open_reader, row_checksum

__all__ = ["Reader", "intact"]

ROWS_PER_STEP: Final = 512

# With `>=`, SQLite does not look at the page before: it may be damaged.
_READ: Final = "SELECT place, id, crc, body FROM {table} WHERE place >= ? ORDER BY place LIMIT ?"
_AT: Final = "SELECT place, id, crc, body FROM {table} WHERE place = ?"
_NEXT: Final = "SELECT place FROM {table} WHERE place >= ? ORDER BY place LIMIT 1"
_ID_AT: Final = "SELECT id FROM {table} WHERE place = ?"
_IDS: Final = "SELECT place, id, recorded_ms FROM {table} WHERE place >= ? AND place <= ? ORDER BY place LIMIT ?"
_FIRST_RECORDED: Final = "SELECT recorded_ms FROM {table} WHERE place >= ? ORDER BY place LIMIT 1"
_UNSYNCED: Final = """
    SELECT place, recorded_ms - monotonic_us / 1000 FROM {table} WHERE boot = ?1
        AND place > ifnull((SELECT place FROM {table} WHERE boot <> ?1 ORDER BY place DESC LIMIT 1), 0)
        AND substr(body, -20) = CAST('"clocksynced":false}}' AS BLOB)
    ORDER BY place
"""
_JOURNAL: Final = "SELECT number, crc, body FROM journal WHERE name = ? ORDER BY number"


class Reader:
    """A short read at a time; safe to call from any thread.

    Every method raises LogUnreadable where the file is damaged beyond single events, StorageFailed when the disk
    fails.
    """

    def __init__(self, file: Path, gaps: Callable[[Stream], Sequence[Gap]] = lambda _: ()) -> None:
        """`gaps` tells a stream's declared gaps: behind those where the file is unreadable, reading goes on."""
        self._file = file
        self._gaps = gaps
        self._lock = Lock()
        self.damaged: set[tuple[Stream, Place]] = set()
        """Places whose stored bytes no longer match their checksum; they are never handed out."""
        self.unreadable: dict[Stream, Place] = {}
        """Where the file was found damaged beyond single events, and nobody has said yet how far: after which place."""
        try:
            self._connection = open_reader(file)
        except sqlite3.Error as error:
            raise fault_of(file, error) from error

    def close(self) -> None:
        """Let go of the file; waits for a read in another thread."""
        with self._lock:
            self._connection.close()

    def read(self, stream: Stream, after: Place, *, events_max: int, bytes_max: int) -> list[StoredEvent]:
        """The next events of one stream, all of one epoch; at least one if there is any, then within the limits."""
        found: list[StoredEvent] = []
        after = self._behind_damage(stream, after)
        try:
            self._collect(found, stream, after, events_max, bytes_max)
        except LogUnreadable:
            if not found:  # what stands before the damage goes out first
                self._collect_one(found, stream, after)
        return found

    def is_whole(self, stream: Stream, place: Place) -> bool | None:
        """Whether a row matches its checksum on a second look; None when it is not there."""
        with self._rows(stream, _AT, (place.key,)) as rows:
            return next((intact(*row) for row in rows), None)

    def first_readable(self, stream: Stream, after: Place, upto: Place) -> Place | None:
        """The first place behind damage that begins after a place; None when all up to another is unreadable."""
        if self._found(stream, upto.key - 1) is None:
            return None
        step = 1
        while after.key + step < upto.key - 1 and self._found(stream, after.key + step) is None:
            step *= 2
        unreadable, readable = after.key + step // 2, min(after.key + step, upto.key - 1)
        while readable - unreadable > 1:
            middle = (unreadable + readable) // 2
            if self._found(stream, middle) is None:
                unreadable = middle
            else:
                readable = middle
        key = self._found(stream, readable)
        return None if key is None else Place.of_key(key)

    def quarantined(self) -> list[QuarantinedRow]:
        """The rows that are kept aside, as they were found."""
        try:
            with self._lock:
                return quarantined(self._connection)
        except sqlite3.Error as error:
            raise fault_of(self._file, error) from error

    def id_at(self, stream: Stream, place: Place) -> str | None:
        """The event id at a place, or None when no such row is (any longer) there."""
        with self._rows(stream, _ID_AT, (place.key,)) as rows:
            return next((event_id.decode(errors="replace") for (event_id,) in rows), None)

    def ids(self, stream: Stream, after: Place, upto: Place) -> Iterator[tuple[int, str, int]]:
        """Sequence, id and recorded time (ms) of one epoch's events after a place up to another, in short steps."""
        last = max(after, Place(upto.epoch, 0)).key
        while True:
            step: list[tuple[int, bytes, int]] = []
            last = self._behind_damage(stream, Place.of_key(last)).key
            damage = None
            try:
                with self._rows(stream, _IDS, (last + 1, upto.key, ROWS_PER_STEP)) as rows:
                    step.extend(rows)
            except LogUnreadable as error:  # what stands before it goes out first
                damage = error
            for last, event_id, recorded_ms in step:
                yield Place.of_key(last).sequence, event_id.decode(errors="replace"), recorded_ms
            if damage:
                raise damage
            if not step:
                return

    def first_recorded_ms(self, stream: Stream, after: Place) -> int | None:
        """When the first event after a place was recorded, in milliseconds of the wall clock."""
        after = self._behind_damage(stream, after)
        with self._rows(stream, _FIRST_RECORDED, (after.key + 1,)) as rows:
            return next((recorded_ms for (recorded_ms,) in rows), None)

    def unsynced(self, stream: Stream, boot: int) -> list[UnsyncedRow]:
        """The events of a boot, from its last uninterrupted run on, that were recorded by an unsynchronised clock."""
        with self._rows(stream, _UNSYNCED, (boot,)) as rows:
            return [UnsyncedRow(Place.of_key(key), offset_ms) for key, offset_ms in rows]

    def journal(self, name: str) -> list[bytes]:
        """A journal's entries by their numbers; raises for a damaged one, since the others hang on it."""
        try:
            with self._lock:
                rows = self._connection.execute(_JOURNAL, (name,)).fetchall()
        except sqlite3.Error as error:
            raise fault_of(self._file, error) from error
        for number, crc, body in rows:
            if not isinstance(body, bytes) or journal_checksum(name, number, body) != crc:
                raise LogUnreadable(f"{self._file}: entry {number} of the journal {name} is damaged")
        return [body for _, _, body in rows]

    def _found(self, stream: Stream, after_key: int) -> int | None:
        """The key of the next row behind a key, or None where the file is damaged (or ends)."""
        try:
            with self._rows(stream, _NEXT, (after_key + 1,)) as rows:
                return next((int(key) for (key,) in rows if key > after_key), None)
        except LogUnreadable:
            return None

    def _behind_damage(self, stream: Stream, after: Place) -> Place:
        for gap in self._gaps(stream):
            if gap.kind == "unreadable" and gap.epoch == after.epoch and gap.first <= after.sequence + 1 <= gap.last:
                after = Place(gap.epoch, gap.last)
        return after

    def _collect_one(self, found: list[StoredEvent], stream: Stream, after: Place) -> None:
        """The last event before damage: sqlite3 fetches a row ahead, and would keep it back."""
        try:
            self._collect(found, stream, after, 1, 1)
        except LogUnreadable:
            self.unreadable[stream] = after
            raise

    def _collect(self, found: list[StoredEvent], stream: Stream, after: Place, events_max: int, bytes_max: int) -> None:
        seen, last = events_max, after.key
        mark = b',"stream":"%s","data":' % stream.encode("ascii")
        while not found and seen == events_max:  # again only when all of these were damaged
            seen = size = epoch_end = 0
            with self._rows(stream, _READ, (last + 1, events_max)) as rows:
                for key, event_id, crc, body in rows:
                    if key <= last:  # an older page stands in this one's place
                        raise LogDamaged(f"{self._file} is damaged: rows of {stream} are out of order")
                    seen, last = seen + 1, key
                    if not intact(key, event_id, crc, body) or mark not in body:  # or of another stream
                        self.damaged.add((stream, Place.of_key(key)))
                        continue
                    size += len(body)
                    if found and (size > bytes_max or key > epoch_end):
                        break
                    if not found:
                        epoch_end = key | SEQUENCE_MASK
                    found.append(StoredEvent(key, event_id, body))

    @contextmanager
    def _rows(self, stream: Stream, statement: str, values: Sequence[int]) -> Iterator[sqlite3.Cursor]:
        try:
            with self._lock:
                rows = self._connection.execute(statement.format(table=event_table(stream)), values)
                with closing(rows):
                    yield rows
        except sqlite3.Error as error:
            raise fault_of(self._file, error) from error


def intact(place_key: int, event_id: object, crc: object, body: object) -> bool:
    """Whether a row is what was written; damage may have changed the columns' types too."""
    try:
        return row_checksum(place_key, event_id, body) == crc  # type: ignore[arg-type]  # see below
    except TypeError:  # no bytes: to ask each of them for its type would take as long as the checksum
        return False
