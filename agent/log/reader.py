"""Reads events back over a read-only connection, each one checked against its checksum before it leaves."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Final

from agent.event_types import Stream
from agent.log.records import Place, StoredEvent
from agent.log.schema import STREAM_NUMBERS, open_reader
from agent.log.store import row_checksum

__all__ = ["Reader"]

ROWS_PER_STEP: Final = 512

_NEXT_EPOCH: Final = (
    "SELECT epoch FROM event WHERE stream = ? AND (epoch, sequence) > (?, ?) ORDER BY epoch, sequence LIMIT 1"
)
_READ: Final = (
    "SELECT sequence, id, crc, body FROM event"
    " WHERE stream = ? AND epoch = ? AND sequence > ? ORDER BY sequence LIMIT ?"
)
_ID_AT: Final = "SELECT id FROM event WHERE stream = ? AND epoch = ? AND sequence = ?"
_IDS: Final = (
    "SELECT sequence, id FROM event WHERE stream = ? AND epoch = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"
)
_FIRST_RECORDED: Final = (
    "SELECT recorded_ms FROM event WHERE stream = ? AND (epoch, sequence) > (?, ?) ORDER BY epoch, sequence LIMIT 1"
)


class Reader:
    """A short read at a time; safe to call from any thread."""

    def __init__(self, file: Path) -> None:
        self._connection = open_reader(file)
        self._lock = Lock()
        self.damaged: set[tuple[Stream, Place]] = set()
        """Places whose stored bytes no longer match their checksum; they are never handed out."""

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def read(self, stream: Stream, after: Place, *, events_max: int, bytes_max: int) -> list[StoredEvent]:
        """The next events of one stream, all of one epoch; at least one if there is any, then within the limits."""
        with self._lock:
            number = STREAM_NUMBERS[stream]
            found: list[StoredEvent] = []
            while not found:
                row = self._connection.execute(_NEXT_EPOCH, (number, after.epoch, after.sequence)).fetchone()
                if row is None:
                    break
                last = after.sequence if row[0] == after.epoch else 0
                after = self._read_epoch(stream, Place(row[0], last), events_max, bytes_max, found)
            return found

    def id_at(self, stream: Stream, place: Place) -> str | None:
        """The event id at a place, or None when no such row is (any longer) there."""
        with self._lock:
            row = self._connection.execute(_ID_AT, (STREAM_NUMBERS[stream], place.epoch, place.sequence)).fetchone()
        return row[0] if row else None

    def ids(self, stream: Stream, after: Place, upto: Place) -> Iterator[tuple[int, str]]:
        """Sequence and id of one epoch's events after a place up to another, read in short steps."""
        sequence = after.sequence if after.epoch == upto.epoch else 0
        while sequence < upto.sequence:
            until = min(sequence + ROWS_PER_STEP, upto.sequence)
            with self._lock:
                rows = self._connection.execute(
                    _IDS, (STREAM_NUMBERS[stream], upto.epoch, sequence + 1, until)
                ).fetchall()
            yield from rows
            sequence = until

    def first_recorded_ms(self, stream: Stream, after: Place) -> int | None:
        """When the first event after a place was recorded, in milliseconds of the wall clock."""
        with self._lock:
            row = self._connection.execute(
                _FIRST_RECORDED, (STREAM_NUMBERS[stream], after.epoch, after.sequence)
            ).fetchone()
        return row[0] if row else None

    def _read_epoch(
        self, stream: Stream, after: Place, events_max: int, bytes_max: int, found: list[StoredEvent]
    ) -> Place:
        size = 0
        rows: sqlite3.Cursor = self._connection.execute(
            _READ, (STREAM_NUMBERS[stream], after.epoch, after.sequence, events_max)
        )
        for sequence, event_id, crc, body in rows:
            after = Place(after.epoch, sequence)
            if row_checksum(STREAM_NUMBERS[stream], after, body) != crc:
                self.damaged.add((stream, after))
                continue
            size += len(body)
            if found and size > bytes_max:
                break
            found.append(StoredEvent(after, event_id, body))
        rows.close()
        return after
