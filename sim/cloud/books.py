"""The running state of every (device, stream, epoch): in memory for speed, in the same transaction on disk."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sim.cloud.declarations import AuditPlace, Declaration, Word, mark
from sim.cloud.holes import Gap, Holes

__all__ = ["Book", "Books", "StreamKey"]

_LOAD_STREAMS: Final = (
    "SELECT number, device, stream, epoch, upto, last_id, stored, counted, redelivered, conflicts"
    " FROM streams ORDER BY number"
)
_LOAD_HOLES: Final = "SELECT stream, first, last, kind FROM holes"
_LOAD_DECLARATIONS: Final = (
    "SELECT stream, audit, sequence, word, first, last FROM declarations ORDER BY stream, audit, sequence"
)
_NEW_STREAM: Final = "INSERT INTO streams (device, stream, epoch) VALUES (?, ?, ?)"
_SAVE_STREAM: Final = (
    "UPDATE streams SET upto = ?, last_id = ?, stored = ?, counted = ?, redelivered = ?, conflicts = ? WHERE number = ?"
)
_SAVE_HOLE: Final = "INSERT OR REPLACE INTO holes (stream, first, last, kind) VALUES (?, ?, ?, ?)"
_DROP_HOLE: Final = "DELETE FROM holes WHERE stream = ? AND first = ?"


class StreamKey(NamedTuple):
    """What sequences count within; `device` is SITE/DEVICE."""

    device: str
    stream: str
    epoch: str


class Book:
    """One stream's state; the ledger changes it while it takes a publish."""

    def __init__(self, number: int, key: StreamKey) -> None:
        self.number: Final = number
        self.key: Final = key
        self.holes = Holes()
        self.declarations: list[Declaration] = []
        """In the order in which the device made them; `holes` says what they come to."""
        self.last_id = ""
        """The id of the event at the high-water mark; empty when a declaration reaches further than any arrival."""
        self.stored = 0
        self.counted = 0
        self.redelivered = 0
        self.conflicts = 0

    def declare(self, said: Sequence[Declaration]) -> None:
        """Takes what the device said of this stream, in whatever order it arrives."""
        upto, known = self.holes.upto, self.declarations
        self.declarations = sorted([*known, *said])
        if known and min(said) < known[-1]:
            self.holes.unmark()
            mark(self.holes, self.declarations)
        else:
            mark(self.holes, self.declarations[len(known) :])
        if self.holes.upto > upto:
            self.last_id = ""


class Books:
    """All streams of one ledger file. After a rollback, make new ones: they load what the file says."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._books: dict[StreamKey, Book] = {}
        holes: dict[int, list[tuple[int, int, Gap]]] = defaultdict(list)
        for number, first, last, gap in connection.execute(_LOAD_HOLES):
            holes[number].append((first, last, Gap(gap)))
        declarations: dict[int, list[Declaration]] = defaultdict(list)
        for number, audit, sequence, word, first, last in connection.execute(_LOAD_DECLARATIONS):
            declarations[number].append(Declaration(AuditPlace(audit, sequence), Word(word), first, last))
        for number, device, stream, epoch, upto, last_id, *counts in connection.execute(_LOAD_STREAMS):
            book = Book(number, StreamKey(device, stream, epoch))
            book.holes = Holes(upto, holes[number])
            book.declarations = declarations[number]
            book.last_id = last_id
            book.stored, book.counted, book.redelivered, book.conflicts = counts
            self._books[book.key] = book

    def find(self, key: StreamKey) -> Book | None:
        return self._books.get(key)

    def open(self, key: StreamKey) -> Book:
        """The book of a stream, new when nothing of it has arrived before; inside a transaction."""
        book = self._books.get(key)
        if book is None:
            number = self._connection.execute(_NEW_STREAM, key).lastrowid
            assert number is not None
            book = self._books[key] = Book(number, key)
        return book

    def of_device(self, device: str) -> list[Book]:
        """In the order in which the device's streams first arrived."""
        return [book for key, book in self._books.items() if key.device == device]

    def devices(self) -> set[str]:
        """Every device of which an event has arrived."""
        return {key.device for key in self._books}

    def save(self, books: Iterable[Book]) -> None:
        """Writes changed books, inside the transaction that holds their events."""
        for book in books:
            counts = (book.stored, book.counted, book.redelivered, book.conflicts)
            self._connection.execute(_SAVE_STREAM, (book.holes.upto, book.last_id, *counts, book.number))
            for first, hole in book.holes.take_changes().items():
                if hole is None:
                    self._connection.execute(_DROP_HOLE, (book.number, first))
                else:
                    self._connection.execute(_SAVE_HOLE, (book.number, first, *hole))
