"""Brings events of an old log into the present one, at their old places: epoch by id, sequence as it was.

What is there already stays as it is. An event whose (source, id) was stored again since, because its producer sent it
once more, is left out: it has a place.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from agent.event_types import Stream
from agent.log.identities import Identities, identity_key
from agent.log.records import Place
from agent.log.schema import event_table, row_checksum

__all__ = ["ANY_BODY", "Merger", "OldEvent"]

ANY_BODY: Final = b""
"""The digest of an event whose producer's words are not known: each body sent under its id is taken as the same."""

_INSERT: Final = """
    INSERT OR IGNORE INTO {table} (place, id, recorded_ms, boot, monotonic_us, crc, body) VALUES (?, ?, ?, 0, ?, ?, ?)
"""


class OldEvent(NamedTuple):
    """One event of another file; `epoch_number` is what its epoch had there."""

    stream: Stream
    epoch: str
    epoch_number: int
    sequence: int
    source: str
    id: str
    recorded_ms: int
    monotonic_us: int
    body: bytes


class Merger:
    """Used once, inside a transaction of the writer."""

    def __init__(self, connection: sqlite3.Connection, identities: Identities, epochs: Mapping[int, str]) -> None:
        self._connection = connection
        self._identities = identities
        self._numbers = {epoch: number for number, epoch in epochs.items()}
        self._present = max(epochs)
        self.new_epochs: dict[int, str] = {}
        """Epochs of the old log that this file did not know."""

    def take(self, events: Sequence[OldEvent], day: str) -> int:
        """Bring the events in; how many are in place now. Their identities are remembered on `day` (YYYYMMDD)."""
        keys = [identity_key(event.source, event.id) for event in events]
        known = self._identities.find(keys)
        remembered = {}
        taken = 0
        for key, event in zip(keys, events, strict=True):
            place = Place(self._number(event), event.sequence).key
            if key in known and known[key][1] != place:
                continue
            crc = row_checksum(place, event.id.encode(), event.body)
            row = (place, event.id, event.recorded_ms, event.monotonic_us, crc, event.body)
            self._connection.execute(_INSERT.format(table=event_table(event.stream)), row)
            taken += 1
            if key not in known:
                known[key] = remembered[key] = (ANY_BODY, place)
        if remembered:
            self._identities.remember(day, list(remembered), remembered)
        return taken

    def _number(self, event: OldEvent) -> int:
        """The epoch's number here: its own where that is free and lies before the present epoch, else one that is."""
        number = self._numbers.get(event.epoch)
        if number is None:
            taken = set(self._numbers.values())
            number = event.epoch_number
            if number in taken or not 0 < number < self._present:
                number = next(free for free in range(self._present - 1, 0, -1) if free not in taken)
            self._numbers[event.epoch] = number
            self.new_epochs[number] = event.epoch
        return number
