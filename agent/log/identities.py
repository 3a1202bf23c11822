"""Remembers each (source, id) pair, so that a retry gets its first answer and a conflict is told.

One table of hashes a day, outliving the events themselves: random ids in one ever-growing index would cost
three times the speed and many times the flash wear. UUIDv7 ids are stored in the order of their time, so that
writing goes to a table's end and looking one up skips every table whose range it is not in.

Only the newest table is written to: a day that has one already, because the clock jumped back, gets no older pairs
mixed with younger ones. A table goes once more than `dedupe_days` tables follow it, each of a later day than the one
before: so whole days went by since its last pair, and a clock that was wrong for a while counts for nothing.
"""

import re
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from agent.log.bulk import insert_rows

__all__ = ["Identities", "Known", "identity_key"]

LOOKUPS_PER_STATEMENT: Final = 128
_CREATE: Final = """
    CREATE TABLE {table} (key BLOB PRIMARY KEY, digest BLOB NOT NULL, place INTEGER NOT NULL) WITHOUT ROWID
"""
_FIND: Final = "SELECT key, digest, place FROM {table} WHERE key IN ({marks})"
_RANGE: Final = """
    SELECT (SELECT min(key) FROM {table} WHERE key >= :from AND key < :to),
        (SELECT max(key) FROM {table} WHERE key >= :from AND key < :to)
"""
_NAMES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'identity_*' ORDER BY rowid"
_TABLE_NAME: Final = re.compile(r"identity_\d{8}")
_ANY_ID, _TIMED_ID, _END = b"\0", b"\1", b"\2"


Known = tuple[bytes, int]
"""What is remembered of an event: the digest of what its producer said, and the key of its place."""


def identity_key(source: str, event_id: str) -> bytes:
    """The 128-bit key of a (source, id) pair; of a UUIDv7 it begins with the id's time."""
    digest = blake2b(f"{source}\0{event_id}".encode(), digest_size=15).digest()
    if len(event_id) == 36 and event_id[14] == "7":
        try:
            return _TIMED_ID + bytes.fromhex(event_id[:8] + event_id[9:13]) + digest[:9]
        except ValueError:
            pass  # looks like a UUID, is none
    return _ANY_ID + digest


class Identities:
    """The day tables of one log file, used inside the writer's transactions; after a rollback make a new one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.changed = False
        """Whether tables or ranges differ from what was read; whoever commits sets it back."""
        names = [name for (name,) in connection.execute(_NAMES) if _TABLE_NAME.fullmatch(name)]
        self._ranges = {name: self._ranges_in(name) for name in names}
        """The tables, oldest first, each with the lowest and highest key of either kind of id."""

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Known]:
        """Those of `keys` that are known."""
        found: dict[bytes, Known] = {}
        keys = sorted(keys)
        for table, ranges in self._ranges.items():
            for lowest, highest in ranges.values():
                end = bisect_right(keys, highest)
                for start in range(bisect_left(keys, lowest), end, LOOKUPS_PER_STATEMENT):
                    self._look_up(table, keys[start : min(start + LOOKUPS_PER_STATEMENT, end)], found)
        return found

    def remember(self, day: str, keys: Sequence[bytes], known: Mapping[bytes, Known]) -> None:
        """Add new pairs on `day` (YYYYMMDD); `known` has what is to be remembered of each."""
        self.changed = True
        table = f"identity_{day}"
        if table in self._ranges:
            table = next(reversed(self._ranges))
        else:
            self._connection.execute(_CREATE.format(table=table))
            self._ranges[table] = {}
        keys = sorted(keys)
        values: list[bytes | int] = []
        for key in keys:
            digest, place = known[key]
            values += (key, digest, place)
        insert_rows(self._connection, f"{table} (key, digest, place)", 3, values)
        first_timed = bisect_left(keys, _TIMED_ID)
        for kind, part in ((_ANY_ID, keys[:first_timed]), (_TIMED_ID, keys[first_timed:])):
            if part:
                lowest, highest = self._ranges[table].get(kind, (part[0], part[-1]))
                self._ranges[table][kind] = (min(lowest, part[0]), max(highest, part[-1]))

    def forget(self, days: int) -> None:
        """Drop the tables whose last pair is more than `days` old."""
        for table in _tables_before(list(self._ranges), days):
            self._connection.execute(f"DROP TABLE {table}")
            self.changed = True
            del self._ranges[table]

    def _look_up(self, table: str, keys: Sequence[bytes], found: dict[bytes, Known]) -> None:
        """Statement sizes are rounded up to powers of two, so that a few prepared ones serve every batch."""
        places = 1 << (len(keys) - 1).bit_length()
        padded = [*keys, *[keys[-1]] * (places - len(keys))]
        for key, digest, place in self._connection.execute(
            _FIND.format(table=table, marks=",".join("?" * places)), padded
        ):
            found[key] = (digest, place)

    def _ranges_in(self, table: str) -> dict[bytes, tuple[bytes, bytes]]:
        ranges = {}
        for kind, end in ((_ANY_ID, _TIMED_ID), (_TIMED_ID, _END)):
            lowest, highest = self._connection.execute(_RANGE.format(table=table), {"from": kind, "to": end}).fetchone()
            if lowest is not None:
                ranges[kind] = (lowest, highest)
        return ranges


def _tables_before(tables: Sequence[str], days: int) -> Sequence[str]:
    """Those of `tables`, oldest first, after which the calendar went on more than `days` times."""
    went_on = 0
    for at in range(len(tables) - 1, 0, -1):
        went_on += tables[at - 1] < tables[at]
        if went_on > days:
            return tables[:at]
    return ()
