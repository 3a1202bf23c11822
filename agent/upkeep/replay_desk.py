"""What people can have sent once more: delivered events of some time, found in the log and handed to the link."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agent.clock import Clock, rfc3339
from agent.device_events import ReplayedEvents, ReplayStarted
from agent.errors import CallerError
from agent.event_types import Stream
from agent.events import EventDecoder
from agent.link import Link, LinkState, ReplayStatus, Run
from agent.log import CLOUD, EventLog, Place, Span
from agent.log.reading.look import Window
from agent.log.reading.recorded import RecordedRun, RecordedSearch
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER

__all__ = [
    "LinkIsOff",
    "NoReplay",
    "NothingToReplay",
    "ReplayDesk",
    "ReplayGoing",
    "ReplayPlan",
    "StreamPlan",
    "TooManyRuns",
]

logger = logging.getLogger(__name__)

RUNS_MAX: Final = 1_000
"""A run ends where the clock was set and before what is parked; each is kept in memory, and shown."""


class NothingToReplay(CallerError):
    """No delivered event was recorded in that time."""


class ReplayGoing(CallerError):
    """There is one replay at a time."""


class NoReplay(CallerError):
    """None was asked for since the agent's start, or none is going."""


class LinkIsOff(CallerError):
    """Nothing is sent at all."""


class TooManyRuns(CallerError):
    """The clock was set so often in that time, or so much of it is parked, that its events lie all over the log."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What of one stream is sent once more, and what of that time is not."""

    stream: Stream
    runs: tuple[RecordedRun, ...]
    waiting: int
    """Events that are not delivered yet, where some of that time are among them: they leave in their turn."""
    parked: int
    """Events of that time that the broker does not take: they are tried by themselves."""
    kept_from: datetime | None
    """The log has nothing of this stream from before, though that was asked for: it was cleared away."""
    damaged: bool
    """A part of the file cannot be read: events of that time may be in it."""

    @property
    def events(self) -> int:
        """How many are sent once more."""
        return sum(run.events for run in self.runs)

    @property
    def size_bytes(self) -> int:
        """Of their bodies."""
        return sum(run.size_bytes for run in self.runs)


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What was asked for, when, and what there is of it; streams without anything to say are left out."""

    asked: datetime
    recorded_from: datetime
    recorded_before: datetime
    streams: tuple[StreamPlan, ...]

    @property
    def events(self) -> int:
        """How many are sent once more."""
        return sum(one.events for one in self.streams)


class ReplayDesk:
    """Serves the running agent's API. The last replay is remembered until the next, or a restart."""

    def __init__(self, log: EventLog, decoder: EventDecoder, link: Link, clock: Clock) -> None:
        self._log = log
        self._decoder = decoder
        self._link = link
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._last: ReplayPlan | None = None

    async def plan(self, recorded_from: datetime, recorded_before: datetime, streams: Sequence[Stream]) -> ReplayPlan:
        """What would be sent; nothing is. No stream named is all of them.

        Raises:
            TooManyRuns: see there.
            StorageFailed: the log cannot be read.
        """
        window = Window(_milliseconds(recorded_from), _milliseconds(recorded_before))
        chosen = [stream for stream in Stream if not streams or stream in streams]
        parts = [part for stream in chosen if _says_something(part := await self._plan_stream(stream, window))]
        plan = ReplayPlan(self._clock.wall(), recorded_from, recorded_before, tuple(parts))
        if sum(len(part.runs) for part in parts) > RUNS_MAX:
            raise TooManyRuns(
                f"what was recorded from {_span(plan)} lies in more than {RUNS_MAX:,} places of the log, as the clock"
                " was set or events are parked in between: ask for a shorter time"
            )
        return plan

    async def start(
        self, recorded_from: datetime, recorded_before: datetime, streams: Sequence[Stream], by: str
    ) -> ReplayPlan:
        """Have the delivered events of some time sent once more, and tell the cloud who wanted that.

        Raises:
            NothingToReplay, ReplayGoing, LinkIsOff: nothing is sent.
            TooManyRuns, StorageFailed: as `plan`.
            StorageFull: there is no room to note it; nothing is sent.
        """
        async with self._one_at_a_time:
            if self._link.status().state is LinkState.DISABLED:
                raise LinkIsOff("link.enabled is false: nothing is sent at all")
            if self._last and self._link.is_replaying:
                raise ReplayGoing(f"events from {_span(self._last)} are being sent; wait for that, or stop it")
            plan = await self.plan(recorded_from, recorded_before, streams)
            if not plan.events:
                raise NothingToReplay(self.nothing(plan))
            await self._log.append([self._decoder.make(_told(plan, by), AGENT_PRODUCER)])
            wanted = [part for part in plan.streams if part.events]
            self._link.replay(
                (Run(part.stream, run.first, run.last) for part in wanted for run in part.runs),
                {part.stream: part.events for part in wanted},
            )
            self._last = plan
            message = f"{plan.events:,} delivered events from {_span(plan)} are sent once more, as {by} wants"
            log_event(logger, logging.INFO, "replay.started", message, events=plan.events, by=by)
            return plan

    def stop(self) -> tuple[ReplayPlan, ReplayStatus]:
        """Send no more of it; how far it came.

        Raises:
            NoReplay: none is going.
        """
        if not self._link.is_replaying:
            raise NoReplay("no replay is going")
        self._link.stop_replay()
        return self.last()

    def last(self) -> tuple[ReplayPlan, ReplayStatus]:
        """The last replay and how it stands.

        Raises:
            NoReplay: there was none since the agent's start.
        """
        status = self._link.status().replay
        if self._last is None or status is None:
            raise NoReplay("no replay was asked for since the agent's start")
        return self._last, status

    def waits(self, status: ReplayStatus) -> str:
        """Why a replay that is going gets no further just now; empty when it does."""
        link = self._link.status()
        if link.state is LinkState.ONLINE:
            return status.trouble
        return f"the link is {link.state}{f': {link.reason}' if link.reason else ''}"

    def nothing(self, plan: ReplayPlan) -> str:
        """Why there is nothing to send, in one sentence."""
        reasons = [f"no delivered event was recorded from {_span(plan)}", *_reasons(plan.streams)]
        if plan.recorded_from > plan.asked:
            reasons.append(f"that is in the future: this device's clock says {rfc3339(plan.asked)}")
        return "; ".join(reasons)

    def epoch_id(self, number: int) -> str:
        """An epoch's id by its number in the log."""
        return self._log.epoch_id(number)

    async def _plan_stream(self, stream: Stream, window: Window) -> StreamPlan:
        log = self._log
        cursor, head = log.cursor(CLOUD, stream), log.head(stream)
        parked = [Span(gap.epoch, gap.first, gap.last) for gap in log.gaps(stream) if gap.parked_code is not None]

        def search() -> StreamPlan:
            with RecordedSearch(log.file) as searched:
                found = searched.find(stream, window, cursor, parked)
                waits = cursor < head and searched.any_after(stream, window, cursor, head)
                kept_from = _kept_from(searched.oldest(stream), window)
            waiting = log.waiting(CLOUD, stream) if waits else 0
            return StreamPlan(stream, tuple(found.runs), waiting, found.left_out, kept_from, found.damaged)

        return await asyncio.to_thread(search)


def _kept_from(oldest: tuple[Place, int] | None, window: Window) -> datetime | None:
    if oldest is None or oldest[0].sequence == 1 or oldest[1] <= window.from_ms:
        return None
    return datetime.fromtimestamp(oldest[1] / 1_000, UTC)


def _says_something(part: StreamPlan) -> bool:
    return bool(part.runs or part.waiting or part.parked or part.kept_from or part.damaged)


def _reasons(parts: Sequence[StreamPlan]) -> Iterator[str]:
    if waiting := [part.stream for part in parts if part.waiting]:
        yield f"what is still to be delivered leaves in its turn ({', '.join(waiting)})"
    if parked := sum(part.parked for part in parts):
        yield f"{parked:,} events are parked and tried by themselves"
    if kept := [part.kept_from for part in parts if part.kept_from]:
        yield f"what was recorded before {rfc3339(min(kept))} is no longer in the log (log.replay_hours)"
    if damaged := [part.stream for part in parts if part.damaged]:
        yield f"a part of the file cannot be read ({', '.join(damaged)})"


def _told(plan: ReplayPlan, by: str) -> ReplayStarted:
    return ReplayStarted(
        requested_by=by,
        recorded_from=rfc3339(plan.recorded_from),
        recorded_before=rfc3339(plan.recorded_before),
        streams=tuple(ReplayedEvents(stream=part.stream, count=part.events) for part in plan.streams if part.events),
    )


def _span(plan: ReplayPlan) -> str:
    return f"{rfc3339(plan.recorded_from)} to {rfc3339(plan.recorded_before)}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)
