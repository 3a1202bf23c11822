"""What is parked: events that this broker does not take, left behind so that others go on. No I/O.

Parked events stay in the log, are declared to the ledger, and are tried again one batch at a time: at the start, now
and then, when a connection takes larger packets, and when somebody asks. What breaks the connection is tried once a
day: if it was not to blame, that puts it right, and if it is, that costs one connection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.event_types import Stream
from agent.link.beside import NEVER, Beside, Run
from agent.link.reasons import BREAKS_CONNECTION, OF_ONE_EVENT, OF_THE_TOPIC, PACKET_TOO_LARGE, reason_name
from agent.log.records import Place

__all__ = ["ParkedRange", "ParkingLot", "Release"]

BREAKS_RETRY_S: Final = 86_400.0
REFUSED_IN_A_ROW_MAX: Final = 32
"""After so many refusals with nothing that got through, the like of the last one waits: a line may cost by the byte."""


@dataclass(slots=True, eq=False)
class ParkedRange(Run):
    """A run that the broker does not take, and why."""

    code: int
    refusals: int = 0
    """How often it did not get through when it was tried again: of those that are due, others come first."""

    @property
    def reason(self) -> str:
        """In plain words."""
        return "the connection breaks over it" if self.code == BREAKS_CONNECTION else reason_name(self.code)


@dataclass(frozen=True, slots=True)
class Release:
    """A run of events, by first and last, that is not parked any more: delivered, or damaged since and declared so."""

    stream: Stream
    first: Place
    last: Place


class ParkingLot(Beside[ParkedRange]):
    """All that is parked, and which of it is tried next. `retry_s` of 0: only when asked."""

    def __init__(self, ranges: Iterable[ParkedRange], retry_s: float) -> None:
        super().__init__()
        self._ranges = dict.fromkeys(ranges)
        self._soonest: ParkedRange | None = None
        """What is tried first, while that is known: thousands may be parked, and what is next is asked often."""
        self._retry_s = retry_s
        self._payload_bytes_max = 0
        self._refused_in_a_row = 0
        self._releases: list[Release] = []
        if retry_s:
            self._due(self._ranges, 0.0)

    @property
    def ranges(self) -> Sequence[ParkedRange]:
        """All that is parked."""
        return list(self._ranges)

    def take_releases(self) -> list[Release]:
        """Runs that were parked and have been delivered, to be taken off that list durably."""
        releases, self._releases = self._releases, []
        return releases

    def add(self, parked: ParkedRange, now_s: float) -> None:
        """A run is parked from now on, if it was not before."""
        if not any(
            one.stream is parked.stream and one.first <= parked.first and parked.last <= one.last
            for one in self._ranges
        ):
            self._later([parked], now_s)
            self._ranges[parked] = None

    def connected(self, batch_bytes_max: int, payload_bytes_max: int, now_s: float) -> None:
        """What was too large for the last connection may pass this one."""
        super().connected(batch_bytes_max, payload_bytes_max, now_s)
        self._later((one for one in self._ranges if one.retry_at_s == NEVER), now_s)
        if payload_bytes_max > self._payload_bytes_max:
            self._due((one for one in self._ranges if one.code == PACKET_TOO_LARGE), now_s)
        self._payload_bytes_max = payload_bytes_max

    def opened(self, stream: Stream, now_s: float) -> None:
        """The broker takes the stream again: whatever was refused because of its topic is tried now."""
        self._due((one for one in self._ranges if one.stream is stream and one.code in OF_THE_TOPIC), now_s)

    def wanted(self, stream: Stream | None, now_s: float) -> int:
        """Somebody asks for a stream's parked events, or all, to be tried now; how many there are."""
        self._soonest = None
        asked = [one for one in self._ranges if stream in (None, one.stream)]
        for one in asked:
            one.retry_at_s = now_s
        return sum(one.events for one in asked)

    def delivered(self, now_s: float) -> None:
        """Off the list; the like of it is tried at once."""
        self._refused_in_a_row = 0
        self._over(self._batch_last, now_s)

    def absent(self, now_s: float) -> None:
        """Found damaged since, and declared so."""
        assert self._trying is not None
        self._over(self._trying.last, now_s)

    def refused(self, code: int, now_s: float) -> None:
        """The broker still does not take it, nor what is parked for the same reason, unless one event is to blame."""
        run = self._let_go()
        self._refused_in_a_row += 1
        if code in OF_ONE_EVENT and self._refused_in_a_row < REFUSED_IN_A_ROW_MAX:
            self._narrow(run, now_s)
        else:
            self._refused_in_a_row = 0
            run.refusals += 1
            self._later((one for one in self._ranges if (one.stream, one.code) == (run.stream, run.code)), now_s)

    def too_large(self, event: Place, now_s: float) -> None:
        """This one does not pass, which says nothing of others."""
        run = self._let_go()
        self._cut(run, event)
        self._later([run], now_s)

    def unreadable(self, fault: str, now_s: float) -> None:
        """Later, which says nothing of others."""
        del fault
        self._later([self._let_go()], now_s)

    def broke(self, now_s: float) -> None:
        """Later. Of those that are known to break connections, so are all: one of them does so in that time."""
        run = self._let_go()
        if run.code == BREAKS_CONNECTION:
            self._narrow(run, now_s)
            run.refusals += 1
            self._later((one for one in self._ranges if one.code == BREAKS_CONNECTION), now_s)
        else:
            self._later([run], now_s)

    def _next(self) -> ParkedRange | None:
        if self._soonest is None:
            self._soonest = min(self._ranges, key=lambda one: (one.retry_at_s, one.refusals), default=None)
        return self._soonest

    def _over(self, last: Place, now_s: float) -> None:
        run = self._let_go()
        self._soonest = None
        self._releases.append(Release(run.stream, run.first, last))
        if last < run.last:
            run.first = Place(last.epoch, last.sequence + 1)
        else:
            del self._ranges[run]
        self._due((one for one in self._ranges if (one.stream, one.code) == (run.stream, run.code)), now_s)

    def _narrow(self, run: ParkedRange, now_s: float) -> None:
        """One event of the batch is to blame: halves are tried by themselves, and what is down to one event waits."""
        if self._batch_events > 1:
            self._cut(run, Place(run.first.epoch, (run.first.sequence + self._batch_last.sequence) // 2))
        else:
            self._cut(run, self._batch_last)
            run.refusals += 1
            self._later([run], now_s)

    def _cut(self, run: ParkedRange, last: Place) -> None:
        """The run ends here; what is behind it is one of its own, as due as it was."""
        self._soonest = None
        if last < run.last:
            rest = ParkedRange(run.stream, Place(last.epoch, last.sequence + 1), run.last, run.code)
            rest.retry_at_s, run.last = run.retry_at_s, last
            self._ranges[rest] = None

    def _due(self, ranges: Iterable[ParkedRange], at_s: float) -> None:
        self._soonest = None
        for one in ranges:
            if one.code != BREAKS_CONNECTION:
                one.retry_at_s = at_s

    def _later(self, ranges: Iterable[ParkedRange], now_s: float) -> None:
        self._soonest = None
        for one in ranges:
            wait_s = BREAKS_RETRY_S if one.code == BREAKS_CONNECTION else self._retry_s
            one.retry_at_s = now_s + wait_s if self._retry_s else NEVER
