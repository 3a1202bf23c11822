"""One transaction of the log in the making: what waits together gets its places, is written and commits together."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from agent.errors import IdConflict, StoreforwardError
from agent.event_types import Stream
from agent.events import close_event, event_ending
from agent.log.bulk import insert_rows
from agent.log.gaps import GapTable
from agent.log.identities import Identities, Known
from agent.log.jobs import (
    Advance,
    Also,
    Append,
    Change,
    DeclareUnreadable,
    Discard,
    JournalEntry,
    JournalTrim,
    Merge,
    Park,
    Prune,
    Release,
    SetAside,
    Shed,
    StartEpoch,
    Unpark,
)
from agent.log.merge import ANY_BODY, Merger
from agent.log.reading import quarantine
from agent.log.records import PARKED_AS, SEQUENCE_MASK, START, Appended, Place, Span
from agent.log.schema import event_table, journal_checksum, row_checksum
from agent.log.state import LogState, load_heads

__all__ = ["Answer", "Group"]

Answer = list[Appended] | int | None | StoreforwardError
"""Appended events, a count of cleared rows, nothing, or why not."""

DAY_MS: Final = 86_400_000
FREE_PAGES_KEPT: Final = 1_024  # 4 MB that the next events take again, instead of shrinking and growing all day
VACUUM_PAGES_PER_STEP: Final = 512

_EVENT_COLUMNS: Final = {
    stream: f"{event_table(stream)} (place, id, recorded_ms, boot, monotonic_us, crc, body)" for stream in Stream
}
_SET_CURSOR: Final = "INSERT OR REPLACE INTO cursor (consumer, stream, epoch, sequence) VALUES (?, ?, ?, ?)"
_START_EPOCH: Final = "INSERT INTO epoch (number, id, reason, started_ms) VALUES (?, ?, ?, ?)"
_SET_ENTRY: Final = "INSERT OR REPLACE INTO journal (name, number, crc, body) VALUES (?, ?, ?, ?)"
_TRIM_JOURNAL: Final = "DELETE FROM journal WHERE name = ? AND number < ?"
_SHED: Final = "DELETE FROM {table} WHERE place > ? AND place <= ?"
_PRUNE: Final = """
    DELETE FROM {table} WHERE place IN (SELECT place FROM {table} WHERE place > ? AND place <= ? ORDER BY place LIMIT ?)
        AND (recorded_ms < ? OR recorded_ms > ?) AND place < (SELECT max(place) FROM {table})
"""


class _Lane:
    """The end of one stream: the key of its last place, and the rows to be written there, one after the other."""

    __slots__ = ("last", "rows")

    def __init__(self, last: int) -> None:
        self.last = last
        self.rows: list[int | str | bytes] = []


class Group:
    """Used once: `do` or one of retention's steps, then `finish`, inside a transaction of the caller."""

    def __init__(self, connection: sqlite3.Connection, identities: Identities, state: LogState, boot: int) -> None:
        self._connection = connection
        self._identities = identities
        self._heads = dict(state.heads)
        self._cursors = dict(state.cursors)
        self._epochs = dict(state.epochs)
        self._reasons = dict(state.reasons)
        self._gaps = GapTable(connection, state.gaps)
        self._boot = boot
        self._lanes: dict[Stream, _Lane] = {}
        self._known: dict[bytes, Known] = {}
        """Pairs of this group's drafts that are in the log, or will be with this transaction."""
        self._new: dict[str, list[bytes]] = {}
        """The new ones by the day that remembers them."""

    def do(self, jobs: Sequence[Change]) -> list[Answer]:
        """The jobs' answers, true once the transaction is durable."""
        keys = [key for job in jobs if isinstance(job, Append) for key in job.keys]
        self._known = self._identities.find(keys)
        return [self._do(job) for job in jobs]

    def clear(self, stream: Stream, job: Prune) -> int:
        """Delete a step of one stream's old events; how many went. What is parked stays: nobody has got it."""
        passed = min((place for (_, of), place in self._cursors.items() if of is stream), default=START)
        statement, gone, after = _PRUNE.format(table=event_table(stream)), 0, 0
        for gap in (*self._gaps.parked(stream), None):
            upto = min(passed.key, Place(gap.epoch, gap.first - 1).key) if gap else passed.key
            if after < upto and not gone:
                values = (after, upto, job.rows_max, job.before_ms, job.now_ms)
                gone = self._connection.execute(statement, values).rowcount
            after = Place(gap.epoch, gap.last).key if gap else after
        if gone:
            self._load_heads(stream)
        self._gaps.forget(stream, passed)
        return gone

    def forget(self, job: Prune) -> int:
        """Drop what is remembered of old identities; no events go."""
        self._identities.forget(job.dedupe_days)
        return 0

    def shrink(self) -> int:
        """Hand free pages back to the disk; no events go."""
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        for _ in range(min(free - FREE_PAGES_KEPT, VACUUM_PAGES_PER_STEP)):
            self._connection.execute("PRAGMA incremental_vacuum(1)")  # with more, sqlite3 stops after one all the same
        return 0

    def finish(self) -> LogState:
        """Write what was gathered; the state that will be true after COMMIT."""
        self._write_lanes()
        for day, keys in self._new.items():
            if keys:
                self._identities.remember(day, keys, self._known)
        return LogState(
            epochs=self._epochs,
            reasons=self._reasons,
            heads=self._heads,
            cursors=self._cursors,
            gaps=self._gaps.gaps,
        )

    def _do(self, job: Change) -> Answer:
        match job:
            case Append():
                return self._append(job)
            case Advance():
                self._advance(job)
            case StartEpoch():
                self._start_epoch(job)
            case Merge():
                return self._merge(job)
        return None

    def _append(self, job: Append) -> list[Appended] | IdConflict:
        known = self._known
        if conflict := _conflict(job, known):
            return conflict
        for also in job.also:
            self._do_also(also)
        new = self._new.setdefault(_day(job.recorded_ms // DAY_MS), [])
        recorded_ms, boot, monotonic_us = job.recorded_ms, self._boot, job.monotonic_us
        epoch = self._epochs[max(self._epochs)]
        ending = event_ending(epoch, job.recorded_time, clock_synced=job.clock_synced)
        answers = []
        for key, draft in zip(job.keys, job.drafts, strict=True):
            event_id, stream = draft.id, draft.stream
            if key in known:
                at = Place.of_key(known[key][1])
                answers.append(Appended(event_id, stream, self._epochs[at.epoch], at.sequence, True))
                continue
            lane = self._lanes.get(stream) or self._lane(stream)
            lane.last = place = lane.last + 1
            sequence = place & SEQUENCE_MASK
            body = close_event(draft.opening, sequence, ending)
            crc = row_checksum(place, event_id.encode(), body)
            lane.rows += (place, event_id, recorded_ms, boot, monotonic_us, crc, body)
            new.append(key)
            known[key] = (draft.digest, place)
            answers.append(Appended(event_id, stream, epoch, sequence, False))
        return answers

    def _lane(self, stream: Stream) -> _Lane:
        epoch = max(self._epochs)
        lane = self._lanes[stream] = _Lane(Place(epoch, self._heads.get((stream, epoch), 0)).key)
        return lane

    def _write_lanes(self) -> None:
        for stream, lane in self._lanes.items():
            insert_rows(self._connection, _EVENT_COLUMNS[stream], 7, lane.rows)
            head = Place.of_key(lane.last)
            self._heads[stream, head.epoch] = head.sequence
        self._lanes = {}

    def _do_also(self, job: Also) -> None:
        match job:
            case Advance():
                self._advance(job)
            case JournalEntry(journal, number, body):
                checksum = journal_checksum(journal, number, body)
                self._connection.execute(_SET_ENTRY, (journal, number, checksum, body))
            case JournalTrim():
                self._connection.execute(_TRIM_JOURNAL, job)
            case Shed():
                self._shed(job)
            case SetAside():
                self._set_aside(job)
            case DeclareUnreadable():
                self._gaps.add(job.stream, job.span, "unreadable")
            case Release():
                self._release(job)
            case Discard():
                quarantine.discard(self._connection, job.number)
            case Park(stream, span, code):
                self._gaps.add(stream, span, PARKED_AS[code])
            case Unpark(stream, span):
                self._gaps.unpark(stream, span)

    def _shed(self, job: Shed) -> None:
        stream, after, upto = job
        assert after.epoch == upto.epoch
        assert upto < self._newest(stream)
        self._connection.execute(_SHED.format(table=event_table(stream)), (after.key, upto.key))
        self._gaps.add(stream, Span(upto.epoch, after.sequence + 1, upto.sequence), "shed")
        self._load_heads(stream)

    def _set_aside(self, job: SetAside) -> None:
        stream, place, found_ms = job
        assert place < self._newest(stream)
        if quarantine.move_in(self._connection, stream, place, found_ms):
            self._gaps.add(stream, Span(place.epoch, place.sequence, place.sequence), "quarantined")
            self._load_heads(stream)

    def _release(self, job: Release) -> None:
        if released := quarantine.move_out(self._connection, job.number, job.body):
            stream, place = released
            self._gaps.remove(stream, Span(place.epoch, place.sequence, place.sequence))
            self._load_heads(stream)

    def _merge(self, job: Merge) -> int:
        self._write_lanes()
        merger = Merger(self._connection, self._identities, self._epochs)
        taken = merger.take(job.events, _day(job.recorded_ms // DAY_MS))
        for number, epoch in merger.new_epochs.items():
            self._epochs[number], self._reasons[number] = epoch, "created"
            self._connection.execute(_START_EPOCH, (number, epoch, "created", job.recorded_ms))
        for stream in {event.stream for event in job.events}:
            self._load_heads(stream)
        return taken

    def _newest(self, stream: Stream) -> Place:
        """Where the stream ends; that row stays, so that its sequence is not given twice."""
        return max((Place(epoch, last) for (of, epoch), last in self._heads.items() if of is stream), default=START)

    def _load_heads(self, stream: Stream) -> None:
        kept = {key: last for key, last in self._heads.items() if key[0] is not stream}
        self._heads = kept | load_heads(self._connection, [stream])

    def _advance(self, job: Advance) -> None:
        self._cursors[job.consumer, job.stream] = job.place
        self._connection.execute(_SET_CURSOR, (job.consumer, job.stream, *job.place))

    def _start_epoch(self, job: StartEpoch) -> None:
        self._write_lanes()
        number = max(max(self._epochs, default=0) + 1, job.number_from)
        self._epochs[number] = job.id
        self._reasons[number] = job.reason
        self._connection.execute(_START_EPOCH, (number, job.id, job.reason, job.started_ms))


@lru_cache(maxsize=8)
def _day(days: int) -> str:
    """YYYYMMDD of a UTC day by its number since 1970."""
    return (date(1970, 1, 1) + timedelta(days=days)).strftime("%Y%m%d")


def _conflict(job: Append, known: Mapping[bytes, Known]) -> IdConflict | None:
    """The first draft whose id is taken by another body, in the log, earlier in the group or earlier in the call."""
    if known.keys().isdisjoint(job.keys) and len(set(job.keys)) == len(job.keys):
        return None
    first: dict[bytes, bytes] = {}
    for key, draft in zip(job.keys, job.drafts, strict=True):
        digest = known[key][0] if key in known else first.setdefault(key, draft.digest)
        if digest not in (draft.digest, ANY_BODY):
            return IdConflict(draft.source, draft.id)
    return None
