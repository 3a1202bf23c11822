"""Checks what a device says of a business day against what the ledger holds, and answers, again when more arrives."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from agent.device_events import DayClosed, DayRange
from sim.cloud.books import Books, StreamKey

__all__ = ["DAYS_ANSWERED_MAX", "DAY_CLOSED", "DayAnswer", "Days"]

DAY_CLOSED: Final = "audit.day_closed.v1"
DAYS_ANSWERED_MAX: Final = 14
"""Business days whose answers a receipt carries."""
ANSWERS_MAX: Final = 500  # a day has one for each stream and epoch

_RANGE_COLUMNS: Final = "first_sequence, last_sequence, count, shed, parked, sha256"
_LOAD_OPEN: Final = f"SELECT device, stream, epoch, business_day, {_RANGE_COLUMNS} FROM days WHERE ok = 0"  # noqa: S608 - constants
_SAVE: Final = f"""
    INSERT OR REPLACE INTO days
        (device, business_day, stream, epoch, {_RANGE_COLUMNS}, ok, missing, conflicts, problem, answered)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - constants
# With min(ok), SQLite takes `problem` from a row that holds the minimum: the first part that is not ok.
_ANSWERS: Final = """
    SELECT business_day, stream, epoch, min(ok), sum(count), sum(missing), sum(conflicts), problem FROM days
    WHERE device = ?1 AND business_day IN (
        SELECT DISTINCT business_day FROM days WHERE device = ?1 ORDER BY business_day DESC LIMIT ?2
    ) GROUP BY business_day, stream, epoch ORDER BY business_day DESC, epoch DESC, stream LIMIT ?3
"""
_IDS: Final = "SELECT sequence, id FROM events WHERE stream = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"
_CONFLICTS: Final = "SELECT count(*) FROM conflicts WHERE stream = ? AND sequence BETWEEN ? AND ?"


@dataclass(frozen=True, slots=True)
class DayAnswer:
    """The ledger's word on one stream's part of a business day; `count` is what the device closed."""

    business_day: str
    stream: str
    epoch: str
    ok: bool
    count: int
    missing: int
    conflicts: int
    problem: str


class Days:
    """The answers of one ledger file. After a rollback, make new ones: they load what the file says."""

    def __init__(self, connection: sqlite3.Connection, books: Books) -> None:
        self._connection = connection
        self._books = books
        self._open: dict[StreamKey, dict[tuple[str, int], DayRange]] = defaultdict(dict)
        for device, stream, epoch, day, first, last, count, shed, parked, digest in connection.execute(_LOAD_OPEN):
            self._open[StreamKey(device, stream, epoch)][day, first] = DayRange(
                stream=stream,
                epoch=epoch,
                first_sequence=first,
                last_sequence=last,
                count=count,
                shed=shed,
                parked=parked,
                sha256=digest,
            )

    def close(self, device: str, day: DayClosed, at: str) -> None:
        """Takes a device's day close and answers each of its ranges."""
        for closed in day.ranges:
            self._answer(StreamKey(device, closed.stream, closed.epoch), day.business_day, closed, at)

    def review(self, arrived: Mapping[StreamKey, Sequence[int]], at: str) -> None:
        """Answers again the open days into which these sequences fall, whether they were stored or in conflict."""
        for key, sequences in arrived.items():
            for (day, _), closed in list(self._open.get(key, {}).items()):
                if any(closed.first_sequence <= sequence <= closed.last_sequence for sequence in sequences):
                    self._answer(key, day, closed, at)

    def answers(self, device: str) -> list[DayAnswer]:
        """The last fourteen business days' answers, newest first; a day closed in parts has one for all of them."""
        rows = self._connection.execute(_ANSWERS, (device, DAYS_ANSWERED_MAX, ANSWERS_MAX))
        return [DayAnswer(day, stream, epoch, bool(ok), *rest) for day, stream, epoch, ok, *rest in rows]

    def _answer(self, key: StreamKey, day: str, closed: DayRange, at: str) -> None:
        missing, conflicts, problem = self._check(key, closed)
        if problem:
            self._open[key][day, closed.first_sequence] = closed
        else:
            self._open[key].pop((day, closed.first_sequence), None)
        span = (closed.first_sequence, closed.last_sequence, closed.count, closed.shed, closed.parked, closed.sha256)
        row = (key.device, day, key.stream, key.epoch, *span, not problem, missing, conflicts, problem, at)
        self._connection.execute(_SAVE, row)

    def _check(self, key: StreamKey, closed: DayRange) -> tuple[int, int, str]:
        if not closed.count:
            return 0, 0, ""
        book = self._books.find(key)
        if book is None:
            return closed.count, 0, f"{closed.count:,} of {closed.count:,} events missing"
        first, last = closed.first_sequence, closed.last_sequence
        held = last - first + 1 - book.holes.missing_between(first, last)
        # What was shed or parked has a sequence and will not come: the device has left it out of `count`.
        missing = max(0, closed.count - held)
        conflicts = int(self._connection.execute(_CONFLICTS, (book.number, first, last)).fetchone()[0])
        if missing:
            return missing, conflicts, f"{missing:,} of {closed.count:,} events missing"
        digest = sha256()
        for sequence, event_id in self._connection.execute(_IDS, (book.number, first, last)):
            digest.update(f"{sequence}:{event_id}\n".encode())
        if digest.hexdigest() != closed.sha256:
            return 0, conflicts, "other events here than the device closed: ids and sequences differ"
        return 0, conflicts, ""
