"""What devices say of events they have sent or will never send: gaps in a stream, and times of a wrong clock."""

import sqlite3
from collections import defaultdict
from typing import Any, Final

from pydantic import ValidationError

from agent.device_events import (
    ClockCorrected,
    CorrectedRange,
    EventsParked,
    EventsQuarantined,
    EventsReleased,
    EventsShed,
)
from sim.cloud.books import Book, Books, StreamKey
from sim.cloud.declarations import AuditPlace, Declaration, Word

__all__ = ["NOTICES", "Notices"]

CLOCK_CORRECTED: Final = "audit.clock_corrected.v1"
Notice = EventsShed | EventsQuarantined | EventsParked | EventsReleased
_WORDS: Final[dict[str, tuple[Word, type[Notice]]]] = {
    "audit.events_shed.v1": (Word.SHED, EventsShed),
    "audit.events_quarantined.v1": (Word.QUARANTINED, EventsQuarantined),
    "audit.events_parked.v1": (Word.PARKED, EventsParked),
    "audit.events_released.v1": (Word.RELEASED, EventsReleased),
}
NOTICES: Final = frozenset({*_WORDS, CLOCK_CORRECTED})
"""Types of events that `Notices.take` is for."""

_DECLARE: Final = (
    "INSERT INTO declarations (stream, audit, sequence, word, first, last, reason) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_CORRECT: Final = (
    "INSERT INTO corrections (stream, audit, sequence, first, last, add_ms, synchronised_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class Notices:
    """Takes the notices of one publish. After a rollback, make new ones."""

    def __init__(self, connection: sqlite3.Connection, books: Books) -> None:
        self._connection = connection
        self._books = books
        self._said: dict[Book, list[Declaration]] = defaultdict(list)

    def take(self, device: str, at: AuditPlace, type_name: str, data: Any) -> str:
        """Writes one notice down; returns what is wrong with it, or an empty text. `data`: whatever JSON it holds."""
        try:
            if type_name == CLOCK_CORRECTED:
                return self._correct(device, at, ClockCorrected.model_validate(data))
            word, model = _WORDS[type_name]
            return self._declare(device, at, word, model.model_validate(data))
        except ValidationError as error:
            return f"no notice: {error.error_count()} problems"

    def settle(self) -> dict[Book, list[Declaration]]:
        """Applies the declarations taken since the last call to their books, and returns both."""
        said, self._said = self._said, defaultdict(list)
        for book, declarations in said.items():
            book.declare(declarations)
        return said

    def _declare(self, device: str, at: AuditPlace, word: Word, notice: Notice) -> str:
        if problem := _problem(notice):
            return problem
        book = self._books.open(StreamKey(device, notice.stream, notice.epoch))
        span = (notice.first_sequence, notice.last_sequence)
        reason = "" if isinstance(notice, EventsReleased) else notice.reason
        self._connection.execute(_DECLARE, (book.number, *at, word, *span, reason))
        self._said[book].append(Declaration(at, word, *span))
        return ""

    def _correct(self, device: str, at: AuditPlace, notice: ClockCorrected) -> str:
        if problem := next(filter(None, map(_problem, notice.ranges)), ""):
            return problem
        for part in notice.ranges:
            book = self._books.open(StreamKey(device, part.stream, part.epoch))
            span = (part.first_sequence, part.last_sequence)
            self._connection.execute(_CORRECT, (book.number, *at, *span, part.add_ms, notice.synchronised_at))
        return ""


def _problem(part: Notice | CorrectedRange) -> str:
    first, last = part.first_sequence, part.last_sequence
    return "" if 1 <= first <= last else f"no range of sequences: {first} to {last}"
