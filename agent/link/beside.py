"""Runs of events that are sent beside the cursors, one batch of each kind at a time. No I/O.

Two kinds are there: what is parked and tried again, and what somebody wants sent once more. The outbox asks each what
is next, gives it a part of the connection, and tells it what became of a batch. No cursor moves by that, and whatever
becomes of it, no other event waits for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from agent.event_types import Stream
from agent.link.window import BATCHES, Window
from agent.log.records import Place

__all__ = ["NEVER", "Beside", "Run"]

NEVER: Final = float("inf")
LOOK_BYTES: Final = 1_024
"""What a read counts in the shares while nothing of it was sent: many such in a row keep nothing else waiting."""


@dataclass(slots=True, eq=False)
class Run:
    """Events of one stream and one epoch, by first and last, which may leave from a moment on."""

    stream: Stream
    first: Place
    last: Place
    retry_at_s: float = field(default=NEVER, kw_only=True)

    @property
    def after(self) -> Place:
        """The place before the first."""
        return Place(self.first.epoch, self.first.sequence - 1)

    @property
    def events(self) -> int:
        """How many there are at most."""
        return self.last.sequence - self.first.sequence + 1


_Run = TypeVar("_Run", bound=Run)


class Beside(ABC, Generic[_Run]):
    """One kind of such runs; `_trying` is the one that is being read or on its way."""

    def __init__(self) -> None:
        self.virtual = 0.0
        """Bytes sent, as the outbox counts them for fairness: as much as a stream that has one part."""
        self._window = Window(0)
        self._trying: _Run | None = None
        self._batch_last = Place(0, 0)
        self._batch_events = 0

    @property
    def due_at_s(self) -> float:
        """From when on a batch may leave; NEVER while there is nothing, or one is on its way."""
        run = None if self._trying else self._next()
        return run.retry_at_s if run else NEVER

    @property
    def events_max(self) -> int | None:
        """How many events a batch of what was begun may have, where it is fewer than the settings say."""
        return None

    @property
    def is_suspect(self) -> bool:
        """Whether connections broke over what was begun, down to one event. It goes plain, to see if that is why."""
        return False

    def begin(self) -> Run:
        """What is next is read now. Only when something is due."""
        self.virtual += LOOK_BYTES
        self._trying = self._next()
        assert self._trying is not None
        return self._trying

    def connected(self, batch_bytes_max: int, payload_bytes_max: int, now_s: float) -> None:
        """A connection is there; a payload may have so many bytes for the broker, a batch for us."""
        del payload_bytes_max, now_s
        self._window = Window(BATCHES * batch_bytes_max)

    def batch_bytes(self, publishes_per_s: float | None) -> int:
        """How large a batch should be at most, so that nothing waits long behind it.

        Live events that come and go beside it say nothing of that, so it has a window of its own.
        """
        return self._window.batch_bytes(publishes_per_s)

    def answered(self, size_bytes: int, took_s: float, now_s: float) -> None:
        """A batch of so many bytes was answered, with whatever code."""
        self._window.answered(size_bytes, size_bytes, took_s, now_s)

    def handed_over(self, last: Place, events: int, size_bytes: int) -> None:
        """The head of that, up to `last`, went to the broker."""
        self.virtual += size_bytes - LOOK_BYTES
        self._batch_last, self._batch_events = last, events

    def again(self) -> None:
        """What was begun goes once more, at once or on the next connection: what became of it says nothing of it."""
        self._trying = None

    @staticmethod
    def next_due(
        kinds: "Iterable[Beside[Any]]", virtual: float, now_s: float
    ) -> "Beside[Any] | None":  # Any: of all kinds
        """Of the kinds that may send now, the one that has had least; the others save no credit beyond `virtual`."""
        due = []
        for one in kinds:
            if one.due_at_s <= now_s:
                due.append(one)
            else:
                one.virtual = max(one.virtual, virtual)
        return min(due, key=lambda one: one.virtual, default=None)

    @abstractmethod
    def delivered(self, now_s: float) -> None:
        """The broker has the batch."""

    @abstractmethod
    def absent(self, now_s: float) -> None:
        """The log has nothing of the run."""

    @abstractmethod
    def refused(self, code: int, now_s: float) -> None:
        """The broker did not take the batch."""

    @abstractmethod
    def too_large(self, event: Place, now_s: float) -> None:
        """The run's first event is beyond what the broker takes in one packet."""

    @abstractmethod
    def unreadable(self, fault: str, now_s: float) -> None:
        """The log gave a fault in place of events."""

    @abstractmethod
    def broke(self, now_s: float) -> None:
        """The connection ended with the batch in flight, for a reason that may lie in it."""

    @abstractmethod
    def _next(self) -> _Run | None:
        """What is to be sent first, from its `retry_at_s` on."""

    def _let_go(self) -> _Run:
        """What was tried, which is over."""
        run, self._trying = self._trying, None
        assert run is not None
        return run
