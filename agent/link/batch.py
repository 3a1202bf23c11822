"""What goes through the outbox: wishes to read, batches to publish, runs to park. Plain values, and how one is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from agent.event_types import Stream
from agent.link.beside import Beside
from agent.link.compression import PLAIN_BYTES_MAX, compressed
from agent.link.segments import Segment
from agent.log.records import Place, StoredEvent

__all__ = ["Batch", "Parking", "Publish", "Read", "array_of", "batch_of", "fitting"]

SMALLER: Final = 0.9  # a batch whose frame came out too large: of the part that should fit, so much is tried next


@dataclass(frozen=True, slots=True)
class Read:
    """A wish: the events of a stream after a place, at most up to another."""

    stream: Stream
    after: Place
    upto: Place | None
    events_max: int
    bytes_max: int
    """Of the array that they make."""
    sent_bytes_max: int
    """Of the payload: the same, but for what is to be compressed."""
    encoding: str = ""
    """The content coding of the payload; empty for none."""
    live: bool = False
    beside: Beside[Any] | None = None  # Any: of whatever kind
    """What wants them sent beside the cursor; None for what is to move it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was made of the events that a log gave for a wish: at least one, in one payload."""

    events: Sequence[StoredEvent]
    payload: bytes
    plain_bytes: int
    """Of the array, before compression."""
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Publish:
    """One batch, ready to go: a JSON array of the stored events after `read.after`, from `first` to `last`.

    With an `encoding`, `payload` is that array compressed.
    """

    read: Read
    first: Place
    last: Place
    payload: bytes
    events: int
    repeated: int
    plain_bytes: int
    encoding: str

    @property
    def stream(self) -> Stream:
        """Where it belongs."""
        return self.read.stream

    @property
    def is_full(self) -> bool:
        """Whether it was to be compressed, and is about as large as it was to be."""
        read = self.read
        full = self.plain_bytes * 2 >= read.bytes_max or len(self.payload) * 2 >= read.sent_bytes_max
        return read.encoding != "" and full


@dataclass(frozen=True, slots=True)
class Parking:
    """A run of one stream's events, by first and last, that is to be parked; the cursor waits for that."""

    stream: Stream
    first: Place
    last: Place
    code: int
    segment: Segment


def batch_of(read: Read, events: Sequence[StoredEvent]) -> Batch | None:
    """As many of the events as the wish allows, in a payload; None when there are none. Takes a thread's time.

    One event makes a batch whatever its size. A payload that compression does not make smaller stays plain.
    """
    count = len(events)
    while count and read.upto is not None and events[count - 1].key > read.upto.key:
        count -= 1
    if not count:
        return None
    bodies = [event.body for event in events[:count]]
    count = fitting(bodies, read.bytes_max)
    payload = array_of(bodies[:count])
    while read.encoding and len(payload) <= PLAIN_BYTES_MAX:
        frame = compressed(payload)
        if len(frame) >= len(payload):
            break
        if len(frame) <= read.sent_bytes_max or count == 1:
            return Batch(events[:count], frame, len(payload), read.encoding)
        count = max(1, int(count * SMALLER * read.sent_bytes_max / len(frame)))
        payload = array_of(bodies[:count])
    if len(payload) > read.sent_bytes_max:
        count = fitting(bodies, read.sent_bytes_max)
        payload = array_of(bodies[:count])
    return Batch(events[:count], payload, len(payload))


def array_of(bodies: Sequence[bytes]) -> bytes:
    """The batch form of CloudEvents: a JSON array of stored bytes."""
    return b"[" + b",".join(bodies) + b"]"


def fitting(bodies: Sequence[bytes], bytes_max: int) -> int:
    """How many of the bodies make an array within the limit; one at least."""
    if sum(map(len, bodies)) + len(bodies) + 1 <= bytes_max:
        return len(bodies)
    sizes = accumulate((len(body) + 1 for body in bodies), initial=1)  # a comma or bracket each, and the first bracket
    return max(1, sum(size <= bytes_max for size in sizes) - 1)
