"""What the writer can be asked to do; jobs that wait together share one transaction and one fsync."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from agent.event_types import Stream
from agent.events import Draft
from agent.log.merge import OldEvent
from agent.log.records import Place, Span

__all__ = [
    "Advance",
    "Also",
    "Append",
    "Change",
    "DeclareUnreadable",
    "Discard",
    "EpochReason",
    "Job",
    "JournalEntry",
    "JournalTrim",
    "Merge",
    "Park",
    "Prune",
    "Release",
    "SetAside",
    "Shed",
    "StartEpoch",
    "Unpark",
]

EpochReason = Literal["created", "restored", "behind_ledger", "damaged"]
"""Why an epoch began."""


class Advance(NamedTuple):
    """Set a consumer's cursor in one stream."""

    consumer: str
    stream: Stream
    place: Place


class JournalEntry(NamedTuple):
    """Store one entry of a named journal; an entry of that number is replaced."""

    journal: str
    number: int
    body: bytes


class JournalTrim(NamedTuple):
    """Forget a journal's entries with numbers below `before`."""

    journal: str
    before: int


class Shed(NamedTuple):
    """Give up the events of a stream after a place up to another of the same epoch, but never the stream's newest."""

    stream: Stream
    after: Place
    upto: Place


class SetAside(NamedTuple):
    """Move one damaged row into quarantine."""

    stream: Stream
    place: Place
    found_ms: int


class DeclareUnreadable(NamedTuple):
    """Remember that the file is damaged at these sequences: readers go on behind them."""

    stream: Stream
    span: Span


class Release(NamedTuple):
    """Put a quarantined row, found whole, back to its place, and let the cloud's cursor stand before it."""

    number: int
    body: bytes


class Discard(NamedTuple):
    """Forget a quarantined row for good."""

    number: int


class Park(NamedTuple):
    """Remember that events are not sent, for a reason code that `PARKED_AS` knows; they stay where they are."""

    stream: Stream
    span: Span
    code: int


class Unpark(NamedTuple):
    """The events of a span are not parked any more."""

    stream: Stream
    span: Span


Also = Advance | JournalEntry | JournalTrim | Shed | SetAside | DeclareUnreadable | Release | Discard | Park | Unpark
"""What may be done in one transaction with an append."""


class Append(NamedTuple):
    """Store drafts, all or none, with the moment they were submitted, and do what is in `also` with them.

    `keys` are the drafts' identity keys, made in the event loop while the writer waits for the disk.
    """

    drafts: Sequence[Draft]
    keys: Sequence[bytes]
    recorded_time: str
    recorded_ms: int
    monotonic_us: int
    clock_synced: bool
    also: Sequence[Also] = ()


class StartEpoch(NamedTuple):
    """Begin a new epoch: every stream's next sequence is 1."""

    id: str
    reason: EpochReason
    started_ms: int
    number_from: int = 1
    """The least number it may have: a log that takes an old one's place leaves room for that one's epochs below."""


class Merge(NamedTuple):
    """Bring events of an old log to their places; has a transaction of its own."""

    events: Sequence[OldEvent]
    recorded_ms: int


class Prune(NamedTuple):
    """Look at up to `rows_max` events a stream; delete those that all cursors passed and that are old.

    Old is what was recorded before `before_ms`, or after `now_ms`: by a clock that was ahead, nobody knows when.
    """

    before_ms: int
    now_ms: int
    dedupe_days: int
    rows_max: int = 500


Change = Append | Advance | StartEpoch | Merge
"""What may share a transaction."""

Job = Change | Prune
