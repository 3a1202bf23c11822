"""What goes into and comes out of the log, as plain values."""

from dataclasses import dataclass

from agent.event_types import Stream

__all__ = ["START", "Appended", "Place", "StoredEvent"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A point in one stream: the epoch's number in this file (1, 2, …) and the sequence within it (1, 2, …)."""

    epoch: int
    sequence: int


START = Place(0, 0)
"""Before the first event of any stream."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The answer for one event: where it is. `duplicate` tells that it was there already, unchanged."""

    id: str
    stream: Stream
    epoch: str
    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event read back; `body` is the whole CloudEvent, checksum verified."""

    place: Place
    id: str
    body: bytes
