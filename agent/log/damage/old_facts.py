"""What an old log file still says of itself by SQL: cursors, heads and journals. Whatever is damaged is left out."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.event_types import Stream
from agent.log.jobs import JournalEntry
from agent.log.records import Place
from agent.log.schema import journal_checksum, open_reader
from agent.log.state import load_heads

__all__ = ["OldFacts"]

_CURSORS: Final = "SELECT consumer, stream, epoch, sequence FROM cursor"
_EPOCHS: Final = "SELECT number, id FROM epoch"
_JOURNAL: Final = "SELECT name, number, crc, body FROM journal"


@dataclass(frozen=True, slots=True)
class OldFacts:
    """Epoch numbers are those of the old file."""

    epochs: Mapping[int, str]
    cursors: Mapping[tuple[str, str], Place]
    heads: Mapping[tuple[Stream, int], int]
    journal: Sequence[JournalEntry]
    journal_whole: bool
    """Whether all entries could be read: what hangs on the others may not be concluded from a part."""

    @classmethod
    def read(cls, file: Path) -> "OldFacts":
        """Best effort: an unreadable file says nothing."""
        try:
            with closing(open_reader(file)) as connection:
                connection.text_factory = str
                return cls._read(connection)
        except (sqlite3.Error, UnicodeDecodeError):
            return cls({}, {}, {}, (), journal_whole=False)

    @classmethod
    def _read(cls, connection: sqlite3.Connection) -> "OldFacts":
        epochs: dict[int, str] = {}
        cursors: dict[tuple[str, str], Place] = {}
        heads: dict[tuple[Stream, int], int] = {}
        with suppress(sqlite3.Error):
            epochs = dict(connection.execute(_EPOCHS))
        with suppress(sqlite3.Error):
            for consumer, stream, epoch, sequence in connection.execute(_CURSORS):
                cursors[consumer, stream] = Place(epoch, sequence)
        for stream in Stream:
            with suppress(sqlite3.Error):
                heads |= load_heads(connection, [stream])
        entries, whole = _journal(connection)
        return cls(epochs, cursors, heads, entries, whole)


def _journal(connection: sqlite3.Connection) -> tuple[list[JournalEntry], bool]:
    entries: list[JournalEntry] = []
    try:
        for name, number, crc, body in connection.execute(_JOURNAL):
            if not isinstance(body, bytes) or journal_checksum(name, number, body) != crc:
                return entries, False
            entries.append(JournalEntry(name, number, body))
    except sqlite3.Error:
        return entries, False
    return entries, True
