"""Reads the rows of a journal as they are, damaged or not: for a copy of what cannot be read otherwise."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from agent.log.schema import fault_of, journal_checksum, open_reader

__all__ = ["JournalRow", "journal_rows"]

_ROWS: Final = "SELECT number, crc, body FROM journal WHERE name = ? ORDER BY number"


class JournalRow(NamedTuple):
    """One row; `intact`: it is what was written."""

    number: int
    intact: bool
    body: bytes


def journal_rows(file: Path, name: str) -> list[JournalRow]:
    """All rows of a journal, by their numbers.

    Raises:
        LogUnreadable: the file is damaged beyond single rows.
        StorageFailed: the disk fails.
    """
    try:
        with closing(open_reader(file)) as connection:
            rows = connection.execute(_ROWS, (name,)).fetchall()
    except sqlite3.Error as error:
        raise fault_of(file, error) from error
    return [_row(name, *row) for row in rows]


def _row(name: str, number: int, crc: object, body: object) -> JournalRow:
    octets = body if isinstance(body, bytes) else str(body).encode()
    return JournalRow(number, isinstance(body, bytes) and journal_checksum(name, number, octets) == crc, octets)
