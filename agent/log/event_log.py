"""The log as the rest of the agent sees it: append and wait for the disk, read, cursors, epochs.

`open` gives the form with a writer thread; `open_inline` the same code without one, for simulations in virtual
time and for tools that work on a stopped agent's folder.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Self

from agent.clock import Clock, clock_synchronised, rfc3339, shop_seconds
from agent.errors import EnvironmentFault, StoreforwardError
from agent.event_types import Stream
from agent.events import Draft
from agent.log.damage.aside import OldLog, old_logs
from agent.log.identities import identity_key
from agent.log.jobs import Advance, Also, Append, EpochReason, Job, Merge, Prune, StartEpoch
from agent.log.lock import StoreLock
from agent.log.merge import OldEvent
from agent.log.opening import Opening
from agent.log.reading.quarantine import QuarantinedRow
from agent.log.reading.reader import Reader
from agent.log.records import START, Appended, Gap, Place, Span, StoredEvent, UnsyncedRow
from agent.log.state import CLOUD
from agent.log.store import Answer
from agent.log.writer import Writer
from agent.settings import LogSettings

__all__ = ["CLOUD", "DAY_CLOSE", "Damage", "EventLog"]

DAY_CLOSE: Final = "day_close"
"""The consumer that closes business days."""

EVENTS_TO_TELL: Final = 100
EPOCHS_BELOW: Final = 4_096
"""Room for the epochs of each log that was put aside, below those of the one that follows it."""

JUMP_S: Final = 3_600.0
"""Clocks that were set by less than an hour make no event so much older that it matters."""

CommitListener = Callable[[Sequence[Draft]], None]
EpochListener = Callable[[str, EpochReason], None]


class Damage(NamedTuple):
    """Events that do not match their checksum, and streams that cannot be read on behind a place."""

    events: Sequence[tuple[Stream, Place]]
    unreadable: Mapping[Stream, Place]


class EventLog:
    """One store's events. Every method belongs to the event loop's thread.

    Only `read`, `id_at`, `ids` and `first_recorded_ms` may be called from others.
    """

    def __init__(
        self,
        folder: Path,
        settings: LogSettings,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        synchronised: Callable[[], bool] = clock_synchronised,
    ) -> None:
        """`synchronised` tells of each append whether the wall clock was to be believed."""
        self.file: Final = folder / "events.sqlite"
        self.reopenings = 0
        """How often a storage fault made the writer open the file again."""
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._synchronised = synchronised
        self._clock_offset_s = clock.wall().timestamp() - shop_seconds(clock)
        self._held_until_s = 0.0
        self._stored_events = 0
        self._writer: Writer | None = None
        self._commit_listeners: list[CommitListener] = []
        self._epoch_listeners: list[EpochListener] = []
        with ExitStack() as opened:
            lock = StoreLock.take(folder)
            opened.callback(lock.release)
            at_ms = _milliseconds(clock.wall())
            opening = Opening.of(self.file, settings, lock, at_ms=at_ms, reopened=self._count_reopening)
            self._store = opening.store
            opened.callback(self._store.close)
            self._reader = Reader(self.file, self.gaps)
            opened.callback(self._reader.close)
            self._created = self._prepare(opening)
            self._opened = opened.pop_all()

    @classmethod
    def open(cls, folder: Path, settings: LogSettings, *, clock: Clock, new_id: Callable[[], str]) -> Self:
        """Open or create `folder/events.sqlite` with a writer thread, inside a running event loop.

        Raises:
            StoreInUse: another agent has it.
            LogUnreadable: the file is damaged, newer than this version, or no log.
            StorageFull: a new log's first tables found no room.
            StorageFailed: the folder cannot be written.
        """
        log = cls.open_inline(folder, settings, clock=clock, new_id=new_id)
        log.start_writer()
        return log

    @classmethod
    def open_inline(cls, folder: Path, settings: LogSettings, *, clock: Clock, new_id: Callable[[], str]) -> Self:
        """As `open`, without a thread: `append_now` and friends commit before they return."""
        return cls(folder, settings, clock=clock, new_id=new_id)

    def start_writer(self) -> None:
        """Hand the store to a thread of its own; `append_now` is over from here on."""
        self._writer = Writer(
            self._store,
            queue_events_max=self._settings.queue_events_max,
            commit_events_max=self._settings.commit_events_max,
            committed=self._committed,
        )

    async def close(self) -> None:
        """Commit what was submitted and let go of the file."""
        if self._writer:
            await self._writer.close()
        self.close_now()

    def close_now(self) -> None:
        """`close` of the inline form."""
        self._opened.close()

    async def wait_failed(self) -> None:
        """Never returns; raises if the writer thread died, which must end the process."""
        assert self._writer is not None
        await asyncio.shield(self._writer.failure)

    # --- writing -------------------------------------------------------------------------------------------

    async def append(self, drafts: Sequence[Draft], also: Sequence[Also] = ()) -> list[Appended]:
        """Store all of `drafts` or none; returns after the fsync, answers in their order.

        What is in `also` (cursors, journal entries) is done in the same transaction.

        Raises:
            IdConflict: an id of the same source is known with another body.
            IntakeFull: too many events wait for the disk.
            StorageFull: disk full or size limit reached.
            StorageFailed: the disk failed; nothing is acknowledged.
        """
        answer = await self._do(self._append_job(drafts, also))
        assert isinstance(answer, list)
        return answer

    def append_now(self, drafts: Sequence[Draft], also: Sequence[Also] = ()) -> list[Appended]:
        """`append` of the inline form."""
        answer = self._do_now(self._append_job(drafts, also))
        assert isinstance(answer, list)
        return answer

    async def advance(self, consumer: str, stream: Stream, place: Place) -> None:
        """Set a consumer's cursor; durable on return. Going back is allowed: that is a replay."""
        await self._do(Advance(consumer, stream, place))

    async def start_epoch(self, reason: EpochReason) -> str:
        """Begin a new epoch; the next sequence of every stream is 1. Returns its id."""
        job = self._epoch_job(reason)
        await self._do(job)
        for listener in self._epoch_listeners:
            listener(job.id, reason)
        return job.id

    async def prune(self, *, delivered: bool = False) -> int:
        """Clear one step of events that every consumer passed and that are older than the replay window; how many.

        With `delivered`, the window counts for nothing: there is no room to keep what could be replayed. After a jump
        of the wall clock, nothing is cleared before the window has gone by once more: nobody knows how old events are.
        """
        now = self._clock.wall()
        if self._clock_jumped(now) and not delivered:
            return 0
        before = now + timedelta(days=1) if delivered else now - timedelta(hours=self._settings.replay_hours)
        job = Prune(_milliseconds(before), _milliseconds(now), self._settings.dedupe_days)
        answer = await self._do(job)
        assert isinstance(answer, int)
        return answer

    async def merge(self, events: Sequence[OldEvent]) -> int:
        """Bring events of an old log to their places; how many are there now. Cursors stay where they are.

        Raises:
            StorageFull, StorageFailed: nothing of this was stored.
        """
        answer = await self._do(Merge(events, _milliseconds(self._clock.wall())))
        assert isinstance(answer, int)
        return answer

    def add_listener(self, listener: CommitListener) -> None:
        """Call `listener` in the event loop after each commit, with the drafts that were new in it."""
        self._commit_listeners.append(listener)

    def add_epoch_listener(self, listener: EpochListener) -> None:
        """Call `listener` with the id and reason of each epoch that begins from now on."""
        self._epoch_listeners.append(listener)

    # --- knowing and reading -------------------------------------------------------------------------------

    @property
    def epoch(self) -> str:
        """The current epoch's id."""
        state = self._store.state
        return state.epochs[state.epoch]

    @property
    def epoch_reason(self) -> EpochReason:
        """Why the current epoch began."""
        state = self._store.state
        return state.reasons[state.epoch]

    @property
    def epoch_on_record(self) -> bool:
        """Whether the audit stream has an event of the current epoch; without one, its beginning is not told yet."""
        state = self._store.state
        return state.head(Stream.AUDIT).epoch == state.epoch

    def old_logs(self) -> list[OldLog]:
        """Logs of this folder that were put aside, oldest first."""
        return old_logs(self.file.parent)

    @property
    def created(self) -> bool:
        """Whether this opening created the log."""
        return self._created

    @property
    def queued_events(self) -> int:
        """Events submitted and not yet durable."""
        return self._writer.queued_events if self._writer else 0

    @property
    def room_bytes(self) -> int:
        """What may still be written before the log's size limit or the disk stops it."""
        return self._store.room_bytes

    @property
    def reserve_bytes(self) -> int:
        """The part of the room that is kept for streams that are never shed."""
        return self._store.reserve_bytes

    @property
    def trouble(self) -> EnvironmentFault | None:
        """Why the last commit failed; None when it did not."""
        return self._store.trouble

    @property
    def bytes_written_per_event(self) -> float | None:
        """What the disk was given for each event stored since the start, checkpoints and retention included.

        None while there are too few events to tell, or where the kernel does not count.
        """
        written = self._writer.bytes_written() if self._writer else None
        return written / self._stored_events if written and self._stored_events >= EVENTS_TO_TELL else None

    @property
    def damaged_events(self) -> int:
        """Events found so far whose bytes no longer match their checksum, and which are not in quarantine yet."""
        return len(self._reader.damaged)

    def damage(self) -> Damage:
        """What readers have come upon that is not declared yet."""
        return Damage(sorted(self._reader.damaged), dict(self._reader.unreadable))

    def declared(self, stream: Stream, place: Place) -> None:
        """What was found damaged at a place, or after it, needs no more looking after."""
        self._reader.damaged.discard((stream, place))
        if self._reader.unreadable.get(stream) == place:
            del self._reader.unreadable[stream]

    def is_whole(self, stream: Stream, place: Place) -> bool | None:
        """Whether an event matches its checksum on a second look; None when it is not there."""
        return self._reader.is_whole(stream, place)

    def first_readable(self, stream: Stream, after: Place) -> Place | None:
        """The first event behind damage that begins after a place; None when there is none up to the stream's end."""
        return self._reader.first_readable(stream, after, self.head(stream))

    def quarantined(self) -> list[QuarantinedRow]:
        """The rows that are kept aside because their bytes were damaged.

        Raises:
            LogUnreadable, StorageFailed: the file cannot be read there.
        """
        return self._reader.quarantined()

    def gaps(self, stream: Stream) -> Sequence[Gap]:
        """The declared gaps of a stream that some consumer has not passed, and what is parked, in order."""
        return self._store.state.gaps.get(stream, ())

    @property
    def uncleared(self) -> frozenset[str]:
        """What retention leaves alone because it met damage there: names of streams, or of one of its other steps."""
        return self._store.damaged

    def epoch_numbers(self) -> Sequence[int]:
        """The numbers of this file's epochs, in order; they may have gaps."""
        return sorted(self._store.state.epochs)

    def epoch_id(self, number: int) -> str:
        """The id of an epoch of this file by its number."""
        return self._store.state.epochs[number]

    def epoch_number(self, epoch_id: str) -> int | None:
        """The number of an epoch in this file, or None when it is not one of this file's."""
        return next((number for number, known in self._store.state.epochs.items() if known == epoch_id), None)

    def head(self, stream: Stream) -> Place:
        """The place of the last event; START when there is none."""
        return self._store.state.head(stream)

    def last_of(self, stream: Stream, epoch: int) -> int:
        """The last sequence of a stream in one epoch; 0 when there is none."""
        return self._store.state.heads.get((stream, epoch), 0)

    def cursor(self, consumer: str, stream: Stream) -> Place:
        """How far a consumer has come."""
        return self._store.state.cursor(consumer, stream)

    def waiting(self, consumer: str, stream: Stream | None = None) -> int:
        """How many events a consumer has not passed, in one stream or all."""
        return sum(self._store.state.waiting(consumer, one) for one in ([stream] if stream else Stream))

    def unread(self, consumer: str, stream: Stream) -> list[Span]:
        """What a consumer has not passed in one stream, a span per epoch, in order."""
        return self._store.state.unread(consumer, stream)

    def read(self, stream: Stream, after: Place, *, events_max: int, bytes_max: int) -> list[StoredEvent]:
        """The next events of a stream, of one epoch, in order; at least one if there is any. Damaged ones are left out.

        Raises:
            LogUnreadable: the file is damaged beyond single events, right after `after`.
            StorageFailed: the disk failed.
        """
        events = self._reader.read(stream, after, events_max=events_max, bytes_max=bytes_max)
        head = self.head(stream)  # a commit is there before we know of it: the cloud must not hear of it first
        return [event for event in events if event.place <= head]

    def id_at(self, stream: Stream, place: Place) -> str | None:
        """The event id at a place; None when that row is not here."""
        return self._reader.id_at(stream, place)

    def ids(self, stream: Stream, after: Place, upto: Place) -> Iterator[tuple[int, str, int]]:
        """Sequence, id and recorded time (wall clock, milliseconds) of one epoch's events after a place up to another.

        Raises:
            LogUnreadable: the file is damaged there; what stands before it was handed out.
        """
        return self._reader.ids(stream, after, upto)

    def first_recorded_ms(self, stream: Stream, after: Place) -> int | None:
        """When the first event after a place was recorded (wall clock, milliseconds)."""
        return self._reader.first_recorded_ms(stream, after)

    def unsynced(self, stream: Stream) -> list[UnsyncedRow]:
        """The events of this boot that were recorded before the clock was synchronised, in order.

        Raises:
            LogUnreadable, StorageFailed: the file cannot be read there.
        """
        return self._reader.unsynced(stream, self._store.boot)

    def journal(self, name: str) -> list[bytes]:
        """The entries of a journal, by their numbers; empty when there is none.

        Raises:
            LogUnreadable: an entry is damaged, so nothing may be concluded from the others.
        """
        return self._reader.journal(name)

    # --- private -------------------------------------------------------------------------------------------

    def _prepare(self, opening: Opening) -> bool:
        """The first epoch of a new file, and a cursor for each consumer, so that retention waits for it."""
        state = self._store.state
        created = not state.epochs
        job, reason = self._epoch_job("created"), opening.epoch_reason()
        old = len(self.old_logs()) if created else 0
        jobs: list[Job] = [job._replace(reason=reason, number_from=old * EPOCHS_BELOW or 1)] if reason else []
        if journal := opening.old_journal():
            jobs.append(self._append_job([], journal))
        jobs += [
            Advance(consumer, stream, START)
            for consumer in (CLOUD, DAY_CLOSE)
            for stream in Stream
            if (consumer, stream) not in state.cursors
        ]
        if jobs:
            for answer in self._store.commit(jobs):
                if isinstance(answer, StoreforwardError):
                    raise answer
        return created

    def _clock_jumped(self, now: datetime) -> bool:
        """Whether the wall clock went another way than the monotonic one, within the replay window."""
        went_s = shop_seconds(self._clock)
        offset_s = now.timestamp() - went_s
        if abs(offset_s - self._clock_offset_s) > JUMP_S:
            self._held_until_s = went_s + self._settings.replay_hours * 3_600
        self._clock_offset_s = offset_s
        return went_s < self._held_until_s

    def _append_job(self, drafts: Sequence[Draft], also: Sequence[Also]) -> Append:
        now = self._clock.wall()
        return Append(
            drafts=drafts,
            keys=[identity_key(draft.source, draft.id) for draft in drafts],
            recorded_time=rfc3339(now),
            recorded_ms=_milliseconds(now),
            monotonic_us=int(self._clock.monotonic_s() * 1_000_000),
            clock_synced=self._synchronised(),
            also=also,
        )

    def _epoch_job(self, reason: EpochReason) -> StartEpoch:
        return StartEpoch(self._new_id(), reason, _milliseconds(self._clock.wall()))

    async def _do(self, job: Job) -> Answer:
        if self._writer:
            return await self._writer.submit(job)
        return self._do_now(job)

    def _do_now(self, job: Job) -> Answer:
        assert self._writer is None, "the writer thread owns the store"
        answer = self._store.commit([job])[0]
        if isinstance(answer, StoreforwardError):
            raise answer
        self._committed([(job, answer)])
        return answer

    def _committed(self, done: Iterable[tuple[Job, Answer]]) -> None:
        new: list[Draft] = []
        for job, answer in done:
            if isinstance(job, Append) and isinstance(answer, list):
                new += [draft for draft, at in zip(job.drafts, answer, strict=True) if not at.duplicate]
        self._stored_events += len(new)
        with ExitStack() as every:  # it calls them all, also when one of them raises
            for listener in reversed(self._commit_listeners if new else ()):
                every.callback(listener, new)

    def _count_reopening(self) -> None:
        self.reopenings += 1


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
