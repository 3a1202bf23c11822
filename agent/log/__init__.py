"""The event log on SQLite: what `append` returned is on the disk, in order, once."""

from agent.log.event_log import CLOUD, DAY_CLOSE, Damage, EventLog
from agent.log.gaps import absent
from agent.log.jobs import (
    Advance,
    Also,
    DeclareUnreadable,
    Discard,
    EpochReason,
    JournalEntry,
    JournalTrim,
    Release,
    SetAside,
    Shed,
)
from agent.log.reading.quarantine import QuarantinedRow, repaired
from agent.log.records import START, Appended, Gap, Place, Span, StoredEvent, UnsyncedRow

__all__ = [
    "CLOUD",
    "DAY_CLOSE",
    "START",
    "Advance",
    "Also",
    "Appended",
    "Damage",
    "DeclareUnreadable",
    "Discard",
    "EpochReason",
    "EventLog",
    "Gap",
    "JournalEntry",
    "JournalTrim",
    "Place",
    "QuarantinedRow",
    "Release",
    "SetAside",
    "Shed",
    "Span",
    "StoredEvent",
    "UnsyncedRow",
    "absent",
    "repaired",
]
