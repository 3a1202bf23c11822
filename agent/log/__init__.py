"""The event log on SQLite: what `append` returned is on the disk, in order, once."""

from agent.log.event_log import CLOUD, DAY_CLOSE, EventLog
from agent.log.jobs import Advance, Also, EpochReason, JournalEntry, JournalTrim
from agent.log.records import START, Appended, Place, Span, StoredEvent

__all__ = [
    "CLOUD",
    "DAY_CLOSE",
    "START",
    "Advance",
    "Also",
    "Appended",
    "EpochReason",
    "EventLog",
    "JournalEntry",
    "JournalTrim",
    "Place",
    "Span",
    "StoredEvent",
]
