"""What the writer can be asked to do; jobs that wait together share one transaction and one fsync."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from agent.event_types import Stream
from agent.events import Draft
from agent.log.records import Place

__all__ = [
    "Advance",
    "Also",
    "Append",
    "Change",
    "EpochReason",
    "Job",
    "JournalEntry",
    "JournalTrim",
    "Prune",
    "StartEpoch",
]

EpochReason = Literal["created", "restored", "behind_ledger", "damaged"]


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


Also = Advance | JournalEntry | JournalTrim
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


class Prune(NamedTuple):
    """Look at up to `rows_max` events a stream; delete those that all cursors passed and that are old.

    Old is what was recorded before `before_ms`, or after `now_ms`: by a clock that was ahead, nobody knows when.
    """

    before_ms: int
    now_ms: int
    dedupe_days: int
    rows_max: int = 500


Change = Append | Advance | StartEpoch
"""What may share a transaction."""

Job = Change | Prune
