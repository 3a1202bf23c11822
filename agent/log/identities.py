"""Remembers each (source, id) pair, so that a retry gets its first answer and a conflict is told.

One table of hashes a day, outliving the events themselves: random ids in one ever-growing index would cost
three times the speed and many times the flash wear. Tables are counted, not dated, when old ones are dropped:
a clock that jumps forgets nothing.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from agent.log.records import Place

__all__ = ["Identities", "Known", "identity_key"]

LOOKUPS_PER_STATEMENT: Final = 128
_CREATE: Final = """
    CREATE TABLE {table} (
        key BLOB PRIMARY KEY, digest BLOB NOT NULL,
        stream INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL
    ) WITHOUT ROWID
"""
_FIND: Final = "SELECT key, digest, stream, epoch, sequence FROM {table} WHERE key IN ({marks})"
_REMEMBER: Final = "INSERT INTO {table} (key, digest, stream, epoch, sequence) VALUES (?, ?, ?, ?, ?)"
_TABLE_NAME: Final = re.compile(r"identity_(\d{8})")


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an event: the digest of what its producer said, and where it went."""

    digest: bytes
    stream: int
    place: Place


def identity_key(source: str, event_id: str) -> bytes:
    """The 128-bit key of a (source, id) pair."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()


class Identities:
    """The day tables of one log file, used inside the writer's transactions; after a rollback make a new one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'identity_*'")
        self._tables = sorted(name for (name,) in rows if _TABLE_NAME.fullmatch(name))

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Known]:
        """Those of `keys` that are known."""
        found: dict[bytes, Known] = {}
        for start in range(0, len(keys), LOOKUPS_PER_STATEMENT):
            part = keys[start : start + LOOKUPS_PER_STATEMENT]
            places = _power_of_two(len(part))
            padded = [*part, *[part[0]] * (places - len(part))]
            for table in self._tables:
                rows = self._connection.execute(_FIND.format(table=table, marks=",".join("?" * places)), padded)
                for key, digest, stream, epoch, sequence in rows:
                    found[key] = Known(digest, stream, Place(epoch, sequence))
        return found

    def remember(self, day: str, rows: Iterable[tuple[bytes, Known]]) -> None:
        """Add new pairs to the table of `day` (YYYYMMDD)."""
        table = f"identity_{day}"
        if table not in self._tables:
            self._connection.execute(_CREATE.format(table=table))
            self._tables = sorted([*self._tables, table])
        self._connection.executemany(
            _REMEMBER.format(table=table),
            [(key, known.digest, known.stream, known.place.epoch, known.place.sequence) for key, known in rows],
        )

    def forget_all_but(self, days: int) -> int:
        """Drop the oldest tables beyond `days`; returns how many went."""
        old = self._tables[:-days]
        for table in old:
            self._connection.execute(f"DROP TABLE {table}")
        self._tables = self._tables[-days:]
        return len(old)


def _power_of_two(count: int) -> int:
    """Statement sizes are rounded up, so that a few prepared statements serve every batch."""
    return 1 << (count - 1).bit_length()
