"""What goes into and comes out of the log, as plain values."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Self

from agent.event_types import Stream

__all__ = [
    "GONE",
    "PARKED_AS",
    "SEQUENCE_MASK",
    "START",
    "Appended",
    "Gap",
    "GapKind",
    "Place",
    "Span",
    "StoredEvent",
    "UnsyncedRow",
]

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


GapKind = Literal[
    "shed", "quarantined", "unreadable", "parked 0x00", "parked 0x87", "parked 0x90", "parked 0x95", "parked 0x99"
]
"""Why events are not sent: given up for room, damaged and kept aside, in a damaged part of the file, or refused.

What is parked is there and whole; the code is the broker's reason, 0 when the connection breaks over it.
"""
GONE: Final[tuple[GapKind, ...]] = ("shed", "quarantined", "unreadable")
"""Kinds of gaps whose events are not in the log any more."""
PARKED_AS: Final[Mapping[int, GapKind]] = MappingProxyType(
    {0x00: "parked 0x00", 0x87: "parked 0x87", 0x90: "parked 0x90", 0x95: "parked 0x95", 0x99: "parked 0x99"}
)
"""The kind of gap by the reason code for which events are parked."""
_PARKED_CODES: Final = {kind: code for code, kind in PARKED_AS.items()}


class Gap(NamedTuple):
    """A run of one stream's sequences, within one epoch, whose events are not sent; an event declares it."""

    epoch: int
    first: int
    last: int
    kind: GapKind

    @property
    def parked_code(self) -> int | None:
        """For which reason code its events are parked; None when they are not there to be sent."""
        return _PARKED_CODES.get(self.kind)

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
    """One event read back; `body` is the whole CloudEvent, checksum verified.

    Of hundreds that leave in one batch nobody asks for the place and id, so they are kept as they are stored.
    """

    key: int
    stored_id: bytes
    body: bytes

    @classmethod
    def of(cls, place: Place, event_id: str, body: bytes) -> Self:
        """An event at a place."""
        return cls(place.key, event_id.encode(), body)

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place.of_key(self.key)

    @property
    def id(self) -> str:
        """Its CloudEvents id."""
        return self.stored_id.decode()


class UnsyncedRow(NamedTuple):
    """An event recorded before the clock was synchronised: its wall clock minus its monotonic clock, in ms."""

    place: Place
    offset_ms: int
