"""What goes into and comes out of the log, as plain values."""

from typing import Final, Literal, NamedTuple, Self

from agent.event_types import Stream

__all__ = ["START", "Appended", "Gap", "GapKind", "Place", "Span", "StoredEvent", "UnsyncedRow"]

SEQUENCE_BITS: Final = 40
SEQUENCE_MASK: Final = (1 << SEQUENCE_BITS) - 1


class Place(NamedTuple):
    """A point in one stream: the epoch's number in this file (1, 2, …) and the sequence within it (1, 2, …)."""

    epoch: int
    sequence: int

    @property
    def key(self) -> int:
        """The place as one integer that sorts the same way; rows are stored under it."""
        return self.epoch << SEQUENCE_BITS | self.sequence

    @classmethod
    def of_key(cls, key: int) -> Self:
        """The place of a stored row."""
        return cls(key >> SEQUENCE_BITS, key & SEQUENCE_MASK)


START: Final = Place(0, 0)
"""Before the first event of any stream."""


class Span(NamedTuple):
    """A run of one stream's events within one epoch, by first and last sequence."""

    epoch: int
    first: int
    last: int


GapKind = Literal["shed", "quarantined", "unreadable"]
"""Why events are not to be had: given up for room, damaged and kept aside, or in a damaged part of the file."""


class Gap(NamedTuple):
    """A run of one stream's sequences, within one epoch, whose events will not be sent; an event declares it."""

    epoch: int
    first: int
    last: int
    kind: GapKind

    def within(self, span: Span) -> int:
        """How many of a span's sequences lie in this gap."""
        return max(0, min(self.last, span.last) - max(self.first, span.first) + 1) if self.epoch == span.epoch else 0


class Appended(NamedTuple):
    """The answer for one event: where it is. `duplicate` tells that it was there already, unchanged."""

    id: str
    stream: Stream
    epoch: str
    sequence: int
    duplicate: bool


class StoredEvent(NamedTuple):
    """One event read back; `body` is the whole CloudEvent, checksum verified."""

    place: Place
    id: str
    body: bytes


class UnsyncedRow(NamedTuple):
    """An event recorded before the clock was synchronised: its wall clock minus its monotonic clock, in ms."""

    place: Place
    offset_ms: int
