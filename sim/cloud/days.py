"""Checks what a device says of a business day against what the ledger holds, and answers, again when more arrives.

A device counts and hashes what it had at its close. What it had given up before may have arrived all the same, and
what it had then may have been given up since: the order of the audit stream tells one from the other.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

from agent.device_events import DayClosed, DayRange
from sim.cloud.books import Book, Books, StreamKey
from sim.cloud.declarations import AuditPlace, declared_before
from sim.cloud.holes import Gap

__all__ = ["DAYS_ANSWERED_MAX", "DAY_CLOSED", "DayAnswer", "Days"]

DAY_CLOSED: Final = "audit.day_closed.v1"
DAYS_ANSWERED_MAX: Final = 14
"""Business days whose answers a receipt carries."""
ANSWERS_MAX: Final = 500  # a day has one for each stream and epoch

_RANGE_COLUMNS: Final = "first_sequence, last_sequence, count, shed, parked, quarantined, sha256, audit, sequence"
_LOAD_OPEN: Final = f"SELECT device, stream, epoch, business_day, {_RANGE_COLUMNS} FROM days WHERE ok = 0 OR declared"  # noqa: S608 - constants
_SAVE: Final = f"""
    INSERT OR REPLACE INTO days
        (device, business_day, stream, epoch, {_RANGE_COLUMNS}, ok, missing, declared, conflicts, problem, answered)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - constants
# With min(ok), SQLite takes `problem` from a row that holds the minimum: the first part that is not ok.
_ANSWERS: Final = """
    SELECT business_day, stream, epoch, min(ok), sum(count), sum(missing), sum(declared), sum(conflicts), problem
    FROM days
    WHERE device = ?1 AND business_day IN (
        SELECT DISTINCT business_day FROM days WHERE device = ?1 ORDER BY business_day DESC LIMIT ?2
    ) GROUP BY business_day, stream, epoch ORDER BY business_day DESC, epoch DESC, stream LIMIT ?3
"""
_IDS: Final = "SELECT sequence, id FROM events WHERE stream = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"
_DECLARED: Final = (Gap.SHED, Gap.QUARANTINED, Gap.PARKED)
_CONFLICTS: Final = "SELECT count(*) FROM conflicts WHERE stream = ? AND sequence BETWEEN ? AND ?"


@dataclass(frozen=True, slots=True)
class DayAnswer:
    """The ledger's word on one stream's part of a business day; `count` is what the device closed.

    `declared` of those were declared shed, quarantined or parked afterwards and are not here. Their ids are not known,
    so then the numbers alone are compared, not the hash.
    """

    business_day: str
    stream: str
    epoch: str
    ok: bool
    count: int
    missing: int
    declared: int
    conflicts: int
    problem: str

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Self:  # Any: the columns in the order of the fields
        business_day, stream, epoch, ok, *rest = row
        return cls(business_day, stream, epoch, bool(ok), *rest)


class _Part(NamedTuple):
    """One range of a day close, and the place of that close."""

    day: str
    closed: DayRange
    at: AuditPlace


class _Finding(NamedTuple):
    missing: int = 0
    declared: int = 0
    problem: str = ""


class Days:
    """The answers of one ledger file. After a rollback, make new ones: they load what the file says."""

    def __init__(self, connection: sqlite3.Connection, books: Books) -> None:
        self._connection = connection
        self._books = books
        self._open: dict[StreamKey, dict[tuple[str, int], _Part]] = defaultdict(dict)
        for device, stream, epoch, day, first, last, *numbers, digest, audit, sequence in connection.execute(
            _LOAD_OPEN
        ):
            count, shed, parked, quarantined = numbers
            closed = DayRange(
                stream=stream,
                epoch=epoch,
                first_sequence=first,
                last_sequence=last,
                count=count,
                shed=shed,
                parked=parked,
                quarantined=quarantined,
                sha256=digest,
            )
            self._open[StreamKey(device, stream, epoch)][day, first] = _Part(day, closed, AuditPlace(audit, sequence))

    def close(self, device: str, at: AuditPlace, day: DayClosed, received: str) -> None:
        """Takes a device's day close and answers each of its ranges."""
        for closed in day.ranges:
            part = _Part(day.business_day, closed, at)
            self._answer(StreamKey(device, closed.stream, closed.epoch), part, received)

    def review(self, touched: Mapping[StreamKey, Sequence[tuple[int, int]]], received: str) -> None:
        """Answers again the open days that have one of these sequences: stored, in conflict, or declared."""
        for key, spans in touched.items():
            for part in list(self._open.get(key, {}).values()):
                if any(
                    part.closed.first_sequence <= last and first <= part.closed.last_sequence for first, last in spans
                ):
                    self._answer(key, part, received)

    def answers(self, device: str) -> list[DayAnswer]:
        """The last fourteen business days' answers, newest first; a day closed in parts has one for all of them."""
        rows = self._connection.execute(_ANSWERS, (device, DAYS_ANSWERED_MAX, ANSWERS_MAX))
        return list(map(DayAnswer.of, rows))

    def _answer(self, key: StreamKey, part: _Part, received: str) -> None:
        closed = part.closed
        found, conflicts = self._check(key, part)
        if found.problem or found.declared:  # what was declared may come all the same
            self._open[key][part.day, closed.first_sequence] = part
        else:
            self._open[key].pop((part.day, closed.first_sequence), None)
        span = (closed.first_sequence, closed.last_sequence, closed.count)
        given_up = (closed.shed, closed.parked, closed.quarantined)
        answer = (not found.problem, found.missing, found.declared, conflicts, found.problem, received)
        row = (key.device, part.day, key.stream, key.epoch, *span, *given_up, closed.sha256, *part.at, *answer)
        self._connection.execute(_SAVE, row)

    def _check(self, key: StreamKey, part: _Part) -> tuple[_Finding, int]:
        """What is found, and how many conflicts."""
        closed = part.closed
        if not closed.count:
            return _Finding(), 0
        book = self._books.find(key)
        if book is None:
            return _lacking(closed.count, closed), 0
        span = (book.number, closed.first_sequence, closed.last_sequence)
        conflicts = int(self._connection.execute(_CONFLICTS, span).fetchone()[0])
        return self._compare(book, part), conflicts

    def _compare(self, book: Book, part: _Part) -> _Finding:
        closed, holes = part.closed, book.holes
        first, last = closed.first_sequence, closed.last_sequence
        before = declared_before(book.declarations, part.at, first, last)
        # What was shed, parked or quarantined has a sequence, and the device has left it out of `count`.
        here = holes.arrived_between(first, last) - sum(holes.arrived_between(*gap) for gap in before)
        absent = holes.count_between(first, last, *_DECLARED)
        since = absent - sum(holes.count_between(*gap, *_DECLARED) for gap in before)
        missing = min(closed.count - here - since, holes.count_between(first, last, Gap.MISSING))
        if missing > 0:
            return _lacking(missing, closed)
        # A declaration may have been made while the device measured: then its place does not tell what was counted.
        ever = declared_before(book.declarations, None, first, last)
        for left_out in dict.fromkeys(map(tuple, (before, (), ever))):
            if self._digest(book, first, last, left_out) == closed.sha256:
                return _Finding()
        if closed.count > here and closed.count - holes.arrived_between(first, last) <= absent:
            return _Finding(declared=min(closed.count - here, absent))
        return _Finding(problem="other events here than the device closed: ids and sequences differ")

    def _digest(self, book: Book, first: int, last: int, left_out: Sequence[tuple[int, int]]) -> str:
        """The hash over what is here, without some spans, which rise."""
        digest, at = sha256(), 0
        for sequence, event_id in self._connection.execute(_IDS, (book.number, first, last)):
            while at < len(left_out) and left_out[at][1] < sequence:
                at += 1
            if at == len(left_out) or sequence < left_out[at][0]:
                digest.update(f"{sequence}:{event_id}\n".encode())
        return digest.hexdigest()


def _lacking(missing: int, closed: DayRange) -> _Finding:
    return _Finding(missing, problem=f"{missing:,} of {closed.count:,} events missing")
