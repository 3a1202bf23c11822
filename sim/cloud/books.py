"""The running state of every (device, stream, epoch): in memory for speed, in the same transaction on disk."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from sim.cloud.holes import Holes

__all__ = ["Book", "Books", "StreamKey"]

_LOAD_STREAMS: Final = (
    "SELECT number, device, stream, epoch, upto, last_id, stored, counted, redelivered, conflicts"
    " FROM streams ORDER BY number"
)
_LOAD_HOLES: Final = "SELECT stream, first, last FROM holes"
_NEW_STREAM: Final = "INSERT INTO streams (device, stream, epoch) VALUES (?, ?, ?)"
_SAVE_STREAM: Final = (
    "UPDATE streams SET upto = ?, last_id = ?, stored = ?, counted = ?, redelivered = ?, conflicts = ? WHERE number = ?"
)
_SAVE_HOLE: Final = "INSERT OR REPLACE INTO holes (stream, first, last) VALUES (?, ?, ?)"
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
        self.last_id = ""
        self.stored = 0
        self.counted = 0
        self.redelivered = 0
        self.conflicts = 0


class Books:
    """All streams of one ledger file. After a rollback, make new ones: they load what the file says."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._books: dict[StreamKey, Book] = {}
        holes: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, first, last in connection.execute(_LOAD_HOLES):
            holes[number].append((first, last))
        for number, device, stream, epoch, upto, last_id, *counts in connection.execute(_LOAD_STREAMS):
            book = Book(number, StreamKey(device, stream, epoch))
            book.holes = Holes(upto, holes[number])
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
            for first, last in book.holes.take_changes().items():
                if last is None:
                    self._connection.execute(_DROP_HOLE, (book.number, first))
                else:
                    self._connection.execute(_SAVE_HOLE, (book.number, first, last))
