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
    Park,
    Release,
    SetAside,
    Shed,
    Unpark,
)
from agent.log.reading.quarantine import QuarantinedRow, repaired
from agent.log.records import PARKED_AS, START, Appended, Gap, Place, Span, StoredEvent, UnsyncedRow

__all__ = [
    "CLOUD",
    "DAY_CLOSE",
    "PARKED_AS",
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
    "Park",
    "Place",
    "QuarantinedRow",
    "Release",
    "SetAside",
    "Shed",
    "Span",
    "StoredEvent",
    "Unpark",
    "UnsyncedRow",
    "absent",
    "repaired",
]
