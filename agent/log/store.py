"""The log's one writer, without a thread: groups of jobs in, one durable transaction each, answers out.

State in memory (heads, cursors, epochs) is a few rows per stream and changes only after COMMIT returned. When a
transaction fails, the connection is opened again and the state read from the file: nothing is assumed.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

from agent.errors import IdConflict, StorageFailed, StorageFull, StoreforwardError
from agent.event_types import Stream
from agent.events import Draft, close_event
from agent.log.identities import Identities, Known, identity_key
from agent.log.jobs import Advance, Append, Job, Prune, StartEpoch
from agent.log.records import START, Appended, Place
from agent.log.schema import STREAM_NUMBERS, open_writer
from agent.log.state import LogState

__all__ = ["Answer", "Store", "row_checksum"]

Answer = list[Appended] | int | None | StoreforwardError
"""Appended events, a count of pruned rows, nothing, or why not."""

_INSERT_EVENT: Final = (
    "INSERT INTO event (stream, epoch, sequence, source, id, type, time, recorded_ms, boot, monotonic_us,"
    " clock_synced, crc, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SET_HEAD: Final = "INSERT OR REPLACE INTO head (stream, epoch, sequence) VALUES (?, ?, ?)"
_SET_CURSOR: Final = "INSERT OR REPLACE INTO cursor (consumer, stream, epoch, sequence) VALUES (?, ?, ?, ?)"
_PRUNE: Final = """
    DELETE FROM event WHERE position IN (
        SELECT position FROM event
        WHERE stream = ? AND (epoch, sequence) <= (?, ?) AND recorded_ms < ?
        ORDER BY epoch, sequence LIMIT ?
    ) AND position < (SELECT max(position) FROM event)
"""


def row_checksum(stream: int, place: Place, body: bytes) -> int:
    """CRC-32 over an event's body and its place."""
    return crc32(body, crc32(b"%d %d %d" % (stream, place.epoch, place.sequence)))


class Store:
    """The read-write side of one events.sqlite."""

    def __init__(self, file: Path, *, size_bytes_max: int, boot: str, reopened: Callable[[], None]) -> None:
        self._file = file
        self._size_bytes_max = size_bytes_max
        self._boot_id = boot
        self._reopened = reopened
        self._boot = 0
        self._state = LogState(epochs={}, heads={}, cursors={})
        self._open()

    @property
    def state(self) -> LogState:
        """What is durable now. Replaced, never changed, so that other threads may read it."""
        return self._state

    def close(self) -> None:
        self._connection.close()

    def commit(self, jobs: Sequence[Job]) -> list[Answer]:
        """Do all jobs in one transaction; the answers are in the jobs' order and true once this returns.

        A job the caller got wrong (an id conflict) is answered with its error and leaves the others alone; a
        storage fault fails them all.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            group = _Group(self._connection, self._identities, self._state, self._boot)
            answers = [group.do(job) for job in jobs]
            state = group.finish()
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            fault = self._recover(error)
            return [type(fault)(str(fault)) for _ in jobs]
        self._state = state
        return answers

    def _open(self) -> None:
        self._connection = open_writer(self._file, size_bytes_max=self._size_bytes_max)
        self._connection.execute("INSERT OR IGNORE INTO boot (id) VALUES (?)", (self._boot_id,))
        (self._boot,) = self._connection.execute("SELECT number FROM boot WHERE id = ?", (self._boot_id,)).fetchone()
        self._identities = Identities(self._connection)
        self._state = LogState.load(self._connection)

    def _recover(self, error: sqlite3.DatabaseError) -> StoreforwardError:
        """After a failed transaction: a full disk needs a rollback only, anything else a new connection."""
        full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        if full and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        if full:
            self._identities = Identities(self._connection)
            return StorageFull(f"{self._file}: the disk or the log's size limit is reached; nothing was stored")
        self._connection.close()
        try:
            self._open()
        except (StoreforwardError, sqlite3.Error) as again:
            return StorageFailed(f"{self._file}: {error}; opening it again failed too: {again}")
        self._reopened()
        return StorageFailed(f"{self._file}: {error}; nothing of this was acknowledged, send it again")


class _Group:
    """One transaction in the making."""

    def __init__(self, connection: sqlite3.Connection, identities: Identities, state: LogState, boot: int) -> None:
        self._connection = connection
        self._identities = identities
        self._heads = dict(state.heads)
        self._cursors = dict(state.cursors)
        self._epochs = dict(state.epochs)
        self._boot = boot
        self._touched: set[tuple[Stream, int]] = set()
        self._rows: list[tuple[object, ...]] = []
        self._pending: dict[bytes, Known] = {}
        self._days: dict[str, list[bytes]] = {}

    def do(self, job: Job) -> Answer:
        match job:
            case Append():
                return self._append(job)
            case Advance():
                self._advance(job)
            case StartEpoch():
                self._start_epoch(job)
            case Prune():
                return self._prune(job)
        return None

    def finish(self) -> LogState:
        """Write what was gathered; the state that will be true after COMMIT."""
        self._connection.executemany(_INSERT_EVENT, self._rows)
        for day, keys in self._days.items():
            self._identities.remember(day, ((key, self._pending[key]) for key in keys))
        self._connection.executemany(
            _SET_HEAD, [(STREAM_NUMBERS[stream], epoch, self._heads[stream, epoch]) for stream, epoch in self._touched]
        )
        return LogState(epochs=self._epochs, heads=self._heads, cursors=self._cursors)

    def _append(self, job: Append) -> Answer:
        keys = [identity_key(draft.source, draft.id) for draft in job.drafts]
        known = self._identities.find(keys)
        fresh: dict[bytes, Draft] = {}
        for key, draft in zip(keys, job.drafts, strict=True):
            before = known.get(key) or self._pending.get(key)
            digest = before.digest if before else fresh[key].digest if key in fresh else draft.digest
            if digest != draft.digest:
                return IdConflict(draft.source, draft.id)
            if not before:
                fresh.setdefault(key, draft)
        epoch = max(self._epochs)
        day = datetime.fromtimestamp(job.recorded_ms / 1000, UTC).strftime("%Y%m%d")
        for key, draft in fresh.items():
            self._pending[key] = self._place(job, draft, epoch)
            self._days.setdefault(day, []).append(key)
        for advance in job.also:
            self._advance(advance)
        answers = []
        for key, draft in zip(keys, job.drafts, strict=True):
            at = known.get(key) or self._pending[key]
            new = fresh.pop(key, None) is not None
            answers.append(
                Appended(draft.id, draft.stream, self._epochs[at.place.epoch], at.place.sequence, duplicate=not new)
            )
        return answers

    def _place(self, job: Append, draft: Draft, epoch: int) -> Known:
        sequence = self._heads.get((draft.stream, epoch), 0) + 1
        self._heads[draft.stream, epoch] = sequence
        self._touched.add((draft.stream, epoch))
        place, stream = Place(epoch, sequence), STREAM_NUMBERS[draft.stream]
        body = close_event(
            draft.opening, sequence, self._epochs[epoch], job.recorded_time, clock_synced=job.clock_synced
        )
        self._rows.append(
            (
                stream, epoch, sequence, draft.source, draft.id, draft.type, draft.time, job.recorded_ms, self._boot,
                job.monotonic_us, job.clock_synced, row_checksum(stream, place, body), body,
            )
        )  # fmt: skip
        return Known(draft.digest, stream, place)

    def _advance(self, job: Advance) -> None:
        self._cursors[job.consumer, job.stream] = job.place
        self._connection.execute(
            _SET_CURSOR, (job.consumer, STREAM_NUMBERS[job.stream], job.place.epoch, job.place.sequence)
        )

    def _start_epoch(self, job: StartEpoch) -> None:
        number = max(self._epochs, default=0) + 1
        self._epochs[number] = job.id
        self._connection.execute(
            "INSERT INTO epoch (number, id, reason, started_ms) VALUES (?, ?, ?, ?)",
            (number, job.id, job.reason, job.started_ms),
        )

    def _prune(self, job: Prune) -> int:
        gone = 0
        for stream, number in STREAM_NUMBERS.items():
            passed = min((place for (_, of), place in self._cursors.items() if of is stream), default=START)
            if passed > START:
                gone += self._connection.execute(
                    _PRUNE, (number, passed.epoch, passed.sequence, job.before_ms, job.rows_max)
                ).rowcount
        self._identities.forget_all_but(job.dedupe_days)
        if gone:
            self._connection.execute("PRAGMA incremental_vacuum(64)").fetchall()
        return gone
