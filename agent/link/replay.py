"""What somebody wants sent once more: runs of delivered events, how far that has come, and what did not get through.

A replay parks nothing and is known in memory only: a restart forgets it, and to ask again is harmless. What the broker
refuses for good, or breaks the connection over, is halved where one event may be to blame, tried some times with ever
longer waits, and then counted as not delivered. No I/O.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agent.event_types import Stream
from agent.link.backoff import Backoff
from agent.link.beside import Beside, Run
from agent.link.reasons import BREAKS_CONNECTION, OF_ONE_EVENT, PACKET_TOO_LARGE, QUOTA, reason_name
from agent.log.records import Place

__all__ = ["Replay", "ReplayState", "ReplayStatus", "ReplayedStream"]

GIVEN_UP_IN_A_ROW_MAX: Final = 3
"""After so many batches of a stream that did not get through, the broker wants no more of it: the rest is not tried."""
_NARROWING: Final = OF_ONE_EVENT | {BREAKS_CONNECTION}


class ReplayState(StrEnum):
    """Where a replay stands."""

    SENDING = "sending"
    DONE = "done"
    STOPPED = "stopped"
    """Somebody ended it: what had not been sent is left."""


@dataclass(frozen=True, slots=True)
class ReplayedStream:
    """One stream's part, in events. What is in no count is still to be sent, or was left when somebody stopped."""

    stream: Stream
    events: int
    sent: int
    """The broker has them once more."""
    not_delivered: int
    """Given up: for `reason`."""
    gone: int
    """No longer in the log when their turn came."""
    reason: str


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """One moment of the last replay."""

    state: ReplayState
    trouble: str
    """Why it does not get on just now; empty when it does."""
    streams: tuple[ReplayedStream, ...]

    @property
    def sent(self) -> int:
        """How many events the broker has once more."""
        return sum(one.sent for one in self.streams)


@dataclass(slots=True)
class _Part:
    """One stream's."""

    stream: Stream
    events: int
    backoff: Backoff
    runs: deque[Run] = field(default_factory=deque)
    sent: int = 0
    not_delivered: int = 0
    reason: str = ""
    tries: int = 0
    given_up_in_a_row: int = 0
    events_max: int | None = None
    broke: bool = False
    """Whether the last try ended the connection."""

    @property
    def left(self) -> int:
        return max(0, self.events - self.sent - self.not_delivered)

    def passed(self, last: Place) -> None:
        """What the first run has up to `last` is over."""
        if not self.runs:
            return  # stopped meanwhile
        run = self.runs[0]
        if last < run.last:
            run.first = Place(last.epoch, last.sequence + 1)
        else:
            self.runs.popleft()


class Replay(Beside[Run]):
    """One replay at a time; the last one's counts stay until the next."""

    def __init__(self, tries_max: int, new_backoff: Callable[[], Backoff]) -> None:
        super().__init__()
        self._tries_max = tries_max
        self._new_backoff = new_backoff
        self._parts: dict[Stream, _Part] = {}
        self._trouble = ""
        self._stopped = False

    @property
    def is_going(self) -> bool:
        """Whether there is something left to send, or on its way."""
        return self._trying is not None or any(part.runs for part in self._parts.values())

    @property
    def events_max(self) -> int | None:
        """Fewer than a whole batch while one event of a stream is looked for."""
        return self._parts[self._trying.stream].events_max if self._trying else None

    @property
    def is_suspect(self) -> bool:
        """See there."""
        return self._trying is not None and self._parts[self._trying.stream].broke and self.events_max == 1

    def start(self, runs: Iterable[Run], events: Mapping[Stream, int]) -> None:
        """Send these runs, of which each stream has so many events; only while no replay is going."""
        assert not self.is_going
        self._parts = {stream: _Part(stream, count, self._new_backoff()) for stream, count in events.items()}
        self._trouble, self._stopped = "", False
        for run in runs:
            run.retry_at_s = 0.0
            self._parts[run.stream].runs.append(run)

    def stop(self) -> None:
        """Send nothing more. What is on its way still counts."""
        self._stopped = self.is_going
        for part in self._parts.values():
            part.runs.clear()

    def status(self) -> ReplayStatus | None:
        """How the last replay stands; None before the first."""
        if not self._parts:
            return None
        state = ReplayState.SENDING if self.is_going else ReplayState.DONE
        return ReplayStatus(
            ReplayState.STOPPED if self._stopped else state,
            self._trouble if state is ReplayState.SENDING else "",
            tuple(self._told(part) for part in self._parts.values()),
        )

    def delivered(self, now_s: float) -> None:
        """So many more were sent."""
        del now_s
        part = self._parts[self._let_go().stream]
        part.sent += self._batch_events
        part.tries = part.given_up_in_a_row = 0
        part.backoff.reset()
        part.events_max = part.events_max and min(part.events_max, self._batch_events) * 2
        part.broke = False
        self._trouble = ""
        part.passed(self._batch_last)

    def absent(self, now_s: float) -> None:
        """Cleared away, or found damaged, since it was asked for."""
        del now_s
        run = self._let_go()
        self._parts[run.stream].passed(run.last)

    def refused(self, code: int, now_s: float) -> None:
        """Later again. What the broker may take once there is less to do does not count as a try."""
        run = self._let_go()
        part = self._parts[run.stream]
        part.broke = False
        self._wait(run, f"the broker refuses {run.stream}: {reason_name(code)}", now_s)
        if code not in QUOTA:
            self._failed(part, code, reason_name(code))

    def too_large(self, event: Place, now_s: float) -> None:
        """That one is not delivered."""
        del now_s
        part = self._parts[self._let_go().stream]
        part.not_delivered += 1
        part.reason = reason_name(PACKET_TOO_LARGE)
        part.passed(event)

    def unreadable(self, fault: str, now_s: float) -> None:
        """Later again; after some tries, what is left of the run is not delivered."""
        run = self._let_go()
        part = self._parts[run.stream]
        self._wait(run, f"{run.stream} cannot be read: {fault}", now_s)
        part.tries += 1
        if part.tries >= self._tries_max:
            self._give_up(part, run.last, min(run.events, part.left), fault)

    def broke(self, now_s: float) -> None:
        """Again on the next connection, later."""
        run = self._let_go()
        part = self._parts[run.stream]
        part.broke = True
        self._wait(run, f"the connection broke while {run.stream} was sent again", now_s)
        self._failed(part, BREAKS_CONNECTION, "the connection breaks over it")

    def _next(self) -> Run | None:
        heads = [part.runs[0] for part in self._parts.values() if part.runs]
        return min(heads, key=lambda run: run.retry_at_s, default=None)

    def _wait(self, run: Run, trouble: str, now_s: float) -> None:
        self._trouble = trouble
        run.retry_at_s = now_s + self._parts[run.stream].backoff.next_s()

    def _failed(self, part: _Part, code: int, reason: str) -> None:
        if code in _NARROWING:
            part.events_max = max(1, self._batch_events // 2)
            if self._batch_events > 1:
                return
        part.tries += 1
        if part.tries >= self._tries_max:
            self._give_up(part, self._batch_last, self._batch_events, reason)

    def _give_up(self, part: _Part, last: Place, events: int, reason: str) -> None:
        part.not_delivered += events
        part.reason = reason
        part.tries, part.events_max = 0, None
        part.given_up_in_a_row += 1
        part.passed(last)
        if part.given_up_in_a_row >= GIVEN_UP_IN_A_ROW_MAX and part.runs:
            part.not_delivered += min(part.left, sum(run.events for run in part.runs))
            part.runs.clear()

    def _told(self, part: _Part) -> ReplayedStream:
        trying = self._trying is not None and self._trying.stream is part.stream
        gone = 0 if part.runs or trying or self._stopped else part.left
        return ReplayedStream(part.stream, part.events, part.sent, part.not_delivered, gone, part.reason)
