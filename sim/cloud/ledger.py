"""What the cloud has accepted: each (device, stream, epoch, sequence) once, and each event's effect once.

A publish is one transaction. The same event again changes nothing; another event at a taken sequence, or another
body under a known id, is a conflict: kept aside, told, never dropped. What cannot be read goes to the dead letters.
What a device declares shed, quarantined or parked is not missing; what arrives all the same takes effect as any other
event.
"""

import fcntl
import json
import logging
import os
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Final, NamedTuple, Self

from pydantic import ValidationError

from agent.clock import Clock, rfc3339
from agent.device_events import DayClosed
from agent.topics import Topic
from sim.cloud.books import Book, Books, StreamKey
from sim.cloud.days import DAY_CLOSED, DayAnswer, Days
from sim.cloud.declarations import AuditPlace
from sim.cloud.envelope import Arrival, Unreadable, read_publish
from sim.cloud.notices import NOTICES, Notices
from sim.cloud.schema import LedgerUnusable, open_ledger_writer
from sim.cloud.takings import SALE, Takings

__all__ = ["Ledger", "Outcome"]

DEAD_LETTERS_MAX: Final = 10_000
DEAD_LETTER_BYTES_MAX: Final = 65_536
STATE_BYTES_MAX: Final = 65_536

logger = logging.getLogger(__name__)

_STORE: Final = (
    "INSERT INTO events"
    " (stream, sequence, source, id, type, time, received, received_monotonic_ns, counted, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COUNTED: Final = "SELECT type, body FROM events WHERE id = ? AND source = ? AND counted = 1"
_AT_PLACE: Final = "SELECT source, id FROM events WHERE stream = ? AND sequence = ?"
_SEEN_CONFLICT: Final = (
    "UPDATE conflicts SET seen = seen + 1 WHERE stream = ? AND sequence = ? AND source = ? AND id = ?"
)
_NEW_CONFLICT: Final = (
    "INSERT INTO conflicts (stream, sequence, source, id, type, kept_source, kept_id, reason, received, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_BURY: Final = "INSERT INTO dead_letters (topic, reason, received, size_bytes, body) VALUES (?, ?, ?, ?, ?)"
_FORGET_DEAD: Final = "DELETE FROM dead_letters WHERE number <= ?"
_SESSION: Final = "SELECT session, status FROM devices WHERE device = ?"
_STATE: Final = "SELECT state FROM devices WHERE device = ?"
_DEVICES: Final = "SELECT device FROM devices"
_SAVE_STATE: Final = "INSERT OR REPLACE INTO devices (device, status, session, state, received) VALUES (?, ?, ?, ?, ?)"


class Outcome(NamedTuple):
    """What one publish came to, in events."""

    stored: int = 0
    redelivered: int = 0
    conflicts: int = 0
    dead: int = 0


class _Moment(NamedTuple):
    wall: str
    monotonic_ns: int


class Ledger:
    """One ledger file and its only writer."""

    def __init__(self, connection: sqlite3.Connection, lock: int, clock: Clock) -> None:
        self._connection = connection
        self._lock = lock
        self._clock = clock
        self._load()

    @classmethod
    def open(cls, file: Path, clock: Clock) -> Self:
        """Opens or creates the file.

        Raises:
            LedgerUnusable: not a ledger, one of another version, or another twin has it.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(open_ledger_writer(file), lock, clock)
        except BlockingIOError:
            os.close(lock)
            raise LedgerUnusable(f"{file} is in use by another cloud twin") from None
        except BaseException:
            os.close(lock)
            raise

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)

    def accept(self, topic: Topic, payload: bytes) -> Outcome:
        """Takes one publish of an `evt` topic; when this returns, it is committed."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            outcome = self._accept(topic, payload, self._now())
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        if outcome.conflicts or outcome.dead:
            logger.warning("%s: %d conflicts, %d dead letters", topic, outcome.conflicts, outcome.dead)
        return outcome

    def note_state(self, topic: Topic, payload: bytes) -> bool:
        """Remembers a device's state message; True when it says that a new session is online."""
        device = f"{topic.site}/{topic.device}"
        try:
            state = json.loads(payload[:STATE_BYTES_MAX])
            status, session = str(state["status"])[:40], str(state.get("session", ""))[:100]
            text = json.dumps(state)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.bury(str(topic), "not a state message", payload)
            return False
        before = self._connection.execute(_SESSION, (device,)).fetchone()
        self._connection.execute(_SAVE_STATE, (device, status, session, text, self._now().wall))
        return status == "online" and before != (session, status)

    def bury(self, topic: str, reason: str, payload: bytes) -> None:
        """Keeps what nothing else can be done with; the newest ten thousand, of each the first 64 KiB."""
        row = (topic, reason, self._now().wall, len(payload), payload[:DEAD_LETTER_BYTES_MAX])
        number = self._connection.execute(_BURY, row).lastrowid or 0
        self._connection.execute(_FORGET_DEAD, (number - DEAD_LETTERS_MAX,))

    def devices(self) -> set[str]:
        """Every device, as SITE/DEVICE, of which an event or a state has arrived."""
        return self._books.devices() | {device for (device,) in self._connection.execute(_DEVICES)}

    def books(self, device: str) -> list[Book]:
        """A device's streams in the order of their first event, for reading only."""
        return self._books.of_device(device)

    def state_epoch(self, device: str) -> str:
        """The epoch that a device's last state message names; empty when none does."""
        found = self._connection.execute(_STATE, (device,)).fetchone()
        epoch = json.loads(found[0]).get("epoch", "") if found else ""
        return epoch if isinstance(epoch, str) else ""

    def day_answers(self, device: str) -> list[DayAnswer]:
        """The answers to a device's last fourteen business days."""
        return self._days.answers(device)

    def _load(self) -> None:
        self._books = Books(self._connection)
        self._takings = Takings(self._connection)
        self._notices = Notices(self._connection, self._books)
        self._days = Days(self._connection, self._books)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._load()

    def _now(self) -> _Moment:
        return _Moment(rfc3339(self._clock.wall()), int(self._clock.monotonic_s() * 1e9))

    def _accept(self, topic: Topic, payload: bytes, now: _Moment) -> Outcome:
        try:
            arrivals, unplaced = read_publish(topic, payload)
        except Unreadable as unreadable:
            self.bury(str(topic), str(unreadable), payload)
            return Outcome(dead=1)
        for element in unplaced:
            self.bury(str(topic), element.reason, element.body.encode())
        fresh: list[tuple[Book, Arrival]] = []
        again: list[tuple[Book, Arrival]] = []
        device = f"{topic.site}/{topic.device}"
        for arrival in arrivals:
            book = self._books.open(StreamKey(device, topic.tail[0], arrival.epoch))
            if book.holes.add(arrival.sequence):
                fresh.append((book, arrival))
                if arrival.sequence == book.holes.upto:
                    book.last_id = arrival.id
            else:
                again.append((book, arrival))
        counted, conflicts = self._store(fresh, now)
        for book, arrival in counted:
            self._take_effect(topic, book, arrival, now)
        repeats = [self._again(book, arrival, now) for book, arrival in again]
        declared = self._notices.settle()
        self._books.save({book for book, _ in fresh + again} | declared.keys())
        self._takings.save()
        spans: dict[StreamKey, list[tuple[int, int]]] = defaultdict(list)
        for book, arrival in fresh + again:
            spans[book.key].append((arrival.sequence, arrival.sequence))
        for book, declarations in declared.items():
            spans[book.key] += [(said.first, said.last) for said in declarations]
        self._days.review(spans, now.wall)
        return Outcome(
            stored=len(fresh),
            redelivered=sum(repeat.redelivered for repeat in repeats),
            conflicts=conflicts + sum(repeat.conflicts for repeat in repeats),
            dead=len(unplaced),
        )

    def _store(self, fresh: list[tuple[Book, Arrival]], now: _Moment) -> tuple[list[tuple[Book, Arrival]], int]:
        """Stores events at their places; returns those that take effect, and how many were in conflict."""
        self._connection.execute("SAVEPOINT batch")
        try:
            self._connection.executemany(_STORE, [_row(book, arrival, now, 1) for book, arrival in fresh])
            counted, conflicts = fresh, 0
        except sqlite3.IntegrityError:  # a (source, id) that has taken effect at another place: look at each
            self._connection.execute("ROLLBACK TO batch")
            counted, conflicts = self._store_each(fresh, now)
        self._connection.execute("RELEASE batch")
        for book, _ in fresh:
            book.stored += 1
        for book, _ in counted:
            book.counted += 1
        return counted, conflicts

    def _store_each(self, fresh: list[tuple[Book, Arrival]], now: _Moment) -> tuple[list[tuple[Book, Arrival]], int]:
        counted: list[tuple[Book, Arrival]] = []
        conflicts = 0
        for book, arrival in fresh:
            known = self._connection.execute(_COUNTED, (arrival.id, arrival.source)).fetchone()
            self._connection.execute(_STORE, _row(book, arrival, now, 0 if known else 1))
            if known is None:
                counted.append((book, arrival))
            elif (known[0], json.loads(known[1])["data"]) != (arrival.type, arrival.data):
                conflicts += self._conflict(book, arrival, now, (arrival.source, arrival.id), "id with another body")
        return counted, conflicts

    def _take_effect(self, topic: Topic, book: Book, arrival: Arrival, now: _Moment) -> None:
        problem = ""
        if arrival.type == SALE:
            problem = self._takings.add(book.key.device, arrival.data)
        elif arrival.type == DAY_CLOSED:
            try:
                closed = DayClosed.model_validate(arrival.data)
                self._days.close(book.key.device, AuditPlace(book.number, arrival.sequence), closed, now.wall)
            except ValidationError as error:
                problem = f"no day close: {error.error_count()} problems"
        elif arrival.type in NOTICES:
            at = AuditPlace(book.number, arrival.sequence)
            problem = self._notices.take(book.key.device, at, arrival.type, arrival.data)
        if problem:
            self.bury(str(topic), f"stored without effect: {problem}", arrival.body.encode())

    def _again(self, book: Book, arrival: Arrival, now: _Moment) -> Outcome:
        """An event for a place that is taken: the same one again, or another."""
        kept_source, kept_id = self._connection.execute(_AT_PLACE, (book.number, arrival.sequence)).fetchone()
        if (kept_source, kept_id) == (arrival.source, arrival.id):
            book.redelivered += 1
            return Outcome(redelivered=1)
        reason = "sequence of another event"
        return Outcome(conflicts=self._conflict(book, arrival, now, (kept_source, kept_id), reason))

    def _conflict(self, book: Book, arrival: Arrival, now: _Moment, kept: tuple[str, str], reason: str) -> int:
        """Keeps a conflicting event aside; returns 1 when it is new."""
        place = (book.number, arrival.sequence, arrival.source, arrival.id)
        if self._connection.execute(_SEEN_CONFLICT, place).rowcount:
            return 0
        self._connection.execute(_NEW_CONFLICT, (*place, arrival.type, *kept, reason, now.wall, arrival.body))
        book.conflicts += 1
        return 1


def _row(book: Book, arrival: Arrival, now: _Moment, counted: int) -> tuple[str | int, ...]:
    return (
        book.number,
        arrival.sequence,
        arrival.source,
        arrival.id,
        arrival.type,
        arrival.time,
        now.wall,
        now.monotonic_ns,
        counted,
        arrival.body,
    )
