"""Rows whose bytes no longer match their checksum, kept as they were found: not sent, never silently dropped."""

import sqlite3
from typing import Final, NamedTuple

from agent.event_types import Stream
from agent.log.records import Place
from agent.log.schema import event_table, row_checksum

__all__ = ["QuarantinedRow", "discard", "move_in", "move_out", "quarantined", "repaired"]

_MOVE: Final = """
    INSERT INTO quarantine (stream, place, found_ms, id, recorded_ms, boot, monotonic_us, crc, body)
    SELECT ?, place, ?, id, recorded_ms, boot, monotonic_us, crc, body FROM {table} WHERE place = ?
"""
_DELETE: Final = "DELETE FROM {table} WHERE place = ?"
_PUT_BACK: Final = """
    INSERT INTO {table} (place, id, recorded_ms, boot, monotonic_us, crc, body)
    SELECT place, id, recorded_ms, boot, monotonic_us, crc, ?2 FROM quarantine WHERE number = ?1
"""
_DISCARD: Final = "DELETE FROM quarantine WHERE number = ?"
_ROWS: Final = "SELECT number, stream, place, found_ms, id, recorded_ms, crc, body FROM quarantine ORDER BY number"
_WHERE: Final = "SELECT stream, place FROM quarantine WHERE number = ?"


class QuarantinedRow(NamedTuple):
    """One row as it was found; what damage may have reached has no type."""

    number: int
    stream: Stream
    place: Place
    found_ms: int
    id: object
    recorded_ms: object
    crc: object
    body: object


def move_in(connection: sqlite3.Connection, stream: Stream, place: Place, found_ms: int) -> bool:
    """Move a row out of its stream; False when it is not there."""
    table = event_table(stream)
    moved = connection.execute(_MOVE.format(table=table), (stream, found_ms, place.key)).rowcount
    connection.execute(_DELETE.format(table=table), (place.key,))
    return bool(moved)


def move_out(connection: sqlite3.Connection, number: int, body: bytes) -> tuple[Stream, Place] | None:
    """Put a row back to its place with its whole body; where that is, or None when there is no such row."""
    row = connection.execute(_WHERE, (number,)).fetchone()
    if row is None:
        return None
    stream, place = Stream(row[0]), Place.of_key(row[1])
    connection.execute(_PUT_BACK.format(table=event_table(stream)), (number, body))
    connection.execute(_DISCARD, (number,))
    return stream, place


def discard(connection: sqlite3.Connection, number: int) -> bool:
    """Forget a row for good; False when there is none of this number."""
    return bool(connection.execute(_DISCARD, (number,)).rowcount)


def quarantined(connection: sqlite3.Connection) -> list[QuarantinedRow]:
    """All rows, oldest find first; over a connection whose texts come as bytes."""
    return [
        QuarantinedRow(number, Stream(stream.decode()), Place.of_key(place), *rest)
        for number, stream, place, *rest in connection.execute(_ROWS)
    ]


def repaired(row: QuarantinedRow) -> bytes | None:
    """The body as it was written, when the row is whole, or when turning back one bit of the body makes it so.

    CRC-32 tells which single bit it was: over bodies of this size, no two of them leave the same difference. That
    damage of another kind looks like one bit has a chance of about one in 100,000 for a body of 5 kB.
    """
    if not isinstance(row.id, bytes) or not isinstance(row.body, bytes) or not isinstance(row.crc, int):
        return None
    found = row_checksum(row.place.key, row.id, row.body) ^ row.crc
    if not found:
        return row.body
    return _turned_back(row.body, found)


def _turned_back(body: bytes, difference: int) -> bytes | None:
    """Walks the CRC register backwards over the body, bit by bit, until one flipped bit explains the difference."""
    polynomial = 0xEDB88320
    register = polynomial  # what flipping the last bit of the body does to the checksum
    for place in range(len(body) * 8 - 1, -1, -1):
        if register == difference:
            mended = bytearray(body)
            mended[place // 8] ^= 1 << (place % 8)
            return bytes(mended)
        register = (register >> 1) ^ (polynomial if register & 1 else 0)
    return None
