"""What goes through the outbox: wishes to read, batches to publish, runs to park. Plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from agent.event_types import Stream
from agent.link.beside import Beside
from agent.link.segments import Segment
from agent.log.records import Place

__all__ = ["Parking", "Publish", "Read", "array_of", "fitting"]


@dataclass(frozen=True, slots=True)
class Read:
    """A wish: the events of a stream after a place, at most up to another."""

    stream: Stream
    after: Place
    upto: Place | None
    events_max: int
    bytes_max: int
    live: bool = False
    beside: Beside[Any] | None = None  # Any: of whatever kind
    """What wants them sent beside the cursor; None for what is to move it."""


@dataclass(frozen=True, slots=True)
class Publish:
    """One batch, ready to go: a JSON array of the stored events after `read.after`, from `first` to `last`."""

    read: Read
    first: Place
    last: Place
    payload: bytes
    events: int
    repeated: int

    @property
    def stream(self) -> Stream:
        """Where it belongs."""
        return self.read.stream


@dataclass(frozen=True, slots=True)
class Parking:
    """A run of one stream's events, by first and last, that is to be parked; the cursor waits for that."""

    stream: Stream
    first: Place
    last: Place
    code: int
    segment: Segment


def array_of(bodies: Sequence[bytes]) -> bytes:
    """The batch form of CloudEvents: a JSON array of stored bytes."""
    return b"[" + b",".join(bodies) + b"]"


def fitting(bodies: Sequence[bytes], bytes_max: int) -> int:
    """How many of the bodies make an array within the limit; one at least."""
    sizes = accumulate((len(body) + 1 for body in bodies), initial=1)  # a comma or bracket each, and the first bracket
    return max(1, sum(size <= bytes_max for size in sizes) - 1)
